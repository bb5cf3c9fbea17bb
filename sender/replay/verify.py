"""Which bytes of each recorded answer a run compares with those that come."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

HTTP_HEAD = 12
"""Bytes of ``HTTP/1.1 200``: what of an HTTP answer is compared."""

_HTTP = np.frombuffer(b"HTTP/1.", np.uint8)


@dataclass(frozen=True)
class Verify:
    """How answers are compared, beside their size.

    Attributes:
        size: first bytes of each answer that the intercept's sample shows; 0: nothing is compared.
        everything: every protocol's first bytes; otherwise HTTP's status code alone.
        ignore: what matches one of these in a recorded answer may be anything.
    """

    size: int = 0
    everything: bool = False
    ignore: tuple[re.Pattern[bytes], ...] = ()


def compared(
    heads: npt.NDArray[np.uint8], messages: npt.NDArray[Any], entries: npt.NDArray[Any], verify: Verify
) -> npt.NDArray[np.uint8]:
    """Set ``head`` and ``head_length`` of entries, and give the mask of the bytes that may be anything.

    Args:
        heads: ``Recording.heads``.
        messages: rows with ``head`` and ``head_length`` (``sender.capture.recording.MESSAGE``).
        entries: the script's, one for each message.
        verify: how to compare.
    """
    entries["head"] = messages["head"]
    length = np.minimum(messages["head_length"], verify.size)
    http = _are_http(heads, messages)
    entries["head_length"] = np.where(http, np.minimum(length, HTTP_HEAD), length if verify.everything else 0)
    masks = np.zeros(max(heads.size, 1), np.uint8)
    if verify.ignore:
        for entry in entries[(entries["head_length"] > 0) & ~http]:
            at = int(entry["head"])
            _ignore(masks[at:], heads[at : at + int(entry["head_length"])].tobytes(), verify.ignore)
    return masks


def _are_http(heads: npt.NDArray[np.uint8], messages: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which messages' heads begin an HTTP/1 answer whose status code is there."""
    http = np.array(messages["head_length"] >= HTTP_HEAD)
    at = np.flatnonzero(http)
    if at.size:
        places = messages["head"][at][:, None] + np.arange(_HTTP.size)
        http[at] = (heads[places] == _HTTP).all(axis=1)
    return http


def _ignore(mask: npt.NDArray[np.uint8], head: bytes, patterns: tuple[re.Pattern[bytes], ...]) -> None:
    """Mark what the patterns match in one head; a pattern with groups ignores its groups alone."""
    for pattern in patterns:
        for match in pattern.finditer(head):
            for group in range(1, pattern.groups + 1) if pattern.groups else (0,):
                begin, end = match.span(group)
                mask[max(begin, 0) : max(end, 0)] = 1
