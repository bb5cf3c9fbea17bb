"""Where the token comes from: an option, a file only its owner reads, the environment, or made at the start."""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from gryphon.controller.errors import InputFault

VARIABLE = "GRYPHON_TOKEN"


class Token(NamedTuple):
    """A token and where it came from, for people."""

    value: str
    origin: str


def find_token(
    option: str | None = None, path: Path | None = None, environ: Mapping[str, str] = os.environ
) -> Token | None:
    """The token from the option, else the file, else GRYPHON_TOKEN; None when none of them gives one.

    Raises:
        InputFault: an empty token, or a file that cannot be read or that others may read.
    """
    if option is not None:
        return Token(_checked(option, "--token"), "--token")
    if path is not None:
        return Token(_checked(_read(path), f"the token file {path}"), str(path))
    if VARIABLE in environ:
        return Token(_checked(environ[VARIABLE], VARIABLE), VARIABLE)
    return None


def new_token() -> str:
    """A token nobody guesses: 128 random bits as hexadecimal text."""
    return secrets.token_hex(16)


def _checked(text: str, origin: str) -> str:
    token = text.strip()
    if not token:
        raise InputFault(f"{origin} is empty: put the token there that the intercept and the sender share")
    return token


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            content = file.read(4097)
    except OSError as error:
        raise InputFault(f"cannot read the token file {path}: {error.strerror}") from error
    if mode & stat.S_IROTH:
        raise InputFault(f"everybody may read the token file {path}: run `chmod 600 {path}`")
    try:
        text = content.decode()
    except UnicodeDecodeError as error:
        raise InputFault(f"the token file {path} is not text: put one line with the token there") from error
    if len(content) > 4096 or len(text.split()) > 1:
        raise InputFault(f"the token file {path} holds more than a token: put one line with the token there")
    return text
