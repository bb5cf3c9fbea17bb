"""Wheel and source distribution hold everything, and what they install runs without the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import dpkt
import pytest

ROOT = Path(__file__).parents[3]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
FOLDERS = PROJECT["tool"]["setuptools"]["package-dir"]
DATA = {".c", ".h", ".json", ".css"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with both; the wheel is made of the source distribution. Nothing is fetched."""
    where = tmp_path_factory.mktemp("dist")
    line = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(where), str(ROOT)]
    done = subprocess.run(line, cwd=where, capture_output=True, text=True, timeout=110, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return where


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (path,) = built.glob("*.whl")
    return path


def sources() -> set[str]:
    """The files of the packages in the checkout, as a wheel names them."""
    found = set()
    for package, folder in FOLDERS.items():
        inner = {(ROOT / other) for other in FOLDERS.values() if other.startswith(folder + "/")}
        for path in (ROOT / folder).rglob("*"):
            mine = not any(one in path.parents for one in inner)
            if mine and (path.suffix in DATA or (path.suffix == ".py" and path.parent == ROOT / folder)):
                found.add(package.replace(".", "/") + "/" + str(path.relative_to(ROOT / folder)))
    return found


def test_the_wheel_has_every_module_and_what_they_read(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if name.startswith("gryphon/") and not name.endswith("py.typed")}
    assert {"gryphon/bpf/intercept.bpf.c", "gryphon/bpf/record.h", "gryphon/sender/report/page.css"} <= names
    assert names == sources()


def test_every_folder_with_modules_is_a_package() -> None:
    """A new folder that pyproject.toml does not name would be missing from what is installed."""
    tops = {folder.split("/")[0] for folder in FOLDERS.values()}
    here = {str(path.parent.relative_to(ROOT)) for top in tops for path in (ROOT / top).rglob("*.py")}
    assert here == set(FOLDERS.values())
    assert set(PROJECT["tool"]["setuptools"]["packages"]) == set(FOLDERS)


def test_manual_pages_and_unit_come_with_it(wheel: Path, built: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = [name.split(".data/data/")[1] for name in archive.namelist() if ".data/data/" in name]
    pages = [f"share/man/man{path.suffix[1:]}/{path.name}" for path in (ROOT / "manual/pages").iterdir()]
    assert sorted(names) == sorted([*pages, "lib/systemd/system/gryphon-intercept.service"])
    (archive_path,) = built.glob("*.tar.gz")
    with tarfile.open(archive_path) as source:
        assert any(name.endswith("/systemd/gryphon-intercept.service") for name in source.getnames())


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a fresh environment that has the wheel, and this one's packages but for gryphon."""
    where = tmp_path_factory.mktemp("fresh")
    venv.create(where, with_pip=False)
    library = where / Path(sysconfig.get_path("purelib")).relative_to(sys.prefix)
    # the path alone: what links a checkout (a .pth file there) is not followed
    (library / "pins.pth").write_text(sysconfig.get_path("purelib") + "\n")
    pip = [sys.executable, "-m", "pip", "--python", str(where / "bin/python"), "install", "--no-deps", "--no-index"]
    done = subprocess.run([*pip, str(wheel)], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return where / "bin"


def run(program: Path, *options: str, where: Path) -> subprocess.CompletedProcess[str]:
    """By the installed code alone, as plain Python: nothing is compiled for a minute of it."""
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1"}
    return subprocess.run(
        [program, *options], cwd=where, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def test_both_commands_run(installed: Path, tmp_path: Path) -> None:
    version = PROJECT["project"]["version"]
    for name in ("gryphon", "gryphon-intercept"):
        assert run(installed / name, "--version", where=tmp_path).stdout == f"{name} {version}\n"
    where = run(installed / "python", "-c", "import gryphon.sender as it; print(it.__file__)", where=tmp_path)
    assert where.stdout.startswith(str(installed.parent))


def test_a_capture_is_read_and_the_schema_found(installed: Path, tmp_path: Path) -> None:
    with (tmp_path / "one.pcap").open("wb") as file:
        writer = dpkt.pcap.Writer(file)
        tcp = dpkt.tcp.TCP(sport=40000, dport=80, flags=dpkt.tcp.TH_SYN, seq=1)
        ip = dpkt.ip.IP(src=b"\x0a\x00\x00\x01", dst=b"\x0a\x00\x00\x02", p=6, data=tcp)
        writer.writepkt(bytes(dpkt.ethernet.Ethernet(data=ip)), ts=1.0)
    done = run(installed / "gryphon", "inspect", "one.pcap", where=tmp_path)
    assert "no_handshake" in done.stdout, done.stderr
    code = "from gryphon.sender.results.thresholds import load_schema; print(load_schema()['title'])"
    assert run(installed / "python", "-c", code, where=tmp_path).stdout == "Result of gryphon send\n"
