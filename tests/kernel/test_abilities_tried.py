"""On a kernel that runs gryphon everything is there, and trying it leaves nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from gryphon.controller.abilities import find_abilities, hooks_of

NAMESPACE = Path("/proc/thread-self/ns/net")
pytestmark = pytest.mark.usefixtures("bpf_privileges")


def test_all_is_there_and_this_thread_keeps_its_namespace_and_descriptors() -> None:
    find_abilities()  # what is imported at the first call stays open
    namespace, descriptors = NAMESPACE.readlink(), len(list(Path("/proc/self/fd").iterdir()))
    found = find_abilities()
    assert (found.ring_buffer, found.live_frames, found.clsact) == (True, True, True)
    assert (found.missing, found.bcc, found.headers) == ((), "", "")
    assert NAMESPACE.readlink() == namespace
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


def test_an_interface_that_is_gone_has_no_hooks() -> None:
    assert hooks_of("gone0", 999_999) is None
