"""Where a training run stands, on disk: everything needed to go on after the last epoch."""

import json
from dataclasses import dataclass, replace

import torch
from torch import Tensor, nn

from pipeline.report import Report, silent
from pipeline.store import Store
from pipeline.train.average import WeightAverage


@dataclass(frozen=True, kw_only=True)
class Progress:
    epoch: int  # epochs done
    best_epoch: int  # 0-based; -1 before the first
    best_score: float
    best_weights: dict[str, Tensor]
    curve: list[dict[str, float]]

    @classmethod
    def start(cls, model: nn.Module) -> "Progress":
        return cls(
            epoch=0,
            best_epoch=-1,
            best_score=float("-inf"),
            best_weights=_copy(model),
            curve=[],
        )

    def after(self, model: nn.Module, score: float, entry: dict[str, float]) -> "Progress":
        """The progress one epoch later."""
        later = replace(self, epoch=self.epoch + 1, curve=[*self.curve, entry])
        if score > self.best_score:
            later = replace(
                later, best_epoch=self.epoch, best_score=score, best_weights=_copy(model)
            )
        return later


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """Saved under `checkpoints/<name>`, valid for one fingerprint of config and data.

    Whoever follows the run is told when it stands somewhere new.
    """

    store: Store
    name: str
    fingerprint: str
    report: Report = silent

    @property
    def _key(self) -> str:
        return f"checkpoints/{self.name}"

    def load(
        self, model: nn.Module, optimizer: torch.optim.Optimizer, average: WeightAverage
    ) -> Progress | None:
        """Restore model, optimizer and average; None where there is nothing to go on from."""
        if not self.store.exists(self._key, ".safetensors"):
            return None
        metadata = self.store.tensor_metadata(self._key)
        if metadata["fingerprint"] != self.fingerprint:
            return None  # of another config or other data: this run starts afresh
        tensors = self.store.read_tensors(self._key)
        model.load_state_dict(_below(tensors, "model/"))
        _load_optimizer(optimizer, _below(tensors, "optimizer/"))
        average.load(_below(tensors, "average/"))
        state = json.loads(metadata["progress"])
        return Progress(best_weights=_below(tensors, "best/"), **state)

    def save(
        self,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        average: WeightAverage,
        progress: Progress,
    ) -> None:
        """Model, optimizer, average and progress in one atomic write."""
        tensors = {f"model/{name}": value for name, value in model.state_dict().items()}
        tensors |= {f"best/{name}": value for name, value in progress.best_weights.items()}
        tensors |= {f"optimizer/{name}": value for name, value in _optimizer(optimizer).items()}
        tensors |= {f"average/{name}": value for name, value in average.state().items()}
        state = {
            "epoch": progress.epoch,
            "best_epoch": progress.best_epoch,
            "best_score": progress.best_score,
            "curve": progress.curve,
        }
        metadata = {"fingerprint": self.fingerprint, "progress": json.dumps(state)}
        self.store.write_tensors(self._key, tensors, metadata)

    def delete(self) -> None:
        self.store.delete(self._key, ".safetensors")


def _copy(model: nn.Module) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.state_dict().items()}


def _below(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}


def _optimizer(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Adam's state as flat tensors: "<parameter number>/<name>"."""
    return {
        f"{number}/{name}": value
        for number, entry in optimizer.state_dict()["state"].items()
        for name, value in entry.items()
    }


def _load_optimizer(optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, name = key.split("/")
        state.setdefault(int(number), {})[name] = value
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
