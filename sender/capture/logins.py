"""Logins that answer a random challenge of the server: a replay sends the answer to another one, and is refused.

Recognised by what the client sends, so that captures of the clients' half are judged alike, among a session's first
messages. A method that was only proposed is none: mail clients try another one when the server refuses it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from gryphon.sender.capture.columns import Array, Data
from gryphon.sender.compiled import inner, int64, kernel

_LOOKED_AT = 8  # messages of a session: a login is among them
_SCANNED = 4096  # bytes of a message in which a header or a field is looked for
_PROOF = 40  # the shortest base64 of a digest in hexadecimal (32 characters), a user's name and a space, or of a nonce


def _word(text: bytes) -> npt.NDArray[np.uint8]:
    return np.frombuffer(text, np.uint8)


_AUTH, _AUTHENTICATE, _APOP = _word(b"auth "), _word(b" authenticate "), _word(b"apop ")
_CRAM_MD5, _DIGEST_MD5, _SCRAM = _word(b"cram-md5"), _word(b"digest-md5"), _word(b"scram-sha-")
_AUTHORIZATION, _HTTP = _word(b"\nauthorization:"), _word(b" http/1.")
_DIGEST, _NTLM, _NEGOTIATE = _word(b"digest "), _word(b"ntlm "), _word(b"negotiate ")
_MD5 = _word(b"p\0\0\0\x28md5")
_NATIVE, _CACHING = _word(b"mysql_native_password"), _word(b"caching_sha2_password")
_SASL_START, _MECHANISM = _word(b"saslstart\0"), _word(b"\x02mechanism\0")


@inner
def _says(data: Data, at: int, stop: int, word: npt.NDArray[np.uint8]) -> bool:
    """Whether the bytes from ``at`` on are a word in small letters, in letters of any size."""
    if stop - at < len(word):
        return False
    for j in range(len(word)):
        byte = int64(data[at + j])
        if 65 <= byte <= 90:
            byte += 32
        if byte != int64(word[j]):
            return False
    return True


@inner
def _hexadecimal(data: Data, at: int, stop: int) -> bool:
    """Whether 32 hexadecimal digits, those of an MD5 digest, stand at ``at``."""
    if stop - at < 32:
        return False
    for j in range(at, at + 32):
        byte = int64(data[j])
        if not (48 <= byte <= 57 or 65 <= byte <= 70 or 97 <= byte <= 102):
            return False
    return True


@inner
def _end_of_word(data: Data, at: int, stop: int) -> int:
    """Where the first space or control character stands from ``at`` on; ``stop``: nowhere."""
    while at < stop and data[at] > 32:
        at += 1
    return at


@inner
def _asks(data: Data, at: int, stop: int) -> bool:
    """Whether a mail client proposes a method with a challenge (RFC 4954, RFC 5034, RFC 9051 6.2.2)."""
    if _says(data, at, stop, _AUTH):
        at += len(_AUTH)
    else:  # IMAP: behind a tag
        at = _end_of_word(data, at, min(stop, at + 64))
        if not _says(data, at, stop, _AUTHENTICATE):
            return False
        at += len(_AUTHENTICATE)
    end = _end_of_word(data, at, stop)
    if end == stop:
        return False
    if end - at == len(_CRAM_MD5):
        return _says(data, at, end, _CRAM_MD5)
    if end - at == len(_DIGEST_MD5) and _says(data, at, end, _DIGEST_MD5):
        return True
    return _says(data, at, end, _SCRAM)


@inner
def _proves(data: Data, at: int, stop: int) -> bool:
    """Whether a line is base64, long enough for the answer to a challenge and no other command."""
    end = at
    while end < stop:
        byte = int64(data[end])
        if not (48 <= byte <= 57 or 65 <= byte <= 90 or 97 <= byte <= 122 or byte == 43 or byte == 47 or byte == 61):
            break
        end += 1
    return bool(end - at >= _PROOF and end < stop and (data[end] == 13 or data[end] == 10))


@inner
def _apop(data: Data, at: int, stop: int) -> bool:
    """Whether a POP3 client logs in with a digest of the greeting's time stamp (RFC 1939, section 7)."""
    if not _says(data, at, stop, _APOP):
        return False
    end = _end_of_word(data, at + len(_APOP), stop)
    if end == stop or data[end] != 32 or not _hexadecimal(data, end + 1, stop):
        return False
    return bool(end + 33 < stop and (data[end + 33] == 13 or data[end + 33] == 10))


@inner
def _http(data: Data, at: int, stop: int) -> bool:
    """Whether an HTTP/1 request has an Authorization with Digest (RFC 7616), NTLM or Negotiate (RFC 4559)."""
    if not 65 <= data[at] <= 90:
        return False
    stop = min(stop, at + _SCANNED)
    line, request = at, False
    while at < stop:
        if data[at] == 10:
            if at - line < 2:  # the empty line that ends the headers
                return False
            if not request:
                request = at - line > 10 and _says(data, at - 10 + (data[at - 1] != 13), at, _HTTP)
                if not request:
                    return False
            line = at + 1
            if _says(data, at, stop, _AUTHORIZATION):
                at += len(_AUTHORIZATION)
                while at < stop and data[at] == 32:
                    at += 1
                return (
                    _says(data, at, stop, _DIGEST) or _says(data, at, stop, _NTLM) or _says(data, at, stop, _NEGOTIATE)
                )
        at += 1
    return False


@inner
def _postgresql_begins(data: Data, at: int, size: int) -> bool:
    """Whether a stream begins with PostgreSQL's StartupMessage of version 3, or its SSLRequest or GSSENCRequest."""
    if size < 8 or data[at] != 0 or data[at + 1] != 0:
        return False
    if data[at + 4] == 0 and data[at + 5] == 3 and data[at + 6] == 0:
        return True
    return bool(data[at + 4] == 4 and data[at + 5] == 210 and data[at + 6] == 22 and 47 <= data[at + 7] <= 48)


@inner
def _postgresql(data: Data, at: int, stop: int) -> bool:
    """Whether a PasswordMessage has an MD5 digest, or SASLInitialResponse names SCRAM (PostgreSQL 53.7)."""
    if stop - at < 20 or data[at] != 112:
        return False
    if _says(data, at, stop, _MD5):
        end = at + len(_MD5) + 32
        return bool(_hexadecimal(data, at + len(_MD5), stop) and end + 1 == stop and data[end] == 0)
    return bool(data[at + 1] == 0 and data[at + 2] == 0 and _says(data, at + 5, stop, _SCRAM))


@inner
def _mysql(data: Data, at: int, size: int, greetings: npt.NDArray[np.uint8], c: int) -> bool:
    """Whether a HandshakeResponse41 has a scrambled password; an empty one is nothing to scramble.

    ``greetings`` has the first bytes of what the server said, zeros where the capture has none.
    """
    greeted = greetings[c, 3] == 0 and greetings[c, 4] == 10  # packet 0, protocol 10, which has a salt
    silent = greetings[c, 0] == 0 and greetings[c, 4] == 0
    if size < 58 or not (greeted or silent) or data[at + 3] != 1:
        return False
    if int64(data[at]) + (int64(data[at + 1]) << 8) + (int64(data[at + 2]) << 16) != size - 4:
        return False
    flags = int64(data[at + 4]) + (int64(data[at + 5]) << 8) + (int64(data[at + 6]) << 16)
    if not flags & 0x200 or not flags & 0x208000:  # protocol 4.1; a length in front of the response
        return False
    for byte in range(at + 13, at + 32):  # filler
        if data[byte] != 0:
            return False
    stop, place = at + size, at + 36
    while place < stop and data[place] != 0:  # the user
        place += 1
    length = int64(data[place + 1]) if place + 1 < stop else int64(0)
    place += 2 + length
    if place > stop or (length != 20 and length != 32):
        return False
    if not flags & 0x80000:  # no name of a plugin
        return length == 20
    if flags & 8:  # a database
        while place < stop and data[place] != 0:
            place += 1
        place += 1
    return _says(data, place, stop, _NATIVE) if length == 20 else _says(data, place, stop, _CACHING)


@inner
def _mongodb(data: Data, at: int, stop: int) -> bool:
    """Whether an OP_MSG or OP_QUERY of MongoDB has the command saslStart, or a hello that has it, with SCRAM."""
    if stop - at < 64 or data[at + 13] != 7 or data[at + 14] != 0 or data[at + 15] != 0:
        return False
    if data[at + 12] != 221 and data[at + 12] != 212:
        return False
    for byte in range(at + 16, min(stop, at + _SCANNED) - len(_SASL_START)):
        if data[byte] == 115 and _says(data, byte, stop, _SASL_START):
            kind = int64(data[byte - 1])  # of its value: a 32-bit number, a boolean or a double
            place = byte + len(_SASL_START) + (4 if kind == 16 else 1 if kind == 8 else 8)
            if not _says(data, place, stop, _MECHANISM):
                return False
            return _says(data, place + len(_MECHANISM) + 4, stop, _SCRAM)
    return False


@kernel
def challenged(
    data: Data,
    file: int,
    segments: Array,
    pieces: Array,
    facts: Array,
    messages: Array,
    counts: npt.NDArray[np.int64],
    greetings: npt.NDArray[np.uint8],
    found: npt.NDArray[np.bool_],
) -> None:
    """Mark the sessions that log in with the answer to a challenge, as far as ``file`` has their messages.

    The rows are as ``judge.encrypted`` takes them; ``greetings`` has the server's first bytes for each of FACTS.
    """
    piece, message = int64(0), int64(0)
    for c in range(len(facts)):
        stop, number = piece + facts["pieces"][c], int64(0)
        offset, begins = int64(0), int64(0)
        asked, postgresql = False, False
        for j in range(piece, stop):
            if offset == begins:
                if number == _LOOKED_AT:
                    break
                i = pieces["segment"][j]
                if int64(segments["file"][i]) == file:
                    at = int64(segments["tcp"][i]) + int64(segments["header"][i]) + pieces["skip"][j]
                    size = pieces["length"][j]
                    end = at + size
                    if number == 0:
                        postgresql = _postgresql_begins(data, at, size)
                        found[c] |= _mysql(data, at, size, greetings, c)
                    found[c] |= asked and _proves(data, at, end)
                    found[c] |= postgresql and _postgresql(data, at, end)
                    found[c] |= _apop(data, at, end) or _http(data, at, end) or _mongodb(data, at, end)
                    asked = _asks(data, at, end)
                begins = messages["stream_end"][message + number]
                number += 1
            offset += pieces["length"][j]
        piece = stop
        message += counts[c] + 1
