# mount.sh DIRECTORY LOWER FILES HOST ADDRESS
#
# One instance's file system: the layers below, what it writes in memory above.
set -eu
directory=$1 lower=$2 files=$3 host=$4 address=$5

mkdir -p "$directory/upper" "$directory/work" "$directory/root"
root=$directory/root
mount -t overlay overlay \
    -o "lowerdir=$lower,upperdir=$directory/upper,workdir=$directory/work" "$root"
mount -t tmpfs -o mode=755 tmpfs "$root/dev"
for device in null:3 zero:5 full:7 random:8 urandom:9; do
    mknod -m 666 "$root/dev/${device%:*}" c 1 "${device#*:}"
done
mknod -m 666 "$root/dev/tty" c 5 0
ln -s /proc/self/fd "$root/dev/fd"
ln -s /proc/self/fd/0 "$root/dev/stdin"
ln -s /proc/self/fd/1 "$root/dev/stdout"
ln -s /proc/self/fd/2 "$root/dev/stderr"
mkdir -m 1777 "$root/dev/shm"
rm -f "$root/etc/resolv.conf"
echo "nameserver 192.0.2.53" > "$root/etc/resolv.conf"
printf '127.0.0.1 localhost\n::1 localhost\n%s %s %s\n' \
    "$address" "$host" "${host%%.*}" > "$root/etc/hosts"
echo "${host%%.*}" > "$root/etc/hostname"
if [ -d "$files" ]; then
    mkdir -p "$root/usr/local/lib/conformance"
    cp -a "$files/." "$root/usr/local/lib/conformance"
fi
