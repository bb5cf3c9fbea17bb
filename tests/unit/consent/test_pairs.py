"""Which SYNs ask for consent: every server and every range has one, each from an address and a port of its own."""

from __future__ import annotations

import random
from ipaddress import ip_address

import pytest

from gryphon.controller.source import Service
from gryphon.sender.consent.pairs import MOST, Pair, choose_pairs, count_pairs, spread
from gryphon.sender.divide import share_out
from gryphon.sender.ranges import Pool, parse_pool
from gryphon.sender.replay.addresses import FIRST_PORT, PORTS

SERVERS: list[Service] = [(ip_address("10.16.15.118"), 80), (ip_address("10.16.15.118"), 443)]


def chosen(pools: list[Pool], seed: int = 1) -> list[Pair]:
    return choose_pairs(SERVERS, pools, random.Random(seed))


def test_each_server_is_asked_from_each_range() -> None:
    pairs = chosen([parse_pool("10.17.15.*,10.18.0.0/16")])
    assert [(pair.number, pair.service[1], str(pair.network)) for pair in pairs] == [
        (0, 80, "10.17.15.0/24"),
        (0, 80, "10.18.0.0/16"),
        (1, 443, "10.17.15.0/24"),
        (1, 443, "10.18.0.0/16"),
    ]
    assert all(pair.address in pair.network for pair in pairs)


@pytest.mark.parametrize("text", ["10.17.15.8/30", "fd00:17::/126", "10.17.15.9"])
def test_only_addresses_that_users_could_have_are_forged(text: str) -> None:
    pool = parse_pool(text)
    usable = {pool.first[0] + offset for offset in range(pool.counts[0])}
    seen = {int(pair.address) for seed in range(40) for pair in chosen([pool], seed)}
    assert seen == usable


def test_no_user_ever_has_one_of_their_ports_and_no_two_have_the_same() -> None:
    pairs = [pair for seed in range(40) for pair in chosen([parse_pool("10.17.15.*")] * 8, seed)]
    assert not any(FIRST_PORT <= pair.port < FIRST_PORT + PORTS for pair in pairs)
    assert all(1 <= pair.port <= 65_535 for pair in pairs)
    one = chosen([parse_pool("10.17.15.*")] * 8)
    assert len({pair.port for pair in one}) == len(one)


def test_every_share_of_the_users_asks_under_its_own_grant() -> None:
    pools = [share.pool for share in share_out(parse_pool("10.17.15.*"), 3, 30)]
    pairs = chosen(pools)
    assert [pair.share for pair in pairs if pair.number == 0] == [0, 1, 2]
    assert all(any(pair.address in network for network in pools[pair.share].networks) for pair in pairs)


@pytest.mark.parametrize(("servers", "stretches"), [(1, 64), (8, 8), (3, 5)])
def test_up_to_the_bound_all_are_tried(servers: int, stretches: int) -> None:
    assert len(set(spread(servers, stretches, MOST))) == servers * stretches


@pytest.mark.parametrize(("servers", "stretches"), [(1, 256), (2, 60), (60, 2), (3, 64), (64, 3), (5, 13), (256, 1)])
def test_beyond_it_they_are_spread_over_all_servers_and_ranges(servers: int, stretches: int) -> None:
    places = spread(servers, stretches, MOST)
    assert len(set(places)) == MOST
    for seen, there in (({one for one, _ in places}, servers), ({one for _, one in places}, stretches)):
        assert len(seen) == min(there, MOST)
        assert seen <= set(range(there))
        gaps = [later - earlier for earlier, later in zip(sorted(seen), sorted(seen)[1:], strict=False)]
        assert max(gaps, default=1) <= -(-there // MOST) + 1


def test_how_many_are_tried_is_known_beforehand() -> None:
    wide = parse_pool(",".join(f"10.17.{number}.*" for number in range(100)))
    assert count_pairs(SERVERS, [wide]) == (64, 200)
    assert len(chosen([wide])) == 64
    assert count_pairs(SERVERS, [parse_pool("10.17.15.*")]) == (2, 2)
