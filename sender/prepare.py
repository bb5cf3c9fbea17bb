"""What a run is made of, before anybody else hears of it: options, recording, rules, script, schedule."""

from __future__ import annotations

import logging
import sys
from dataclasses import dataclass, replace

from gryphon.controller.errors import EnvironmentFault, InputFault
from gryphon.sender.bar import reading
from gryphon.sender.capture.load import check_whole, load
from gryphon.sender.capture.recording import Recording, Rules
from gryphon.sender.capture.unpack import check_readable
from gryphon.sender.check.nearby import ask_nearby
from gryphon.sender.check.start import warn_before
from gryphon.sender.divide import Share, share_out
from gryphon.sender.intercepts import parse_places, taken_addresses
from gryphon.sender.options import SMALLEST_MTU, SendOptions
from gryphon.sender.ranges import check_pool, parse_pool
from gryphon.sender.replay.arrivals import Arrivals
from gryphon.sender.replay.engine import BATCH
from gryphon.sender.replay.fields import scratch_bytes
from gryphon.sender.replay.script import Recorded, Script, compile_script
from gryphon.sender.replay.verify import Verify
from gryphon.sender.replay.wanted import Wanted
from gryphon.sender.rules.apply import apply_rules
from gryphon.sender.rules.parse import read_rules
from gryphon.sender.rules.rule import UserRules
from gryphon.sender.schedule import MOST_LOOPS, plan_arrivals
from gryphon.sender.transfers import Transfers, parse_transfers
from gryphon.sender.transmit.choose import Choice, choose
from gryphon.sender.transmit.interface import Target
from gryphon.sender.verification import compile_wants, needed_sample
from gryphon.sender.warm import warm_up

log = logging.getLogger("gryphon")


@dataclass(frozen=True)
class Prepared:
    """What the user's input comes to, before anything is opened."""

    options: SendOptions
    transfers: Transfers
    choice: Choice
    shares: list[Share]  # of the users, one for each engine
    recording: Recording
    script: Script
    arrivals: Arrivals
    wanted: Wanted
    sample: int  # bytes of each segment's payload that the run has to see


def prepare(options: SendOptions, verify: Verify) -> Prepared:
    """Everything before the first socket: wrong input, missing permission, compiling, loading.

    Raises:
        InputFault: something about the options, the rules or the capture.
        EnvironmentFault: packets may not be sent here.
    """
    transfers = parse_transfers(options.transfer)
    pool = parse_pool(options.clients)
    if pool.version != transfers.version:
        raise InputFault(
            f"the forged range {pool.networks[0]} is IPv{pool.version} and the server {transfers.services[0][0]} is "
            f"IPv{transfers.version}: give a range of the server's version with -c"
        )
    places = parse_places(options.intercept, options.port)
    ask_nearby(pool.networks)
    check_pool(pool, options.users, taken_addresses(transfers.services, places))
    shares = share_out(pool, options.threads, options.users)
    user_rules = read_rules(options.rules, options.fields)
    wanted = compile_wants(user_rules, transfers.targets)
    sample = needed_sample(verify, wanted)
    # before seconds of compiling: whether packets can be sent at all
    choice = _choose(options, transfers)
    options = _within(options, choice)
    warn_before(transfers, pool, places, options.users, choice.way)
    check_readable(options.files)
    warm_up(("capture", "replay", *_transmitters(choice)))
    rules = Rules(
        keep_silent=options.hold_s is not None, allow_encrypted=options.allow_encrypted, answer_bytes=verify.size
    )
    with reading(list(options.files)) as progress:
        recording = load(list(options.files), list(transfers.targets), rules, progress)
    if options.strict:
        check_whole(recording)
    arrivals = plan_arrivals(
        options.arrivals, options.rate, options.ramp, options.users, recording.sessions["start_ns"], options.speed
    )
    script = _compile(options, transfers, recording, user_rules, verify)
    rejected = sum(recording.rejected.values())
    log.info("%d sessions recorded, %d replayable, %d rejected", recording.recorded, len(recording.sessions), rejected)
    return Prepared(options, transfers, choice, shares, recording, script, arrivals, wanted, sample)


def _choose(options: SendOptions, transfers: Transfers) -> Choice:
    """How packets leave, with a word where that was for us to decide."""
    targets = [Target(address, port, index) for index, (address, port) in enumerate(transfers.services)]
    choice = choose(options.transmit, targets, options.device)
    if choice.why:
        log.info("%s", choice.why)
        print(choice.why, file=sys.stderr, flush=True)
    return choice


def _transmitters(choice: Choice) -> list[str]:
    """The jobs of ``warm_up`` for the way that was chosen, and for the one that may take its place."""
    ways = {choice.way, choice.instead or choice.way}
    return [job for job, wanted in (("frames", "xdp" in ways), ("transmit", ways != {"xdp"})) if wanted]


def _within(options: SendOptions, choice: Choice) -> SendOptions:
    """The options with an MTU that the devices take: nobody but the kernel's routing would say so of each packet."""
    if choice.mtu is None or choice.mtu >= options.mtu:
        return options
    where = " and ".join(choice.devices)
    if choice.mtu < SMALLEST_MTU:
        raise EnvironmentFault(f"the MTU of {where} is {choice.mtu}: at least {SMALLEST_MTU} is needed")
    log.warning(
        "-M %d is more than %s over %s takes: packets have at most %d bytes", options.mtu, choice.way, where, choice.mtu
    )
    return replace(options, mtu=choice.mtu)


def _compile(
    options: SendOptions, transfers: Transfers, recording: Recording, rules: UserRules, verify: Verify
) -> Script:
    """The script, re-cut for per-user fields where there are rules for some."""
    recut: Recorded = recording
    fields = None
    if rules.fields:
        scratch, loops = scratch_bytes(BATCH, options.mtu), options.loops or MOST_LOOPS
        recut, fields = apply_rules(recording, rules, transfers.targets, options.users, scratch, loops)
    return compile_script(
        recut,
        transfers.targets,
        options.speed,
        options.hold_s,
        push=options.push,
        settle_s=options.settle_s,
        fields=fields,
        verify=verify,
    )
