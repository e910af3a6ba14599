"""Item-kNN by text: target items whose texts are like those of the history.

The reference for every use of item texts: no training, no interactions but the query's own. In
the family of item-based collaborative filtering (Sarwar et al., WWW 2001), with the cosine of
text vectors where theirs is of rating columns, and all items of the history as neighbours.

Shapes: B batch, L history length, V items + 1, E text width.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.baselines.popularity import from_the_end
from models.batch import PADDING, ItemSpace, Query, SequenceBatch


@dataclass(frozen=True, kw_only=True)
class ItemKNNConfig:
    space: ItemSpace
    decay: float = 0.9  # weight of a history item = decay ** (positions to the end)
    # Subtract each domain's mean vector first: what all its texts share says nothing of a user.
    centred: bool = False


class ItemKNN(nn.Module):
    """Weighted mean over the history of the cosines between its items and a target item.

    The cosine with the history's mean vector, the usual alternative, ranks alike: vectors have
    length one, so that it is this mean divided by a number that each user has but one of.

    `text_VE` holds a row for each id, that of padding ignored; it is data, not a weight, and
    must be given again when a stored system is loaded. Raises ValueError on another shape.
    """

    text_VE: Tensor

    def __init__(self, config: ItemKNNConfig, text_VE: Tensor):
        super().__init__()
        self.config = config
        space = config.space
        if text_VE.ndim != 2 or len(text_VE) != space.num_items + 1:
            raise ValueError(
                f"text vectors have shape {tuple(text_VE.shape)}, need {space.num_items + 1} "
                "rows: one for each item and one for padding"
            )
        text_VE = text_VE.float().clone()
        text_VE[PADDING] = 0
        if config.centred:
            for domain in range(len(space.sizes)):
                own = space.columns(domain)
                text_VE[own] -= text_VE[own].mean(dim=0)
        self.register_buffer("text_VE", F.normalize(text_VE, dim=1), persistent=False)

    def count(self, batches: Iterable[SequenceBatch]) -> None:
        """Nothing: texts are all that this system knows."""

    @torch.no_grad()
    def score(self, query: Query) -> Tensor:
        """[B, V] weighted means of cosines, in [-1, 1]; zero for an empty history."""
        weight_BL = from_the_end(query.history_BL, self.config.decay).float()
        weight_BL = weight_BL.masked_fill(query.history_BL == PADDING, 0)
        weight_BL = weight_BL / weight_BL.sum(dim=1, keepdim=True).clamp_min(1e-12)
        history_BE = torch.einsum("bl,ble->be", weight_BL, self.text_VE[query.history_BL])
        return history_BE @ self.text_VE.T
