# mount.sh DIRECTORY LOWER FILES HOST ADDRESS SHARED
#
# One instance's file system: the layers below, what it writes in memory above.
set -eu
directory=$1 lower=$2 files=$3 host=$4 address=$5 shared=$6

mkdir -p "$directory/upper" "$directory/work" "$directory/root"
root=$directory/root
mount -t overlay overlay \
    -o "lowerdir=$lower,upperdir=$directory/upper,workdir=$directory/work" "$root"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom /dev/tty \
    /dev/fd /dev/stdin /dev/stdout /dev/stderr "$root/dev"
mkdir -m 1777 "$root/dev/shm"
rm -f "$root/etc/resolv.conf"
echo "nameserver 192.0.2.53" > "$root/etc/resolv.conf"
printf '127.0.0.1 localhost\n::1 localhost\n%s %s %s\n' \
    "$address" "$host" "${host%%.*}" > "$root/etc/hosts"
echo "${host%%.*}" > "$root/etc/hostname"
# Here services are started, stopped and made to read their configuration, as on any machine.
rm -f "$root/usr/sbin/policy-rc.d"
mkdir -p "$root/usr/local/lib/conformance"
cp -a "$shared/." "$root/usr/local/lib/conformance"
if [ -d "$files" ]; then
    cp -a "$files/." "$root/usr/local/lib/conformance"
fi
