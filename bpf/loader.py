"""The loader: compiles a program text with bcc and loads its programs. The only place that knows bcc."""

from __future__ import annotations

import atexit
import ctypes
import importlib.util
import logging
import os
import sys
import warnings
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from gryphon.bpf import capabilities, headers, syscall
from gryphon.bpf.errors import EnvironmentFault
from gryphon.bpf.maps import Map
from gryphon.bpf.quiet import captured_stderr

SYSTEM_PACKAGES = (Path("/usr/lib/python3/dist-packages"), Path("/usr/lib/python3/site-packages"))
"""Where the system's own Python keeps bcc, whichever interpreter runs us."""

_LOAD_64, _PSEUDO_MAP = 0x18, 1  # BPF_LD | BPF_IMM | BPF_DW, BPF_PSEUDO_MAP_FD

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


def compile(source: Path, definitions: Mapping[str, int]) -> Module:
    """Compiles a program text of this folder (about a third of a second).

    Args:
        definitions: macros for it.

    Raises:
        EnvironmentFault: no bcc, no UAPI headers, or a capability is missing.
        LoadFault: the text does not compile or its maps cannot be made.
    """
    capabilities.require()
    bcc = find_bcc()
    flags = [*headers.compiler_flags(), *(f"-D{name}={value}" for name, value in definitions.items())]
    os.environ["BCC_KERNEL_SOURCE"] = str(headers.STUB)
    with captured_stderr() as said:
        try:
            blueprint = bcc.BPF(text=headers.flatten(source).encode(), cflags=flags)
        except Exception as error:  # bcc raises nothing more precise.
            blueprint, reason = None, str(error)
    text = said()
    if text:
        log.debug("compiling %s: %s", source.name, text)
    if blueprint is None:
        raise LoadFault(f"bcc cannot compile {source.name} ({reason}); the log at debug level has its output.", text)
    try:
        return _harvest(bcc.lib, blueprint.module)
    finally:
        atexit.unregister(blueprint.cleanup)
        blueprint.cleanup()


def _harvest(lib: Any, module: Any) -> Module:
    """Takes instructions and maps out of what bcc made, so that the compiler's memory can be given back."""
    num_tables = _declared(lib, "bpf_num_tables", ctypes.c_size_t, ctypes.c_void_p)
    table_name = _declared(lib, "bpf_table_name", ctypes.c_char_p, ctypes.c_void_p, ctypes.c_size_t)
    maps, moved = {}, {}
    for place in range(num_tables(module)):
        name = table_name(module, place)
        descriptor = lib.bpf_table_fd(module, name)
        moved[descriptor] = os.dup(descriptor)
        maps[name.decode()] = Map(moved[descriptor])
    functions = {}
    for place in range(lib.bpf_num_functions(module)):
        name = lib.bpf_function_name(module, place)
        start, size = lib.bpf_function_start(module, name), lib.bpf_function_size(module, name)
        functions[name.decode()] = _with_maps(ctypes.string_at(start, size), moved)
    return Module(functions, maps)


def _declared(lib: Any, name: str, result: Any, *arguments: Any) -> Any:
    """Gives a function that bcc itself does not declare; undeclared, ctypes would cut its pointers to 32 bits."""
    function = lib[name]  # By subscript it is an object of our own.
    function.restype, function.argtypes = result, arguments
    return function


def _with_maps(instructions: bytes, moved: Mapping[int, int]) -> bytes:
    """Puts our descriptors in the place of bcc's: the operand of every 64-bit load of a map."""
    code = bytearray(instructions)
    for at in range(0, len(code), 8):
        opcode, registers, operand = code[at], code[at + 1], code[at + 4 : at + 8]
        if opcode == _LOAD_64 and registers >> 4 == _PSEUDO_MAP:
            code[at + 4 : at + 8] = moved[int.from_bytes(operand, sys.byteorder)].to_bytes(4, sys.byteorder)
    return bytes(code)


def find_bcc() -> ModuleType:
    """Imports the system's bcc by its path, without opening the rest of the system's packages to the interpreter.

    Raises:
        EnvironmentFault: it is not installed, or cannot be used.
    """
    loaded = sys.modules.get("bcc")
    if loaded is not None and hasattr(loaded, "BPF"):
        return loaded
    for directory in SYSTEM_PACKAGES:
        init = directory / "bcc" / "__init__.py"
        if init.exists():
            return _import(init)
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
    reason = lines[-1] if lines else error.strerror
    return LoadFault(f"The kernel refuses the program {name} ({reason}); it needs Linux 6.1 or later.", text)
