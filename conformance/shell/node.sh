# node.sh ROOT HOST
#
# The first process of an instance, in its own mount, process and host name namespaces.
# It stays, as the parent of every daemon: when it is killed, the kernel ends them all.
set -eu
root=$1 host=$2
hostname "$host"
mount -t proc proc "$root/proc"
exec chroot "$root" /bin/sh /run/conformance.sh
