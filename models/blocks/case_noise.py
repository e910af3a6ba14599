"""Sampling noise that belongs to a case: repeatable, whoever else is asked about.

Shapes: B cases, L history length, D width, R noise vectors of a case.
"""

import torch
from torch import Tensor


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
