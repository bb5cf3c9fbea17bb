#!/bin/sh
# Brings this machine to where gryphon and its lab run: Debian packages that are missing, and .venv.
# Says what it does; done once, it takes no time. Root, or a user who may use sudo.
set -eu
cd "$(dirname "$0")/.."

# Servers for the lab, which starts its own: each package and the service that the machine would start at every boot.
servers="nginx-light:nginx redis-server:redis-server memcached:memcached postgresql:postgresql
         mosquitto:mosquitto prometheus:prometheus"
# The last two lines are for the tests alone, as are a browser and the servers but for nginx.
packages="python3 python3-venv python3-bpfcc libbpf1 linux-libc-dev iproute2 procps util-linux
          tcpdump curl
          tshark wireshark-common openssl gzip bzip2 xz-utils zstd lz4
          nftables redis-tools mosquitto-clients python3-websockets python3-pymemcache mandoc systemd"
# Ubuntu's chromium is a snap, which is more than a package: there the tests that look at pages say that it is missing.
if grep -q '^ID=debian' /etc/os-release 2>/dev/null; then packages="$packages chromium fonts-dejavu-core"; fi
# A machine has one mail server, and a second would remove it: OpenSMTPD only where there is none.
if ! dpkg-query -W -f='${db:Status-Status} ${Provides}\n' 2>/dev/null | grep -q '^installed .*mail-transport-agent'; then
    servers="$servers opensmtpd:opensmtpd"
fi
for server in $servers; do packages="$packages ${server%:*}"; done

say() { echo "setup: $*"; }
stop() { say "$*" >&2; exit 3; }

if [ "$(id -u)" = 0 ]; then
    as_root() { "$@"; }
else
    command -v sudo >/dev/null || stop "packages and network namespaces need root: install sudo, or run it as root."
    as_root() { sudo "$@"; }
fi

missing_packages() {
    for package in $packages; do
        case $(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null) in
            installed) ;;
            *) echo "$package" ;;
        esac
    done
}

at_no_boot() {
    if command -v systemctl >/dev/null; then
        as_root systemctl disable "$1" || say "$1 may start at the next boot"
    fi
}

# A package of a server starts it and has it started at every boot, on the port that it would take from others.
# policy-rc.d is Debian's way to forbid the first; disabling undoes the second.
install_packages() {
    policy=/usr/sbin/policy-rc.d
    forbidden=
    if [ ! -e $policy ]; then
        forbidden=$(mktemp)
        printf '#!/bin/sh\nexit 101\n' >"$forbidden"
        as_root install -m 755 "$forbidden" $policy
        trap 'as_root rm -f $policy; rm -f "$forbidden"' EXIT
        trap 'exit 130' INT TERM
    fi
    as_root apt-get update -q
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends "$@"
    for server in $servers; do
        case " $* " in
            *" ${server%:*} "*) at_no_boot "${server#*:}.service" ;;
        esac
    done
    if [ -n "$forbidden" ]; then
        as_root rm -f $policy
        rm -f "$forbidden"
        trap - EXIT INT TERM
    fi
}

if command -v dpkg-query >/dev/null && command -v apt-get >/dev/null; then
    missing=$(missing_packages | tr '\n' ' ')
    if [ -n "$missing" ]; then
        say "installing ${missing% }"
        # shellcheck disable=SC2086
        install_packages $missing
    fi
else
    say "this is not Debian or Ubuntu: see to it that these are there:" $packages
fi

python=/usr/bin/python3
$python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || stop "$python is older than 3.11, which gryphon needs."
if ! .venv/bin/python -c 'import pip' 2>/dev/null; then
    say "making .venv from $python"
    $python -m venv --clear .venv
fi
if [ ! -e .venv/installed ] || [ pyproject.toml -nt .venv/installed ]; then
    say "installing gryphon and its Python packages into .venv"
    .venv/bin/python -m pip install --disable-pip-version-check --quiet --editable '.[dev]'
    touch .venv/installed
fi
# As root, whose cache it is that the commands of the lab use.
as_root .venv/bin/python -m gryphon.sender.warm
say "ready: .venv/bin/gryphon and .venv/bin/gryphon-intercept"
