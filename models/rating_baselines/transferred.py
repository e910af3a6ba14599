"""What systems share that carry a user's vector from the auxiliary to the target domain.

All start from one matrix factorisation a domain (biased_mf.py), hold it, and learn how a user's
auxiliary vector becomes a target one: EMCDR, SSCDR, PTUPCDR, DiffCDR. Their factorisations have
no biases; ours has, so that a cold user's rating departs from the item's bias and, unless
switched off, from how far the user rates off the mean in the auxiliary domain.

Shapes: N pairs or ratings, B users, L history length, D width.
"""

from torch import Tensor, nn

from models.batch import PADDING
from models.rating_baselines.biased_mf import DomainFactors
from models.ratings import AUXILIARY, Known, Pairs


def train_only(model: nn.Module, *parts: nn.Module) -> None:
    """Lets these parts of the model train and holds all else."""
    model.requires_grad_(False)
    for part in parts:
        part.requires_grad_(True)


def cold_ratings(
    factors: DomainFactors, pairs: Pairs, vector_ND: Tensor, user_bias: bool
) -> Tensor:
    """Ratings [N] of target items by users whose target vectors are said to be `vector_ND`.

    The item's bias and <vector, item's vector>; with `user_bias` the user's own bias of the
    auxiliary domain too, which is our addition to all four papers.
    """
    rating_N = factors.item_bias(pairs.item_N)
    rating_N = rating_N + (vector_ND * factors.item_vectors(pairs.item_N)).sum(dim=1)
    if not user_bias:
        return rating_N
    return rating_N + factors.user_bias(AUXILIARY, pairs.user_N)


def liked(known: Known, user_B: Tensor, above: float) -> tuple[Tensor, Tensor]:
    """Auxiliary histories of users, int64 [B, L], and what of them was rated above a rating.

    The second, bool [B, L], is False for padding whatever the rating beside it.
    """
    row_B = user_B.to(known.history_UL.device)  # the histories stay where they are
    item_BL = known.history_UL[row_B].to(user_B.device)
    rating_BL = known.history_rating_UL[row_B].to(user_B.device)
    return item_BL, (item_BL != PADDING) & (rating_BL > above)
