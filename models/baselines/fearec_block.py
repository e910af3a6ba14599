"""One block of FEARec: auto-correlation and causal attention of one band of frequencies.

Shapes: B batch, L history length, D width, N valid positions, H heads, K width of one head,
T length of the transform.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.blocks.dropout import dropout
from models.blocks.frequency import (
    auto_correlation,
    band_filter,
    delay_matrix,
    delay_weights,
    ramp_band,
)


@dataclass(frozen=True, kw_only=True)
class HybridConfig:
    width: int = 64
    num_blocks: int = 2
    num_heads: int = 2
    ffn_width: int = 256
    dropout: float = 0.5  # on inputs and both residual branches
    max_length: int = 50  # of histories, and of the Fourier transform
    global_ratio: float = 0.6  # share of the frequencies that a block keeps
    spatial_ratio: float = 0.1  # weight of attention in time; auto-correlation has the rest
    delay_factor: float = 1.0  # int(this * ln max_length) delays are aggregated

    def __post_init__(self) -> None:
        if self.width % self.num_heads:
            raise ValueError(
                f"width={self.width} does not divide into num_heads={self.num_heads}; "
                "choose a multiple"
            )
        if not 1 <= self.num_delays <= self.max_length:
            raise ValueError(
                f"delay_factor={self.delay_factor} aggregates {self.num_delays} delays; "
                f"choose it so that they are 1 to max_length={self.max_length}"
            )

    @property
    def num_delays(self) -> int:
        return int(self.delay_factor * math.log(self.max_length))


class Packing(NamedTuple):
    """Where the valid positions of a left-padded batch are."""

    shape: torch.Size  # B, L
    valid_N: Tensor  # indices of the valid positions in the flattened batch
    mask_B1LL: Tensor  # who may look at whom

    @classmethod
    def of(cls, valid_BL: Tensor) -> "Packing":
        """A padded position sees itself, since a row without any visible key would be NaN."""
        length = valid_BL.shape[1]
        past_LL = torch.ones(length, length, dtype=torch.bool, device=valid_BL.device).tril()
        self_LL = torch.eye(length, dtype=torch.bool, device=valid_BL.device)
        mask_BLL = past_LL & (valid_BL.unsqueeze(1) | self_LL)
        return cls(valid_BL.shape, valid_BL.flatten().nonzero()[:, 0], mask_BLL.unsqueeze(1))

    def pack(self, x_BLE: Tensor) -> Tensor:
        return x_BLE.flatten(0, 1).index_select(0, self.valid_N)

    def unpack(self, x_NE: Tensor) -> Tensor:
        """Zeros where the batch is padded."""
        flat = x_NE.new_zeros(self.shape.numel(), x_NE.shape[1])
        return flat.index_copy(0, self.valid_N, x_NE).unflatten(0, self.shape)


class HybridBlock(nn.Module):
    filter_TT: Tensor

    def __init__(self, config: HybridConfig, index: int):
        super().__init__()
        self.config = config
        width = config.width
        band = ramp_band(index, config.num_blocks, config.max_length, config.global_ratio)
        self.register_buffer("filter_TT", band_filter(band, config.max_length), persistent=False)
        self.query_key_value = nn.Linear(width, 3 * width)
        self.attention_out = nn.Linear(width, width)
        self.attention_norm = nn.LayerNorm(width)
        self.ffn = nn.Sequential(
            nn.Linear(width, config.ffn_width), nn.GELU(), nn.Linear(config.ffn_width, width)
        )
        self.ffn_norm = nn.LayerNorm(width)

    def forward(self, x_ND: Tensor, packing: Packing, newest_only: bool) -> Tensor:
        """New states of all valid positions [N, D], or of each row's last column alone [B, D]."""
        asked = slice(-1, None) if newest_only else slice(None)
        qkv_BLE = packing.unpack(self.query_key_value(x_ND))
        share = self.config.spatial_ratio
        mixed_BLD = (1 - share) * self._aggregate(qkv_BLE, asked)
        if share > 0:
            mixed_BLD = mixed_BLD + share * self._attend(qkv_BLE, packing.mask_B1LL, asked)
        if newest_only:
            return self._feed_forward(packing.unpack(x_ND)[:, -1], mixed_BLD[:, 0])
        return self._feed_forward(x_ND, packing.pack(mixed_BLD))

    def _feed_forward(self, x_ND: Tensor, mixed_ND: Tensor) -> Tensor:
        rate = self.config.dropout
        x_ND = x_ND + dropout(self.attention_out(mixed_ND), rate, self.training)
        x_ND = self.attention_norm(x_ND)
        return self.ffn_norm(x_ND + dropout(self.ffn(x_ND), rate, self.training))

    def _aggregate(self, qkv_BLE: Tensor, asked: slice) -> Tensor:
        """Values rolled back by the strongest delays and summed, not causal, [B, asked, D].

        In training the batch chooses its delays together; an answer must not depend on who else
        asks, so that afterwards each history chooses its own.
        """
        query_BLD, key_BLD, value_BLD = qkv_BLE.chunk(3, dim=-1)
        correlation_BT = auto_correlation(query_BLD, key_BLD, self.filter_TT)
        weight_BT = delay_weights(correlation_BT, self.config.num_delays, shared=self.training)
        return delay_matrix(weight_BT, value_BLD.shape[1], asked) @ value_BLD

    def _attend(self, qkv_BLE: Tensor, mask_B1LL: Tensor, asked: slice) -> Tensor:
        """Causal attention over band-filtered queries, keys and values, [B, asked, D]."""
        length = qkv_BLE.shape[1]
        band_BLE = self.filter_TT[:length, :length] @ qkv_BLE
        band_BL3HK = band_BLE.unflatten(-1, (3, self.config.num_heads, -1))
        query, key, value = band_BL3HK.permute(2, 0, 3, 1, 4).unbind(0)
        query, mask = query[:, :, asked], mask_B1LL[:, :, asked]
        out_BHLK = F.scaled_dot_product_attention(query, key, value, mask)
        return out_BHLK.transpose(1, 2).flatten(2)
