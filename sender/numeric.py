"""Options of ``gryphon`` whose value is a number, as typer takes them."""

from __future__ import annotations

from typing import Any

import typer

from gryphon.controller.numbers import decimal, whole


def int_option(*names: str, help: str, example: str) -> Any:
    """An option with a whole number; what is none is said with the example."""
    return typer.Option(*names, parser=whole(names[0], example), metavar="<int>", help=help)


def float_option(*names: str, help: str, example: str) -> Any:
    """The same with any number."""
    return typer.Option(*names, parser=decimal(names[0], example), metavar="<float>", help=help)
