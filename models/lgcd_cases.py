"""LGCD's cases as one batch: who is who, whose loss is whose, and whose noise is whose.

Overlapping and pseudo-overlapping users run through the network together, one pass for each
direction, and are told apart again when the losses are named.

Shapes: B cases, L history length, D width, R noise vectors of a case.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from models.batch import TransferBatch


class LGCDBatch(NamedTuple):
    """A training step's cases; pseudo users may be missing."""

    overlap: TransferBatch
    pseudo: TransferBatch | None


class Cases(NamedTuple):
    """Overlapping and pseudo users in one; histories as in `TransferBatch`."""

    id_BL: Tensor  # what the id encoder reads: source items, or the mixed history
    source_BL: Tensor
    target_BL: Tensor
    label_B: Tensor
    domain_B: Tensor
    pseudo_B: Tensor  # bool

    def of(self, chosen_B: Tensor) -> "Cases":
        """The cases where `chosen_B` (bool) holds."""
        return Cases(*(field[chosen_B] for field in self))


def gather_cases(batch: LGCDBatch, *, mixed_ids: bool) -> Cases:
    """Both parts of a batch in one; a pseudo user's id history is always the source alone."""
    parts = [_cases(batch.overlap, mixed_ids=mixed_ids, pseudo=False)]
    if batch.pseudo is not None:
        parts.append(_cases(batch.pseudo, mixed_ids=False, pseudo=True))
    return Cases(*(_cat_left_padded(fields) for fields in zip(*parts, strict=True)))


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


def case_noise(history_BL: Tensor, num_vectors: int, width: int, seed: int) -> Tensor:
    """Standard normal noise [R, B, D] that depends on a case's own history and the seed alone.

    Each case has a generator of its own, so an answer changes neither with the padding nor with
    who else is in the batch, nor with the device.
    """
    generator = torch.Generator()
    rows = [
        torch.randn(num_vectors, width, generator=generator.manual_seed(case_seed))
        for case_seed in _case_seeds(history_BL, seed)
    ]
    return torch.stack(rows, dim=1).to(history_BL.device)


def _case_seeds(history_BL: Tensor, seed: int) -> list[int]:
    """A polynomial hash of the items, counted from the newest; padding (id 0) adds nothing."""
    ages_L = torch.arange(history_BL.shape[1]).flip(0)
    power_L = torch.tensor([pow(_HASH_BASE, int(age), _HASH_PRIME) for age in ages_L])
    hash_B = (history_BL.cpu() * power_L % _HASH_PRIME).sum(dim=1)
    # torch's generator reads 32 bits of its seed, so the run's seed is mixed in before the cut.
    return [(case * _HASH_BASE + seed * 0x9E3779B1) % _HASH_PRIME for case in hash_B.tolist()]


_HASH_PRIME = 2**31 - 1
_HASH_BASE = 48_271
