"""Loading the definitions must stay quick: nothing heavy comes along."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
HEAVY = (
    "torch",
    "vllm",
    "faiss",
    "transformers",
    "sentence_transformers",
    "ray",
    "matplotlib",
    "boto3",
    "mlflow",
)


def test_loading_the_definitions_loads_no_heavy_library() -> None:
    script = (
        "import sys, assets.definitions\n"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"
