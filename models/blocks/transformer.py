"""The causal Transformer that every sequence model here reads histories with.

Kang and McAuley, "Self-Attentive Sequential Recommendation", 2018. It takes vectors, not
item ids, so ids, texts and fused items share one implementation.

Departs from the paper: keys and values are normalised like the queries (ordinary pre-norm),
padded keys are masked instead of merely zeroed, positions count from the end, so that padding
on the left never changes an answer, and attention weights are not dropped out, which costs more
than all other dropout together.

Histories are short and batches as long as their longest, so everything but attention runs on
the valid positions alone, packed in one dimension.

Shapes: B batch, L history length, D width, N valid positions, H heads, K width of one head.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.batch import PADDING


@dataclass(frozen=True, kw_only=True)
class EncoderConfig:
    width: int = 64
    num_blocks: int = 2
    num_heads: int = 1
    dropout: float = 0.5  # on inputs and both residual branches
    max_length: int = 50
    ffn_width: int | None = None  # None: as wide as the encoder

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
    """Vectors in, one causal state for each position out.

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
        layout = _Layout(valid_BL.shape, valid_BL.flatten().nonzero()[:, 0], _causal_mask(valid_BL))
        x_BLD = x_BLD * math.sqrt(self.config.width)
        x_BLD = x_BLD + self.position[self.config.max_length - length :]
        x_ND = F.dropout(layout.pack(x_BLD), self.config.dropout, self.training)
        for block in self.blocks:
            x_ND = block(x_ND, layout)
        return layout.unpack(self.norm(x_ND))


class _Layout(NamedTuple):
    """Where the valid positions of a padded batch are."""

    shape: torch.Size  # B, L
    valid_N: Tensor  # their indices in the flattened batch
    mask_B1LL: Tensor  # who may look at whom

    def pack(self, x_BLE: Tensor) -> Tensor:
        return x_BLE.flatten(0, 1).index_select(0, self.valid_N)

    def unpack(self, x_NE: Tensor) -> Tensor:
        """Zeros where the batch is padded."""
        flat = x_NE.new_zeros(self.shape.numel(), x_NE.shape[1])
        return flat.index_copy(0, self.valid_N, x_NE).unflatten(0, self.shape)


def _causal_mask(valid_BL: Tensor) -> Tensor:
    """Who may look at whom, [B, 1, L, L].

    A padded position sees itself: a row without any visible key would be NaN, in the forward
    pass or in the gradient.
    """
    length = valid_BL.shape[1]
    past_LL = torch.ones(length, length, dtype=torch.bool, device=valid_BL.device).tril()
    self_LL = torch.eye(length, dtype=torch.bool, device=valid_BL.device)
    return (past_LL & (valid_BL.unsqueeze(1) | self_LL)).unsqueeze(1)


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
            nn.Dropout(config.dropout),
            nn.Linear(hidden, width),
        )

    def forward(self, x_ND: Tensor, layout: _Layout) -> Tensor:
        attended_ND = self._attend(self.attention_norm(x_ND), layout)
        x_ND = x_ND + F.dropout(attended_ND, self.dropout, self.training)
        return x_ND + F.dropout(self.ffn(self.ffn_norm(x_ND)), self.dropout, self.training)

    def _attend(self, x_ND: Tensor, layout: _Layout) -> Tensor:
        qkv_BLE = layout.unpack(self.query_key_value(x_ND))
        qkv_BL3HK = qkv_BLE.unflatten(-1, (3, self.num_heads, -1))
        query, key, value = qkv_BL3HK.permute(2, 0, 3, 1, 4).unbind(0)
        out_BHLK = F.scaled_dot_product_attention(query, key, value, layout.mask_B1LL)
        return self.attention_out(layout.pack(out_BHLK.transpose(1, 2).flatten(2)))


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
