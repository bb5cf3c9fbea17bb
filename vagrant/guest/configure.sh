#!/bin/sh
# Runs in the root of a new box, by chroot: a user for Vagrant, networks, a boot loader's menu, a small initramfs.
set -eu
name=$1

echo "$name" >/etc/hostname
printf '127.0.0.1 localhost\n127.0.1.1 %s\n' "$name" >/etc/hosts
echo 'LABEL=root / ext4 defaults,noatime 0 1' >/etc/fstab
: >/etc/resolv.conf
: >/etc/machine-id
printf 'auto lo\niface lo inet loopback\nauto eth0\niface eth0 inet dhcp\nsource /etc/network/interfaces.d/*\n' >/etc/network/interfaces
mkdir -p /etc/network/interfaces.d

# The user that Vagrant logs in as, with Vagrant's well-known key: nobody else reaches these machines.
useradd --create-home --shell /bin/bash vagrant
echo 'vagrant ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/vagrant
chmod 440 /etc/sudoers.d/vagrant
install -d -m 700 -o vagrant -g vagrant /home/vagrant/.ssh
install -m 600 -o vagrant -g vagrant /tmp/vagrant.pub /home/vagrant/.ssh/authorized_keys
printf 'UseDNS no\nGSSAPIAuthentication no\n' >/etc/ssh/sshd_config.d/vagrant.conf
ssh-keygen -A >/dev/null

# One instruction set for all processors, so that what was compiled outside of an emulated machine serves in it.
# sudo drops it from a user's environment unless it reads the file itself.
echo 'NUMBA_CPU_NAME=generic' >>/etc/environment
echo 'Defaults env_file = /etc/environment' >/etc/sudoers.d/environment
chmod 440 /etc/sudoers.d/environment

# Servers start when a test wants them; chores that a fresh boot would begin with take an emulated processor for minutes.
for unit in nginx redis-server mosquitto apt-daily.timer apt-daily-upgrade.timer man-db.timer e2scrub_all.timer \
    e2scrub_reap dpkg-db-backup.timer fstrim.timer logrotate.timer systemd-timesyncd; do
    case $unit in
        *.timer | systemd-timesyncd | e2scrub_reap) systemctl mask "$unit" ;;
        *) systemctl disable "$unit" ;;
    esac
done >/dev/null 2>&1

sed -i 's/^MODULES=.*/MODULES=list/; s/^COMPRESS=.*/COMPRESS=lz4/' /etc/initramfs-tools/initramfs.conf
printf 'virtio_pci\nvirtio_blk\nvirtio_net\next4\n' >>/etc/initramfs-tools/modules
mount -t proc proc /proc
trap 'umount /proc' EXIT
update-initramfs -u
kernel=$(ls /lib/modules)
mkdir -p /boot/extlinux
cat >/boot/extlinux/extlinux.conf <<CONF
DEFAULT linux
PROMPT 0
TIMEOUT 1
LABEL linux
 LINUX /boot/vmlinuz-$kernel
 INITRD /boot/initrd.img-$kernel
 APPEND root=LABEL=root ro net.ifnames=0 biosdevname=0 console=ttyS0 quiet mitigations=off
CONF
