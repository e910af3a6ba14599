"""The Transformer that every sequence model here reads histories with.

Kang and McAuley, "Self-Attentive Sequential Recommendation", 2018. It takes vectors, not
item ids, so ids, texts and fused items share one implementation.

Departs from the paper: keys and values are normalised like the queries (ordinary pre-norm),
padded keys are masked instead of merely zeroed, positions count from the end, so that padding
on the left never changes an answer, and attention weights are not dropped out, which costs more
than all other dropout together.

Histories are short and batches as long as their longest, so everything but attention runs on
the valid positions alone, packed in one dimension.

Shapes: B batch, L history length, D width, N valid positions, H heads, K width of one head,
G rows of a group.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.batch import PADDING
from models.blocks.dropout import FastDropout, dropout

_GROUP_BOUNDS = (6, 10, 16, 28)  # lengths up to which rows attend together


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    width: int = 64
    num_blocks: int = 2
    num_heads: int = 1
    dropout: float = 0.5  # on inputs and both residual branches
    max_length: int = 50
    ffn_width: int | None = None  # None: as wide as the encoder
    causal: bool = True  # False: a position sees later ones too

    def __post_init__(self) -> None:
        if self.width % self.num_heads:
            raise ValueError(
                f"width={self.width} does not divide into num_heads={self.num_heads}; "
                "choose a multiple"
            )


def trim(items_BL: Tensor, max_length: int) -> Tensor:
    """The newest `max_length` positions, without columns that pad every row.

    At least one column stays, so that a batch of empty histories still has a shape.
    """
    items_BL = items_BL[:, -max_length:]
    longest = int((items_BL != PADDING).any(dim=0).sum())
    return items_BL[:, -max(longest, 1) :]


def last_state(states_BLD: Tensor) -> Tensor:
    """The state after the newest item: histories are padded on the left."""
    return states_BLD[:, -1]


class SequenceEncoder(nn.Module):
    """Vectors in, one state for each position out.

    The encoder multiplies its input by sqrt(D) itself: item vectors start small, and without
    this the positions drown them and training never leaves popularity.
    """

    def __init__(self, config: EncoderConfig):
        super().__init__()
        self.config = config
        self.position = nn.Parameter(torch.empty(config.max_length, config.width))
        self.blocks = nn.ModuleList(_Block(config) for _ in range(config.num_blocks))
        self.norm = nn.LayerNorm(config.width)
        init_weights(self)

    def forward(self, x_BLD: Tensor, valid_BL: Tensor) -> Tensor:
        """States [B, L, D] of about unit variance; zeros where `valid_BL` is False.

        `valid_BL` (bool) must be False exactly on the left padding. Raises ValueError when L
        exceeds `max_length`.
        """
        length = x_BLD.shape[1]
        if length > self.config.max_length:
            raise ValueError(
                f"history length {length} exceeds max_length={self.config.max_length}; "
                "trim the history or build a longer encoder"
            )
        if not valid_BL.any():
            return x_BLD * 0  # of empty histories alone; the gradient is zero too
        layout = _layout(valid_BL, self.config.causal)
        x_BLD = x_BLD * math.sqrt(self.config.width)
        x_BLD = x_BLD + self.position[self.config.max_length - length :]
        x_ND = dropout(layout.pack(x_BLD), self.config.dropout, self.training)
        for block in self.blocks:
            x_ND = block(x_ND, layout)
        return layout.unpack(self.norm(x_ND))


class _Group(NamedTuple):
    """Rows of a batch of about the same length, padded to the longest of them."""

    place_GL: Tensor  # where each position stands in the packed dimension; padding: anywhere
    valid_GL: Tensor
    mask_G1LL: Tensor  # who may look at whom


class _Layout(NamedTuple):
    """Where the valid positions of a padded batch are, for attention by rows of like length.

    Most histories are short and a few long: padded to the longest of all, attention would cost
    more than everything else together.
    """

    shape: torch.Size  # B, L
    valid_N: Tensor  # indices of the valid positions in the flattened batch
    groups: tuple[_Group, ...]
    order_N: Tensor  # brings the groups' valid positions, one after another, into packed order

    def pack(self, x_BLE: Tensor) -> Tensor:
        return x_BLE.flatten(0, 1).index_select(0, self.valid_N)

    def unpack(self, x_NE: Tensor) -> Tensor:
        """Zeros where the batch is padded."""
        flat = x_NE.new_zeros(self.shape.numel(), x_NE.shape[1])
        return flat.index_copy(0, self.valid_N, x_NE).unflatten(0, self.shape)

    def by_group(self, attend: Callable[[Tensor, Tensor], Tensor], x_NE: Tensor) -> Tensor:
        """`attend(x_GLE, mask_G1LL)` of each group, [G, L, D], packed again, [N, D]."""
        parts = [
            attend(_rows(x_NE, group.place_GL), group.mask_G1LL)[group.valid_GL]
            for group in self.groups
        ]
        return torch.cat(parts).index_select(0, self.order_N)


def _rows(x_NE: Tensor, index: Tensor) -> Tensor:
    return x_NE.index_select(0, index.flatten()).unflatten(0, index.shape)


def _layout(valid_BL: Tensor, causal: bool) -> _Layout:
    place_BL = (valid_BL.flatten().cumsum(0) - 1).clamp_min(0).view(valid_BL.shape)
    length_B, longest = valid_BL.sum(dim=1), valid_BL.shape[1]
    bounds = [-1, *(bound for bound in _GROUP_BOUNDS if bound < longest), longest]
    groups = []
    for shorter, bound in pairwise(bounds):
        rows = ((length_B > shorter) & (length_B <= bound)).nonzero()[:, 0]
        if len(rows) > 0:
            own_GL = valid_BL[rows, -bound:]
            groups.append(_Group(place_BL[rows, -bound:], own_GL, _mask(own_GL, causal)))
    grouped_N = torch.cat([group.place_GL[group.valid_GL] for group in groups])
    valid_N = valid_BL.flatten().nonzero()[:, 0]
    return _Layout(valid_BL.shape, valid_N, tuple(groups), grouped_N.argsort())


def _mask(valid_GL: Tensor, causal: bool) -> Tensor:
    """Who may look at whom, [G, 1, L, L].

    A padded position sees itself: a row without any visible key would be NaN, in the forward
    pass or in the gradient.
    """
    length = valid_GL.shape[1]
    seen_LL = torch.ones(length, length, dtype=torch.bool, device=valid_GL.device)
    self_LL = torch.eye(length, dtype=torch.bool, device=valid_GL.device)
    if causal:
        seen_LL = seen_LL.tril()
    return ((seen_LL & valid_GL.unsqueeze(1)) | self_LL).unsqueeze(1)


class _Block(nn.Module):
    def __init__(self, config: EncoderConfig):
        super().__init__()
        width, hidden = config.width, config.ffn_width or config.width
        self.num_heads, self.dropout = config.num_heads, config.dropout
        self.attention_norm = nn.LayerNorm(width)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.ffn_norm = nn.LayerNorm(width)
        self.ffn = nn.Sequential(
            nn.Linear(width, hidden),
            nn.ReLU(),
            FastDropout(config.dropout),
            nn.Linear(hidden, width),
        )

    def forward(self, x_ND: Tensor, layout: _Layout) -> Tensor:
        attended_ND = self._attend(self.attention_norm(x_ND), layout)
        x_ND = x_ND + dropout(attended_ND, self.dropout, self.training)
        return x_ND + dropout(self.ffn(self.ffn_norm(x_ND)), self.dropout, self.training)

    def _attend(self, x_ND: Tensor, layout: _Layout) -> Tensor:
        qkv_NE = self.query_key_value(x_ND)
        return self.attention_out(layout.by_group(self._attend_group, qkv_NE))

    def _attend_group(self, qkv_GLE: Tensor, mask_G1LL: Tensor) -> Tensor:
        qkv_GL3HK = qkv_GLE.unflatten(-1, (3, self.num_heads, -1))
        query, key, value = qkv_GL3HK.permute(2, 0, 3, 1, 4).unbind(0)
        out_GHLK = F.scaled_dot_product_attention(query, key, value, mask_G1LL)
        return out_GHLK.transpose(1, 2).flatten(2)


def init_weights(encoder: SequenceEncoder) -> None:
    """Every initial value of an encoder.

    | parameter    | value                                     |
    |--------------|-------------------------------------------|
    | positions    | normal, std 0.02                          |
    | matrices     | Xavier normal                             |
    | biases       | zero                                      |
    | LayerNorms   | PyTorch's own: weight one, bias zero      |
    """
    nn.init.normal_(encoder.position, std=0.02)
    for module in encoder.modules():
        if isinstance(module, nn.Linear):
            nn.init.xavier_normal_(module.weight)
            nn.init.zeros_(module.bias)
