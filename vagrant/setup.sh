#!/bin/sh
# Debian packages that virtual machines take (setup.sh machines), or only what reads the Vagrantfile (setup.sh validate); done
# once, it takes no time. Nothing of them is started: `make test-vagrant` has a libvirtd of its own in a namespace (hence not
# libvirt-daemon-system).
set -eu

packages="vagrant vagrant-libvirt"
if [ "$1" = machines ]; then
    packages="$packages mmdebstrap debian-archive-keyring e2fsprogs extlinux qemu-utils
              libvirt-daemon libvirt-daemon-driver-qemu qemu-system-x86 dnsmasq-base iptables openssh-client rsync"
fi
if ! command -v apt-get >/dev/null; then
    echo "vagrant: this is not Debian or Ubuntu: see to it that these are there:" $packages
    exit 0
fi
missing=
for package in $packages; do
    case $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) in
        installed) ;;
        *) missing="$missing $package" ;;
    esac
done
if [ -n "$missing" ]; then
    echo "vagrant: installing$missing"
    apt-get update -q
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
fi
