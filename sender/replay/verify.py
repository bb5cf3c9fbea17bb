"""Which bytes of each recorded answer a run compares with those that come."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

HTTP_HEAD = 12
"""Bytes of ``HTTP/1.1 200``: with fewer an answer is not known as HTTP, and its status not counted."""

_HTTP = np.frombuffer(b"HTTP/1.", np.uint8)
_LF = 0x0A


@dataclass(frozen=True)
class Verify:
    """How answers are compared, beside their size.

    Attributes:
        size: first bytes of each answer that the intercept's sample shows; 0: nothing is compared.
        everything: every protocol's first bytes; otherwise HTTP's status line alone.
        ignore: what matches one of these in a recorded answer may be anything, but for HTTP's version and status code.
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
    line = _line_length(heads, messages["head"], length)
    entries["head_length"] = np.where(http, line, length if verify.everything else 0)
    masks = np.zeros(max(heads.size, 1), np.uint8)
    if verify.ignore:
        for entry, kept in zip(entries, np.where(http, HTTP_HEAD, 0), strict=True):
            at, end = int(entry["head"]), int(entry["head"]) + int(entry["head_length"])
            if at < end:
                _ignore(masks[at:end], heads[at:end].tobytes(), verify.ignore)
                masks[at : at + int(kept)] = 0
    return masks


def _are_http(heads: npt.NDArray[np.uint8], messages: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Which messages' heads begin an HTTP/1 answer whose status code is there."""
    http = np.array(messages["head_length"] >= HTTP_HEAD)
    at = np.flatnonzero(http)
    if at.size:
        places = messages["head"][at][:, None] + np.arange(_HTTP.size)
        http[at] = (heads[places] == _HTTP).all(axis=1)
    return http


def _line_length(
    heads: npt.NDArray[np.uint8], begins: npt.NDArray[Any], lengths: npt.NDArray[Any]
) -> npt.NDArray[np.int64]:
    """How many of so many bytes belong to the first line, whose end a sole LF may be, too (RFC 9112, 2.2).

    The line's end is one of them, or a longer reason phrase would not differ; nothing behind it is, since dates and
    cookies do by nature.
    """
    ends = np.append(np.flatnonzero(heads == _LF) + 1, heads.size)
    begins = begins.astype(np.int64)
    ends_at = ends[np.minimum(np.searchsorted(ends, begins, "right"), ends.size - 1)]
    lines: npt.NDArray[np.int64] = np.minimum(lengths, np.maximum(ends_at - begins, 0), dtype=np.int64)
    return lines


def _ignore(mask: npt.NDArray[np.uint8], head: bytes, patterns: tuple[re.Pattern[bytes], ...]) -> None:
    """Mark what the patterns match in one head; a pattern with groups ignores its groups alone."""
    for pattern in patterns:
        for match in pattern.finditer(head):
            for group in range(1, pattern.groups + 1) if pattern.groups else (0,):
                begin, end = match.span(group)
                mask[max(begin, 0) : max(end, 0)] = 1
