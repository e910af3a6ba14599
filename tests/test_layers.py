"""Imports point down: models know torch alone, stages know earlier stages alone."""

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
STAGES = ("ingest", "prepare", "extract", "retrieve", "train", "evaluate", "tracking")
NOT_ON_A_BARE_MACHINE = {"polars", "vllm", "faiss", "transformers", "sentence_transformers"}


def sources(folder: str) -> Iterator[tuple[str, ast.Module]]:
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files, f"no source below {folder}"
    for file in files:
        yield str(file.relative_to(ROOT)), ast.parse(file.read_text(encoding="utf-8"))


def imports(tree: ast.Module) -> Iterator[str]:
    """Every module that is imported anywhere, in functions too."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide which layer they reach into"
            assert node.module
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def breaches(folder: str, forbidden: set[str]) -> list[str]:
    """`file: module` wherever a module of `folder` imports what it may not."""
    return [
        f"{file}: {module}"
        for file, tree in sources(folder)
        for module in imports(tree)
        if any(module == name or module.startswith(f"{name}.") for name in forbidden)
    ]


def test_models_import_torch_the_standard_library_and_models_alone() -> None:
    allowed = {"torch", "models"} | set(sys.stdlib_module_names)
    found = {
        f"{file}: {module}"
        for file, tree in sources("models")
        for module in imports(tree)
        if module.split(".")[0] not in allowed
    }
    assert found == set()


def test_pipeline_knows_neither_dagster_nor_the_assets() -> None:
    assert breaches("pipeline", {"dagster", "assets"}) == []


def test_a_stage_never_imports_a_later_stage() -> None:
    for number, stage in enumerate(STAGES):
        later = {f"pipeline.{name}" for name in STAGES[number + 1 :]}
        assert breaches(f"pipeline/{stage}", later) == []


def test_what_all_stages_share_imports_no_stage() -> None:
    stages = {f"pipeline.{stage}" for stage in STAGES}
    shared = {path.stem for path in (ROOT / "pipeline").glob("*.py")}
    found = [
        breach
        for breach in breaches("pipeline", stages)
        if Path(breach.split(":")[0]).parent == Path("pipeline")
    ]
    assert "store" in shared and found == []


def test_training_and_evaluation_run_where_there_is_torch_and_little_else() -> None:
    for stage in ("train", "evaluate"):
        assert breaches(f"pipeline/{stage}", NOT_ON_A_BARE_MACHINE) == []


def test_what_training_imports_from_elsewhere_needs_no_polars_either() -> None:
    """Followed through every import at module level, as a bare machine would."""
    todo = [file for stage in ("train", "evaluate") for file, _ in sources(f"pipeline/{stage}")]
    seen: set[str] = set()
    while todo:
        file = todo.pop()
        if file in seen or not (ROOT / file).exists():
            continue
        seen.add(file)
        tree = ast.parse((ROOT / file).read_text(encoding="utf-8"))
        for module in imports(ast.Module(body=_at_import(tree), type_ignores=[])):
            assert module.split(".")[0] not in NOT_ON_A_BARE_MACHINE, f"{file}: {module}"
            path = module.replace(".", "/")
            todo += [f"{path}.py", f"{path}/__init__.py"]
    assert "pipeline/store.py" in seen


def _at_import(tree: ast.Module) -> list[ast.stmt]:
    return [node for node in tree.body if isinstance(node, ast.Import | ast.ImportFrom)]


def test_assets_keep_their_annotations_real_because_dagster_reads_them() -> None:
    assert breaches("assets", {"__future__.annotations"}) == []


def test_nothing_unpickles_or_runs_a_models_own_code() -> None:
    for folder in ("assets", "models", "pipeline"):
        assert breaches(folder, {"pickle", "cloudpickle", "joblib", "dill", "torch.load"}) == []
        for file, tree in sources(folder):
            assert [where for where in _dangerous_calls(tree)] == [], file


def _dangerous_calls(tree: ast.Module) -> Iterator[int]:
    """Lines that call torch.load or torch.save, or trust remote code."""
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        if ast.unparse(node.func) in ("torch.load", "torch.save"):
            yield node.lineno
        for keyword in node.keywords:
            trusts = keyword.arg == "trust_remote_code" and ast.unparse(keyword.value) != "False"
            if trusts or (keyword.arg == "allow_pickle" and ast.unparse(keyword.value) != "False"):
                yield node.lineno
