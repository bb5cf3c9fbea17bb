"""A memory fence, for memory that is shared with the kernel's programs."""

from __future__ import annotations

import threading


class Fence:
    """Orders all memory accesses of this thread before a call against all after it; not for two threads at once.

    The other side orders its own accesses; so must we, which numpy does not promise on ARM, and a write before a read
    is not ordered on x86 either. Python has no fence, but a lock's release followed by its acquisition is one: a
    locked instruction on x86, STLR then LDAXR on ARM64.
    """

    def __init__(self) -> None:
        self._held = threading.Lock()
        self._held.acquire()

    def __call__(self) -> None:
        """Everything before is done before anything after."""
        self._held.release()
        self._held.acquire()
