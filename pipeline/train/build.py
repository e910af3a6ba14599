"""A model from its config: the one place that knows which class a config stands for."""

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from models.baselines.c2dsr import C2DSR, C2DSRConfig
from models.baselines.cooccurrence import Cooccurrence, CooccurrenceConfig
from models.baselines.diffurec import DiffuRec, DiffuRecConfig
from models.baselines.ease import EASE, EASEConfig
from models.baselines.fearec import FEARec, FEARecConfig
from models.baselines.gru4rec import GRU4Rec, GRU4RecConfig
from models.baselines.item_knn import ItemKNN, ItemKNNConfig
from models.baselines.llmcdsr import LLMCDSR, LLMCDSRConfig
from models.baselines.popularity import (
    OverlapPopularity,
    OverlapPopularityConfig,
    Popularity,
    PopularityConfig,
    RecentPopularity,
    RecentPopularityConfig,
)
from models.baselines.sasrec import SASRec, SASRecConfig
from models.baselines.sscdr import SSCDR, SSCDRConfig
from models.baselines.tricdr import TriCDR, TriCDRConfig
from models.baselines.unicdr import UniCDR, UniCDRConfig
from models.baselines.unisrec import UniSRec, UniSRecConfig
from models.lgcd import LGCD, LGCDConfig
from models.lgcd_encoders import DomainEncoders
from models.lgcd_plus import LGCDPlus, LGCDPlusConfig

_OF_IDS: dict[type, Callable[[Any], nn.Module]] = {
    PopularityConfig: Popularity,
    OverlapPopularityConfig: OverlapPopularity,
    RecentPopularityConfig: RecentPopularity,
    CooccurrenceConfig: Cooccurrence,
    EASEConfig: EASE,
    SASRecConfig: SASRec,
    GRU4RecConfig: GRU4Rec,
    FEARecConfig: FEARec,
    DiffuRecConfig: DiffuRec,
    SSCDRConfig: SSCDR,
    UniCDRConfig: UniCDR,
    C2DSRConfig: C2DSR,
    TriCDRConfig: TriCDR,
}
"""Models that know items by their ids alone."""

_OF_TEXTS: dict[type, Callable[[Any, Tensor], nn.Module]] = {
    ItemKNNConfig: ItemKNN,
    LLMCDSRConfig: LLMCDSR,
    UniSRecConfig: UniSRec,
    LGCDPlusConfig: LGCDPlus,
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
