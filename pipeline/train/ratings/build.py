"""A rating model from its config: the one place that knows which class a config stands for."""

from collections.abc import Callable
from typing import Any

from models.music import MuSiC
from models.music_config import MuSiCConfig
from models.rating_baselines.biased_mf import BiasedMF, BiasedMFConfig
from models.rating_baselines.cmf import CMF, CMFConfig
from models.rating_baselines.diffcdr import DiffCDR, DiffCDRConfig
from models.rating_baselines.emcdr import EMCDR, EMCDRConfig
from models.rating_baselines.means import (
    Biases,
    BiasesConfig,
    GlobalMean,
    GlobalMeanConfig,
    ItemMean,
    ItemMeanConfig,
    UserMean,
    UserMeanConfig,
)
from models.rating_baselines.ptupcdr import PTUPCDR, PTUPCDRConfig
from models.rating_baselines.ridge import Ridge, RidgeConfig
from models.rating_baselines.sscdr import SSCDRRatings, SSCDRRatingsConfig
from models.ratings import Known, RatingCounter, RatingModel

_CLASSES: dict[type, Callable[[Any, Known], Any]] = {
    GlobalMeanConfig: GlobalMean,
    UserMeanConfig: UserMean,
    ItemMeanConfig: ItemMean,
    BiasesConfig: Biases,
    RidgeConfig: Ridge,
    BiasedMFConfig: BiasedMF,
    CMFConfig: CMF,
    EMCDRConfig: EMCDR,
    SSCDRRatingsConfig: SSCDRRatings,
    PTUPCDRConfig: PTUPCDR,
    DiffCDRConfig: DiffCDR,
    MuSiCConfig: MuSiC,
}


def build_rating_model(config: Any, known: Known) -> RatingModel | RatingCounter:
    """A fresh model; its initial weights follow from torch's global seed."""
    model = _CLASSES[type(config)](config, known)
    assert isinstance(model, RatingModel | RatingCounter)
    return model
