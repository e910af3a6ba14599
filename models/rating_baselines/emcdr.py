"""EMCDR: a map from users' auxiliary vectors to their target vectors.

Man, Shen, Jin and Cheng, "Cross-Domain Recommendation: An Embedding and Mapping Approach",
2017: factorise each domain, then fit f(u_auxiliary) = u_target on users of both, and rate for
cold users by f of their auxiliary vector. Linear, it is bias-free, as in PTUPCDR's comparison.

Departs from the paper: the factorisations have biases (transferred.py says why and how).

Shapes: N pairs or ratings, B users, D width.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.rating_baselines.biased_mf import DomainFactors, factor_losses
from models.rating_baselines.transferred import cold_ratings, train_only
from models.ratings import AUXILIARY, TARGET, Known, Pairs, Ratings, Users
from models.recommender import Losses


@dataclass(frozen=True, kw_only=True)
class EMCDRConfig:
    width: int = 10  # as PTUPCDR's comparison
    penalty: float = 0.02  # of a rating's squared vectors and biases, beside its squared error
    hidden: int | None = None  # None: linear; else the width of one hidden tanh layer
    user_bias: bool = True  # a cold user's auxiliary bias is added


class EMCDR(nn.Module):
    def __init__(self, config: EMCDRConfig, known: Known):
        super().__init__()
        self.config = config
        self.factors = DomainFactors(known.space, known.num_users, config.width, known.mean_rating)
        self.map = _map(config)

    def begin(self, stage: str) -> None:
        """Stages: `ratings` trains the factors, then `mapping` the map."""
        assert stage in ("ratings", "mapping"), stage
        train_only(self, self.factors if stage == "ratings" else self.map)

    def loss(self, stage: str, batch: Ratings | Users) -> Losses:
        """`ratings` of Ratings: `rating` and `penalty`. `mapping` of Users of both domains: the
        mean squared error `mapping`, over users and dimensions."""
        if stage == "ratings":
            assert isinstance(batch, Ratings)
            return factor_losses(self.factors, batch, self.config.penalty)
        assert stage == "mapping" and isinstance(batch, Users), stage
        target_BD = self.factors.user_vectors(TARGET, batch.user_N)
        return {"mapping": F.mse_loss(self._mapped(batch.user_N), target_BD)}

    def _mapped(self, user_N: Tensor) -> Tensor:
        return self.map(self.factors.user_vectors(AUXILIARY, user_N))

    @torch.no_grad()
    def predict_known(self, pairs: Pairs) -> Tensor:
        """Ratings [N], not clamped, by the factors of the item's domain."""
        return self.factors.ratings(pairs)

    @torch.no_grad()
    def predict(self, pairs: Pairs) -> Tensor:
        """Ratings [N], not clamped, by the mapped auxiliary vector."""
        mapped_ND = self._mapped(pairs.user_N)
        return cold_ratings(self.factors, pairs, mapped_ND, self.config.user_bias)


def _map(config: EMCDRConfig) -> nn.Module:
    if config.hidden is None:
        return nn.Linear(config.width, config.width, bias=False)
    return nn.Sequential(
        nn.Linear(config.width, config.hidden),
        nn.Tanh(),
        nn.Linear(config.hidden, config.width),
    )
