"""Kernels are optimised and turned into machine code once: as parts of those that Python calls, not by themselves.

numba does both for every function together with all that it calls, so that what lies at the bottom of a tree of
calls is optimised again on every level above it: two thirds of the time of compiling the engine. Here a kernel that
only kernels call stops at LLVM's own language, unoptimised, and one that Python calls takes all of its tree in.

It stands on classes inside numba, of which versions 0.59 to 0.68 have what is overridden here; a test holds a later
one to it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from numba.core import codegen, compiler, compiler_machinery, typed_passes

_Library: Any = codegen.JITCodeLibrary
_Pass: Any = compiler_machinery.FunctionPass
_Compiler: Any = compiler.CompilerBase
_register: Any = compiler_machinery.register_pass
_passes: Any = compiler.DefaultPassBuilder


class _Door:
    """The code generator of a part: knows the constants of a kernel before there is code that refers to them."""

    def __init__(self, generator: Any) -> None:
        self._generator = generator
        self.constants: dict[str, Any] = {}

    def set_env(self, name: str, environment: Any) -> None:
        """numba sets them when it has code; ours comes later, in another library."""
        self.constants[name] = environment

    def __getattr__(self, name: str) -> Any:
        return getattr(self._generator, name)


class _Part(_Library):  # type: ignore[misc]
    """A kernel that only kernels call: neither linked, nor optimised, nor turned into machine code."""

    def __init__(self, generator: Any, name: str) -> None:
        super().__init__(generator, name)
        self.door = _Door(generator)

    @property
    def codegen(self) -> Any:
        return self.door

    def add_llvm_module(self, module: Any) -> None:
        self._final_module.link_in(module)

    def finalize(self) -> None:
        self._raise_if_finalized()
        self._finalize_dynamic_globals()
        self._finalized = True

    def get_pointer_to_function(self, name: str) -> int:
        return 0

    @property
    def parts(self) -> Iterable[Any]:
        """The libraries of the kernels that it calls."""
        libraries: list[Any] = self._linking_libraries
        return libraries


class _Whole(_Library):  # type: ignore[misc]
    """A kernel that Python calls, with all those that it calls in turn."""

    def finalize(self) -> None:
        self._linking_libraries = self._tree()
        super().finalize()

    def _tree(self) -> list[Any]:
        """Each library below once."""
        found: dict[Any, None] = {}
        waiting = list(self._linking_libraries)
        while waiting:
            library = waiting.pop()
            if library not in found:
                found[library] = None
                if isinstance(library, _Part):
                    waiting += library.parts
        return list(found)

    def _finalize_specific(self) -> None:
        super()._finalize_specific()
        present = {variable.name for variable in self._final_module.global_variables}
        for library in self._linking_libraries:
            if isinstance(library, _Part):
                for name, environment in library.door.constants.items():
                    if name in present:
                        self._codegen.set_env(name, environment)


@_register(mutates_CFG=False, analysis_only=True)
class _Choose(_Pass):  # type: ignore[misc]
    """Gives the kernel the library that it is compiled into."""

    _name = "gryphon_library"

    def __init__(self) -> None:
        super().__init__()

    def run_pass(self, state: Any) -> bool:
        """Before lowering, which would make one of numba's own."""
        if state.library is None:
            kind = _Part if state.flags.no_cpython_wrapper else _Whole
            state.library = kind(state.targetctx.codegen(), state.func_id.func_qualname)
            state.library.enable_object_caching()
        return False


class Gathering(_Compiler):  # type: ignore[misc]
    """numba's compiler, but for the libraries."""

    def define_pipelines(self) -> list[Any]:
        """numba's own passes and one more."""
        manager = _passes.define_nopython_pipeline(self.state)
        manager.add_pass_after(_Choose, typed_passes.NoPythonSupportedFeatureValidation)
        manager.finalize()
        return [manager]
