"""The numpy record is the C struct, field by field."""

from __future__ import annotations

import ctypes
import os
from typing import Any

import pytest

from gryphon.bpf import headers, loader
from gryphon.bpf.quiet import captured_stderr
from gryphon.controller.record import RECORD, Kind, Option


@pytest.fixture(scope="module")
def compiled() -> Any:
    """The C struct as the compiler laid it out, as a ctypes structure, and its enums by their names."""
    enums = [f"RECORD_{kind.name}" for kind in Kind] + [f"OPTION_{option.name}" for option in Option]
    constants = "".join(f"char {name}[{name} + 1]; " for name in enums)
    text = f'#include "record.h"\nstruct enums {{ {constants} }};\n'
    text += "BPF_ARRAY(records, struct record, 1);\nBPF_ARRAY(constants, struct enums, 1);\n"
    text = text.replace('#include "record.h"', (headers.HERE / "record.h").read_text())
    os.environ["BCC_KERNEL_SOURCE"] = str(headers.STUB)
    with captured_stderr():
        module = loader.find_bcc().BPF(text=text.encode(), cflags=headers.compiler_flags())
    yield module
    module.cleanup()


def test_record_equals_the_c_struct_field_by_field(compiled: Any) -> None:
    struct = compiled[b"records"].Leaf
    in_c = [(name, getattr(struct, name).offset, getattr(struct, name).size) for name, *_ in struct._fields_]
    in_numpy = [(name, field[1], field[0].itemsize) for name, field in (RECORD.fields or {}).items()]
    assert in_numpy == in_c
    assert RECORD.itemsize == ctypes.sizeof(struct) == 64


def test_enums_equal_those_in_c(compiled: Any) -> None:
    in_c = {
        name: getattr(compiled[b"constants"].Leaf, name).size - 1 for name, *_ in compiled[b"constants"].Leaf._fields_
    }
    mirrored = {f"RECORD_{kind.name}": int(kind) for kind in Kind}
    mirrored |= {f"OPTION_{option.name}": int(option) for option in Option}
    assert in_c == mirrored
