"""SSCDR for ratings: a map of users that also puts what a user liked near them.

Kang et al., "Semi-Supervised Learning for Cross-Domain Recommendation to Cold-Start Users",
2019, in the form in which DiffCDR's authors (2024) compare it on ratings: over factorisations
with dot products instead of metric spaces, one linear map with bias f, and of each user of both
domains ||f(u_a) - u_t||^2 + max(0, 1 + ||f(i+) - u_t||^2 - ||f(i-) - u_t||^2), where i+ is an
auxiliary item that the user liked and i- one drawn at random.

Our reading, where theirs is a row of code: liked is rated above 3; i+ and i- are drawn anew in
each step, i- among all auxiliary items (theirs: among those that any training user liked), so
that it may by chance be liked too; users who liked nothing have no second term (theirs: item 0
is their positive). The map works on users' vectors of unit mean square, one number a domain,
and on items' vectors divided by the same number: that is the scale at which theirs start, and at
which a margin of 1 means something. As in theirs, no neighbours are gathered for cold users. The
factorisations have biases (transferred.py).

Shapes: N pairs or ratings, B users, L history length, D width.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.blocks.losses import draw_items
from models.rating_baselines.biased_mf import DomainFactors, factor_losses
from models.rating_baselines.transferred import cold_ratings, liked, train_only
from models.rating_baselines.unit_scale import UnitScale
from models.ratings import AUXILIARY, TARGET, Known, Pairs, Ratings, Users
from models.recommender import Losses


@dataclass(frozen=True, kw_only=True)
class SSCDRRatingsConfig:
    width: int = 10  # as DiffCDR's comparison
    penalty: float = 0.02  # of a rating's squared vectors and biases, beside its squared error
    margin: float = 1.0  # of squared distances between vectors whose own squares average `width`
    semi_supervised: float = 1.0  # weight of the items' term beside the users' of 1
    liked_above: float = 3.0
    user_bias: bool = True  # a cold user's auxiliary bias is added


class SSCDRRatings(nn.Module):
    def __init__(self, config: SSCDRRatingsConfig, known: Known):
        super().__init__()
        self.config, self.known = config, known
        self.factors = DomainFactors(known.space, known.num_users, config.width, known.mean_rating)
        self.map = nn.Linear(config.width, config.width)
        self.source_scale, self.target_scale = UnitScale(), UnitScale()  # of users

    def begin(self, stage: str) -> None:
        """Stages: `ratings` trains the factors, then `mapping` the map."""
        assert stage in ("ratings", "mapping"), stage
        train_only(self, self.factors if stage == "ratings" else self.map)

    def loss(self, stage: str, batch: Ratings | Users) -> Losses:
        """`ratings` of Ratings: `rating` and `penalty`. `mapping` of Users of both domains:
        `supervised`, a mean over users, and `semi_supervised`, one over those who liked any."""
        if stage == "ratings":
            assert isinstance(batch, Ratings)
            return factor_losses(self.factors, batch, self.config.penalty)
        assert stage == "mapping" and isinstance(batch, Users), stage
        source_BD = self.factors.user_vectors(AUXILIARY, batch.user_N)
        target_BD = self.factors.user_vectors(TARGET, batch.user_N)
        self.source_scale.observe(source_BD)
        self.target_scale.observe(target_BD)
        target_BD = self.target_scale.down(target_BD)
        supervised_B = _squared(self._f(source_BD), target_BD)
        return {
            "supervised": supervised_B.mean(),
            "semi_supervised": self.config.semi_supervised * self._items(batch.user_N, target_BD),
        }

    def _items(self, user_B: Tensor, target_BD: Tensor) -> Tensor:
        item_BL, liked_BL = liked(self.known, user_B, self.config.liked_above)
        rows = liked_BL.any(dim=1).nonzero().squeeze(1)
        if len(rows) == 0:
            return target_BD.sum() * 0
        place_B = torch.multinomial(liked_BL[rows].float(), 1)
        positive_B = item_BL[rows].gather(1, place_B).squeeze(1)
        auxiliary = self.known.space.ids(AUXILIARY)
        negative_B = draw_items(auxiliary, positive_B.shape, user_B.device, None)
        near_B = _squared(self._f(self.factors.item_vectors(positive_B)), target_BD[rows])
        far_B = _squared(self._f(self.factors.item_vectors(negative_B)), target_BD[rows])
        return F.relu(self.config.margin + near_B - far_B).mean()

    def _f(self, source_ND: Tensor) -> Tensor:
        """Auxiliary vectors, of users or items, to where they lie among scaled target users."""
        return self.map(self.source_scale.down(source_ND))

    @torch.no_grad()
    def predict_known(self, pairs: Pairs) -> Tensor:
        """Ratings [N], not clamped, by the factors of the item's domain."""
        return self.factors.ratings(pairs)

    @torch.no_grad()
    def predict(self, pairs: Pairs) -> Tensor:
        """Ratings [N], not clamped, by the mapped auxiliary vector."""
        source_ND = self.factors.user_vectors(AUXILIARY, pairs.user_N)
        mapped_ND = self.target_scale.up(self._f(source_ND))
        return cold_ratings(self.factors, pairs, mapped_ND, self.config.user_bias)


def _squared(a_BD: Tensor, b_BD: Tensor) -> Tensor:
    return (a_BD - b_BD).square().sum(dim=1)
