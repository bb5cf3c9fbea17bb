"""A token comes from the option, else the file, else the environment; a bad file is one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from gryphon.controller.errors import InputFault
from gryphon.controller.tokens import find_token, new_token


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("from the file\n".replace(" ", "-"))
    path.chmod(0o600)
    return path


def test_option_goes_before_file_before_environment(file: Path) -> None:
    environ = {"GRYPHON_TOKEN": "from-environ"}
    assert find_token("from-option", file, environ) == ("from-option", "--token")
    assert find_token(None, file, environ) == ("from-the-file", str(file))
    assert find_token(None, None, environ) == ("from-environ", "GRYPHON_TOKEN")
    assert find_token(None, None, {}) is None


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputFault, match=r"cannot read the token file .*gone: No such file"):
        find_token(path=tmp_path / "gone")


def test_a_file_that_everybody_may_read_says_what_to_run(file: Path) -> None:
    file.chmod(0o644)
    with pytest.raises(InputFault, match=r"everybody may read .*: run `chmod 600 "):
        find_token(path=file)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"two words", "more than a token"),
        (b"x" * 5000, "more than a token"),
        (b"\xff\xfe", "is not text"),
    ],
)
def test_a_file_without_a_token_is_refused(file: Path, content: bytes, sentence: str) -> None:
    file.write_bytes(content)
    with pytest.raises(InputFault, match=sentence):
        find_token(path=file)


def test_an_empty_variable_or_option_is_refused() -> None:
    with pytest.raises(InputFault, match="GRYPHON_TOKEN is empty"):
        find_token(environ={"GRYPHON_TOKEN": ""})
    with pytest.raises(InputFault, match="--token is empty"):
        find_token(" ")


def test_made_tokens_have_128_bits_and_differ() -> None:
    made = {new_token() for _ in range(100)}
    assert len(made) == 100
    assert {len(bytes.fromhex(token)) for token in made} == {16}
