"""PTUPCDR: each user has a linear map of their own, which a network reads from what they liked.

Zhu et al., "Personalized Transfer of User Preferences for Cross-Domain Recommendation", 2022.
Attention over a user's liked auxiliary items gives their transferable characteristics; a network
turns these into a matrix, the bridge, that carries their auxiliary vector into the target
domain. It learns from the ratings that the carried vector predicts, not from target vectors.

As in the authors' code: liked is rated above 3, the newest 20 of them are read, and the factors
are held while the bridge trains. Departs from it: their padding is item 0, which is an item too,
and lends its vector to users without any liked item; here padding is no item, and such users
have the bridge of a zero vector. The factorisations have biases (transferred.py).

Shapes: N pairs or ratings, L history length, D width.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.rating_baselines.biased_mf import DomainFactors, factor_losses
from models.rating_baselines.transferred import cold_ratings, liked, train_only
from models.ratings import AUXILIARY, Known, Pairs, Ratings, Users
from models.recommender import Losses


@dataclass(frozen=True, kw_only=True)
class PTUPCDRConfig:
    width: int = 10
    penalty: float = 0.02  # of a rating's squared vectors and biases, beside its squared error
    hidden: int = 50  # of the network that makes the bridge
    liked_above: float = 3.0
    max_items: int = 20  # of a user's liked ones, the newest
    user_bias: bool = True  # a cold user's auxiliary bias is added


class MetaNetwork(nn.Module):
    """From the vectors of liked items to a bridge."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.width = width
        self.attention = nn.Sequential(
            nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 1, bias=False)
        )
        self.bridge = nn.Sequential(
            nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width * width)
        )

    def characteristics(self, item_NLD: Tensor, valid_NL: Tensor) -> Tensor:
        """[N, D]: the items' mean by attention; zero where none is valid."""
        logit_NL = self.attention(item_NLD).squeeze(2)
        # Finite, so that a row without any valid item has no NaN; its weights are zeroed below.
        logit_NL = logit_NL.masked_fill(~valid_NL, torch.finfo(logit_NL.dtype).min)
        weight_NL = logit_NL.softmax(dim=1) * valid_NL
        return (weight_NL.unsqueeze(2) * item_NLD).sum(dim=1)

    def forward(self, item_NLD: Tensor, valid_NL: Tensor) -> Tensor:
        """Bridges [N, D, D], to be multiplied from the right."""
        bridge = self.bridge(self.characteristics(item_NLD, valid_NL))
        return bridge.view(-1, self.width, self.width)


class PTUPCDR(nn.Module):
    def __init__(self, config: PTUPCDRConfig, known: Known):
        super().__init__()
        self.config, self.known = config, known
        self.factors = DomainFactors(known.space, known.num_users, config.width, known.mean_rating)
        self.meta = MetaNetwork(config.width, config.hidden)

    def begin(self, stage: str) -> None:
        """Stages: `ratings` trains the factors, then `bridge` the meta network."""
        assert stage in ("ratings", "bridge"), stage
        train_only(self, self.factors if stage == "ratings" else self.meta)

    def loss(self, stage: str, batch: Ratings | Users) -> Losses:
        """`ratings`: `rating` and `penalty`. `bridge` of target Ratings by users of both domains:
        the mean squared error `transferred` of what their carried vectors predict."""
        assert stage in ("ratings", "bridge") and isinstance(batch, Ratings), stage
        if stage == "ratings":
            return factor_losses(self.factors, batch, self.config.penalty)
        return {"transferred": F.mse_loss(self._transferred(batch.pairs), batch.rating_N)}

    def _transferred(self, pairs: Pairs) -> Tensor:
        # Users come back with each of their ratings; one bridge each is enough.
        user_B, place_N = pairs.user_N.unique(return_inverse=True)
        vector_ND = self._carried(user_B)[place_N]
        return cold_ratings(self.factors, pairs, vector_ND, self.config.user_bias)

    def _carried(self, user_N: Tensor) -> Tensor:
        """u_auxiliary times the user's own bridge, [N, D]."""
        item_NL, liked_NL = liked(self.known, user_N, self.config.liked_above)
        newer_NL = liked_NL.flip(1).cumsum(dim=1).flip(1)  # of the liked, this one counted
        valid_NL = liked_NL & (newer_NL <= self.config.max_items)
        bridge_NDD = self.meta(self.factors.item_vectors(item_NL), valid_NL)
        source_N1D = self.factors.user_vectors(AUXILIARY, user_N).unsqueeze(1)
        return (source_N1D @ bridge_NDD).squeeze(1)

    @torch.no_grad()
    def predict_known(self, pairs: Pairs) -> Tensor:
        """Ratings [N], not clamped, by the factors of the item's domain."""
        return self.factors.ratings(pairs)

    @torch.no_grad()
    def predict(self, pairs: Pairs) -> Tensor:
        """Ratings [N], not clamped, by the carried auxiliary vector."""
        return self._transferred(pairs)
