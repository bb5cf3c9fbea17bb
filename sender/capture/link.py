"""The way from a frame's first byte to an IP header: link layers, tags, labels, and tunnels inside of IP.

Sources: tcpdump.org/linktypes.html; IEEE 802.1Q; RFC 3032 (MPLS), RFC 2516 (PPPoE), RFC 1661 and 1662 (PPP),
RFC 2784 and 2890 (GRE), RFC 2637 (PPTP), draft-foschiano-erspan, RFC 7348 (VXLAN), RFC 8926 (Geneve), RFC 8086
(GRE in UDP), RFC 7510 (MPLS in UDP), RFC 2003 and 4213 (IP in IP).
"""

from __future__ import annotations

from gryphon.sender.capture.columns import Data
from gryphon.sender.compiled import int64, kernel

NULL, ETHERNET, PPP, RAW_BSD, RAW_OPENBSD, PPP_HDLC, RAW, C_HDLC, LOOP, SLL, PPP_WITH_DIR, IPV4, IPV6, NFLOG, SLL2 = (
    0,
    1,
    9,
    12,
    14,
    50,
    101,
    104,
    108,
    113,
    204,
    228,
    229,
    239,
    276,
)

LINKS = {
    ETHERNET: "Ethernet",
    NULL: "BSD loopback",
    LOOP: "OpenBSD loopback",
    RAW_BSD: "raw IP",
    RAW_OPENBSD: "raw IP",
    RAW: "raw IP",
    IPV4: "raw IPv4",
    IPV6: "raw IPv6",
    SLL: "Linux cooked",
    SLL2: "Linux cooked v2",
    C_HDLC: "Cisco HDLC",
    PPP: "PPP",
    PPP_HDLC: "PPP over HDLC",
    PPP_WITH_DIR: "PPP with direction",
    NFLOG: "Linux netfilter log",
}
"""LINKTYPE_ numbers (tcpdump.org/linktypes.html) that are read here, and what they are called."""

_IP4, _IP6, _TEB, _MPLS, _MPLS_MULTICAST, _PPPOE = 0x0800, 0x86DD, 0x6558, 0x8847, 0x8848, 0x8864  # EtherTypes
_ERSPAN_2, _ERSPAN_3, _PPP_IN_GRE = 0x88BE, 0x22EB, 0x880B
_MOST_TAGS = 16  # tags, labels and Ethernet headers before an IP header

_IP_IN_IP, _UDP, _IP6_IN_IP, _GRE, _MPLS_IN_IP = 4, 17, 41, 47, 137  # protocols
_VXLAN, _VXLAN_LINUX, _VXLAN_GPE, _GENEVE, _GRE_IN_UDP, _MPLS_IN_UDP = 4789, 8472, 4790, 6081, 4754, 6635  # ports


@kernel
def half(data: Data, at: int) -> int:
    """Two bytes in network order."""
    return (int64(data[at]) << 8) | int64(data[at + 1])


@kernel
def whole(data: Data, at: int) -> int:
    """Four bytes in network order."""
    return (half(data, at) << 16) | half(data, at + 2)


@kernel
def _ppp(data: Data, at: int, end: int) -> tuple[int, int]:
    """EtherType that says the same as the PPP protocol field at ``at``, and what stands behind it."""
    if at + 2 <= end and half(data, at) == 0xFF03:  # address and control, which may be left out
        at += 2
    if at + 2 > end:
        return -1, at
    if data[at] & 1:  # compressed to one byte
        protocol, at = int64(data[at]), at + 1
    else:
        protocol, at = half(data, at), at + 2
    if protocol == 0x0021:
        return _IP4, at
    if protocol == 0x0057:
        return _IP6, at
    return (_MPLS if protocol == 0x0281 else -1), at


@kernel
def _labelled(data: Data, at: int, end: int) -> tuple[int, int]:
    """What stands behind a stack of MPLS labels: IP by its version; a control word and Ethernet; or Ethernet."""
    while at + 4 <= end:
        bottom = data[at + 2] & 1
        at += 4
        if bottom:
            break
    if at >= end:
        return -1, at
    version = int64(data[at]) >> 4
    if version == 4:
        return _IP4, at
    if version == 6:
        return _IP6, at
    return _TEB, at + 4 if version == 0 else at


@kernel
def _network(data: Data, kind: int, at: int, end: int) -> int:
    """Offset of the IP header behind EtherType ``kind``, -1 when there is none."""
    for _ in range(_MOST_TAGS):
        if kind in (_IP4, _IP6):
            return at
        if kind == 0x8100 or kind == 0x88A8 or kind == 0x9100 or kind == 0x9200:
            if at + 4 > end:
                return -1
            kind, at = half(data, at + 2), at + 4
        elif kind in (_MPLS, _MPLS_MULTICAST):
            kind, at = _labelled(data, at, end)
        elif kind == _TEB:
            if at + 14 > end:
                return -1
            kind, at = half(data, at + 12), at + 14
        elif kind == _PPPOE:
            kind, at = _ppp(data, at + 6, end)
        elif 0 <= kind <= 1500 and at + 8 <= end and half(data, at) == 0xAAAA:  # IEEE 802.3 with SNAP
            kind, at = half(data, at + 6), at + 8
        else:
            return -1
    return -1


@kernel
def _logged(data: Data, at: int, end: int) -> int:
    """The packet inside of a netfilter log message: type 9 among attributes in either byte order."""
    at += 4
    while at + 4 <= end:
        little = data[at + 3] == 0  # the type's upper byte: there are fewer than 256
        size = (int64(data[at + 1]) << 8) | int64(data[at]) if little else half(data, at)
        kind = int64(data[at + 2]) if little else int64(data[at + 3])
        if size < 4:
            return -1
        if kind == 9:
            return at + 4
        at += (size + 3) & ~3
    return -1


@kernel
def network(data: Data, at: int, end: int, link: int) -> int:
    """Offset of the IP header of a frame at ``at`` that was captured up to ``end``, -1 when there is none."""
    kind, kind_at, payload = int64(-1), int64(-1), at
    if link == ETHERNET:
        kind, payload = int64(_TEB), at
    elif link == SLL:
        kind_at, payload = at + 14, at + 16
    elif link == SLL2:
        kind_at, payload = at, at + 20
    elif link in (NULL, LOOP):
        return at + 4  # its address family has many values; the IP version says the same
    elif link == C_HDLC or (link == PPP_HDLC and at + 1 <= end and (data[at] == 0x0F or data[at] == 0x8F)):
        kind_at, payload = at + 2, at + 4
    elif link in (PPP, PPP_HDLC):
        kind, payload = _ppp(data, at, end)
    elif link == PPP_WITH_DIR:
        kind, payload = _ppp(data, at + 1, end)
    elif link == NFLOG:
        return _logged(data, at, end)
    else:
        return at
    if payload > end:
        return -1
    if kind_at >= 0:
        kind = half(data, kind_at)
    return _network(data, kind, payload, end)


@kernel
def _gre(data: Data, at: int, end: int) -> int:
    """Offset of the IP header inside of GRE, ERSPAN (types I, II, III) or PPTP, -1 when there is none."""
    if at + 4 > end:
        return -1
    flags, kind = half(data, at), half(data, at + 2)
    sequence = 4 if flags & 0x1000 else 0
    if flags & 7 == 1 and kind == _PPP_IN_GRE:
        kind, at = _ppp(data, at + 8 + sequence + (4 if flags & 0x0080 else 0), end)
        return _network(data, kind, at, end)
    if flags & 7 or flags & 0x4000:  # versions and source routes that nobody has
        return -1
    at += 4 + (4 if flags & 0x8000 else 0) + (4 if flags & 0x2000 else 0) + sequence
    if kind == _ERSPAN_2:
        kind, at = _TEB, at + (8 if sequence else 0)  # type I has no header of its own
    elif kind == _ERSPAN_3:
        if at + 12 > end:
            return -1
        inside = (half(data, at + 10) >> 10) & 31
        kind, at = (_TEB if inside == 0 else _IP4), at + (20 if data[at + 11] & 1 else 12)
    return _network(data, kind, at, end)


@kernel
def _in_udp(data: Data, at: int, end: int) -> int:
    """Offset of the IP header inside of a tunnel in the UDP datagram at ``at``, -1 when it is none."""
    if at + 16 > end:
        return -1
    port, inside = half(data, at + 2), at + 8
    if port in (_VXLAN, _VXLAN_LINUX):
        return _network(data, _TEB, inside + 8, end) if data[inside] & 8 else -1
    if port == _VXLAN_GPE:
        following = int64(data[inside + 3])
        kind = _IP4 if following == 1 else (_IP6 if following == 2 else (_TEB if following == 3 else -1))
        return _network(data, kind, inside + 8, end)
    if port == _GENEVE:
        return _network(data, half(data, inside + 2), inside + 8 + (int64(data[inside]) & 63) * 4, end)
    if port == _GRE_IN_UDP:
        return _gre(data, inside, end)
    if port == _MPLS_IN_UDP:
        return _network(data, _MPLS, inside, end)
    return -1


@kernel
def tunnelled(data: Data, at: int, end: int, protocol: int) -> int:
    """Offset of the IP header inside of an IP packet's payload at ``at``, -1 when it carries none."""
    if protocol == _UDP:
        return _in_udp(data, at, end)
    if protocol == _GRE:
        return _gre(data, at, end)
    if protocol in (_IP_IN_IP, _IP6_IN_IP):
        return at
    if protocol == _MPLS_IN_IP:
        return _network(data, _MPLS, at, end)
    return -1
