"""A version of each system's preset: a digest of the source that decides the run.

Presets are Python, and to build one loads torch, which is too slow where definitions load. So
their source is read: the function of a system, whatever it calls and names, and the fields of the
configs that it builds, with their defaults. Comments, docstrings and layout do not count, nor does
the catalog, whose keys are parameters. How a model computes is not followed: that is VERSION's.
"""

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

from pipeline.digest import digest_json

_ROOT = Path(__file__).resolve().parents[2]
_TABLE = "_PRESETS"
_FOLLOWED = ("models", "pipeline")
_PARAMETERS = "pipeline.catalog"

Name = tuple[str, str]  # of a module, and of what it defines at its top level; "" is the module


def preset_version(system: str, module: str = "pipeline.train.presets") -> str:
    """Of a system in the table of a module."""
    table = _definition(module, _TABLE)
    assert isinstance(table, ast.AnnAssign) and isinstance(table.value, ast.Dict)
    for key, value in zip(table.value.keys, table.value.values, strict=True):
        if isinstance(key, ast.Constant) and key.value == system:
            reached = _reached(_named_in(value, module))
            return digest_json([ast.unparse(value), reached])[:8]
    raise ValueError(f"unknown system {system!r}: {module} has no preset of it")


def function_version(module: str, name: str) -> str:
    """Of a function that returns a run."""
    return digest_json(_reached(iter([(module, name)])))[:8]


def _reached(names: Iterator[Name]) -> dict[str, str]:
    """Source of all that is reached from some names, by where it stands."""
    found: dict[str, str] = {}
    seen: set[Name] = set()
    waiting = set(names)
    while waiting:
        module, name = one = waiting.pop()
        seen.add(one)
        node = _definition(module, name)
        if node is None or module.startswith(_PARAMETERS):
            continue
        if isinstance(node, ast.ImportFrom):
            waiting.update(_imported(node, name))
        else:
            parts = _deciding(node)
            found[f"{module}.{name}"] = "\n".join(ast.unparse(part) for part in parts)
            waiting.update(named for part in parts for named in _named_in(part, module))
        waiting -= seen
    return found


def _deciding(node: ast.stmt) -> list[ast.stmt]:
    """Of a class its fields, of a function all but its docstring, of a constant its value."""
    if isinstance(node, ast.ClassDef):
        return [part for part in node.body if isinstance(part, ast.AnnAssign | ast.Assign)]
    if isinstance(node, ast.FunctionDef) and ast.get_docstring(node) is not None:
        return [ast.FunctionDef(**{**dict(ast.iter_fields(node)), "body": node.body[1:]}, lineno=0)]
    return [node]


def _named_in(node: ast.AST, module: str) -> Iterator[Name]:
    """Top-level names of a module, and of modules that it imports, that a piece of code names.

    Not those of annotations: what a field holds is built where its value stands.
    """
    for part in _without_annotations(node):
        if isinstance(part, ast.Name) and isinstance(part.ctx, ast.Load):
            yield module, part.id
        elif isinstance(part, ast.Attribute) and isinstance(part.value, ast.Name):
            imported = _definition(module, part.value.id)
            if isinstance(imported, ast.ImportFrom):
                yield f"{imported.module}.{part.value.id}", part.attr


def _without_annotations(node: ast.AST) -> Iterator[ast.AST]:
    yield node
    for name, value in ast.iter_fields(node):
        if name not in ("annotation", "returns"):
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, ast.AST):
                    yield from _without_annotations(part)


def _imported(node: ast.ImportFrom, name: str) -> Iterator[Name]:
    for alias in node.names:
        if name == (alias.asname or alias.name):
            yield str(node.module), alias.name


def _definition(module: str, name: str) -> ast.stmt | None:
    return _definitions(module).get(name)


@functools.cache
def _definitions(module: str) -> dict[str, ast.stmt]:
    """What a module defines or imports at its top level; nothing of others' modules."""
    path = _ROOT.joinpath(*module.split("."))
    source = next((p for p in (path.with_suffix(".py"), path / "__init__.py") if p.is_file()), None)
    if module.split(".")[0] not in _FOLLOWED or source is None:
        return {}
    found: dict[str, ast.stmt] = {}
    for node in ast.parse(source.read_text(encoding="utf-8")).body:
        found |= dict.fromkeys(_targets(node), node)
    return found


def _targets(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        yield node.name
    elif isinstance(node, ast.ImportFrom):
        yield from (alias.asname or alias.name for alias in node.names)
    elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
        yield node.target.id
    elif isinstance(node, ast.Assign):
        yield from (target.id for target in node.targets if isinstance(target, ast.Name))
