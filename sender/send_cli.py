"""The options of ``gryphon send``, also those that are only there to say why they are not."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer

from gryphon.controller.errors import InputFault
from gryphon.controller.logs import parse_level
from gryphon.controller.numbers import whole
from gryphon.sender.config import as_toml, check_needed, effective, needed, read_config
from gryphon.sender.interrupt import interruptible
from gryphon.sender.logs import open_log
from gryphon.sender.numeric import float_option, int_option
from gryphon.sender.options import (
    DEFAULT_PORT,
    REFUSED,
    SendOptions,
    check,
    parse_files,
    parse_hold,
    parse_speed,
    parse_trace_users,
)
from gryphon.sender.schedule import parse_duration, parse_loops, seconds


def _refuse(context: Any, parameter: Any, value: Any) -> Any:
    """An option of the original that has no use here."""
    if value is not None and not context.resilient_parsing:
        raise InputFault(f"{parameter.opts[0]} has no use here: {REFUSED[parameter.opts[0]]}")
    return value


def _refused(name: str) -> Any:
    """An option that is only there to say why it is not."""
    return typer.Option(name, hidden=True, callback=_refuse)


def send(
    context: typer.Context,
    transfer: Annotated[str, needed("-x", "--transfer", "Recorded port and server: 80-10.16.15.118:80,...")] = "",
    file: Annotated[str, needed("-f", "--file", "Capture files, several with commas.")] = "",
    intercept: Annotated[
        str, needed("-s", "--intercept", "Where answers are dropped: HOST[:PORT], xdp:IFACE or tc:IFACE.")
    ] = "",
    clients: Annotated[str, needed("-c", "--clients", "Forged addresses: '10.17.15.*', 10.17.0.0/16, ...")] = "",
    users: Annotated[int, needed("-u", "--users", "Simulated users.", parser=whole("-u", "1000"), metavar="<int>")] = 0,
    accelerate: Annotated[str, typer.Option("-a", "--accelerate", help="Divide pauses by this, or max.")] = "1",
    rate: Annotated[str | None, typer.Option("-i", "--rate", help="New users per second (1000), or max.")] = None,
    ramp: Annotated[str | None, typer.Option("--ramp", help="A rate that changes: 0:1000,60s:20000,...")] = None,
    arrivals: Annotated[str, typer.Option("--arrivals", help="even or poisson at that rate, or recorded.")] = "even",
    loops: Annotated[str | None, typer.Option("--loops", help="Sessions of each user, one after the other.")] = None,
    duration: Annotated[str | None, typer.Option("--duration", help="Users come back so long: 90s, 5m.")] = None,
    push: Annotated[
        bool, typer.Option("--push", "--comet", help="Send every message at its recorded time, answered or not.")
    ] = False,
    settle: Annotated[str, typer.Option("--settle", help="Silence that ends an answer of another size.")] = "200ms",
    timeout: Annotated[
        float, float_option("-t", "--timeout", help="Seconds without an answer that fail a user.", example="10")
    ] = 75,
    verify: Annotated[
        str | None, typer.Option("--verify", help="Compare so many first bytes of each answer, or off.")
    ] = None,
    ignore: Annotated[
        list[str] | None, typer.Option("--ignore", help="What matches in recorded answers may differ; several.")
    ] = None,
    hold: Annotated[str | None, typer.Option("--hold", help="Stay connected at the end: seconds, or forever.")] = None,
    strict: Annotated[
        bool, typer.Option("--strict/--skip-rejected", help="Refuse to start when some session cannot be replayed.")
    ] = False,
    allow_encrypted: Annotated[
        bool, typer.Option("--allow-encrypted", help="Replay TLS, SSH and salted logins, too, byte for byte.")
    ] = False,
    rules: Annotated[str | None, typer.Option("--rules", help="TOML file of per-user fields.")] = None,
    field: Annotated[
        list[str] | None, typer.Option("--field", help="A per-user field: 'PORT[/MESSAGE]:REGEX=VALUE'.")
    ] = None,
    mode: Annotated[int, int_option("-m", "--mode", help="0: vary the address first, 1: the port.", example="0")] = 0,
    seed: Annotated[int, int_option("-e", "--seed", help="Shuffle addresses and ports; 0: in order.", example="7")] = 0,
    mtu: Annotated[int, int_option("-M", "--mtu", help="Largest packet to send, bytes.", example="1500")] = 1500,
    threads: Annotated[
        int, int_option("--threads", help="Processes that share the users, one for each core.", example="2")
    ] = 1,
    port: Annotated[
        int, int_option("-p", "--port", help="Port of the intercepts in -s.", example="36524")
    ] = DEFAULT_PORT,
    transmit: Annotated[str, typer.Option("--transmit", help="How packets leave: raw, link, xdp or auto.")] = "raw",
    device: Annotated[str | None, typer.Option("-o", "--device", help="Interface, for link and xdp.")] = None,
    config: Annotated[
        Path | None,
        typer.Option("--config", is_eager=True, callback=read_config, help="Options from a TOML file or a result."),
    ] = None,
    print_config: Annotated[
        bool, typer.Option("--print-config", help="Write the effective options as TOML, and do nothing else.")
    ] = False,
    warmup: Annotated[
        str | None, typer.Option("--warmup", help="The first seconds, left out of percentiles and --fail-if.")
    ] = None,
    trace: Annotated[
        int, int_option("--trace", help="Show the packets of the first N failed sessions.", example="5")
    ] = 0,
    trace_users: Annotated[str | None, typer.Option("--trace-users", help="Or those of users 0,17,...")] = None,
    trace_file: Annotated[Path, typer.Option("--trace-file", help="Where --trace writes its capture.")] = Path(
        "trace.pcap"
    ),
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Everything up to the first packet, then say what.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No live view, no progress lines.")] = False,
    log_file: Annotated[Path, typer.Option("-l", "--log", help="Log file.")] = Path("error_gryphon.log"),
    log_level: Annotated[str, typer.Option("--log-level", help="What it holds: error, warning, info, debug.")] = "info",
    json: Annotated[str | None, typer.Option("--json", help="Write the result as JSON, - for standard output.")] = None,
    report: Annotated[str | None, typer.Option("--report", help="Write the result as a page: out.html.")] = None,
    csv: Annotated[str | None, typer.Option("--csv", help="Write the run over time as CSV.")] = None,
    metrics: Annotated[
        str | None, typer.Option("--metrics", help="Serve figures for Prometheus at ADDR:PORT meanwhile.")
    ] = None,
    fail_if: Annotated[
        list[str] | None, typer.Option("--fail-if", help="Exit with 1 when broken, such as 'p99>200ms'; none: never.")
    ] = None,
    xdp_mode: Annotated[str, typer.Option("--xdp-mode", help="For -s xdp:IFACE: auto, native or generic.")] = "auto",
    token: Annotated[str | None, typer.Option("--token", help="The intercept's token (or GRYPHON_TOKEN).")] = None,
    token_file: Annotated[Path | None, typer.Option("--token-file", help="A file that holds the token.")] = None,
    tls_ca: Annotated[
        Path | None, typer.Option("--tls-ca", help="Intercepts speak TLS: certificates to trust.")
    ] = None,
    tls_fingerprint: Annotated[
        str | None, typer.Option("--tls-fingerprint", help="Or the SHA-256 of the intercept's own; several.")
    ] = None,
    connections: Annotated[str | None, _refused("-C")] = None,
    mss: Annotated[str | None, _refused("-S")] = None,
    daemon: Annotated[bool | None, typer.Option("-d", hidden=True, callback=_refuse)] = None,
    pid_file: Annotated[str | None, _refused("-P")] = None,
    throughput: Annotated[str | None, _refused("-A")] = None,
    pcap_filter: Annotated[str | None, _refused("-F")] = None,
) -> None:
    """Replay a recording against a server under test."""
    if xdp_mode not in ("auto", "native", "generic"):
        raise InputFault(f"--xdp-mode {xdp_mode}: give auto, native or generic")
    check_needed(context)
    level = parse_level(log_level)
    duration_s = parse_duration(duration)
    options = SendOptions(
        transfer=transfer,
        files=parse_files(file),
        intercept=intercept,
        users=users,
        clients=clients,
        speed=parse_speed(accelerate),
        rate=rate,
        ramp=ramp,
        arrivals=arrivals,
        loops=parse_loops(loops, duration_s),
        duration_s=duration_s,
        push=push,
        verify=verify,
        ignore=tuple(ignore or ()),
        settle_s=seconds(settle, "--settle"),
        timeout_s=timeout,
        hold_s=parse_hold(hold),
        strict=strict,
        allow_encrypted=allow_encrypted,
        rules=rules,
        fields=tuple(field or ()),
        mode=mode,
        seed=seed,
        mtu=mtu,
        threads=threads,
        quiet=quiet,
        warmup_s=0.0 if warmup is None else seconds(warmup, "--warmup"),
        dry_run=dry_run,
        trace=trace,
        trace_users=parse_trace_users(trace_users),
        trace_file=trace_file,
        port=port,
        transmit=cast('Literal["raw", "link", "xdp", "auto"]', transmit),
        device=device,
        xdp_mode=cast('Literal["auto", "native", "generic"]', xdp_mode),
        json=json,
        report=report,
        csv=csv,
        metrics=metrics,
        fail_if=tuple(fail_if or ()),
        token=token,
        token_file=token_file,
        tls_ca=tls_ca,
        tls_fingerprint=tls_fingerprint,
        effective=effective(context),
    )
    check(options)
    if print_config:
        typer.echo(as_toml(options.effective), nl=False)
        raise typer.Exit
    open_log(log_file, level)
    with interruptible():  # before the run, or when it is over: the run itself resets its connections first
        from gryphon.sender.send import run_send

        raise typer.Exit(run_send(options))
