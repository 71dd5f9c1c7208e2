# base.sh DIRECTORY SUITE SOURCES PROXY
#
# Makes the small Debian that every layer lies on. Runs in namespaces of its own for
# mounts and processes, so that an interrupt leaves neither behind.
set -eu
directory=$1 suite=$2 sources=$3 proxy=$4

rm -rf "$directory"
options=$(mktemp)
trap 'rm -f "$options"' EXIT
# Nobody reads descriptions here.
printf '%s\n' "$proxy" 'Acquire::Languages "none";' > "$options"
# A layer that the power goes off for is thrown away, so dpkg need not wait for the disk. The lists of packages
# stay, for the layers.
printf '%s\n' "$sources" | mmdebstrap --quiet --mode=root --variant=minbase --include=netbase,iproute2 \
    --aptopt="$options" --dpkgopt=force-unsafe-io --skip=cleanup/apt/lists "$suite" "$directory" -

# A package that is installed in a chroot must not start its service on this machine.
printf '#!/bin/sh\nexit 101\n' > "$directory/usr/sbin/policy-rc.d"
chmod 755 "$directory/usr/sbin/policy-rc.d"
# One user with a mailbox, whom every hosted domain has.
chroot "$directory" useradd --create-home --shell /bin/sh alice
