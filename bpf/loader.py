"""The loader: compiles a program text with bcc and loads its programs. The only place that knows bcc."""

from __future__ import annotations

import atexit
import ctypes
import importlib.util
import logging
import os
import platform
import re
import sys
import warnings
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from types import ModuleType
from typing import Any

from gryphon.bpf import capabilities, headers, kept, syscall
from gryphon.bpf.errors import EnvironmentFault
from gryphon.bpf.maps import Map
from gryphon.bpf.quiet import captured_stderr

SYSTEM_PACKAGES = (Path("/usr/lib/python3/dist-packages"), Path("/usr/lib/python3/site-packages"))
"""Where the system's own Python keeps bcc, whichever interpreter runs us."""

TESTED = (6, 1)
"""The oldest kernel that the programs are loaded on by tests (vagrant/)."""

log = logging.getLogger(__name__)


class LoadFault(EnvironmentFault):
    """Compiler or verifier refused the program.

    Attributes:
        log: everything they had to say about it.
    """

    def __init__(self, sentence: str, log: str) -> None:
        super().__init__(sentence)
        self.log = log


class Module:
    """A compiled program text: its maps exist from here on, its programs once they are loaded.

    Attributes:
        maps: by name; closed with the module.
    """

    def __init__(self, functions: Mapping[str, bytes], maps: Mapping[str, Map]) -> None:
        self._functions = functions
        self.maps = maps

    def load(self, kind: int, function: str, name: str) -> int:
        """Gives a function of the text to the kernel.

        Args:
            kind: ``syscall.XDP`` or ``syscall.SCHED_CLS``.
            name: how the kernel's tools show it, at most 15 characters.

        Returns:
            The program's descriptor, which is the caller's to close.

        Raises:
            LoadFault: the verifier refused it.
        """
        flags = syscall.HAS_FRAGS if kind == syscall.XDP else 0
        try:
            return syscall.program_load(kind, name, self._functions[function], flags)
        except syscall.VerifierError as error:
            raise _refusal(kind, name, self._functions[function], flags, error) from None

    def close(self) -> None:
        """Closes the maps here; loaded programs keep them."""
        for each in self.maps.values():
            each.close()


def compile(source: Path, definitions: Mapping[str, int], keep: Path | None = None) -> Module:
    """Compiles a program text of this folder (about a second), or takes what was kept of it (a hundredth of that).

    Args:
        definitions: macros for it.
        keep: a directory of this user's alone, where compiled texts are kept.

    Raises:
        EnvironmentFault: no bcc, no UAPI headers, or a capability is missing.
        LoadFault: the text does not compile or its maps cannot be made.
    """
    capabilities.require()
    package = _find_package()
    flags = [*headers.compiler_flags(), *(f"-D{name}={value}" for name, value in definitions.items())]
    text = headers.flatten(source)
    file = keep and keep / kept.file_name(text, flags, package)
    module = file and _from_kept(file)
    return module or _compile(source.name, text, flags, file)


def _from_kept(file: Path) -> Module | None:
    """A module of what was kept in a file; None: nothing is, or this kernel makes no such maps."""
    code = kept.read(file)
    if code is None:
        return None
    with ExitStack() as undo:
        maps: dict[str, Map] = {}
        try:
            for shape in code.maps:
                maps[shape.name] = Map(shape.make())
                undo.callback(maps[shape.name].close)
            numbers = {place: maps[shape.name].descriptor for place, shape in enumerate(code.maps)}
            functions = {name: kept.with_maps(text, numbers) for name, text in code.functions.items()}
        except (OSError, KeyError):
            return None
        undo.pop_all()
    return Module(functions, maps)


def _compile(name: str, text: str, flags: list[str], file: Path | None) -> Module:
    """Has bcc compile a text, and keeps what came of it."""
    bcc = find_bcc()
    os.environ["BCC_KERNEL_SOURCE"] = str(headers.STUB)
    with captured_stderr() as said:
        try:
            blueprint = bcc.BPF(text=text.encode(), cflags=flags)
        except Exception as error:  # bcc raises nothing more precise.
            blueprint, reason = None, str(error)
    account = said()
    if account:
        log.debug("compiling %s: %s", name, account)
    if blueprint is None:
        raise LoadFault(f"bcc cannot compile {name} ({reason}); the log at debug level has its output.", account)
    try:
        return _harvest(bcc.lib, blueprint.module, file)
    finally:
        atexit.unregister(blueprint.cleanup)
        blueprint.cleanup()


def _harvest(lib: Any, module: Any, file: Path | None) -> Module:
    """Takes instructions and maps out of what bcc made, so that the compiler's memory can be given back."""
    num_tables = _declared(lib, "bpf_num_tables", ctypes.c_size_t, ctypes.c_void_p)
    table_name = _declared(lib, "bpf_table_name", ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t)
    maps, places, shapes = {}, {}, []
    for place in range(num_tables(module)):
        name = table_name(module, place)
        descriptor = lib.bpf_table_fd(module, name)
        places[descriptor] = place
        maps[name.decode()] = Map(os.dup(descriptor))
        shapes.append(kept.MapShape.of(descriptor, name.decode()))
    code = kept.Code({}, shapes)
    for place in range(lib.bpf_num_functions(module)):
        name = lib.bpf_function_name(module, place)
        start, size = lib.bpf_function_start(module, name), lib.bpf_function_size(module, name)
        code.functions[name.decode()] = kept.with_maps(ctypes.string_at(start, size), places)
    if file is not None:
        kept.write(file, code)
    ours = {place: maps[shape.name].descriptor for place, shape in enumerate(shapes)}
    return Module({name: kept.with_maps(text, ours) for name, text in code.functions.items()}, maps)


def _declared(lib: Any, name: str, result: Any, *arguments: Any) -> Any:
    """Gives a function that bcc itself does not declare; undeclared, ctypes would cut its pointers to 32 bits."""
    function = lib[name]  # By subscript it is an object of our own.
    function.restype, function.argtypes = result, arguments
    return function


def find_bcc() -> ModuleType:
    """Imports the system's bcc by its path, without opening the rest of the system's packages to the interpreter.

    Raises:
        EnvironmentFault: it is not installed, or cannot be used.
    """
    loaded = sys.modules.get("bcc")
    if loaded is not None and hasattr(loaded, "BPF"):
        return loaded
    return _import(_find_package())


def _find_package() -> Path:
    """The file that bcc is imported from.

    Raises:
        EnvironmentFault: it is not installed.
    """
    for directory in SYSTEM_PACKAGES:
        init = directory / "bcc" / "__init__.py"
        if init.exists():
            return init
    raise EnvironmentFault("The BPF compiler bcc is not installed: `sudo apt install python3-bpfcc`.")


def _import(init: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("bcc", init, submodule_search_locations=[str(init.parent)])
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    before = sys.modules.get("bcc")
    sys.modules["bcc"] = module
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Newer interpreters find fault with its string literals.
            spec.loader.exec_module(module)
        if hasattr(module, "BPF"):
            return module
        reason = "it has no BPF: another library of that name"
    except Exception as error:  # a foreign or broken package may fail in any way.
        reason = str(error)
    sys.modules.pop("bcc")
    if before is not None:
        sys.modules["bcc"] = before
    raise EnvironmentFault(
        f"{init.parent} is not the BPF compiler or does not work ({reason}): `sudo apt install python3-bpfcc`."
    )


def _refusal(kind: int, name: str, instructions: bytes, flags: int, error: OSError) -> LoadFault:
    """Loads again for the verifier's account, of which the last lines tell."""
    text = ""
    try:
        os.close(syscall.program_load(kind, name, instructions, flags, log=True))
    except syscall.VerifierError as second:
        text = second.log
    log.debug("the verifier about %s: %s", name, text)
    lines = [line for line in text.splitlines() if line and not line.startswith("processed ")]
    reason = lines[-1] if lines else str(error.strerror)
    return LoadFault(refused(name, reason, platform.release()), text)


def refused(name: str, reason: str, release: str) -> str:
    """The sentence about a program that the verifier refused: what to do hangs on how old the kernel is."""
    old = tuple(int(number) for number in re.findall(r"\d+", release)[:2]) < TESTED
    advice = (
        "it is older than Linux {}.{}, from which on gryphon is tested: take a newer one.".format(*TESTED)
        if old
        else "gryphon is to blame, please report it with the lines that --log-level debug adds to the log."
    )
    return f"The kernel, {release}, refuses the program {name} ({reason}); {advice}"
