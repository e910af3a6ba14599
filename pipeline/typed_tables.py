"""Frozen dataclasses from TOML tables, every key and type checked.

Each ValueError begins with where in the file it is about, which the caller gives.
"""

import dataclasses
import types
import typing
from typing import Any, Literal


def keys_of(kind: type) -> set[str]:
    """The keys that a table of this kind may have."""
    return {field.name for field in dataclasses.fields(kind)}


def build(kind: type, entry: dict[str, Any], where: str) -> Any:
    """A frozen dataclass from a TOML table, every key and type checked."""
    hints = typing.get_type_hints(kind)
    reject_unknown(entry, set(hints), where, ".")
    for required in dataclasses.fields(kind):
        defaults = (required.default, required.default_factory)
        if required.name not in entry and set(defaults) == {dataclasses.MISSING}:
            raise ValueError(f"{where}.{required.name} is missing")
    values = {key: convert(hints[key], value, f"{where}.{key}") for key, value in entry.items()}
    return kind(**values)


def convert(hint: Any, value: Any, where: str) -> Any:
    """A TOML value as what a type hint asks for."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (types.UnionType, typing.Union):
        return convert(arguments[0], value, where)  # the other member is None, not writable in TOML
    if origin is Literal:
        if value not in arguments:
            raise ValueError(f"{where} = {value!r}; allowed: {', '.join(map(repr, arguments))}")
        return value
    if origin is tuple:
        return _tuple(arguments, value, where)
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, dict):
            raise ValueError(f"{where} = {value!r}; it must be a table")
        return build(typing.cast(type, hint), value, where)
    if hint is float and type(value) is int:
        return float(value)
    if type(value) is not hint:
        raise ValueError(f"{where} = {value!r}; it must be of type {hint.__name__}")
    return value


def _tuple(arguments: tuple[Any, ...], value: Any, where: str) -> tuple[Any, ...]:
    if not isinstance(value, list):
        raise ValueError(f"{where} = {value!r}; it must be a list")
    if arguments[-1] is not Ellipsis and len(value) != len(arguments):
        raise ValueError(f"{where} = {value!r}; it must have {len(arguments)} entries")
    return tuple(convert(arguments[0], entry, f"{where}[{i}]") for i, entry in enumerate(value))


def reject_unknown(entry: dict[str, Any], allowed: set[str], where: str, dot: str) -> None:
    """ValueError where a table has a key that nothing reads; `dot` joins it to `where`."""
    for key in entry:
        if key not in allowed:
            known = ", ".join(sorted(allowed))
            raise ValueError(f"{where}{dot or ': '}{key} is not a known key; allowed: {known}")
