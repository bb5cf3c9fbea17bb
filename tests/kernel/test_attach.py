"""Attaching, killing, taking over and detaching on real interfaces, in namespaces with no way out."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ipaddress import ip_address, ip_network

import pytest
from hosts import INTERFACE, Pair, frames
from packets import ETHERNET, answer, ipv4
from verdicts import GENERATION, PORT, SERVER, Program

from gryphon.controller import place
from gryphon.controller.attach import HookName
from gryphon.controller.errors import EnvironmentFault, InputFault
from gryphon.controller.interception import Interception, Range, detach
from gryphon.controller.samples import sampled

SIDES: dict[HookName, str] = {"xdp": "helper", "tc": "server"}
"""On which of the two hosts a hook is attached; answers go from the server to the helper."""
FORGED_RANGE = ip_network("10.17.15.0/24")
ANSWER = answer(ipv4(), b"abc")
MARKER = bytes(ETHERNET)[:12] + b"\x12\x34" + b"the last frame of this test".ljust(60)
CHILD = """
import logging, sys, time
logging.disable()
from ipaddress import ip_address, ip_network
from gryphon.controller.interception import Interception
interception = Interception.attach({hook!r}, {interface!r}, sample={sample})
interception.add_service(ip_address({server!r}), {port})
deadline = time.monotonic_ns() + int({lasting} * 1e9)
interception.add_range(ip_network({network!r}), {generation}, deadline)
print(deadline, flush=True)
sys.stdin.read()
"""

_MODULES = "from gryphon.controller import attach, egress, xdp\n"
STOPS = {
    "before it attached": _MODULES + "egress.EgressHook.attach = xdp.XdpHook.attach = stop",
    "before its maps were pinned": _MODULES + "attach.PINNED = Unpinned()",
}
"""Where an intercept stands still, to be killed there."""
STANDING = """
import sys
def stop(*_):
    print("here", flush=True)
    sys.stdin.read()
class Unpinned:
    __iter__ = stop
"""


@pytest.fixture(params=SIDES)
def hook(request: pytest.FixtureRequest) -> HookName:
    """Each hook in turn."""
    chosen: HookName = request.param
    return chosen


@contextmanager
def attached(pair: Pair, hook: HookName, **options: object) -> Iterator[Interception]:
    with pair.on(SIDES[hook]):
        interception = Interception.attach(hook, INTERFACE, **options)  # type: ignore[arg-type]
        try:
            yield interception
        finally:
            interception.detach()


def register(interception: Interception) -> int:
    interception.add_range(FORGED_RANGE, GENERATION, time.monotonic_ns() + 3600 * 10**9)
    return interception.add_service(ip_address(SERVER), PORT)


def child_code(hook: HookName, lasting: float, sample: int = 0) -> str:
    """A program that attaches, registers, says its deadline and waits for the end of its input."""
    return CHILD.format(
        hook=hook,
        interface=INTERFACE,
        server=SERVER,
        port=PORT,
        lasting=lasting,
        sample=sample,
        network=str(FORGED_RANGE),
        generation=GENERATION,
    )


def killed(pair: Pair, hook: HookName, lasting: float = 3600, sample: int = 0) -> int:
    """Starts an intercept, kills it, and gives the deadline of its range."""
    child = pair.start(SIDES[hook], child_code(hook, lasting, sample))
    assert child.stdout is not None
    deadline = int(child.stdout.readline())
    child.send_signal(signal.SIGKILL)
    child.communicate()
    return deadline


def leaked(pair: Pair, tap: socket.socket) -> int:
    """How many of five answers the helper hears."""
    pair.send("server", ANSWER, 5)
    pair.send("server", MARKER)
    return sum(frame == ANSWER for frame in frames(tap, MARKER))


def left_behind(pair: Pair, hook: HookName) -> list[str]:
    """What can be seen of an interception: programs, filters, qdiscs, pins, locks."""
    side = SIDES[hook]
    with pair.on(side):
        namespace = str(place.network_namespace())
    traces = [str(p) for folder in (place.BPFFS / "gryphon", place.LOCKS) for p in folder.glob(f"{namespace}-*")]
    traces += [line for line in pair.run(side, "ip", "link", "show", INTERFACE).splitlines() if "xdp" in line]
    traces += [line for line in pair.run(side, "tc", "qdisc", "show").splitlines() if "clsact" in line]
    return traces


def test_answers_are_dropped_and_recorded_and_others_get_through(pair: Pair, hook: HookName) -> None:
    real = answer(ipv4(dst="192.0.2.7"), b"abc")
    with attached(pair, hook) as interception, pair.tap("helper") as tap:
        register(interception)
        pair.send("server", ANSWER, 3)
        pair.send("server", real, 2)
        pair.send("server", MARKER)
        heard = frames(tap, MARKER)
        assert (heard.count(ANSWER), heard.count(real)) == (0, 2)
        assert interception.ring.read()["length"].tolist() == [3, 3, 3]
        assert (interception.counters().matched, interception.counters().recorded) == (3, 3)


def test_with_several_rings_each_ranges_records_go_to_its_own(pair: Pair, hook: HookName) -> None:
    first, second = answer(ipv4(dst="10.17.15.9"), b"abc"), answer(ipv4(dst="10.17.16.9"), b"abcde")
    forever = time.monotonic_ns() + 3600 * 10**9
    with attached(pair, hook, rings=3) as interception, pair.tap("helper") as tap:
        interception.add_service(ip_address(SERVER), PORT)
        interception.add_range(ip_network("10.17.15.0/24"), 1, forever, ring=0)
        interception.add_range(ip_network("10.17.16.0/24"), 2, forever, ring=2)
        pair.send("server", first, 3)
        pair.send("server", second, 2)
        pair.send("server", MARKER)
        assert frames(tap, MARKER) == []
        lengths = [ring.read()["length"].tolist() for ring in interception.rings]
    assert lengths == [[3, 3, 3], [], [5, 5]]


def test_with_several_rings_each_reader_is_woken_for_its_own_records(pair: Pair, hook: HookName) -> None:
    with attached(pair, hook, rings=2) as interception, pair.tap("helper") as tap:
        interception.add_service(ip_address(SERVER), PORT)
        interception.add_range(FORGED_RANGE, GENERATION, time.monotonic_ns() + 3600 * 10**9, ring=1)
        armed = [ring.arm() for ring in interception.rings]
        pair.send("server", ANSWER)
        pair.send("server", MARKER)
        frames(tap, MARKER)
        woken = select.select([ring.fileno() for ring in interception.rings], [], [], 5)[0]
        assert (armed, woken) == ([True, True], [interception.rings[1].fileno()])


def test_a_range_whose_ring_does_not_exist_is_dropped_all_the_same(pair: Pair, hook: HookName) -> None:
    with attached(pair, hook, rings=2) as interception, pair.tap("helper") as tap:
        interception.add_service(ip_address(SERVER), PORT)
        interception.add_range(FORGED_RANGE, GENERATION, time.monotonic_ns() + 3600 * 10**9, ring=7)
        assert leaked(pair, tap) == 0
        assert interception.counters().ring_full == 5


def test_it_knows_whether_it_is_still_there_and_until_when_a_range_is_dropped(pair: Pair, hook: HookName) -> None:
    with pair.on(SIDES[hook]):
        interception = Interception.attach(hook, INTERFACE)
        register(interception)
        pair.run(SIDES[hook], "tc", "qdisc", "add", "dev", "lo", "clsact")  # somebody else's business
        assert (interception.is_there(), interception.lives(FORGED_RANGE)) == (True, True)
        interception.renew(FORGED_RANGE, time.monotonic_ns())
        assert not interception.lives(FORGED_RANGE)
        if hook == "tc":
            pair.run(SIDES[hook], "tc", "qdisc", "del", "dev", INTERFACE, "clsact")
        else:
            pair.run(SIDES[hook], "ip", "link", "delete", INTERFACE)
        assert not interception.is_there()
        interception.detach()


def test_a_clean_end_leaves_nothing_behind(pair: Pair, hook: HookName) -> None:
    with attached(pair, hook) as interception:
        register(interception)
        assert left_behind(pair, hook)
    assert left_behind(pair, hook) == []


def test_after_a_kill_answers_still_do_not_leave(pair: Pair, hook: HookName) -> None:
    killed(pair, hook)
    with pair.tap("helper") as tap:
        assert leaked(pair, tap) == 0


def test_after_a_kill_the_lease_runs_out_by_itself(pair: Pair, hook: HookName) -> None:
    deadline = killed(pair, hook, lasting=0.2)
    time.sleep(max(0, deadline - time.monotonic_ns()) / 1e9)
    with pair.tap("helper") as tap:
        assert leaked(pair, tap) == 5


@pytest.mark.parametrize("moment", STOPS)
def test_one_that_is_killed_before_it_was_there_leaves_nothing_that_drops_or_hinders_the_next(
    pair: Pair, hook: HookName, moment: str
) -> None:
    child = pair.start(SIDES[hook], STANDING + STOPS[moment] + child_code(hook, lasting=3600))
    assert child.stdout is not None
    assert child.stdout.readline() == "here\n", child.communicate()
    child.send_signal(signal.SIGKILL)
    child.communicate()
    with pair.tap("helper") as tap:
        assert leaked(pair, tap) == 5, "no range was registered: it drops nothing"
        with attached(pair, hook) as interception:
            assert interception.taken_over == (moment != "before it attached")
            assert interception.ranges() == []
            register(interception)
            assert leaked(pair, tap) == 0
            assert len(interception.ring.read()) == 5
    assert left_behind(pair, hook) == []


def test_the_next_start_takes_over_what_lives(pair: Pair, hook: HookName) -> None:
    deadline = killed(pair, hook)
    with attached(pair, hook) as interception, pair.tap("helper") as tap:
        assert interception.taken_over
        assert interception.ranges() == [Range(FORGED_RANGE, GENERATION, deadline)]
        assert leaked(pair, tap) == 0
        assert len(interception.ring.read()) == 5
        assert interception.add_service(ip_address(SERVER), PORT) == 0, "the service keeps its index"


@pytest.mark.parametrize("sample", [0, 64])
def test_a_take_over_may_sample_otherwise_than_the_killed_one(pair: Pair, hook: HookName, sample: int) -> None:
    """The ring is each intercept's own: only ranges and services are taken over."""
    killed(pair, hook, sample=64 - sample)
    with attached(pair, hook, sample=sample) as interception, pair.tap("helper") as tap:
        assert (interception.taken_over, interception.sample) == (True, sample)
        assert leaked(pair, tap) == 0
        records = interception.ring.read()
        assert records.dtype == sampled(sample)
        assert records["length"].tolist() == [3] * 5
        assert records["sample_length"].tolist() == [min(sample, 3)] * 5
        if sample:
            assert {bytes(each) for each in records["sample"]} == {b"abc".ljust(64, b"\0")}


@pytest.mark.parametrize("mode", ["native", "generic"])
def test_both_modes_of_xdp_sample(pair: Pair, mode: str) -> None:
    with attached(pair, "xdp", xdp_mode=mode, sample=16) as interception, pair.tap("helper") as tap:
        register(interception)
        assert leaked(pair, tap) == 0
        assert {bytes(each) for each in interception.ring.read()["sample"]} == {b"abc".ljust(16, b"\0")}


@pytest.mark.parametrize("sample", [-8, 12, 1032])
def test_a_sample_that_the_ring_cannot_have_is_refused(pair: Pair, sample: int) -> None:
    with pair.on("helper"), pytest.raises(InputFault, match="a multiple of 8"):
        Interception.attach("xdp", INTERFACE, sample=sample)


def test_a_start_after_the_lease_ran_out_takes_over_no_range(pair: Pair, hook: HookName) -> None:
    deadline = killed(pair, hook, lasting=0.05)
    time.sleep(max(0, deadline - time.monotonic_ns()) / 1e9)
    with attached(pair, hook) as interception:
        assert (interception.taken_over, interception.ranges()) == (True, [])


def test_no_answer_slips_out_while_one_takes_over(pair: Pair, hook: HookName) -> None:
    killed(pair, hook)
    over = threading.Event()
    sent = [0]

    def send() -> None:
        while not over.is_set():
            pair.send("server", ANSWER, 20)
            sent[0] += 20
        pair.send("server", MARKER)

    with pair.tap("helper") as tap:
        sender = threading.Thread(target=send)
        sender.start()
        try:
            with attached(pair, hook) as interception:
                while not interception.counters().recorded:
                    time.sleep(0.001)
                over.set()
                sender.join()
                heard = frames(tap, MARKER)
                recorded = interception.counters().recorded
        finally:
            over.set()
            sender.join()
    assert heard.count(ANSWER) == 0
    assert 0 < recorded < sent[0], "the change happened while answers came"


def test_detach_removes_what_a_killed_one_left(pair: Pair, hook: HookName) -> None:
    killed(pair, hook)
    with pair.on(SIDES[hook]):
        removed = detach(INTERFACE)
    assert len(removed) == 2
    assert left_behind(pair, hook) == []
    with pair.tap("helper") as tap:
        assert leaked(pair, tap) == 5


def test_detach_with_nothing_there_says_so(pair: Pair) -> None:
    with pair.on("helper"), pytest.raises(InputFault, match=f"no interception on {INTERFACE}"):
        detach(INTERFACE)


def test_two_at_once_on_one_hook_are_refused(pair: Pair, hook: HookName) -> None:
    with attached(pair, hook):
        with pytest.raises(EnvironmentFault, match=f"process {os.getpid()}.*running on the {hook} hook"):
            Interception.attach(hook, INTERFACE)
        with pytest.raises(EnvironmentFault, match="running"):
            detach(INTERFACE)
        assert left_behind(pair, hook), "the running one is left whole"


def test_closing_leaves_the_interception_to_the_next(pair: Pair, hook: HookName) -> None:
    with pair.on(SIDES[hook]):
        first = Interception.attach(hook, INTERFACE)
        register(first)
        first.close()
    with pair.tap("helper") as tap:
        assert leaked(pair, tap) == 0
    with attached(pair, hook) as second:
        assert second.taken_over


def test_the_pins_of_an_interface_that_is_gone_are_not_taken_over(pair: Pair, hook: HookName) -> None:
    killed(pair, hook)
    with pair.on(SIDES[hook]):
        index = socket.if_nametoindex(INTERFACE)
    pair.replug(SIDES[hook], index)
    with attached(pair, hook) as interception:
        assert (interception.taken_over, interception.ranges()) == (False, [])


def test_the_pins_of_a_namespace_of_the_same_number_are_not_taken_over(pair: Pair, hook: HookName) -> None:
    with pair.on(SIDES[hook]):
        inode = place.network_namespace()
        index = socket.if_nametoindex(INTERFACE)
        stale = place.BPFFS / "gryphon" / f"{inode}-{index}-{hook}"
        (stale / "netns_1").mkdir(parents=True)
        with pytest.raises(InputFault, match="no interception"):
            detach(INTERFACE)
    assert not stale.exists()


def test_a_missing_interface_is_refused_with_those_there_are(pair: Pair, hook: HookName) -> None:
    with (
        pair.on("helper"),
        pytest.raises(EnvironmentFault, match=f"no interface eth7 here; there are: {INTERFACE}, lo"),
    ):
        Interception.attach(hook, "eth7")


def test_an_interface_without_ethernet_frames_is_refused(pair: Pair, hook: HookName) -> None:
    pair.run("helper", "ip", "tuntap", "add", "dev", "tun0", "mode", "tun")
    with pair.on("helper"), pytest.raises(EnvironmentFault, match="tun0 passes no Ethernet frames"):
        Interception.attach(hook, "tun0")


@pytest.mark.parametrize(("asked", "given"), [("auto", "native"), ("native", "native"), ("generic", "generic")])
def test_xdp_runs_in_the_mode_asked_for(pair: Pair, asked: str, given: str) -> None:
    with attached(pair, "xdp", xdp_mode=asked) as interception, pair.tap("helper") as tap:
        register(interception)
        assert (interception.mode, leaked(pair, tap)) == (given, 0)


def test_auto_falls_back_to_generic_where_the_driver_cannot(pair: Pair) -> None:
    with pair.on("helper"):
        interception = Interception.attach("xdp", "lo")
        try:
            assert interception.mode == "generic"
        finally:
            interception.detach()
        with pytest.raises(EnvironmentFault, match="lo takes no native XDP program"):
            Interception.attach("xdp", "lo", xdp_mode="native")


def test_native_xdp_takes_jumbo_frames(pair: Pair) -> None:
    for host in ("server", "helper"):
        pair.run(host, "ip", "link", "set", INTERFACE, "mtu", "9000")
    with attached(pair, "xdp", xdp_mode="native") as interception:
        register(interception)
        pair.send("server", answer(ipv4(), bytes(8900)))
        assert interception.ring.read()["length"].tolist() == [8900]


def test_a_taken_over_mode_cannot_be_changed_without_a_gap(pair: Pair) -> None:
    killed(pair, "xdp")
    with pair.on("helper"), pytest.raises(EnvironmentFault, match=r"native interception.*cannot become generic"):
        Interception.attach("xdp", INTERFACE, xdp_mode="generic")


def test_another_xdp_program_is_named_and_left_alone(pair: Pair) -> None:
    foreign = Program("xdp")
    with pair.on("helper"):
        link = foreign.attach(INTERFACE)
        with pytest.raises(EnvironmentFault, match=r"already has the XDP program gryphon_test .*not ours"):
            Interception.attach("xdp", INTERFACE)
        with pytest.raises(InputFault, match="no interception"):
            detach(INTERFACE)
        os.close(link)
    foreign.close()


def test_foreign_filters_stay_and_have_their_turn(pair: Pair) -> None:
    """A filter behind ours sees what passes, and neither it nor the qdisc goes away with ours."""
    foreign = Program("tc")
    foreign.register()
    with attached(pair, "tc") as interception:
        register(interception)
        with pair.on("server"):
            foreign.filter(INTERFACE, priority=9)
        pair.send("server", answer(ipv4(dst="192.0.2.7")))
        pair.send("server", ANSWER)
        assert interception.counters().matched == 1
        assert foreign.counters().matched == 0
        assert foreign.counters().passed >= 1
    filters = pair.run("server", "tc", "filter", "show", "dev", INTERFACE, "egress")
    assert "gryphon_test" in filters
    assert "gryphon_egress" not in filters
    foreign.close()


def test_a_clsact_of_others_stays(pair: Pair) -> None:
    pair.run("server", "tc", "qdisc", "add", "dev", INTERFACE, "clsact")
    with attached(pair, "tc"):
        pass
    assert "clsact" in pair.run("server", "tc", "qdisc", "show", "dev", INTERFACE)


def test_an_ingress_qdisc_in_the_way_is_named(pair: Pair) -> None:
    pair.run("server", "tc", "qdisc", "add", "dev", INTERFACE, "ingress")
    with pair.on("server"), pytest.raises(EnvironmentFault, match="ingress qdisc where clsact must be"):
        Interception.attach("tc", INTERFACE)


def test_detach_survives_that_somebody_removed_the_filter(pair: Pair) -> None:
    with attached(pair, "tc"):
        pair.run("server", "tc", "qdisc", "del", "dev", INTERFACE, "clsact")
    assert left_behind(pair, "tc") == []


def test_a_lacking_capability_is_named(pair: Pair, hook: HookName) -> None:
    code = child_code(hook, lasting=1)
    argv = ["setpriv", "--bounding-set=-net_admin", *pair.python(SIDES[hook], code)]
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
    assert "needs CAP_NET_ADMIN, which this process lacks" in done.stderr


def test_attaching_writes_nothing_to_the_terminal(pair: Pair, hook: HookName) -> None:
    code = child_code(hook, lasting=1)
    argv = pair.python(SIDES[hook], code)
    done = subprocess.run(argv, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=True)
    assert (done.stderr, done.stdout.count("\n")) == ("", 1)


@pytest.mark.parametrize("size", [0, 1000, 3 << 20])
def test_a_ring_of_a_wrong_size_is_refused(pair: Pair, size: int) -> None:
    with pair.on("helper"), pytest.raises(InputFault, match="power of two"):
        Interception.attach("xdp", INTERFACE, ring_bytes=size)
