"""A first stage that several runs have in common is trained once, and read by the others.

MuSiC, its ablations and its sweeps differ in their diffusion; the stage before that is the same for
most of them, and the longest. Everything it is made from is in its name, the seed included, so that
what is read is what training would make again. `stages/` may be deleted at any time.
"""

import json
import logging
from dataclasses import asdict, dataclass

from torch import nn

from models.ratings import SharesStage
from pipeline.catalog import parameters
from pipeline.digest import digest_json
from pipeline.store import Store
from pipeline.train.loop import FitReport
from pipeline.train.ratings.runs import StageRun

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class SharedStages:
    store: Store
    folder: str  # "stages/<scenario>"
    made_from: str  # a digest of what every stage of a run is made from: data, features, cold ratio

    def load(self, stage: StageRun, model: nn.Module, seed: int) -> FitReport | None:
        """Give `model` what the stage trains; None where it shares none or none is stored."""
        key = self._key(stage, model, seed)
        if key is None or not self.store.exists(key, ".safetensors"):
            return None
        log.info("%s: read, another run had the same", key)
        model.load_state_dict({**model.state_dict(), **self.store.read_tensors(key)})
        return FitReport(**json.loads(self.store.tensor_metadata(key)["report"]))

    def save(self, stage: StageRun, model: nn.Module, seed: int, report: FitReport) -> None:
        key = self._key(stage, model, seed)
        if key is None:
            return
        assert isinstance(model, SharesStage)
        shared = model.shared(stage.name)
        assert shared is not None
        trained = {
            name: value
            for name, value in model.state_dict().items()
            if name.split(".")[0] in shared.parts
        }
        self.store.write_tensors(key, trained, {"report": json.dumps(asdict(report))})

    def _key(self, stage: StageRun, model: nn.Module, seed: int) -> str | None:
        shared = model.shared(stage.name) if isinstance(model, SharesStage) else None
        if shared is None:
            return None
        name = type(model).__name__
        made_from = [self.made_from, name, shared.settings, parameters(stage), seed]
        return f"{self.folder}/{digest_json(made_from)}"
