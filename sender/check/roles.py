"""What this host is to be in a run, where nobody said."""

from __future__ import annotations

from dataclasses import replace

from gryphon.sender.check.facts import ROLES, Asked, Facts, Role


def with_roles(asked: Asked, facts: Facts) -> Asked:
    """The roles as named; otherwise those that can be told: of the services whose they are, of programs their hooks.

    The sender of a local topology is its own assistant.
    """
    roles: set[Role] = set(asked.roles) or _told(asked, facts)
    if any(hook == "xdp" for hook, _ in asked.local):
        roles.add("assistant")
    return replace(asked, roles=tuple(role for role in ROLES if role in roles))


def _told(asked: Asked, facts: Facts) -> set[Role]:
    """What the facts say."""
    roles: set[Role] = set()
    if any(path.local for path in facts.servers.values()) or any(one.tc for one in facts.interfaces):
        roles.add("server")
    if any(one.xdp == "gryphon_xdp" for one in facts.interfaces):
        roles.add("assistant")
    if asked.services and (asked.intercepts or asked.local or not roles):
        roles.add("sender")
    return roles
