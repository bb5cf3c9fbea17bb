"""Faults of the way between kernel and sender, beside those by blame that bpf defines."""

from __future__ import annotations

from gryphon.bpf.errors import EnvironmentFault, Fault, InputFault

__all__ = ["EnvironmentFault", "Fault", "GrantLost", "GrantRefused", "InputFault"]


class GrantRefused(EnvironmentFault):
    """The intercept will not serve this sender: wrong token, a range or service it does not allow."""


class GrantLost(EnvironmentFault):
    """The grant ended in the middle of a run: the intercept is gone or has withdrawn it."""
