"""CMF: both domains factorised at once, with users that are the same in both.

Singh and Gordon, "Relational Learning via Collective Matrix Factorization", 2008: matrices that
share an entity share its factors, and their errors are minimised together. Here these are the
users: one vector and one bias each, so that what a cold user rated in the auxiliary domain says
what they will rate in the target.

Departs from the paper: ratings have means and biases, as in `BiasedMF`; each rating weighs the
same, where the paper weighs each matrix by an alpha; Adam, not alternating Newton steps.

Shapes: N pairs.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.rating_baselines.biased_mf import DomainFactors, factor_losses
from models.ratings import Known, Pairs, Ratings, Users
from models.recommender import Losses


@dataclass(frozen=True, kw_only=True)
class CMFConfig:
    width: int = 10  # as PTUPCDR's
    penalty: float = 0.02  # of a rating's squared vectors and biases, beside its squared error


class CMF(nn.Module):
    def __init__(self, config: CMFConfig, known: Known):
        super().__init__()
        self.config = config
        self.factors = DomainFactors(
            known.space, known.num_users, config.width, known.mean_rating, shared_users=True
        )

    def begin(self, stage: str) -> None:
        """There is one stage, `ratings`, and it trains everything."""
        assert stage == "ratings", stage
        self.requires_grad_(True)

    def loss(self, stage: str, batch: Ratings | Users) -> Losses:
        """Terms `rating`, the mean squared error of both domains' ratings, and `penalty`."""
        assert stage == "ratings" and isinstance(batch, Ratings), stage
        return factor_losses(self.factors, batch, self.config.penalty)

    @torch.no_grad()
    def predict_known(self, pairs: Pairs) -> Tensor:
        """As `predict`: a user is the same in both domains."""
        return self.predict(pairs)

    @torch.no_grad()
    def predict(self, pairs: Pairs) -> Tensor:
        """Ratings [N], not clamped; a cold user's vector and bias are of auxiliary ratings."""
        return self.factors.ratings(pairs)
