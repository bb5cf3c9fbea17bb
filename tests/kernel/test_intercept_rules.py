"""The programs agree with the rules of docs/interception.md, written once more in Python, on mutated and random frames.

`make fuzz-bpf` does the same with ten million.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterator

import pytest

from tests.bpf_fuzz import corpus, rules
from tests.bpf_fuzz.compare import Comparison
from tests.bpf_fuzz.mutate import Mutator
from tests.bpf_fuzz.rules import Kind

BATCH = 512


@pytest.fixture(scope="module")
def comparison() -> Iterator[Comparison]:
    made = Comparison()
    yield made
    made.close()


@pytest.mark.parametrize("seed", [1, secrets.randbits(31)], ids=["same", "fresh"])
def test_verdicts_records_and_counters_are_those_of_the_rules(comparison: Comparison, seed: int) -> None:
    comparison.kinds.clear()
    frames = Mutator(corpus.seeds(), random.Random(seed))
    found = comparison.run(30 * BATCH, BATCH, frames.next)
    assert not found, f"seed {seed}: {found[0]}"
    assert min(comparison.kinds[kind] for kind in Kind) > BATCH, comparison.kinds


def test_every_seed_as_it_stands_is_treated_by_the_rules(comparison: Comparison) -> None:
    cases = iter([(seed.frame, None) for seed in corpus.seeds() for _ in range(2)])  # one a setup
    assert comparison.run(2 * len(corpus.seeds()), 1, cases.__next__) == []


WRONG: list[tuple[str, object]] = [
    ("MOST_TAGS", 3),
    ("MOST_EXTENSIONS", 7),
    ("MOST_NESTED", 9),
    ("FURTHEST_HEADER", 1000),
    ("MAPPED", 0),
    ("TAGS", (0x8100,)),
    ("EXTENSIONS", (0, 43, 44, 60)),
    ("ERRORS", {4: {3, 5, 11, 12}, 6: set(range(128))}),
]


@pytest.mark.parametrize(("rule", "value"), WRONG, ids=[rule for rule, _ in WRONG])
def test_a_program_that_had_another_rule_would_be_found(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch, rule: str, value: object
) -> None:
    monkeypatch.setattr(rules, rule, value)
    frames = Mutator(corpus.seeds(), random.Random(3))
    assert comparison.run(80 * BATCH, BATCH, frames.next, enough=1) != []
