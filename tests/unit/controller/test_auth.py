"""Proofs hold for one token, one role and one pair of nonces, and for nothing else."""

from __future__ import annotations

import pytest

from gryphon.controller import auth

# fixed: the names of tests must not differ between the processes of one run
OURS, THEIRS, OLD = "5a" * 32, "c3" * 32, "0f" * 32


def test_the_right_proof_proves() -> None:
    assert auth.proves(auth.proof("token", "sender", OURS, THEIRS), "token", "sender", OURS, THEIRS)


@pytest.mark.parametrize(
    ("token", "role", "challenge", "own"),
    [
        ("other", "sender", OURS, THEIRS),
        ("token", "intercept", OURS, THEIRS),  # our own proof reflected
        ("token", "sender", THEIRS, OURS),
        ("token", "sender", OLD, THEIRS),  # an old conversation
    ],
)
def test_any_other_proof_does_not(token: str, role: str, challenge: str, own: str) -> None:
    assert not auth.proves(auth.proof(token, role, challenge, own), "token", "sender", OURS, THEIRS)


@pytest.mark.parametrize("mac", [None, 7, "", "\ud800", "é" * 64, ["x"]])
def test_nonsense_is_no_proof(mac: object) -> None:
    assert not auth.proves(mac, "token", "sender", OURS, THEIRS)


@pytest.mark.parametrize("value", [None, 5, "", "ab", "|" * 64, "A" * 64, OURS + "0"])
def test_only_fixed_length_hexadecimal_is_a_nonce(value: object) -> None:
    assert not auth.is_nonce(value)


def test_nonces_differ() -> None:
    assert auth.is_nonce(OURS)
    assert len({auth.new_nonce() for _ in range(100)}) == 100
