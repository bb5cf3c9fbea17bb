"""Certificates for the channel's TLS, made by openssl."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import NamedTuple

from gryphon.lab.needs import tool


class Made(NamedTuple):
    """PEM files."""

    certificate: Path
    key: Path


def make(folder: Path, name: str, address: str = "127.0.0.1") -> Made:
    """A certificate that signs itself, for an address. EnvironmentFault where there is no openssl."""
    made = Made(folder / f"{name}.pem", folder / f"{name}.key")
    line = [tool("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    line += ["-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=IP:{address}"]
    subprocess.run([*line, "-keyout", str(made.key), "-out", str(made.certificate)], check=True, capture_output=True)
    return made
