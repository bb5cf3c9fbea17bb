"""From XDP exactly the built frames reach the other end; what does not leave is told of, or waited for, never lost."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from pyroute2.netns import setns
from wires import CLONE_NEWNET, PAYLOAD, TARGETS, batch, check, run

from gryphon.bpf import capabilities, loader, syscall
from gryphon.controller.errors import EnvironmentFault
from gryphon.controller.interfaces import xdp_program
from gryphon.sender.transmit import xdp, xdp_anchor
from gryphon.sender.transmit.hops import Hop
from gryphon.sender.transmit.xdp import NOT_SENT, XdpTransmitter, why_not
from gryphon.sender.transmit.xdp_program import LARGEST_FRAME, XdpProgram

V4, V6 = TARGETS
NEAR, FAR = "gx-res-a", "gx-res-b"


pytestmark = pytest.mark.usefixtures("bpf_privileges")


def hardware(interface: str) -> bytes:
    return bytes.fromhex(run(f"ip -br link show {interface}").split()[2].replace(":", ""))


class Wire:
    """A namespace with no way out: what leaves by one end of a veth pair is heard at the other, XDP and all."""

    def __init__(self, program: int) -> None:
        run("ip link set lo up")
        run(f"ip link add {NEAR} type veth peer name {FAR}")
        for end in (NEAR, FAR):
            Path(f"/proc/sys/net/ipv6/conf/{end}/disable_ipv6").write_text("1")  # no packets but ours
            run(f"ip link set {end} up")
        self.program = program
        self.link = -1
        self.plug()
        self.tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
        self.tap.bind((FAR, 3))
        self.tap.setsockopt(socket.SOL_SOCKET, 33, 128 << 20)  # SO_RCVBUFFORCE
        self.tap.settimeout(10)

    def plug(self) -> None:
        """Have an XDP program at the far end: without one, or GRO, a veth takes no frame from XDP."""
        self.link = syscall.xdp_link(self.program, socket.if_nametoindex(FAR), 4)

    def unplug(self) -> None:
        """Take it off."""
        if self.link >= 0:
            os.close(self.link)
        self.link = -1

    def hops(self, targets: int, mtu: int = 1500, device: str = NEAR) -> list[Hop]:
        index = socket.if_nametoindex(device)
        return [Hop(device, index, hardware(device), hardware(FAR), mtu, index, ())] * targets

    def seen(self, count: int) -> list[bytes]:
        """The next ``count`` frames at the far end."""
        return [self.tap.recv(65_536) for _ in range(count)]


@pytest.fixture(scope="module")
def passing() -> Iterator[int]:
    """A program that passes every packet, for ends that need one."""
    module = loader.compile(Path(loader.__file__).parent / "transmit.bpf.c", {"FRAME_BYTES": 1 << 13, "PLACES": 8})
    program = module.load(syscall.XDP, "passing", "test_passing")
    yield program
    os.close(program)
    module.close()


@pytest.fixture
def wire(passing: int) -> Iterator[Wire]:
    """A wire in a namespace of its own, which goes when the last socket in it does."""
    home = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    library = ctypes.CDLL(None, use_errno=True)
    assert library.unshare(CLONE_NEWNET) == 0, os.strerror(ctypes.get_errno())
    try:
        made = Wire(passing)
        yield made
        made.tap.close()
        made.unplug()
    finally:
        setns(home)
        os.close(home)


def check_frame(frame: bytes, packet: np.void) -> None:
    """The frame as seen is that of the descriptor, with the addresses of the hop in front."""
    kind = (0x86DD if packet["target"] else 0x0800).to_bytes(2, "big")
    assert frame[:14] == hardware(FAR) + hardware(NEAR) + kind
    check(frame[14:], packet)


def test_frames_of_several_batches_and_both_ip_versions_arrive_as_built(wire: Wire) -> None:
    packets = np.stack([batch(50, 0), batch(50, 1)], axis=1).reshape(-1)
    with closing(XdpTransmitter([V4, V6], PAYLOAD, wire.hops(2), batch=16)) as transmitter:
        assert transmitter.send(packets) == 100
        for frame, packet in zip(wire.seen(100), packets, strict=True):
            check_frame(frame, packet)
        assert transmitter.errors() == {}
        transmitter.close()


def test_one_frame_at_a_time_grows_and_shrinks(wire: Wire) -> None:
    packets = batch(6, length=[0, 1400, 1, 7, 1399, 0])
    with closing(XdpTransmitter([V4], PAYLOAD, wire.hops(1))) as transmitter:
        for i, packet in enumerate(packets):
            assert transmitter.send(packets[i : i + 1]) == 1
            check_frame(wire.seen(1)[0], packet)


def test_the_largest_frame_arrives_and_one_byte_more_is_counted(wire: Wire) -> None:
    for end in (NEAR, FAR):
        run(f"ip link set {end} mtu 9000")
    packets = batch(2, length=[LARGEST_FRAME - 14 - 52, LARGEST_FRAME - 14 - 51])
    with closing(XdpTransmitter([V4], PAYLOAD, wire.hops(1, mtu=9000))) as transmitter:
        assert transmitter.send(packets) == 2
        check_frame(wire.seen(1)[0], packets[0])
        assert transmitter.errors()["EMSGSIZE"].packets == 1


def test_a_full_ring_is_back_pressure_and_loses_nothing(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    # more frames at once than the 256 of a veth's ring, which is emptied only between them
    monkeypatch.setattr(xdp, "XdpProgram", lambda: XdpProgram(kernel_batch=256))
    packets = batch(8_000, length=200)
    packets["payload"] = 0
    with closing(XdpTransmitter([V4], PAYLOAD, wire.hops(1), batch=4096)) as transmitter:
        taken, short = transmitter.send(packets), 0
        while taken < packets.size:
            short += 1
            transmitter.wait_writable(1)
            taken += transmitter.send(packets[taken:])
        assert short > 0
        frames = wire.seen(packets.size)
        assert sorted(int.from_bytes(frame[38:42], "big") for frame in frames) == list(range(packets.size))
        assert transmitter.errors() == {}


def test_a_packet_above_the_mtu_is_counted_and_the_rest_goes_on(wire: Wire) -> None:
    packets = batch(5)
    packets["length"][[1, 4]] = 3000
    with closing(XdpTransmitter([V4], PAYLOAD, wire.hops(1))) as transmitter:
        assert transmitter.send(packets) == 5
        for frame, packet in zip(wire.seen(3), packets[[0, 2, 3]], strict=True):
            check_frame(frame, packet)
        error = transmitter.errors()["EMSGSIZE"]
        assert error.packets == 2
        assert "3000 bytes" in error.example
        assert transmitter.refused_rows().tolist() == [1, 4]


def test_what_a_device_cannot_do_is_known_without_touching_it(wire: Wire) -> None:
    assert why_not(wire.hops(2)) is None
    wire.unplug()
    assert "GRO" in (why_not(wire.hops(1)) or "")
    assert "lo takes no frames from XDP" in (why_not(wire.hops(1, device="lo")) or "")
    run("ip link add gx-res-mv link gx-res-a type macvlan")
    assert "gx-res-mv takes no frames" in (why_not(wire.hops(1, device="gx-res-mv")) or "")
    assert [xdp_program(index)[0] for index, _ in socket.if_nameindex()] == [0] * 4


def test_missing_capabilities_are_named(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capabilities, "effective", lambda: 0)
    assert "CAP_BPF and CAP_NET_ADMIN and CAP_PERFMON" in (why_not(wire.hops(1)) or "")


def test_a_device_whose_driver_sends_nothing_from_xdp_is_refused(wire: Wire) -> None:
    with pytest.raises(EnvironmentFault, match=r"lo takes no frames from XDP.*--transmit link or raw"):
        XdpTransmitter([V4], PAYLOAD, wire.hops(1, device="lo"))


def test_a_veth_whose_other_end_is_not_ready_is_refused_before_the_run(wire: Wire) -> None:
    wire.unplug()
    with pytest.raises(EnvironmentFault, match=rf"{NEAR} takes no frames from XDP.*GRO"):
        XdpTransmitter([V4], PAYLOAD, wire.hops(1))


def test_first_frames_that_nobody_takes_end_the_run(wire: Wire) -> None:
    with closing(XdpTransmitter([V4], PAYLOAD, wire.hops(1))) as transmitter:
        wire.unplug()
        with pytest.raises(EnvironmentFault, match=rf"{NEAR} takes no frames from XDP"):
            transmitter.send(batch(100))


def test_frames_that_nobody_takes_in_the_middle_are_counted_and_the_rest_goes_on(wire: Wire) -> None:
    packets = batch(300)
    with closing(XdpTransmitter([V4], PAYLOAD, wire.hops(1))) as transmitter:
        assert transmitter.send(packets[:100]) == 100
        wire.unplug()
        assert transmitter.send(packets[100:200]) == 100
        wire.plug()
        assert transmitter.send(packets[200:]) == 100
        for frame, packet in zip(wire.seen(200), np.delete(packets, slice(100, 200)), strict=True):
            check_frame(frame, packet)
        error = transmitter.errors()[NOT_SENT]
        assert error.packets == 100
        assert "--transmit link or raw" in error.example


def test_a_device_that_goes_down_is_told_of(wire: Wire) -> None:
    with closing(XdpTransmitter([V4], PAYLOAD, wire.hops(1))) as transmitter:
        transmitter.send(batch(1))
        run(f"ip link set {NEAR} down")
        assert transmitter.send(batch(20)) == 20
        assert transmitter.errors()[NOT_SENT].packets == 20


def test_the_device_gets_a_passing_program_and_loses_it_with_the_transmitter(wire: Wire) -> None:
    index = socket.if_nametoindex(NEAR)
    with closing(XdpTransmitter([V4], PAYLOAD, wire.hops(1))):
        assert syscall.program_name(xdp_program(index)[0]) == "gryphon_passing"
    assert xdp_program(index)[0] == 0


def test_a_program_that_is_there_stays(wire: Wire, passing: int) -> None:
    index = socket.if_nametoindex(NEAR)
    link = syscall.xdp_link(passing, index, 4)
    before = xdp_program(index)[0]
    with closing(XdpTransmitter([V4], PAYLOAD, wire.hops(1))) as transmitter:
        assert xdp_program(index)[0] == before
        assert transmitter.send(batch(3)) == 3
        assert len(wire.seen(3)) == 3
    os.close(link)


def test_a_killed_sender_leaves_nothing_behind(wire: Wire) -> None:
    before = {name for _, name in socket.if_nameindex()}
    code = (
        "import sys, signal; sys.path.insert(0, sys.argv[1]); import test_xdp_transmit as t;"
        "x = t.XdpTransmitter([t.V4], t.PAYLOAD, [t.Hop(*eval(sys.argv[2]))]); x.send(t.batch(1));"
        "print(flush=True); signal.pause()"
    )
    line = [sys.executable, "-c", code, str(Path(__file__).parent), repr(tuple(wire.hops(1)[0]))]
    with subprocess.Popen(line, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "\n"
        assert len({name for _, name in socket.if_nameindex()} - before) == 1
        child.send_signal(signal.SIGKILL)
    assert len(wire.seen(1)) == 1
    assert {name for _, name in socket.if_nameindex()} == before
    assert xdp_program(socket.if_nametoindex(NEAR))[0] == 0


def test_a_host_without_tun_uses_a_veth_that_goes(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xdp_anchor, "_TUN", "/dev/net/nowhere")
    before = {name for _, name in socket.if_nameindex()}
    with closing(XdpTransmitter([V4], PAYLOAD, wire.hops(1))) as transmitter:
        assert len({name for _, name in socket.if_nameindex()} - before) == 2
        assert transmitter.send(batch(3)) == 3
        assert len(wire.seen(3)) == 3
    assert {name for _, name in socket.if_nameindex()} == before


def test_a_closed_transmitter_ends_the_run(wire: Wire) -> None:
    transmitter = XdpTransmitter([V4], PAYLOAD, wire.hops(1))
    transmitter.close()
    transmitter.close()
    with pytest.raises(OSError, match="EBADF"):
        transmitter.send(batch(1))
