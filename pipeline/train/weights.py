"""Trained weights on disk: a safetensors file a seed, with how it came to be beside it."""

import json
from dataclasses import asdict, dataclass
from typing import Any

from torch import nn

from pipeline.digest import digest_json
from pipeline.store import Artifact, Store
from pipeline.train.loop import FitReport


@dataclass(frozen=True, kw_only=True)
class Weights:
    """Where a run's weights lie, and for each seed the fingerprint of parameters and inputs."""

    store: Store
    folder: str  # "weights/<scenario>/<system>"
    fingerprints: dict[int, str]  # by seed

    def key(self, seed: int) -> str:
        return f"{self.folder}/seed-{seed}"

    def is_trained(self, seed: int) -> bool:
        """Whether this very run was done before: then it need not be done again."""
        if not self.store.exists(self.key(seed), ".safetensors"):
            return False
        return self.store.tensor_metadata(self.key(seed))["fingerprint"] == self.fingerprints[seed]

    def save(
        self, seed: int, model: nn.Module, parameters: dict[str, Any], report: FitReport | None
    ) -> Artifact:
        """`report` is None for a system that counts. ValueError where a weight is not finite."""
        metadata = {
            "fingerprint": self.fingerprints[seed],
            "parameters": json.dumps(parameters, sort_keys=True),
            "report": json.dumps(asdict(report) if report else None),
        }
        return self.store.write_tensors(self.key(seed), dict(model.state_dict()), metadata)


def load_weights(store: Store, folder: str, seed: int, model: nn.Module) -> None:
    """Fill a freshly built model; leaves it in eval mode."""
    model.load_state_dict(store.read_tensors(f"{folder}/seed-{seed}"))
    model.eval()


def load_report(store: Store, folder: str, seed: int) -> FitReport | None:
    """How a seed's training went; None for a system that counts."""
    report = json.loads(store.tensor_metadata(f"{folder}/seed-{seed}")["report"])
    return FitReport(**report) if report else None


def all_seeds(store: Store, folder: str, seeds: tuple[int, ...]) -> Artifact:
    """One artifact that stands for the weights of all seeds."""
    keys = [f"{folder}/seed-{seed}" for seed in seeds]
    return Artifact(
        key=folder,
        path=store.path(folder, ""),
        digest=digest_json([store.digest(key) for key in keys]),
        num_bytes=sum(store.num_bytes(key, ".safetensors") for key in keys),
    )
