"""A model from its config: the one place that knows which class a config stands for."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from models.baselines.cooccurrence import Cooccurrence, CooccurrenceConfig
from models.baselines.popularity import (
    Popularity,
    PopularityConfig,
    RecentPopularity,
    RecentPopularityConfig,
)
from models.baselines.sasrec import SASRec, SASRecConfig
from models.lgcd import LGCD, LGCDConfig
from models.lgcd_encoders import DomainEncoders

_OF_IDS: dict[type, Callable[[Any], nn.Module]] = {
    PopularityConfig: Popularity,
    RecentPopularityConfig: RecentPopularity,
    CooccurrenceConfig: Cooccurrence,
    SASRecConfig: SASRec,
}
"""Models that know items by their ids alone."""

_OF_TEXTS: dict[type, Callable[[Any, Tensor], nn.Module]] = {
    LGCDConfig: lambda config, text_VE: LGCD(config, DomainEncoders(config.encoders, text_VE)),
}
"""Models that are given the items' frozen text vectors [V, E] too."""


def reads_texts(config: Any) -> bool:
    """Whether `build` needs text vectors for this config."""
    return type(config) in _OF_TEXTS


def build(config: Any, text_VE: Tensor | None) -> nn.Module:
    """A fresh model; its initial weights follow from torch's global seed."""
    if reads_texts(config):
        assert text_VE is not None
        return _OF_TEXTS[type(config)](config, text_VE)
    return _OF_IDS[type(config)](config)
