"""Frozen text vectors made ready for a learned projection.

Sentence encoders put all texts into a narrow cone and on the unit sphere: uncentred, items would
look alike. Each domain is centred on its own items, because what all its titles share says
nothing of a user, and one scale for all keeps domains comparable.

Shapes: V items + 1, E text width, A axes, S domains.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from models.batch import ItemSpace


class Standardised(NamedTuple):
    """`text_VE` after both steps, row 0 (padding) zero; and the steps themselves."""

    text_VE: Tensor
    mean_SE: Tensor
    scale: Tensor  # a scalar


def standardised(text_VE: Tensor, space: ItemSpace) -> Standardised:
    """Centred on each domain's items and scaled to unit variance over all values, float32.

    Raises ValueError where there is not one row for each id.
    """
    if text_VE.dim() != 2 or len(text_VE) != space.num_items + 1:
        raise ValueError(
            f"text vectors have shape {tuple(text_VE.shape)}, need {space.num_items + 1} rows: "
            "one for each item and one for padding"
        )
    own = [text_VE[space.columns(domain)].float() for domain in range(len(space.sizes))]
    mean_SE = torch.stack([items.mean(dim=0) for items in own])
    centred = torch.cat([items - mean for items, mean in zip(own, mean_SE, strict=True)])
    scale = centred.square().mean().sqrt().clamp_min(1e-6)
    padding = centred.new_zeros(1, centred.shape[1])
    return Standardised(torch.cat([padding, centred / scale]), mean_SE, scale)


def principal_axes(text_VE: Tensor, num_axes: int) -> Tensor:
    """The directions along which texts differ most, orthonormal rows [A, E], most first.

    Zeros where E is smaller than `num_axes`.
    """
    covariance_EE = text_VE.T @ text_VE / len(text_VE)
    axis_EE = torch.linalg.eigh(covariance_EE).eigenvectors.flip(1).T  # in descending order
    axis_AE = text_VE.new_zeros(num_axes, text_VE.shape[1])
    axis_AE[: len(axis_EE)] = axis_EE[:num_axes]
    return axis_AE
