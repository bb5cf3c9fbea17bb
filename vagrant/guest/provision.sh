#!/bin/sh
# Runs in each machine at its first start: gryphon as docs/installation.md has it, and what the machine's role needs.
# Takes packages that are missing from the distribution and PyPI; a box that `make box` made misses none.
set -eu
host=$(hostname)
export DEBIAN_FRONTEND=noninteractive

packages="python3-venv python3-bpfcc linux-libc-dev iproute2 tcpdump curl ethtool"
if [ "$host" = server ]; then packages="$packages nginx-light redis-server mosquitto"; fi
if [ "$host" = sender ]; then packages="$packages redis-tools mosquitto-clients"; fi
# shellcheck disable=SC2086
if ! dpkg-query -W $packages >/dev/null 2>&1; then
    apt-get update -q
    apt-get install -q -y --no-install-recommends $packages
fi

# The wheel, with its dependencies where there is no environment with them yet. Links: sudo does not look into it.
if [ -x /opt/gryphon/bin/pip ]; then dependencies=--no-deps; else dependencies= && python3 -m venv /opt/gryphon; fi
/opt/gryphon/bin/pip install --quiet --disable-pip-version-check --no-compile $dependencies /gryphon/gryphon-*.whl
ln -sf /opt/gryphon/bin/gryphon /opt/gryphon/bin/gryphon-intercept /usr/local/bin/
# The packet engine, compiled for this wheel outside: where a processor is emulated, it would take minutes here.
if [ "$host" = sender ] && [ -e /gryphon/compiled.tar ]; then
    find /opt/gryphon/lib/python3*/site-packages/gryphon -type f -exec touch -d @0 {} +
    tar -C / -xf /gryphon/compiled.tar
fi

# Nobody has an address in 10.17.15.0/24 or fd17:15::/64: the simulated users will. The server answers them by way of the
# assistant. ifupdown runs this after each start of an interface.
last=$(hostname -I | tr ' ' '\n' | sed -n 's/^10\.16\.15\.//p')
cat >/etc/network/if-up.d/gryphon <<UP
#!/bin/sh
[ "\$IFACE" = eth1 ] || exit 0
ip -6 address replace fd16:15::$last/64 dev eth1 nodad
[ "$host" = server ] || exit 0
ip route replace 10.17.15.0/24 via 10.16.15.119
ip -6 route replace fd17:15::/64 via fd16:15::119
UP
chmod 755 /etc/network/if-up.d/gryphon
IFACE=eth1 /etc/network/if-up.d/gryphon

if [ "$host" = server ]; then
    printf 'bind * -::*\nprotected-mode no\n' >>/etc/redis/redis.conf
    printf 'listener 1883\nallow_anonymous true\n' >/etc/mosquitto/conf.d/gryphon.conf
    systemctl enable nginx redis-server mosquitto
    systemctl restart nginx redis-server mosquitto
fi
