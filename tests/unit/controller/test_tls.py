"""TLS on the channel: whole batches both ways, and one clear sentence on both sides for each thing that is wrong."""

from __future__ import annotations

import select
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from fakes import records_of
from serving import RANGE, SERVICE, TOKEN, Running
from strangers import Stranger

from gryphon.controller import auth
from gryphon.controller.client import Channel
from gryphon.controller.errors import EnvironmentFault, GrantLost, GrantRefused, InputFault
from gryphon.controller.limits import Limits
from gryphon.controller.protocol import PROTOCOL, Frame, Inbox, pack
from gryphon.controller.record import Records
from gryphon.controller.tls import Identity, Trust, parse_fingerprints, trust
from gryphon.lab.certificates import Made, make


def read_until(channel: Channel, count: int) -> Records:
    """Read as a sender does, until ``count`` records have come."""
    batches: list[Records] = []
    while sum(map(len, batches)) < count:
        if channel.arm():
            select.select([channel], [], [], 0.05)
        batches.append(channel.read())
    return np.concatenate(batches)


@pytest.fixture
def trusted(certificate: Made) -> Trust:
    return Trust(certificate.certificate)


@pytest.mark.parametrize("by", ["ca", "fingerprint", "both"])
def test_a_million_records_arrive_whole_and_in_order(serve: Any, identity: Identity, trusted: Trust, by: str) -> None:
    known = Trust(None if by == "fingerprint" else trusted.ca, () if by == "ca" else (identity.fingerprint,))
    running = serve(identity=identity, limits=Limits(outbox=128 << 20))
    channel = running.connect(trust=known)
    fed = [records_of(channel.grant.generation, count) for count in (1, 5000, 3, *[65536] * 15)]
    for batch in fed:
        running.interception.ring.feed(batch)
    expected = np.concatenate(fed)
    got = read_until(channel, len(expected))
    np.testing.assert_array_equal(got["seq"], expected["seq"])
    assert channel.status().channel_dropped == 0


def test_a_sender_too_slow_loses_records_and_the_channel_goes_on(
    serve: Any, identity: Identity, trusted: Trust
) -> None:
    running = serve(identity=identity, limits=Limits(outbox=1 << 20))
    channel = running.connect(trust=trusted)
    fed = 0
    while sum(peer.outbox.dropped for peer in running.server._connections._peers.copy()) == 0:
        running.interception.ring.feed(records_of(channel.grant.generation, 4096))
        fed += 4096
        assert fed < 1 << 22
    got = 0
    while got + channel.status().channel_dropped < fed:
        if channel.arm():
            select.select([channel], [], [], 0.05)
        got += len(channel.read())
    assert got + channel.status().channel_dropped == fed


def test_a_stop_is_told_over_tls_too(serve: Any, identity: Identity, trusted: Trust) -> None:
    running = serve(identity=identity)
    channel = running.connect(trust=trusted)
    running.server.stop()
    with pytest.raises(GrantLost, match="ended the grant: the intercept was stopped"):
        read_until(channel, 1)


def test_a_sender_without_tls_is_told_what_to_give(serve: Any, identity: Identity, caplog: Any) -> None:
    running = serve(identity=identity)
    with pytest.raises(
        GrantRefused, match=r"refuses: this intercept speaks TLS alone: give --tls-ca or --tls-fingerpr"
    ):
        running.connect()
    assert "refused 127.0.0.1:" in caplog.text
    assert "speaks TLS alone" in caplog.text


def test_an_intercept_without_tls_is_told_of_on_both_sides(serve: Any, trusted: Trust, caplog: Any) -> None:
    running = serve()
    with pytest.raises(GrantRefused, match="does not speak TLS: start gryphon-intercept with --tls-cert, or leave"):
        running.connect(trust=trusted)
    running.stop()
    assert "it speaks TLS, and this intercept was started without --tls-cert" in caplog.text


def test_another_certificate_is_not_our_intercept(serve: Any, identity: Identity, tmp_path: Path, caplog: Any) -> None:
    caplog.set_level("INFO")
    other = make(tmp_path, "other")
    running = serve(identity=identity)
    with pytest.raises(GrantRefused, match=r"is not that of your intercept \(self-signed certificate\): check -s"):
        running.connect(trust=Trust(other.certificate))
    with pytest.raises(GrantRefused, match=f"has the fingerprint {identity.fingerprint}, which is not the one of"):
        running.connect(trust=Trust(fingerprints=(Identity.load(*other).fingerprint,)))
    running.stop()
    assert "left without a grant: the connection broke: TLS: tlsv1 alert unknown ca" in caplog.text


def test_a_certificate_of_another_host_is_not_our_intercept(serve: Any, tmp_path: Path) -> None:
    made = make(tmp_path, "elsewhere", "192.0.2.1")
    running = serve(identity=Identity.load(*made))
    with pytest.raises(
        GrantRefused, match=r"IP address mismatch, certificate is not valid for '127\.0\.0\.1'.*--tls-fin"
    ):
        running.connect(trust=Trust(made.certificate))


def test_a_wrong_token_is_said_over_tls_too(serve: Any, identity: Identity, trusted: Trust) -> None:
    with pytest.raises(GrantRefused, match="wrong token"):
        serve(identity=identity).connect(trust=trusted, token="another")


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Any]:
    """Somebody in the middle who ends the sender's TLS with a certificate of his own and passes on what is said."""
    threads: list[threading.Thread] = []
    middle = Identity.load(*make(tmp_path, "middle"))

    def start(running: Running, trusted: Trust | None, host: str) -> int:
        listener = socket.create_server(("127.0.0.1", 0))

        def pump() -> None:
            with listener:
                near: socket.socket = listener.accept()[0]
            if trusted is not None:
                near = middle.context.wrap_socket(near, server_side=True)
            far: socket.socket = socket.create_connection(("127.0.0.1", running.port))
            if trusted is not None:
                far = trusted.wrap(far, host, "there")
            with near, far:
                pair = {near: far, far: near}
                while True:
                    for sock in select.select(list(pair), [], [], 10)[0]:
                        try:
                            piece = sock.recv(1 << 16)
                        except OSError:
                            piece = b""
                        if not piece:
                            return
                        pair[sock].sendall(piece)

        threads.append(threading.Thread(target=pump))
        threads[-1].start()
        return int(listener.getsockname()[1])

    yield start
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()


def test_a_proof_cannot_be_passed_on_from_another_certificate(
    serve: Any, identity: Identity, trusted: Trust, relay: Any, tmp_path: Path
) -> None:
    """Even where the sender was made to trust the certificate of who sits in the middle."""
    port = relay(serve(identity=identity), trusted, "127.0.0.1")
    fooled = Trust(tmp_path / "middle.pem")
    with pytest.raises(GrantRefused, match="wrong token"):
        Channel.connect("127.0.0.1", port, TOKEN, services=[SERVICE], ranges=[RANGE], trust=fooled)


def test_what_follows_the_handshake_cannot_be_read(serve: Any, identity: Identity, trusted: Trust) -> None:
    """The bytes on the wire name neither range nor nonce."""
    running, seen = serve(identity=identity), bytearray()
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as sock:
        ours, theirs = ssl.MemoryBIO(), ssl.MemoryBIO()
        wrapped = trusted._context().wrap_bio(theirs, ours, server_hostname="127.0.0.1")

        def until_done(action: Any) -> Any:
            while True:
                try:
                    return action()
                except ssl.SSLWantReadError:
                    sock.sendall(ours.read())
                    piece = sock.recv(1 << 16)
                    seen.extend(piece)
                    theirs.write(piece)

        until_done(wrapped.do_handshake)
        wrapped.write(pack(Frame.KNOCK, {"protocol": PROTOCOL}))
        hello = until_done(lambda: wrapped.read(1 << 16))
    assert b"nonce" in hello
    assert b"nonce" not in seen


def test_half_a_handshake_holds_up_nobody(serve: Any, identity: Identity, trusted: Trust) -> None:
    running = serve(identity=identity, limits=Limits(handshake_s=0.3))
    with Stranger(running) as stranger:
        stranger.sock.sendall(b"\x16\x03\x01")
        running.connect(trust=trusted)
        assert stranger.next() is None


@pytest.mark.parametrize("last", [b"\x16\x03\x01\x00\x05hello", b"\x16" * 3000])
def test_garbage_in_the_handshake_ends_it(serve: Any, identity: Identity, trusted: Trust, last: bytes) -> None:
    running = serve(identity=identity)
    with socket.create_connection(("127.0.0.1", running.port), timeout=10) as sock:
        sock.sendall(last)
        try:
            while sock.recv(4096):
                pass
        except ConnectionError:
            pass
    running.connect(trust=trusted)


def test_a_channel_without_tls_says_nothing_of_certificates(serve: Any) -> None:
    with Stranger(serve()) as stranger:
        hello = stranger.next()
        assert hello is not None
        nonce = auth.new_nonce()
        mac = auth.proof(TOKEN, "sender", hello[1]["nonce"], nonce, "ab" * 32)
        stranger.sock.sendall(pack(Frame.PROOF, {"protocol": PROTOCOL, "nonce": nonce, "mac": mac}))
        assert stranger.next() == (Frame.REFUSAL, {"reason": "wrong token"})


def test_key_and_certificate_may_be_one_file(certificate: Made, identity: Identity, tmp_path: Path) -> None:
    both = tmp_path / "both.pem"
    both.write_text(certificate.key.read_text() + certificate.certificate.read_text())
    assert Identity.load(both, None).fingerprint == identity.fingerprint


def test_files_that_do_not_fit_are_said(certificate: Made, tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.touch()
    other = make(tmp_path, "other")
    for files in ((empty, None), (certificate.certificate, None), (certificate.certificate, other.key)):
        with pytest.raises(InputFault, match="are no certificate with its key in PEM"):
            Identity.load(*files)
    with pytest.raises(InputFault, match=r"cannot read .*nowhere: No such file"):
        Identity.load(tmp_path / "nowhere", None)
    with pytest.raises(InputFault, match="holds no certificate in PEM"):
        trust(empty, None)


def test_a_key_with_a_passphrase_is_said_and_asks_nobody(certificate: Made, tmp_path: Path) -> None:
    import subprocess

    locked = tmp_path / "locked.key"
    line = ["openssl", "pkey", "-in", str(certificate.key), "-aes256", "-passout", "pass:secret", "-out", str(locked)]
    subprocess.run(line, check=True, capture_output=True)
    with pytest.raises(InputFault, match="the key asks for a passphrase"):
        Identity.load(certificate.certificate, locked)


def test_fingerprints_are_64_digits_with_or_without_colons() -> None:
    digits = "0123456789ABCDEF" * 4
    colons = ":".join(digits[i : i + 2] for i in range(0, 64, 2))
    assert parse_fingerprints(f"{digits}, {colons}") == (digits.lower(),) * 2
    for text in ("ab", "g" * 64, digits + "0"):
        with pytest.raises(InputFault, match=r"--tls-fingerprint .* 64 hexadecimal digits"):
            parse_fingerprints(text)
    assert trust(None, None) is None


def test_nothing_there_is_said_as_without_tls(unused_port: int, trusted: Trust) -> None:
    with pytest.raises(EnvironmentFault, match="no intercept listens"):
        Channel.connect("127.0.0.1", unused_port, "t", services=[], ranges=[], trust=trusted)


def test_inbox_keeps_what_has_come_in_when_it_grows() -> None:
    near, far = socket.socketpair()
    with near, far:
        inbox = Inbox(16, 16)
        far.sendall(pack(Frame.PING, {"a": 1})[:9])
        assert inbox.receive(near) == 9
        inbox.grow(1 << 16, 1 << 16)
        far.sendall(pack(Frame.PING, {"a": 1})[9:] + pack(Frame.PING, {"b": "x" * 1000}))
        inbox.receive(near)
        assert [bytes(payload)[:4] for _, payload in inbox.frames()] == [b'{"a"', b'{"b"']
