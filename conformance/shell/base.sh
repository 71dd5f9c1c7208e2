# base.sh DIRECTORY SUITE MIRROR SOURCES PROXY
#
# Makes the small Debian that every layer lies on. Runs in namespaces of its own for
# mounts and processes, so that an interrupt leaves neither behind.
set -eu
directory=$1 suite=$2 mirror=$3 sources=$4 proxy=$5

rm -rf "$directory"
debootstrap --variant=minbase --include=netbase,iproute2 "$suite" "$directory" "$mirror"

printf '%s\n' "$sources" > "$directory/etc/apt/sources.list"
printf '%s\n' "$proxy" > "$directory/etc/apt/apt.conf.d/90proxy"
# A package that is installed in a chroot must not start its service on this machine.
printf '#!/bin/sh\nexit 101\n' > "$directory/usr/sbin/policy-rc.d"
chmod 755 "$directory/usr/sbin/policy-rc.d"
# One user with a mailbox, whom every hosted domain has.
chroot "$directory" useradd --create-home --shell /bin/sh alice
rm -f "$directory"/var/cache/apt/archives/*.deb "$directory"/var/cache/apt/*.bin
