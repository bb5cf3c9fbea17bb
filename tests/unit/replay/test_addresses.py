"""Forged addresses and ports: computed there and back, and nobody's twice."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from whole import whole

from gryphon.sender.ranges import parse_pool
from gryphon.sender.replay.addresses import BLOCK, FIRST_PORT, PORTS, locate, plan, row_of, slot_of
from gryphon.sender.replay.core import CORE


@whole
def _locate(cores: Any, row: int, loop: int) -> Any:
    return locate(cores[0], row, loop)


@whole
def _row_of(cores: Any, hi: Any, lo: Any, port: int) -> int:
    slot = slot_of(cores[0], hi, lo, port)
    return row_of(cores[0], slot) if slot >= 0 else -1


class Addresses:
    """The addresses of the users of a pool."""

    def __init__(self, blocks: list[tuple[int, int, int]], users: int, mode: int = 0, seed: int = 0) -> None:
        self.blocks = np.zeros(len(blocks), BLOCK)
        before = 0
        for row, (hi, lo, count) in zip(self.blocks, blocks, strict=True):
            row["hi"], row["lo"], row["count"], row["before"] = hi, lo, count, before
            before += count
        self.cores = np.zeros(1, CORE).view(np.recarray)
        plan(self.cores[0], self.blocks, users, mode, seed)

    def locate(self, row: int, loop: int = 0) -> tuple[int, int, int]:
        hi, lo, port = _locate(self.cores, row, loop)
        return int(hi), int(lo), int(port)

    def row_of(self, hi: int, lo: int, port: int) -> int:
        return int(_row_of(self.cores, np.uint64(hi), np.uint64(lo), port))


V4 = 0xFFFF_0000_0000
POOLS = st.sampled_from(
    [
        [(0, V4 + 0x0A110F01, 254)],
        [(0, V4 + 1, 1)],
        [(0, V4 + 0x0A110F01, 254), (0, V4 + 0x0A120001, 65534), (0, V4 + 0xC0A80001, 2)],
        [(0xFD00_0017 << 32, 1, 1 << 32)],
        [(0xFD00_0017 << 32, (1 << 64) - 16, 15), (0xFD00_0018 << 32, 1, 255)],
    ]
)
SEEDS = st.sampled_from([0, 1, 2, 77, (1 << 31) - 1])


@settings(max_examples=300, deadline=None)
@given(POOLS, st.integers(0, 1), SEEDS, st.data())
def test_a_user_is_found_again_by_its_address_and_port(pool: Any, mode: int, seed: int, data: Any) -> None:
    capacity = sum(count for *_, count in pool) * PORTS
    users = data.draw(st.integers(1, min(capacity, 1 << 30)))
    row = data.draw(st.integers(0, users - 1))
    loop = data.draw(st.integers(0, 65535))
    addresses = Addresses(pool, users, mode, seed)
    hi, lo, port = addresses.locate(row, loop)
    assert addresses.row_of(hi, lo, port) == row
    assert FIRST_PORT <= port < FIRST_PORT + PORTS
    assert any(hi == high and low <= lo < low + count for high, low, count in pool)


@settings(max_examples=20, deadline=None)
@given(POOLS, st.integers(0, 1), SEEDS, st.integers(1, 5000), st.integers(0, 40))
def test_no_two_users_share_address_and_port(pool: Any, mode: int, seed: int, users: int, loop: int) -> None:
    assume(users <= sum(count for *_, count in pool) * PORTS)
    addresses = Addresses(pool, users, mode, seed)
    assert len({addresses.locate(row, loop) for row in range(users)}) == users


@pytest.mark.parametrize("seed", [0, 5])
@pytest.mark.parametrize("mode", [0, 1])
def test_a_pool_filled_to_the_last_slot_uses_every_slot_once(mode: int, seed: int) -> None:
    addresses = Addresses([(0, V4 + 1, 2)], 2 * PORTS, mode, seed)
    assert len({addresses.locate(row) for row in range(2 * PORTS)}) == 2 * PORTS
    assert addresses.locate(7, 0) == addresses.locate(7, 1)


def test_loops_walk_through_the_slots_that_are_left() -> None:
    """C / N = 3 whole rounds: the fourth loop is back at the first."""
    users = 10_000
    addresses = Addresses([(0, V4 + 1, 1)], users)
    rounds = PORTS // users
    slots = {addresses.locate(row, loop) for row in range(0, users, 97) for loop in range(rounds)}
    assert len(slots) == len(range(0, users, 97)) * rounds
    assert addresses.locate(5, rounds) == addresses.locate(5, 0)


def test_mode_0_varies_the_address_first_and_mode_1_the_port() -> None:
    pool = [(0, V4 + 1, 254)]
    assert [Addresses(pool, 10).locate(row)[1:] for row in range(2)] == [(V4 + 1, 32768), (V4 + 2, 32768)]
    assert [Addresses(pool, 10, mode=1).locate(row)[1:] for row in range(2)] == [(V4 + 1, 32768), (V4 + 1, 32769)]


def test_a_seed_is_an_order_of_its_own_and_the_same_each_time() -> None:
    orders = [[Addresses([(0, V4 + 1, 254)], 50, seed=seed).locate(row) for row in range(50)] for seed in (0, 1, 2, 1)]
    assert orders[1] == orders[3]
    assert orders[0] != orders[1] != orders[2] != orders[0]


def test_a_slash_24_holds_seven_million_users() -> None:
    assert parse_pool("10.17.15.0/24").addresses * PORTS == 7_171_182


def test_ports_are_the_originals() -> None:
    assert (FIRST_PORT, FIRST_PORT + PORTS - 1) == (32768, 61000)


@pytest.mark.parametrize(
    ("hi", "lo", "port"),
    [
        (0, V4, 32768),
        (0, V4 + 255, 32768),
        (1, V4 + 1, 32768),
        (0, V4 + 1, 32767),
        (0, V4 + 1, 61001),
        (0, V4 + 1, 0),
        (0, (1 << 64) - 1, 40000),
    ],
)
def test_what_is_outside_the_pool_is_nobodys(hi: int, lo: int, port: int) -> None:
    assert Addresses([(0, V4 + 1, 254)], 254 * PORTS).row_of(hi, lo, port) == -1


def test_slots_beyond_the_last_whole_round_are_nobodys() -> None:
    addresses = Addresses([(0, V4 + 1, 1)], 20_000, mode=1)
    assert addresses.row_of(0, V4 + 1, FIRST_PORT + 19_999) == 19_999
    assert addresses.row_of(0, V4 + 1, FIRST_PORT + 20_000) == -1
