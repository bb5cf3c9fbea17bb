"""`gryphon-intercept` with the kernel behind it: ready, granting, stopped, killed, taken over, detached."""

from __future__ import annotations

import signal
import stat
from collections.abc import Iterator

import pytest
from intercepting import TOKEN, Intercept, answer, attached, command, intercepting, passed, sender

from gryphon.lab.hosts import Lab
from gryphon.lab.tap import Tap
from gryphon.lab.wiring import SERVER_V4, SERVER_V6


@pytest.fixture(autouse=True)
def _nothing_stays(lab: Lab) -> Iterator[None]:
    yield
    assert attached(lab) == ""


@pytest.mark.parametrize(("hook", "mode"), [("--tc", "tc egress"), ("--xdp", "native")])
def test_one_line_and_a_file_say_that_it_is_ready(lab: Lab, hook: str, mode: str) -> None:
    intercept = Intercept(lab, "server", "ready", hook, "eth0", token=None)
    ready = intercept.is_ready()
    assert ready["pid"] == intercept.child.pid
    assert (ready["interface"], ready["mode"], ready["port"]) == ("eth0", mode, 36524)
    said = intercept.says("token ")
    (line,) = said.splitlines()
    assert line.startswith("gryphon-intercept is ready: ")
    assert f"on eth0 ({mode}), listening at *:36524, token " in line
    token = line.rpartition(" ")[2]
    assert len(token) == 32
    assert token not in intercept.log.read_text()
    intercept.signal(signal.SIGINT)
    assert intercept.ends() == 0
    assert not intercept.ready.exists()


def test_a_given_token_is_not_printed(lab: Lab) -> None:
    secret = lab.directory / "secret"
    secret.write_text("not to be shown\n".replace(" ", "-"))
    secret.chmod(stat.S_IRUSR | stat.S_IWUSR)
    with intercepting(lab, "file", "--tc", "eth0", "--token-file", str(secret)) as intercept:
        assert f"token from {secret}" in intercept.says("is ready")
        assert "not-to-be-shown" not in intercept.said
        sender(lab, "with-file", token="not-to-be-shown").says("granted tc on eth0 (tc egress)")


@pytest.mark.parametrize(
    ("source", "network", "target"),
    [(SERVER_V4, "10.17.15.0/24", "10.17.15.7"), (f"{SERVER_V6}", "fd00:17::/64", "fd00:17::7")],
)
def test_answers_reach_the_sender_and_nobody_else(lab: Lab, source: str, network: str, target: str) -> None:
    service = f"[{source}]:80" if ":" in source else f"{source}:80"
    tap = Tap(lab, "sender", "eth0", lab.directory / f"tap-{target}", f"dst host {target} or udp port 9")
    with tap, intercepting(lab, "answers", "--tc", "eth0"):
        run = sender(lab, "answers-sender", network=network, service=service)
        run.says("granted")
        answer(lab, 4711, target, source)
        run.says("records 1 4711")
        assert passed(lab, tap) == []


def test_the_channel_works_over_ipv6(lab: Lab) -> None:
    with intercepting(lab, "six", "--tc", "eth0"):
        sender(lab, "six-sender", to=SERVER_V6).says("granted")


def test_two_senders_get_each_their_own_answers(lab: Lab) -> None:
    with intercepting(lab, "two", "--tc", "eth0"):
        one, other = sender(lab, "one"), sender(lab, "other", network="10.18.0.0/16")
        one.says("granted")
        other.says("granted")
        lab.run("server", ["ip", "route", "replace", "10.18.0.0/16", "via", "10.16.15.117"])
        answer(lab, 11, "10.17.15.7")
        answer(lab, 22, "10.18.0.7")
        one.says("records 1 11\n")
        other.says("records 1 22\n")


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"token": "wrong"}, "wrong token"),
        ({"network": "8.8.8.0/24"}, "the forged range 8.8.8.0/24 is not allowed here"),
        ({"network": "10.16.15.0/24"}, "the forged range 10.16.15.0/24 contains 10.16.15.11"),
        ({"network": "10.16.17.0/24", "service": "10.1.1.1:80"}, "10.1.1.1:80 is not allowed here"),
    ],
)
def test_a_refusal_has_its_reason_on_both_sides(lab: Lab, wrong: dict[str, str], sentence: str) -> None:
    with intercepting(lab, "refusing", "--tc", "eth0", "--allow-services", f"{SERVER_V4}:80") as intercept:
        run = sender(lab, "refused", **wrong)  # type: ignore[arg-type]
        assert run.ends() == 3
        assert run.said.startswith(f"3 the intercept at {SERVER_V4}:36524 refuses: ")
        assert sentence in run.said
        intercept.says("refused 10.16.15.117:")
        assert sentence in intercept.log.read_text()


def test_a_range_named_at_the_start_is_allowed(lab: Lab) -> None:
    with intercepting(lab, "allowing", "--tc", "eth0", "--allow-ranges", "8.8.0.0/16,10.17.0.0/16"):
        sender(lab, "eight", network="8.8.8.0/24").says("granted")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_stop_without_any_grant_detaches_at_once(lab: Lab, number: signal.Signals) -> None:
    intercept = Intercept(lab, "server", "plain-stop", "--tc", "eth0")
    intercept.is_ready()
    intercept.signal(number)
    assert intercept.ends() == 0
    assert attached(lab) == ""


def test_one_that_a_script_started_in_the_background_is_stopped_by_sigint(lab: Lab) -> None:
    """A shell without job control starts such processes with SIGINT ignored (POSIX, 2.11)."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        intercept = Intercept(lab, "server", "background", "--tc", "eth0")
    finally:
        signal.signal(signal.SIGINT, before)
    intercept.is_ready()
    intercept.signal(signal.SIGINT)
    assert intercept.ends() == 0


def test_a_stop_ends_the_senders_and_lingers_then_leaves_nothing(lab: Lab) -> None:
    intercept = Intercept(lab, "server", "linger", "--tc", "eth0", "--linger", "2")
    intercept.is_ready()
    run = sender(lab, "linger-sender")
    run.says("granted")
    intercept.signal(signal.SIGTERM)
    run.says("lost the intercept at 10.16.15.118:36524 ended the grant: the intercept was stopped")
    assert run.ends() == 3
    said = intercept.says("answers to forged addresses are dropped for 2 s more")
    assert "Ctrl-C again" in said
    assert attached(lab) == "bpf clsact"
    assert intercept.ends() == 0
    assert "detached from eth0" in intercept.said


def test_a_second_ctrl_c_detaches_at_once(lab: Lab) -> None:
    intercept = Intercept(lab, "server", "second", "--tc", "eth0")
    intercept.is_ready()
    sender(lab, "second-sender").says("granted")
    intercept.signal(signal.SIGINT)
    intercept.says("are dropped for 600 s more")
    intercept.signal(signal.SIGINT)
    assert intercept.ends() == 0


def test_without_linger_a_stop_detaches_at_once(lab: Lab) -> None:
    intercept = Intercept(lab, "server", "no-linger", "--tc", "eth0", "--linger", "0")
    intercept.is_ready()
    sender(lab, "no-linger-sender").says("granted")
    intercept.signal(signal.SIGINT)
    assert intercept.ends() == 0


def test_one_that_keeps_ends_at_once_and_the_next_takes_over(lab: Lab) -> None:
    """What a service manager's restart needs: no linger to wait for, and no leak."""
    intercept = Intercept(lab, "server", "keeping", "--tc", "eth0", "--keep")
    intercept.is_ready()
    run = sender(lab, "keeping-sender")
    run.says("granted")
    intercept.signal(signal.SIGTERM)
    assert intercept.ends() == 0
    assert run.ends() == 3
    assert "eth0 goes on dropping answers to 10.17.15.0/24 for" in intercept.said
    assert attached(lab) == "bpf clsact"
    with intercepting(lab, "kept", "--tc", "eth0") as following:
        following.says("took over what an earlier intercept left on eth0")


def test_one_that_keeps_goes_on_keeping_what_it_took_over(lab: Lab) -> None:
    with intercepting(lab, "killed-first", "--tc", "eth0") as killed:
        sender(lab, "of-killed-first").says("granted")
        killed.signal(signal.SIGKILL)
        killed.ends()
        heir = Intercept(lab, "server", "keeping-heir", "--tc", "eth0", "--keep")
        heir.is_ready()
        heir.signal(signal.SIGTERM)
        assert heir.ends() == 0
        assert "eth0 goes on dropping answers to 10.17.15.0/24 for" in heir.said
        assert attached(lab) == "bpf clsact"


def test_one_that_keeps_leaves_nothing_where_it_holds_nothing(lab: Lab) -> None:
    intercept = Intercept(lab, "server", "keeping-nothing", "--tc", "eth0", "--keep")
    intercept.is_ready()
    intercept.signal(signal.SIGTERM)
    assert intercept.ends() == 0
    assert attached(lab) == ""


@pytest.mark.parametrize("hook", ["--tc", "--xdp"])
def test_a_killed_intercept_is_noticed_leaks_nothing_and_is_taken_over(lab: Lab, hook: str) -> None:
    tap = Tap(lab, "sender", "eth0", lab.directory / f"tap{hook}", "dst net 10.17.15.0/24 or udp port 9")
    with tap, intercepting(lab, "killed", hook, "eth0") as killed:
        run = sender(lab, "of-killed")
        run.says("granted")
        killed.signal(signal.SIGKILL)
        run.says("is gone: it hung up without a word")
        assert run.ends() == 3
        assert attached(lab) != ""
        if hook == "--tc":
            answer(lab, 1)
            assert passed(lab, tap) == []
        with intercepting(lab, "next", hook, "eth0") as following:
            following.says("took over what an earlier intercept left on eth0")
            run = sender(lab, "of-next")
            run.says("granted")
            if hook == "--tc":
                answer(lab, 2)
                run.says("records 1 2\n")


def test_a_taken_over_range_still_lingers_after_a_stop(lab: Lab) -> None:
    with intercepting(lab, "left", "--tc", "eth0") as killed:
        sender(lab, "of-left").says("granted")
        killed.signal(signal.SIGKILL)
        killed.ends()
        with intercepting(lab, "heir", "--tc", "eth0") as heir:
            heir.signal(signal.SIGINT)
            heir.says("stopping: answers to forged addresses are dropped for")
            heir.signal(signal.SIGINT)
            assert heir.ends() == 0


def test_detach_removes_what_a_killed_intercept_left(lab: Lab) -> None:
    with intercepting(lab, "left-behind", "--tc", "eth0") as killed:
        running = command(lab, "--detach", "eth0")
        assert running.returncode == 3
        assert "is running" in running.stderr
        killed.signal(signal.SIGKILL)
        killed.ends()
        done = command(lab, "--detach", "--tc", "eth0")
        assert done.returncode == 0
        assert done.stdout.startswith("removed the tc egress filter of eth0")
        assert attached(lab) == ""
    again = command(lab, "--detach", "eth0")
    assert again.returncode == 2
    assert len(again.stderr.splitlines()) == 1


def test_a_sender_killed_is_noticed_and_its_answers_go_on_being_dropped(lab: Lab) -> None:
    with intercepting(lab, "widowed", "--tc", "eth0") as intercept:
        run = sender(lab, "killed-sender")
        run.says("granted")
        run.signal(signal.SIGKILL)
        intercept.says("lost, the connection ended without a word; its answers are dropped for 600 s more")
        sender(lab, "its-successor").says("granted")


def test_when_somebody_removes_its_filter_the_sender_is_told_and_it_ends(lab: Lab) -> None:
    with intercepting(lab, "robbed", "--tc", "eth0") as intercept:
        run = sender(lab, "of-robbed")
        run.says("granted")
        lab.run("server", ["tc", "qdisc", "del", "dev", "eth0", "clsact"])
        run.says("ended the grant: somebody removed the interception from eth0", seconds=5)
        assert (run.ends(), intercept.ends()) == (3, 3)
        assert "every sender was told to stop" in intercept.said


def test_a_sender_whose_cable_is_cut_is_given_up(lab: Lab) -> None:
    with intercepting(lab, "cut", "--tc", "eth0") as intercept:
        run = sender(lab, "cut-sender")
        run.says("granted")
        lab.run("sender", ["ip", "link", "set", "eth0", "down"])
        try:
            run.says("has not answered for 5 s", seconds=15)
            intercept.says("lost, nothing heard for 10 s", seconds=20)
        finally:
            lab.run("sender", ["ip", "link", "set", "eth0", "up"])
            lab.route_forged("sender")


def test_the_token_of_the_environment_is_the_one_that_counts(lab: Lab) -> None:
    with intercepting(lab, "environ", "--tc", "eth0") as intercept:
        assert "token from GRYPHON_TOKEN" in intercept.says("is ready")
        sender(lab, "environ-sender", token=TOKEN).says("granted")
