"""What fits the schema here is what jsonschema says fits it."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made import Sender

from gryphon.sender.report.fit import LARGEST, misfits
from gryphon.sender.results.thresholds import load_schema

DOCUMENT = Sender().seconds(3, failing=True).document()
OTHERS = st.sampled_from([None, True, -1, 0, 1.5, 3.0, "text", "", [], {}, {"a": 1}, [None], "passed"])


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value within."""
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


PLACES = list(places(DOCUMENT))


def changed(path: tuple[Any, ...], what: str, other: Any) -> Any:
    """The document with one value replaced, taken out, or given company."""
    if not path:
        return other
    document = copy.deepcopy(DOCUMENT)
    inner: Any = document
    for key in path[:-1]:
        inner = inner[key]
    if what == "replace":
        inner[path[-1]] = other
    elif what == "remove":
        del inner[path[-1]]
    elif isinstance(inner, dict):
        inner["unheard_of"] = other
    return document


def test_a_whole_result_fits() -> None:
    assert list(misfits(DOCUMENT, load_schema())) == []


@settings(max_examples=400)
@given(st.sampled_from(PLACES), st.sampled_from(["replace", "remove", "add"]), OTHERS)
def test_it_agrees_with_jsonschema(path: tuple[Any, ...], what: str, other: Any) -> None:
    document = changed(path, what, other)
    ours = next(misfits(document, load_schema()), None)
    assert (ours is None) == jsonschema.Draft202012Validator(load_schema()).is_valid(document), ours


def test_every_word_of_the_schema_is_known_here() -> None:
    known = {"$schema", "title", "description", "format", "$defs", "$ref", "type", "properties", "required", "items"}
    known |= {"additionalProperties", "enum", "minimum"}

    def words(schema: Any) -> Iterator[str]:
        for word, value in schema.items():
            yield word
            if word in ("properties", "$defs"):
                for inner in value.values():
                    yield from words(inner)
            elif isinstance(value, dict):
                yield from words(value)

    assert set(words(load_schema())) <= known


@pytest.mark.parametrize("number", [LARGEST * 2, 10**400, -(10**30)])
def test_a_number_that_no_run_can_have_does_not_fit(number: int) -> None:
    document = json.loads(json.dumps(DOCUMENT))
    document["latency_ms"]["push"]["p50"] = number
    assert next(misfits(document, load_schema())) == "latency_ms.push.p50 is out of range"
