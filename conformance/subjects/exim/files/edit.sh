# edit.sh: functions that change Debian's Exim configuration as its owner would.

template=/etc/exim4/exim4.conf.template

# Sets a variable of Debian's configuration: debian NAME VALUE
debian() {
    sed -i "s#^$1=.*#$1='$2'#" /etc/exim4/update-exim4.conf.conf
}

# Sets a macro or a main option: macro 'NAME = VALUE'
macro() {
    printf '%s\n' "$1" >> /etc/exim4/exim4.conf.localmacros
}

# Puts standard input before the statement that refuses relaying.
before_relay_check() {
    insert '(?=^  require\n    message = relay not permitted)'
}

# Puts standard input at the head of the checks on RCPT.
first_on_rcpt() {
    insert '(?<=^acl_check_rcpt:\n)'
}

# Puts a router before all others, or after all others.
first_router() {
    insert '(?<=^begin routers\n)'
}
last_router() {
    insert '(?=^#.*\n### end router|^begin retry|^begin transports)'
}

insert() {
    text=$(cat) place=$1 perl -0pi -e 's/$ENV{place}/$ENV{text}\n\n/m or die "nowhere to put it"' \
        "$template"
}
