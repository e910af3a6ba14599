"""LGCD's cases as one batch: who is who, and whose loss is whose.

Overlapping and pseudo-overlapping users of both directions run through the network together and
are told apart again when the losses are named.

Shapes: B cases, L history length, K grounded items of a user.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from models.batch import TransferBatch


class Grounded(NamedTuple):
    """All pseudo-interactions of each pseudo user, for soft labels."""

    item_BK: Tensor  # int64, 0 where a user has fewer
    score_BK: Tensor  # of the retrieval; its softmax weighs the items, padding is -inf


class LGCDBatch(NamedTuple):
    """A training step's cases; either sort of users may be missing, but not both.

    `grounded` belongs to the pseudo users row by row; pseudo_label="soft" alone reads it.
    """

    overlap: TransferBatch | None
    pseudo: TransferBatch | None
    grounded: Grounded | None = None


class Cases(NamedTuple):
    """Overlapping and pseudo users in one; histories as in `TransferBatch`."""

    id_BL: Tensor  # what the id encoder reads: source items, or the mixed history
    source_BL: Tensor
    target_BL: Tensor
    label_B: Tensor
    domain_B: Tensor
    pseudo_B: Tensor  # bool

    def of(self, chosen_B: Tensor) -> "Cases":
        """The cases where `chosen_B` (bool) holds, or that it numbers."""
        return Cases(*(field[chosen_B] for field in self))


def gather_cases(batch: LGCDBatch, *, mixed_ids: bool) -> Cases:
    """Both parts of a batch in one, overlapping users first.

    A pseudo user's id history is always the source alone.
    """
    parts = []
    if batch.overlap is not None:
        parts.append(_cases(batch.overlap, mixed_ids=mixed_ids, pseudo=False))
    if batch.pseudo is not None:
        parts.append(_cases(batch.pseudo, mixed_ids=False, pseudo=True))
    return Cases(*(_cat_left_padded(fields) for fields in zip(*parts, strict=True)))


def swap_direction(pseudo: TransferBatch) -> TransferBatch:
    """Pseudo users the other way round: grounded items as source, the last real item as label.

    The label was one of the grounded items, so it joins the source; the target history is what
    the user really had before the last item.
    """
    source_BL = torch.cat([pseudo.target_BL, pseudo.label_B.unsqueeze(1)], dim=1)
    return TransferBatch(
        source_BL=source_BL,
        target_BL=pseudo.source_BL[:, :-1],
        mixed_BL=source_BL,
        label_B=pseudo.source_BL[:, -1],
        domain_B=1 - pseudo.domain_B,
    )


def _cases(batch: TransferBatch, *, mixed_ids: bool, pseudo: bool) -> Cases:
    return Cases(
        id_BL=batch.mixed_BL if mixed_ids else batch.source_BL,
        source_BL=batch.source_BL,
        target_BL=batch.target_BL,
        label_B=batch.label_B,
        domain_B=batch.domain_B,
        pseudo_B=torch.full_like(batch.domain_B, pseudo, dtype=torch.bool),
    )


def _cat_left_padded(fields: tuple[Tensor, ...]) -> Tensor:
    """Concatenates rows; histories of unequal length are padded on the left."""
    if fields[0].dim() == 1:
        return torch.cat(fields)
    longest = max(field.shape[1] for field in fields)
    return torch.cat([F.pad(field, (longest - field.shape[1], 0)) for field in fields])


def mean_where(value_B: Tensor, chosen_B: Tensor) -> Tensor:
    """The mean over the chosen cases; zero, with a gradient of zero, where there are none."""
    return (value_B * chosen_B).sum() / chosen_B.sum().clamp_min(1)
