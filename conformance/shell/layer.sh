# layer.sh BASE DIRECTORY PRESEED PACKAGES
#
# Installs packages on top of the base; what they changed becomes DIRECTORY/upper. The
# host name is set first, because Debian's packages write it into their default
# configuration, and that configuration is to be genuine.
set -eu
base=$1 directory=$2 preseed=$3 packages=$4

rm -rf "$directory"
mkdir -p "$directory/upper" "$directory/work" "$directory/merged"
root=$directory/merged
if ! mount -t overlay overlay \
    -o "lowerdir=$base,upperdir=$directory/upper,workdir=$directory/work" "$root"; then
    # A cache on a file system that can't be an overlay's upper side: a whole copy will do.
    cp -a "$base/." "$directory/upper"
    mount --bind "$directory/upper" "$root"
fi
hostname mx.target.test
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
cp --remove-destination /etc/resolv.conf "$root/etc/resolv.conf"
printf '127.0.0.1 localhost\n198.51.100.25 mx.target.test mx\n' > "$root/etc/hosts"
echo mx > "$root/etc/hostname"
echo target.test > "$root/etc/mailname"

export DEBIAN_FRONTEND=noninteractive LC_ALL=C
printf '%s\n' "$preseed" | chroot "$root" debconf-set-selections
install() {
    # Unquoted on purpose: a list of packages.
    chroot "$root" apt-get -q install -y --no-install-recommends $packages
}
# The base has the lists of its day. Once the archive has newer packages, the old ones are gone.
install || { chroot "$root" apt-get -q update && install; }
chroot "$root" apt-get clean
rm -rf "$root"/var/lib/apt/lists/*

umount -l "$root/dev" "$root/proc" "$root"
rmdir "$root"
rm -rf "$directory/work"
