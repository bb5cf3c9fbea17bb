"""Faults by blame: each says in one sentence what is wrong and what to do, and carries its exit status."""

from __future__ import annotations


class Fault(Exception):
    """Something that ends a command with one sentence instead of a traceback.

    Attributes:
        status: the exit status of the command (docs: exit status).
    """

    status = 1


class InputFault(Fault):
    """The user's input is wrong: an option, a file, a capture."""

    status = 2


class EnvironmentFault(Fault):
    """The machine cannot do it as it stands: a capability, a package, an interface, the kernel."""

    status = 3
