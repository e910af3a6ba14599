"""The generative step of lgcd_plus: LGCD's diffusion, given what it lacks on paper.

The condition is all states of the history, so that attention has something to choose from; the
clean vector is the very item that is asked for; the way back is short and deterministic, from the
state itself; and the generated vector is added to the state by a projection that starts at
zero, so that it can only help if it is worth something.

Shapes: P cases, L history length, D width.
"""

from dataclasses import dataclass, field

import torch.nn.functional as F
from torch import Tensor, nn

from models.blocks.denoisers import Denoiser, DenoiserConfig
from models.blocks.diffusion import DiffusionConfig, GaussianDiffusion, standard_normal


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    diffusion: DiffusionConfig = field(default_factory=DiffusionConfig)
    denoiser: DenoiserConfig = field(default_factory=DenoiserConfig)
    strength: float = 0.5  # how deep the way back starts, as a share of the steps
    num_reverse_steps: int = 4


class Generator(nn.Module):
    def __init__(self, config: GeneratorConfig):
        super().__init__()
        self.config = config
        self.diffusion = GaussianDiffusion(config.diffusion)
        self.denoiser = Denoiser(config.denoiser)
        self.added = nn.Linear(config.denoiser.width, config.denoiser.width, bias=False)
        nn.init.zeros_(self.added.weight)

    def forward(self, state_PD: Tensor, token_PLD: Tensor, valid_PL: Tensor) -> Tensor:
        """The states with what was generated from them, [P, D]."""
        diffusion = self.diffusion
        start = diffusion.start_step(self.config.strength)
        path = diffusion.path(start, self.config.num_reverse_steps)
        silence = state_PD.new_zeros(len(path), *state_PD.shape)
        generated_PD = diffusion.reverse(
            lambda x_PD, step_P: self.denoiser(x_PD, step_P, token_PLD, valid_PL),
            F.layer_norm(state_PD, state_PD.shape[1:]),
            path,
            silence,
            eta=0.0,
        )
        return state_PD + self.added(generated_PD)

    def error(self, label_PD: Tensor, token_PLD: Tensor, valid_PL: Tensor) -> Tensor:
        """Mean squared error [P] of the denoiser from a random step; items get no gradient.

        With one the items would move to where they are easy to guess.
        """
        x0_PD = F.layer_norm(label_PD.detach(), label_PD.shape[1:])
        step_P = self.diffusion.random_steps(x0_PD)
        noisy_PD = self.diffusion.add_noise(x0_PD, step_P, standard_normal(x0_PD.shape, x0_PD))
        output_PD = self.denoiser(noisy_PD, step_P, token_PLD, valid_PL)
        return (self.diffusion.x0_of(output_PD, noisy_PD, step_P) - x0_PD).square().mean(dim=1)
