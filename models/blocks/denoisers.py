"""The networks that clean a noisy vector, given its step and a condition.

LGCD (2026), eq. 12-16: x~ = x + e_t; x1 = x~ + guidance(x~, condition); x2 = x1 + FFN(x1),
without any LayerNorm, as printed. Of the guidances "xattn" is the paper's model; the others are
those it compares with. "cfg" is classifier-free guidance (Ho and Salimans, 2022): the same
network, from which training hides the condition now and then, so that sampling can go beyond it.

Shapes: N vectors, D width, S condition tokens, H heads, K width of one head.
"""

import math
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.blocks.dropout import FastDropout


@dataclass(frozen=True, kw_only=True)
class DenoiserConfig:
    width: int = 64
    num_heads: int = 4  # of guidance="xattn"
    ffn_width: int | None = None  # None: four times the width
    dropout: float = 0.1
    guidance: Literal["xattn", "linear", "cfg", "none"] = "xattn"

    def __post_init__(self) -> None:
        if self.width % 2 or self.width % self.num_heads:
            raise ValueError(
                f"width={self.width} must be even and a multiple of num_heads={self.num_heads}"
            )


def sinusoid(step_N: Tensor, width: int) -> Tensor:
    """cos and sin of the step at width/2 frequencies falling from 1 to 1/10000, [N, D]."""
    half = width // 2
    exponent = torch.arange(half, device=step_N.device) / half
    angle_NK = step_N.unsqueeze(1) * torch.exp(-math.log(10_000) * exponent)
    return torch.cat([angle_NK.cos(), angle_NK.sin()], dim=1)


class TimeEmbedding(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.width = width
        self.mlp = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))

    def forward(self, step_N: Tensor) -> Tensor:
        return self.mlp(sinusoid(step_N, self.width))


class Denoiser(nn.Module):
    """One block; `config.guidance` chooses how the condition enters.

    `null` stands for every token of a hidden condition (guidance="cfg" alone).
    """

    null: nn.Parameter | None

    def __init__(self, config: DenoiserConfig):
        super().__init__()
        hidden = config.ffn_width or 4 * config.width
        self.time = TimeEmbedding(config.width)
        self.guidance = _GUIDANCES[config.guidance](config)
        self.ffn = nn.Sequential(
            nn.Linear(config.width, hidden),
            nn.GELU(),
            nn.Linear(hidden, config.width),
            FastDropout(config.dropout),
        )
        null = nn.Parameter(torch.zeros(config.width)) if config.guidance == "cfg" else None
        self.register_parameter("null", null)

    def forward(
        self, x_ND: Tensor, step_N: Tensor, condition_NSD: Tensor, valid_NS: Tensor | None = None
    ) -> Tensor:
        """The prediction, [N, D]. `valid_NS` is False on tokens to be overlooked; None: all count.

        A row whose tokens are all overlooked sees zeros, never NaN.
        """
        if valid_NS is not None:
            condition_NSD = condition_NSD * valid_NS.unsqueeze(-1)
        x_ND = x_ND + self.time(step_N)
        x_ND = x_ND + self.guidance(x_ND, condition_NSD, valid_NS)
        return x_ND + self.ffn(x_ND)

    def hide(self, condition_NSD: Tensor, rate: float) -> Tensor:
        """The condition, a share `rate` of its rows replaced by `null`; for training.

        Draws from torch's default generator. Without "cfg" nothing is hidden.
        """
        if self.null is None:
            return condition_NSD
        hidden_N = torch.rand(len(condition_NSD), device=condition_NSD.device) < rate
        return torch.where(hidden_N[:, None, None], self.null, condition_NSD)

    def guided(
        self,
        x_ND: Tensor,
        step_N: Tensor,
        condition_NSD: Tensor,
        valid_NS: Tensor | None,
        scale: float,
    ) -> Tensor:
        """blind + scale * (conditional - blind), [N, D]; scale 1 is `forward`. For sampling.

        The same for predictions of x0 and of eps, since one is an affine map of the other.
        Without "cfg" it is `forward` at any scale.
        """
        output_ND = self(x_ND, step_N, condition_NSD, valid_NS)
        if self.null is None or scale == 1:
            return output_ND
        blind_ND = self(x_ND, step_N, self.null.expand(len(x_ND), 1, -1))
        return torch.lerp(blind_ND, output_ND, scale)


class CrossAttention(nn.Module):
    """The noisy vector asks, the condition tokens answer (eq. 13-14).

    With a single token the softmax is over one key and always one: the answer is then a linear
    map of the token, whatever the vector and the step. Attention needs several tokens to mean
    anything.
    """

    def __init__(self, config: DenoiserConfig):
        super().__init__()
        width = config.width
        self.num_heads = config.num_heads
        self.query, self.out = nn.Linear(width, width), nn.Linear(width, width)
        self.key, self.value = nn.Linear(width, width), nn.Linear(width, width)

    def forward(self, x_ND: Tensor, condition_NSD: Tensor, valid_NS: Tensor | None) -> Tensor:
        if condition_NSD.shape[1] == 1:
            return self.out(self.value(condition_NSD[:, 0]))
        query_NH1K = self._heads(self.query(x_ND).unsqueeze(1))
        key_NHSK = self._heads(self.key(condition_NSD))
        value_NHSK = self._heads(self.value(condition_NSD))
        mask_N11S = None
        if valid_NS is not None:
            # A row without any valid token attends to its zeroed tokens: finite, and blind.
            valid_NS = valid_NS | ~valid_NS.any(dim=1, keepdim=True)
            mask_N11S = valid_NS[:, None, None, :]
        out_NH1K = F.scaled_dot_product_attention(query_NH1K, key_NHSK, value_NHSK, mask_N11S)
        return self.out(out_NH1K.transpose(1, 2).flatten(1))

    def _heads(self, x_NSD: Tensor) -> Tensor:
        return x_NSD.unflatten(-1, (self.num_heads, -1)).transpose(1, 2)


class LinearGuidance(nn.Module):
    """A linear map of the vector beside the mean condition token (the paper's "Linear")."""

    def __init__(self, config: DenoiserConfig):
        super().__init__()
        self.mix = nn.Linear(2 * config.width, config.width)

    def forward(self, x_ND: Tensor, condition_NSD: Tensor, valid_NS: Tensor | None) -> Tensor:
        count: Tensor | int = condition_NSD.shape[1]
        if valid_NS is not None:
            count = valid_NS.sum(dim=1, keepdim=True).clamp_min(1)
        return self.mix(torch.cat([x_ND, condition_NSD.sum(dim=1) / count], dim=1))


class NoGuidance(nn.Module):
    """Blind to the condition: self-attention over the one vector, which is a linear map of it."""

    def __init__(self, config: DenoiserConfig):
        super().__init__()
        self.mix = nn.Linear(config.width, config.width)

    def forward(self, x_ND: Tensor, condition_NSD: Tensor, valid_NS: Tensor | None) -> Tensor:
        return self.mix(x_ND)


_GUIDANCES = {
    "xattn": CrossAttention,
    "linear": LinearGuidance,
    "cfg": CrossAttention,
    "none": NoGuidance,
}
