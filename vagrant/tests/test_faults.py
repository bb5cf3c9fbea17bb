"""What only machines can do: reboot in the middle of a run. And a killed intercept, whose program stays attached."""

from __future__ import annotations

import json

from vagrant.machine import Machine
from vagrant.replay import SEND, V4, intercepting, send
from vagrant.wire import Wire


def looping(recording: str, token: str, seconds: int) -> str:
    """A run of users that come back until it is over."""
    line = SEND.format(service=V4[0], file=recording, intercept="10.16.15.119", users=50, clients=V4[1])
    return f"env GRYPHON_TOKEN={token} {line} --loops forever --duration {seconds}s --json /tmp/looping.json"


def test_the_server_reboots_in_the_middle_of_a_run(machines: dict[str, Machine], wire: Wire, recording: str) -> None:
    """Its users fail meanwhile, and are served again once it is back, with its route for the forged range."""
    sender, server = machines["sender"], machines["server"]
    with wire, intercepting(machines["assistant"], "--xdp eth1") as intercept:
        with sender.running(looping(recording, intercept.token, 2400)) as run:
            server.wait_for_requests()
            server.reboot()
            server.wait_for_requests()
            run.signal("INT")
            status = run.wait()
        result = json.loads(sender.run("sudo cat /tmp/looping.json"))
    assert status == 130, run.text
    assert sum(result["users"]["failed"].values()) > 0
    assert set(wire.seen) <= {("server", wire.macs["assistant"])}


def test_a_killed_intercept_ends_the_run_and_leaks_nothing(
    machines: dict[str, Machine], wire: Wire, recording: str
) -> None:
    """The program goes on dropping; the next start takes it over, and serves a whole run."""
    sender, server, assistant = machines["sender"], machines["server"], machines["assistant"]
    with wire:
        with assistant.running("gryphon-intercept --xdp eth1") as killed:
            token = killed.wait_for(r"token \S+").split()[-1]
            with sender.running(looping(recording, token, 600)) as run:
                server.wait_for_requests()
                (python,) = assistant.run(f"pgrep -P {killed.pid}").split()  # sudo's child
                assistant.run(f"sudo kill -KILL {python}")
                status = run.wait()
        assert status == 3, run.text
        assert "prog/xdp" in assistant.run("ip link show eth1")
        with intercepting(assistant, "--xdp eth1") as intercept:
            again = send(machines, recording, "10.16.15.119", token=intercept.token, users=100)
    again.assert_whole(100)
    assert set(wire.seen) == {("server", wire.macs["assistant"])}
