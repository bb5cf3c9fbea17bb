"""`gryphon demo --enter HOST`: a shell inside a host of the kept lab, where both commands are on the path."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import NoReturn

from gryphon.controller.errors import EnvironmentFault, InputFault
from gryphon.lab import leftovers, needs
from gryphon.lab.processes import NAMESPACES, inside
from gryphon.lab.wiring import HOSTS, HostName


def enter(host: str) -> NoReturn:
    """Becomes a shell in the host, in the directory where it was called; what is piped in, it runs.

    Raises:
        InputFault: there is no such host.
        EnvironmentFault: nobody kept a lab.
    """
    if host not in HOSTS:
        raise InputFault(f"--enter {host}: the lab's hosts are {', '.join(HOSTS)}")
    needs.check(("nsenter",))
    if not (NAMESPACES / (leftovers.KEPT + host)).exists():
        raise EnvironmentFault("There is no kept lab: `gryphon demo --keep` makes one.")
    line, environment = shell(leftovers.KEPT, host, os.environ.get("PATH", os.defpath))
    os.execve(line[0], line, {**os.environ, **environment})


def shell(prefix: str, host: HostName, path: str) -> tuple[list[str], dict[str, str]]:
    """The shell's command line, and what it changes in the environment: path, prompt, and LAB, the lab's directory.

    Args:
        prefix: of the lab's namespaces.
        path: where programs are looked for; those beside the interpreter and of the administrator come with it.
    """
    line = inside(prefix + host, ["bash", "--norc"], orphan=True)
    search = os.pathsep.join([str(Path(sys.executable).parent), path, "/usr/sbin", "/sbin"])
    return line, {"PATH": search, "PS1": f"{host}$ ", "LAB": str(leftovers.directory(prefix))}
