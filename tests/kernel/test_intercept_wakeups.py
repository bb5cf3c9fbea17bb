"""A sleeping reader is woken by the kernel, a polling one is left alone."""

from __future__ import annotations

import select

from packets import answer, ipv4
from verdicts import Program


def readable(program: Program, timeout: float) -> bool:
    poll = select.epoll()
    poll.register(program.ring.fileno(), select.EPOLLIN)
    return bool(poll.poll(timeout))


def waits(program: Program) -> tuple[select.epoll, bool]:
    """An epoll that has already looked once, so that only a wake-up makes it report."""
    poll = select.epoll()
    poll.register(program.ring.fileno(), select.EPOLLIN | select.EPOLLET)
    return poll, bool(poll.poll(0))


def test_an_armed_reader_is_woken_by_the_next_record(program: Program) -> None:
    poll, _ = waits(program)
    armed = program.ring.arm()
    program.run(answer(ipv4()))
    assert (armed, len(poll.poll(5))) == (True, 1)


def test_a_polling_reader_is_not_woken(program: Program) -> None:
    poll, _ = waits(program)
    program.ring.arm()
    program.ring.disarm()
    program.run(answer(ipv4()))
    assert poll.poll(0.05) == []
    assert len(program.ring.read()) == 1


def test_reading_disarms(program: Program) -> None:
    poll, _ = waits(program)
    program.ring.arm()
    program.ring.read()
    program.run(answer(ipv4()))
    assert poll.poll(0.05) == []


def test_a_reader_with_records_waiting_does_not_fall_asleep(program: Program) -> None:
    program.run(answer(ipv4()))
    assert program.ring.arm() is False
    assert len(program.ring.read()) == 1


def test_the_descriptor_stays_readable_until_the_records_are_read(program: Program) -> None:
    program.run(answer(ipv4()))
    before = readable(program, 0)
    program.ring.read()
    assert (before, readable(program, 0)) == (True, False)
