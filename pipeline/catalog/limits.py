"""Bounds of the catalog's numbers; each ValueError names the key, the value and the bound."""

from typing import Any


def check_least(config: Any, keys: tuple[str, ...], least: float, where: str) -> None:
    """Of the named fields, none may be below `least`; None is no value and passes."""
    for key in keys:
        value = getattr(config, key)
        if value is not None and value < least:
            raise ValueError(f"{where}.{key} = {value}; it must be at least {least}")


def check_above_zero(config: Any, key: str, where: str) -> None:
    if getattr(config, key) <= 0:
        raise ValueError(f"{where}.{key} = {getattr(config, key)}; it must be above 0")
