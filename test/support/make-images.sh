#!/usr/bin/env bash
# Makes a real Debian root filesystem and packs it in every form that Headwater takes.
# Usage: make-images.sh DIR   (as root; DIR must not exist: it appears when everything in it is whole)
#
#   squashfs/  metadata.tar.xz  rootfs.squashfs  disk.qcow2     a container and a virtual machine
#   newer/     metadata.tar.xz  rootfs.squashfs                 a later build of the same product
#   tarxz/     metadata.tar.xz  rootfs.tar.xz
#   unified/   debian.tar.gz    metadata and root in one
#   bare/      debian.tar.gz    a root and nothing about it
#
# Compression levels are low: these images are unpacked a few times and thrown away.
set -euo pipefail
target=${1:?the directory to make}
here=$(cd "$(dirname "$0")" && pwd)
. "$here/debian-mirror.sh"

mkdir -p "$(dirname "$target")"
work=$(mktemp -d "$target.XXXXXX")
trap 'rm -rf "$work"' EXIT
mirror=$(debian_mirror)
architecture=$(dpkg --print-architecture)

# systemd-sysv is what makes it boot; the rest of a minimal system is in the essential packages.
mmdebstrap --quiet --variant=essential --include=systemd-sysv --components=main \
  --dpkgopt='path-exclude=/usr/share/man/*' --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/zoneinfo/*' \
  bookworm "$work/rootfs" "$mirror"
# What must be each container's own. The journal's directory carries access lists that squashfs cannot hold.
rm -rf "$work/rootfs/etc/hostname" "$work/rootfs/var/log/journal"
: > "$work/rootfs/etc/machine-id"

# metadata SERIAL VARIANT: metadata.yaml and templates/ in $work
metadata() {
  rm -rf "$work/templates"
  mkdir "$work/templates"
  cat > "$work/metadata.yaml" <<YAML
architecture: $architecture
creation_date: $(date -u -d "${1:0:8} ${1:9:2}:${1:11:2}" +%s)
properties:
  os: Debian
  release: bookworm
  variant: $2
  serial: "$1"
  architecture: $architecture
  description: Debian bookworm $architecture ($1)
templates:
  /etc/hostname:
    when: [create, copy]
    template: hostname.tpl
YAML
  echo '{{ container.name }}' > "$work/templates/hostname.tpl"
}

pack=(tar --numeric-owner --xattrs --create)
squash() { mksquashfs "$work/rootfs" "$1" -noappend -quiet -no-progress -comp zstd -Xcompression-level 1; }
pack_metadata() { "${pack[@]}" --xz --directory "$work" metadata.yaml templates > "$1"; }

mkdir "$work/squashfs" "$work/newer" "$work/tarxz" "$work/unified" "$work/bare"
"${pack[@]}" --directory "$work/rootfs" . > "$work/rootfs.tar"
gzip -1 < "$work/rootfs.tar" > "$work/bare/debian.tar.gz"
metadata 20260102_0304 tarxz
pack_metadata "$work/tarxz/metadata.tar.xz"
xz -0 -T0 < "$work/rootfs.tar" > "$work/tarxz/rootfs.tar.xz"
rm "$work/rootfs.tar"

metadata 20260102_0304 unified
"${pack[@]}" --directory "$work" metadata.yaml templates rootfs | gzip -1 > "$work/unified/debian.tar.gz"

metadata 20260102_0304 default
pack_metadata "$work/squashfs/metadata.tar.xz"
squash "$work/squashfs/rootfs.squashfs"
# A disk that no machine boots from: enough to be listed, copied and exported.
head -c 1M /dev/urandom > "$work/disk.raw"
truncate -s 16M "$work/disk.raw"
qemu-img convert -q -O qcow2 "$work/disk.raw" "$work/squashfs/disk.qcow2"

echo newer > "$work/rootfs/etc/headwater-build"
metadata 20260203_0405 default
pack_metadata "$work/newer/metadata.tar.xz"
squash "$work/newer/rootfs.squashfs"

rm -rf "$work/rootfs" "$work/templates" "$work/metadata.yaml" "$work/disk.raw"
chmod 755 "$work"
mv -T "$work" "$target"
