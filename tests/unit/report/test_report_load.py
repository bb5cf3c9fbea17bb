"""A file that is no result of this gryphon gets one clear sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from made import Sender

from gryphon.controller.errors import InputFault
from gryphon.sender.report.load import read_result

TEXT = json.dumps(Sender().seconds(3).document())


def written(path: Path, content: str | bytes) -> str:
    path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass"))
    return str(path)


def edited(**changes: Any) -> str:
    return json.dumps({**json.loads(TEXT), **changes})


def test_a_result_is_read_as_it_was_written(tmp_path: Path) -> None:
    assert read_result(written(tmp_path / "a.json", TEXT)) == json.loads(TEXT)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("", "is empty: the run that was to write it has not ended"),
        (" \n", "is empty"),
        (TEXT[: len(TEXT) // 2], "is cut off"),
        (TEXT[:-1], "is cut off"),
        ("PASSED\n", r"is no result of gryphon send: it is no JSON \(line 1"),
        (b"\xd4\xc3\xb2\xa1\xff\xfe", "is no result of gryphon send: it is no text in UTF-8"),
        ("[1, 2]", "has not the keys of one"),
        ("{}", "has not the keys of one"),
        ('"text"', "has not the keys of one"),
        ("NaN", "NaN is no number"),
        ("9" * 5000, "no JSON that a run writes"),
        ("[" * 200_000, "no JSON|cut off"),
        (edited(version="9.9.0", news=1), r"was written by gryphon 9.9.0 and this is .* \(news is unknown\): use that"),
        (edited(news=1), "is not as this gryphon writes results: news is unknown"),
        (edited(users={}), "users.requested is missing"),
        (edited(series=[{}]), r"series\[0\].time_s is missing"),
        (edited(started="noon"), "is damaged: its start 'noon' is no time"),
        (edited(started="2026-03-01T12:00:05"), "is damaged: its start"),
        (edited(series=json.loads(TEXT)["series"][::-1]), "rows of its series are not in the order of time"),
        (edited(thresholds=[{"text": "luck<1", "value": 1, "broken": False}]), "a threshold of it is unknown here"),
        (edited(pacing={**json.loads(TEXT)["pacing"], "hdr": "AAAA"}), "is damaged: an hdr entry"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, content: str | bytes, sentence: str) -> None:
    path = written(tmp_path / "result.json", content)
    with pytest.raises(InputFault, match=sentence) as caught:
        read_result(path)
    assert str(caught.value).startswith(path)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400 + len(path)


def test_a_version_that_writes_the_same_is_read(tmp_path: Path) -> None:
    assert read_result(written(tmp_path / "a.json", edited(version="0.0.9")))["version"] == "0.0.9"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputFault, match=r"none\.json cannot be read: No such file"):
        read_result(str(tmp_path / "none.json"))
    with pytest.raises(InputFault, match="Is a directory"):
        read_result(str(tmp_path))
    with pytest.raises(InputFault, match="NUL"):
        read_result("a\0b")
