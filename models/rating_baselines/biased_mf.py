"""BiasedMF: one matrix factorisation with biases in each domain, nothing shared between them.

Koren, Bell and Volinsky, "Matrix Factorization Techniques for Recommender Systems", 2009, eq. 4:
r = mean + b_u + b_i + <p_u, q_i>, with its penalty (eq. 5) as a loss term. Users have a vector and
a bias in each domain, apart.

Of a cold user, a model of the target domain knows the item's bias alone: this is what the
cross-domain papers call TGT. The MAE they print for it (above 4, of ratings up to 5) is about that
of a constant zero: a factorisation without mean and biases multiplies the vector of a user who was
never trained, which is near zero. Here the same missing knowledge costs no more than it has to.

Shapes: N pairs, D width, V items + 1.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.batch import ItemSpace
from models.ratings import AUXILIARY, TARGET, Known, Pairs, Ratings, Users
from models.recommender import Losses

_INITIAL_STD = 0.01  # small: what has no training rating keeps the vector that it was drawn


class DomainFactors(nn.Module):
    """Vectors and biases of users, apart in each domain unless shared, and of two domains' items.

    The target mean is data and is held; the auxiliary one starts from it and is learnt. Who has
    no training rating in a domain keeps a bias of zero there, and an initial vector.
    """

    target_mean: Tensor

    def __init__(
        self,
        known_space: ItemSpace,
        num_users: int,
        width: int,
        mean_rating: float,
        *,
        shared_users: bool = False,  # a user has one vector and one bias for both domains
    ):
        super().__init__()
        self.space = known_space
        self.num_users = num_users
        self.shared_users = shared_users
        num_sides = num_users if shared_users else 2 * num_users  # auxiliary sides come first
        self.user_vector = nn.Embedding(num_sides, width)
        self.user_deviation = nn.Embedding(num_sides, 1)
        self.item_vector = nn.Embedding(known_space.num_items + 1, width)
        self.item_deviation = nn.Embedding(known_space.num_items + 1, 1)
        self.auxiliary_mean = nn.Parameter(torch.tensor(float(mean_rating)))
        self.register_buffer("target_mean", torch.tensor(float(mean_rating)))
        for vectors in (self.user_vector, self.item_vector):
            nn.init.normal_(vectors.weight, std=_INITIAL_STD)
        for deviations in (self.user_deviation, self.item_deviation):
            nn.init.zeros_(deviations.weight)

    def user_vectors(self, domain: int, user_N: Tensor) -> Tensor:
        """[N, D]: users as they are in one domain."""
        return self.user_vector(self._side(domain, user_N))

    def user_bias(self, domain: int, user_N: Tensor) -> Tensor:
        """[N]: how far users rate above the mean of one domain."""
        return self.user_deviation(self._side(domain, user_N)).squeeze(1)

    def item_vectors(self, item_N: Tensor) -> Tensor:
        """[N, D]: items carry their domain in their id."""
        return self.item_vector(item_N)

    def item_bias(self, item_N: Tensor) -> Tensor:
        """[N]: the mean of the item's domain and the item's own deviation from it."""
        in_target_N = self.space.contains(TARGET, item_N)
        mean_N = torch.where(in_target_N, self.target_mean, self.auxiliary_mean)
        return mean_N + self.item_deviation(item_N).squeeze(1)

    def bias(self, user_N: Tensor, item_N: Tensor) -> Tensor:
        """[N]: `item_bias` and the user's deviation in the item's domain."""
        side_N = self._side(self.space.contains(TARGET, item_N), user_N)
        return self.item_bias(item_N) + self.user_deviation(side_N).squeeze(1)

    def ratings(self, pairs: Pairs) -> Tensor:
        """[N]: `bias` and the product of the item's vector and the user's in its domain."""
        side_N = self._side(self.space.contains(TARGET, pairs.item_N), pairs.user_N)
        product_ND = self.user_vector(side_N) * self.item_vector(pairs.item_N)
        return self.bias(*pairs) + product_ND.sum(dim=1)

    def penalty(self, pairs: Pairs) -> Tensor:
        """Scalar: squared norms of all that `ratings` reads but the means; a mean over pairs."""
        side_N = self._side(self.space.contains(TARGET, pairs.item_N), pairs.user_N)
        read = (
            self.user_vector(side_N),
            self.item_vector(pairs.item_N),
            self.user_deviation(side_N),
            self.item_deviation(pairs.item_N),
        )
        return torch.cat(read, dim=1).square().sum(dim=1).mean()

    def _side(self, domain: int | Tensor, user_N: Tensor) -> Tensor:
        """Rows of the users' tables; a tensor says of each user whether it is the target."""
        return user_N if self.shared_users else domain * self.num_users + user_N


def factor_losses(factors: DomainFactors, batch: Ratings, weight: float) -> Losses:
    """Terms `rating`, the mean squared error of both domains, and `penalty`, weighed."""
    return {
        "rating": F.mse_loss(factors.ratings(batch.pairs), batch.rating_N),
        "penalty": weight * factors.penalty(batch.pairs),
    }


@dataclass(frozen=True, kw_only=True)
class BiasedMFConfig:
    width: int = 10  # as PTUPCDR's
    penalty: float = 0.02  # of a rating's squared vectors and biases, beside its squared error
    user_bias: bool = False  # a cold user's auxiliary bias is added: no longer the target alone


class BiasedMF(nn.Module):
    def __init__(self, config: BiasedMFConfig, known: Known):
        super().__init__()
        self.config = config
        self.factors = DomainFactors(known.space, known.num_users, config.width, known.mean_rating)

    def begin(self, stage: str) -> None:
        """There is one stage, `ratings`, and it trains everything."""
        assert stage == "ratings", stage
        self.requires_grad_(True)

    def loss(self, stage: str, batch: Ratings | Users) -> Losses:
        """Terms `rating`, the mean squared error, and `penalty`."""
        assert stage == "ratings" and isinstance(batch, Ratings), stage
        return factor_losses(self.factors, batch, self.config.penalty)

    @torch.no_grad()
    def predict_known(self, pairs: Pairs) -> Tensor:
        """Ratings [N], not clamped, by the user's own vector and bias in the item's domain."""
        return self.factors.ratings(pairs)

    @torch.no_grad()
    def predict(self, pairs: Pairs) -> Tensor:
        """Ratings [N], not clamped: the item's, the same for all users unless `user_bias`."""
        rating_N = self.factors.item_bias(pairs.item_N)
        if self.config.user_bias:
            rating_N = rating_N + self.factors.user_bias(AUXILIARY, pairs.user_N)
        return rating_N
