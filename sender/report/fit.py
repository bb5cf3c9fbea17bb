"""Whether a JSON object is what ``result.schema.json`` describes: the few words of JSON Schema that it uses."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

LARGEST: Final = 1 << 53
"""No count or time of a run is larger; beyond, numbers are not exact as floats."""

_TYPES: Final[dict[str, tuple[type, ...]]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
}


def misfits(value: Any, schema: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with a value, each a clause such as ``users.started is missing``; nothing where it fits.

    Args:
        value: what ``json.loads`` gave.
        schema: of the words of JSON Schema ``type``, ``properties``, ``required``, ``additionalProperties``, ``items``,
            ``enum``, ``minimum`` and ``$ref`` into its own ``$defs``.
    """
    yield from _misfits(value, schema, schema.get("$defs", {}), "")


def _misfits(value: Any, schema: Mapping[str, Any], defs: Mapping[str, Any], path: str) -> Iterator[str]:
    if "$ref" in schema:
        schema = defs[schema["$ref"].rpartition("/")[2]] | {k: v for k, v in schema.items() if k != "$ref"}
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_is(value, kind) for kind in kinds):
        yield f"{path or 'the whole'} is not of type {' or '.join(kinds)}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path} is none of {', '.join(schema['enum'])}"
    if isinstance(value, int | float) and not schema.get("minimum", -LARGEST) <= value <= LARGEST:
        yield f"{path} is out of range"
    if isinstance(value, dict):
        yield from _object(value, schema, defs, path)
    if isinstance(value, list) and "items" in schema:
        for i, item in enumerate(value):
            yield from _misfits(item, schema["items"], defs, f"{path}[{i}]")


def _object(value: dict[str, Any], schema: Mapping[str, Any], defs: Mapping[str, Any], path: str) -> Iterator[str]:
    dot = f"{path}." if path else ""
    for key in schema.get("required", ()):
        if key not in value:
            yield f"{dot}{key} is missing"
    properties, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    for key, item in value.items():
        if key in properties:
            yield from _misfits(item, properties[key], defs, dot + key)
        elif others is False:
            yield f"{dot}{key} is unknown"
        elif isinstance(others, dict):
            yield from _misfits(item, others, defs, dot + key)


def _is(value: Any, kind: str) -> bool:
    """Whether a value is of a type; true and false are no numbers in JSON, and 3.0 is an integer there."""
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _TYPES[kind])
