"""All experiments by name."""

from pipeline.train.experiments.definition import Experiment
from pipeline.train.experiments.lgcd import LGCD_EXPERIMENTS
from pipeline.train.experiments.lgcd_plus import LGCD_PLUS_EXPERIMENTS
from pipeline.train.experiments.tuning import TUNING_EXPERIMENTS

_EXPERIMENTS: dict[str, Experiment] = {
    one.name: one for one in (*LGCD_EXPERIMENTS, *LGCD_PLUS_EXPERIMENTS, *TUNING_EXPERIMENTS)
}


def experiment(name: str) -> Experiment:
    """ValueError names the known experiments."""
    if name not in _EXPERIMENTS:
        known = ", ".join(_EXPERIMENTS)
        raise ValueError(f"unknown experiment {name!r}; known experiments: {known}")
    return _EXPERIMENTS[name]
