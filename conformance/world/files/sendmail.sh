# sendmail.sh: functions that change Debian's sendmail configuration as its owner would.

configuration=/etc/mail/sendmail.mc

# Debian's sendmail greets after a second and takes ten connections in ten minutes from a
# client. The default scenario keeps that; in the others it would hide what they are about.
sed -i "s/\`greet_pause', \`1000'/\`greet_pause', \`0'/" "$configuration"
sed -i '/^ClientRate:[[:space:]]/d' /etc/mail/access

# Puts standard input among the features.
features() {
    text=$(cat) perl -0pi -e 's/^(?=MAILER_DEFINITIONS)/$ENV{text}\n/m or die' "$configuration"
}

# Puts standard input at the end, where rule sets go. Their two sides are parted by a tab;
# here a ` => ` stands for it.
rules() {
    sed 's/ => /\t/' >> "$configuration"
}

# Adds a line to the access map: access KEY VALUE
access() {
    printf '%s\t%s\n' "$1" "$2" >> /etc/mail/access
}
