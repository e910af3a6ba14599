"""A U-Net of vectors: what MuSiC cleans a noisy user vector with.

"Multimodal Data and Side Users for Diffusion Cross-Domain Recommendation" (MuSiC, 2025) names a
"U-Net modified for vectors" and prints no sizes. Here linear layers stand where convolutions
were, widths where resolutions were, and skips are concatenations. Reshaping a vector to a
square image, as some public code does, was rejected: its dimensions have no order in space.

One network is conditional and unconditional: a learned null vector stands where the condition
is hidden, from the first training on, so that nothing changes shape between the two.

Shapes: N vectors, D width of the vectors, C width of the condition, M of the embedding.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from models.blocks.denoisers import TimeEmbedding

Activation = Literal["tanh", "relu", "silu"]


@dataclass(frozen=True, kw_only=True)
class VectorUNetConfig:
    width: int = 32  # of the vectors
    condition_width: int = 32
    widths: tuple[int, ...] = (128, 64)  # of the encoder's blocks; the decoder mirrors them
    embedding_width: int = 128  # of time and condition together
    act: Activation = "tanh"

    def __post_init__(self) -> None:
        if not self.widths or self.embedding_width % 2:
            raise ValueError(
                f"no U-Net with widths={self.widths}, embedding_width={self.embedding_width}; "
                "needs at least one width and an even embedding_width"
            )


class VectorUNet(nn.Module):
    """With the default widths: 32 -> 128 -> 64 -> 64, then 64 + 64 -> 128, 128 + 128 -> 128 -> 32.

    The way up starts from the bottleneck; each of its blocks reads what came up beside the
    output of the encoder's block of the same depth.
    """

    def __init__(self, config: VectorUNetConfig):
        super().__init__()
        widths, embedding = config.widths, config.embedding_width
        self.time = TimeEmbedding(embedding)
        self.condition = nn.Linear(config.condition_width, embedding)
        self.null = nn.Parameter(torch.zeros(embedding))

        def block(inputs: int, outputs: int) -> Block:
            return Block(inputs, outputs, embedding, config.act)

        self.down = nn.ModuleList(map(block, (config.width, *widths[:-1]), widths))
        self.bottleneck = block(widths[-1], widths[-1])
        out_widths = (widths[0], *widths[:-1])
        self.up = nn.ModuleList(
            block(2 * inputs, outputs) for inputs, outputs in zip(widths, out_widths, strict=True)
        )
        self.head = nn.Linear(widths[0], config.width)

    def forward(
        self, x_ND: Tensor, step_N: Tensor, condition_NC: Tensor, given_N: Tensor
    ) -> Tensor:
        """What the diffusion's target names, [N, D]. `given_N` is False where the null stands."""
        condition_NM = torch.where(given_N.unsqueeze(1), self.condition(condition_NC), self.null)
        embedding_NM = self.time(step_N) + condition_NM
        skips = []
        for block in self.down:
            x_ND = block(x_ND, embedding_NM)
            skips.append(x_ND)
        x_ND = self.bottleneck(x_ND, embedding_NM)
        for block, skip_ND in zip(reversed(self.up), reversed(skips), strict=True):
            x_ND = block(torch.cat([x_ND, skip_ND], dim=1), embedding_NM)
        return self.head(x_ND)

    def guided(
        self, x_ND: Tensor, step_N: Tensor, condition_NC: Tensor, given_N: Tensor, scale: float
    ) -> Tensor:
        """(1 + scale) * conditional - scale * unconditional, [N, D]; scale 0 is `forward`.

        Classifier-free guidance (Ho and Salimans, 2022), for sampling. A row without a
        condition is its own unconditional prediction.
        """
        output_ND = self(x_ND, step_N, condition_NC, given_N)
        if scale == 0:
            return output_ND
        blind_ND = self(x_ND, step_N, condition_NC, torch.zeros_like(given_N))
        return torch.lerp(blind_ND, output_ND, 1 + scale)


class Block(nn.Module):
    """LayerNorm, linear, activation; plus the embedding; the same again; plus the input if it
    has the output's width."""

    def __init__(self, inputs: int, outputs: int, embedding_width: int, act: Activation):
        super().__init__()
        self.first = nn.Sequential(
            nn.LayerNorm(inputs), nn.Linear(inputs, outputs), _ACTIVATIONS[act]()
        )
        self.embedding = nn.Linear(embedding_width, outputs)
        self.second = nn.Sequential(
            nn.LayerNorm(outputs), nn.Linear(outputs, outputs), _ACTIVATIONS[act]()
        )
        self.residual = inputs == outputs

    def forward(self, x_ND: Tensor, embedding_NM: Tensor) -> Tensor:
        output_ND = self.second(self.first(x_ND) + self.embedding(embedding_NM))
        return x_ND + output_ND if self.residual else output_ND


_ACTIVATIONS: dict[Activation, type[nn.Module]] = {
    "tanh": nn.Tanh,
    "relu": nn.ReLU,
    "silu": nn.SiLU,
}
