"""What a refused trial says of the kernel: nothing where this process may not try, else that it cannot."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

import pytest

from gryphon.bpf import abilities, syscall


def refusing(number: int) -> Callable[..., tuple[int, bytes]]:
    def refuse(command: int, attributes: bytes) -> tuple[int, bytes]:
        raise OSError(number, os.strerror(number))

    return refuse


@pytest.mark.parametrize(("number", "answer"), [(errno.EPERM, None), (errno.EACCES, None), (errno.EINVAL, False)])
def test_a_refusal_is_no_answer_and_an_unknown_command_is_one(
    monkeypatch: pytest.MonkeyPatch, number: int, answer: bool | None
) -> None:
    monkeypatch.setattr(syscall, "bpf", refusing(number))
    assert abilities.ring_buffer() is answer
    assert abilities.live_frames() is answer
