"""The tc hook: a filter on the way out, at clsact, beside those of others."""

from __future__ import annotations

import contextlib
import errno
import logging
from collections.abc import Iterator
from typing import Any

from gryphon.bpf import syscall
from gryphon.controller.changes import Changes
from gryphon.controller.errors import EnvironmentFault
from gryphon.controller.interfaces import is_there
from gryphon.controller.place import Place

KIND = syscall.SCHED_CLS
FUNCTION = "intercept_egress"
NAME = "gryphon_egress"
HANDLE = 0x67727970
"""Our filter's handle, "gryp": nobody else's by accident, and needed to replace it in one step."""
_GROUPS = 0x1 | 0x8  # RTMGRP_LINK, RTMGRP_TC (include/uapi/linux/rtnetlink.h)
_EGRESS, _INGRESS = 0xFFFFFFF3, 0xFFFFFFF2  # TC_H_CLSACT with TC_H_MIN_EGRESS, TC_H_MIN_INGRESS
_CLSACT = 0xFFFF0000
_ETH_P_ALL = 0x0003
_MADE = "made_clsact"
_GONE = (errno.EINVAL, errno.ENOENT, errno.ENODEV)  # No clsact, no filter, no interface there.

log = logging.getLogger(__name__)


class EgressHook:
    """Our filter on the way out of one interface."""

    mode = "tc egress"

    def __init__(self, place: Place) -> None:
        self._place = place
        self._priority = 0
        self._changes: Changes | None = None

    def find(self) -> bool:
        """Looks for the filter that an earlier intercept left."""
        with _route() as route:
            for priority, handle, name in _filters(route, self._place.index, _EGRESS):
                if handle == HANDLE and name == NAME:
                    self._priority = priority
                    return True
        return False

    def attach(self, program: int) -> None:
        """Adds our filter before all others, or puts the program in the place of that of the one found."""
        self._changes = Changes(_GROUPS)  # before it: nothing between the two is missed
        with _route() as route:
            if self._priority:
                self._filter(route, "replace-filter", program)
                return
            self._make_clsact(route)
            self._priority = self._choose(route)
            try:
                self._filter(route, "add-filter", program)
            except Exception as error:
                self._remove_clsact(route)
                raise EnvironmentFault(f"{self._place.interface} takes no tc filter ({error}).") from error

    def detach(self) -> None:
        """Removes our filter, and clsact when we made it and nobody else uses it."""
        with _route() as route:
            if self._priority:
                with _tolerating(*_GONE):
                    route.tc(
                        "del-filter",
                        "bpf",
                        self._place.index,
                        HANDLE,
                        parent=_EGRESS,
                        prio=self._priority,
                        protocol=_ETH_P_ALL,
                    )
                self._priority = 0
            self._remove_clsact(route)

    def is_there(self) -> bool:
        """Whether the filter that was attached still is; the filters are listed only after a change of any."""
        if not is_there(self._place.interface, self._place.index):
            return False
        if self._changes is None or not self._changes.heard():
            return True
        return self.find()

    def close(self) -> None:
        """Lets go of what listened; the filter itself holds the program."""
        if self._changes is not None:
            self._changes.close()
            self._changes = None

    def _filter(self, route: Any, command: str, program: int) -> None:
        route.tc(
            command,
            "bpf",
            self._place.index,
            HANDLE,
            fd=program,
            name=NAME,
            parent=_EGRESS,
            prio=self._priority,
            protocol=_ETH_P_ALL,
            classid=1,
            direct_action=True,
        )

    def _choose(self, route: Any) -> int:
        """Gives the first priority that nobody has."""
        taken = {priority for priority, _, _ in _filters(route, self._place.index, _EGRESS)}
        priority = next(p for p in range(1, 0xFFFF) if p not in taken)
        if priority > 1:
            log.warning(
                "other tc filters of %s run before the interception; what they decide upon does not reach it",
                self._place.interface,
            )
        return priority

    def _make_clsact(self, route: Any) -> None:
        kind = _qdisc(route, self._place.index)
        if kind == "clsact":
            return
        if kind:
            name = self._place.interface
            raise EnvironmentFault(
                f"{name} has an {kind} qdisc where clsact must be: remove it (`tc qdisc del dev {name} {kind}`)."
            )
        self._place.mark(_MADE)
        route.tc("add", "clsact", self._place.index)

    def _remove_clsact(self, route: Any) -> None:
        index = self._place.index
        if not self._place.marked(_MADE) or _qdisc(route, index) != "clsact":
            return
        if not _filters(route, index, _EGRESS) and not _filters(route, index, _INGRESS):
            route.tc("del", "clsact", index)


def _route() -> Any:
    from pyroute2 import IPRoute  # a fifth of a second, which --help does not need.

    return IPRoute()


@contextlib.contextmanager
def _tolerating(*codes: int) -> Iterator[None]:
    from pyroute2.netlink.exceptions import NetlinkError

    try:
        yield
    except NetlinkError as error:
        if error.code not in codes:
            raise


def _filters(route: Any, index: int, parent: int) -> list[tuple[int, int, str]]:
    """Lists the filters there: priority, handle, name of a BPF filter's program."""
    messages: list[Any] = []
    with _tolerating(*_GONE):
        messages = list(route.get_filters(index=index, parent=parent))
    found = []
    for message in messages:
        options = message.get_attr("TCA_OPTIONS")
        if message["handle"] == 0 or options is None:
            continue  # The kernel tells of each priority once more, without a filter.
        name = options.get_attr("TCA_BPF_NAME") if message.get_attr("TCA_KIND") == "bpf" else None
        found.append((message["info"] >> 16, message["handle"], name or ""))
    return found


def _qdisc(route: Any, index: int) -> str:
    """Tells the kind of the qdisc at ffff:, empty when there is none."""
    for message in route.get_qdiscs(index):
        if message["handle"] == _CLSACT:
            return str(message.get_attr("TCA_KIND"))
    return ""
