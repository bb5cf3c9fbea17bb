"""Other addresses: each recorded one has its own, from ranges that are nobody's, and everything else stays."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Address, ip_address
from pathlib import Path

import pytest
from conversations import Conversation, write_pcap
from extracts import extracted

from gryphon.controller.errors import InputFault
from gryphon.sender.capture.load import load
from gryphon.sender.extract import routes


def ends(path: Path) -> list[tuple[str, int, str, int]]:
    """Client, port, server and port of each session."""
    found = []
    for row in load([str(path)], None).sessions:
        hosts = [IPv6Address(int(row[f"{side}_hi"]) << 64 | int(row[f"{side}_lo"])) for side in ("client", "server")]
        client, server = (str(host.ipv4_mapped or host) for host in hosts)
        found.append((client, int(row["client_port"]), server, int(row["server_port"])))
    return found


def recorded(tmp_path: Path, *pairs: tuple[str, str]) -> str:
    """A capture of one conversation for each (client, server), a second apart, with ports 40000, 40001, ..."""
    packets = []
    for n, (client, server) in enumerate(pairs):
        talk = Conversation(client=client, server=server, client_port=40000 + n).open(1000 * n)
        talk.say(1000 * n + 5, b"hello")
        packets += talk.packets
    return write_pcap(tmp_path / "recorded", packets)


def test_addresses_are_replaced_in_the_order_in_which_they_appear(tmp_path: Path) -> None:
    file = recorded(tmp_path, ("9.9.9.9", "8.8.8.8"), ("1.1.1.1", "7.7.7.7"), ("9.9.9.9", "7.7.7.7"))
    extracted([file], {80}, tmp_path / "small", anonymise=True)
    assert ends(tmp_path / "small") == [
        ("10.0.0.1", 40000, "192.0.2.1", 80),
        ("10.0.0.2", 40001, "192.0.2.2", 80),
        ("10.0.0.1", 40002, "192.0.2.2", 80),
    ]


def test_ipv6_addresses_get_documentation_prefixes(tmp_path: Path) -> None:
    file = recorded(tmp_path, ("fd00::9", "fd00::1"), ("1.1.1.1", "2.2.2.2"), ("fd00::8", "fd00::1"))
    extracted([file], {80}, tmp_path / "small", anonymise=True)
    assert [(client, server) for client, _, server, _ in ends(tmp_path / "small")] == [
        ("2001:db8:c::1", "2001:db8:5::1"),
        ("10.0.0.1", "192.0.2.1"),
        ("2001:db8:c::2", "2001:db8:5::1"),
    ]


def test_a_client_and_a_server_that_share_an_address_become_two(tmp_path: Path) -> None:
    extracted([recorded(tmp_path, ("127.0.0.1", "127.0.0.1"))], {80}, tmp_path / "small", anonymise=True)
    assert ends(tmp_path / "small") == [("10.0.0.1", 40000, "192.0.2.1", 80)]


def test_servers_go_on_in_the_next_documentation_range(tmp_path: Path) -> None:
    file = recorded(tmp_path, *(("1.1.1.1", f"5.5.{n // 250}.{n % 250 + 1}") for n in range(510)))
    extracted([file], {80}, tmp_path / "small", anonymise=True)
    servers = [server for _, _, server, _ in ends(tmp_path / "small")]
    assert len(set(servers)) == 510
    assert (servers[253], servers[254], servers[508]) == ("192.0.2.254", "198.51.100.1", "203.0.113.1")


def test_more_servers_than_there_are_replacements_is_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(routes._SERVERS, 4, (IPv4Network("192.0.2.0/30"),))
    file = recorded(tmp_path, *(("1.1.1.1", f"5.5.5.{n}") for n in range(3)))
    with pytest.raises(InputFault, match="3 addresses of servers are more than the 2 that --anonymise has"):
        extracted([file], {80}, tmp_path / "small", anonymise=True)
    assert not (tmp_path / "small").exists()


def test_nothing_of_the_recorded_addresses_is_left(tmp_path: Path) -> None:
    file = recorded(tmp_path, ("93.184.216.34", "151.101.1.67"))
    extracted([file], {80}, tmp_path / "small", anonymise=True)
    content = (tmp_path / "small").read_bytes()
    assert all(ip_address(address).packed not in content for address in ("93.184.216.34", "151.101.1.67"))


def test_options_that_may_hold_an_address_are_left_out(tmp_path: Path) -> None:
    """A load balancer's TOA has the real client's address, and so has MPTCP's ADD_ADDR; timestamps stay."""
    toa, timestamps = bytes([254, 8, 0xC7, 0xA7, 203, 0, 113, 77]), bytes([1, 1, 8, 10, 0, 0, 0, 7, 0, 0, 0, 8])
    talk = Conversation().open()
    talk.send(5, 24, 0, 0, b"request", opts=toa + timestamps)
    file = write_pcap(tmp_path / "recorded", talk.packets)
    extracted([file], {80}, tmp_path / "kept")
    extracted([file], {80}, tmp_path / "small", anonymise=True)
    assert toa in (tmp_path / "kept").read_bytes()
    content = (tmp_path / "small").read_bytes()
    assert bytes([203, 0, 113, 77]) not in content
    assert bytes([1] * 8) + timestamps in content
    assert bytes([2, 4, 0x05, 0xB4]) in content  # the SYN's MSS
