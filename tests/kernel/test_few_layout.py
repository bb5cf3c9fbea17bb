"""The numpy mirror of the first services and ranges is the C struct, field by field."""

from __future__ import annotations

import ctypes
import os
from typing import Any

import numpy as np
import pytest

from gryphon.bpf import headers, loader
from gryphon.bpf.quiet import captured_stderr
from gryphon.controller.few import FEW, LAYOUT, RANGE, SERVICE


@pytest.fixture(scope="module")
def structs() -> Any:
    """The C structs as the compiler laid them out, as ctypes structures."""
    text = "BPF_ARRAY(one_service, struct few_service, 1);\nBPF_ARRAY(one_range, struct few_range, 1);\n"
    os.environ["BCC_KERNEL_SOURCE"] = str(headers.STUB)
    with captured_stderr():
        source = headers.flatten(headers.HERE / "few.h") + text
        module = loader.find_bcc().BPF(text=source.encode(), cflags=headers.compiler_flags())
    yield {"service": module[b"one_service"].Leaf, "range": module[b"one_range"].Leaf, "few": module[b"few"].Leaf}
    module.cleanup()


@pytest.mark.parametrize(("name", "mirror"), [("service", SERVICE), ("range", RANGE), ("few", LAYOUT)])
def test_the_mirror_equals_the_c_struct_field_by_field(structs: Any, name: str, mirror: np.dtype[np.void]) -> None:
    struct = structs[name]
    in_c = [(field, getattr(struct, field).offset, getattr(struct, field).size) for field, *_ in struct._fields_]
    in_numpy = [(field, placed[1], placed[0].itemsize) for field, placed in (mirror.fields or {}).items()]
    assert in_numpy == in_c
    assert mirror.itemsize == ctypes.sizeof(struct)


def test_there_are_as_many_entries_as_in_c(structs: Any) -> None:
    assert structs["few"].services.size // SERVICE.itemsize == structs["few"].ranges.size // RANGE.itemsize == FEW
