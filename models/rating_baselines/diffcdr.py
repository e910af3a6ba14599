"""DiffCDR: a diffusion model that turns a user's auxiliary vector into their target vector.

Xuan, "Diffusion Cross-domain Recommendation", 2024, by its released code. A network
predicts the noise of a noised target vector, told the auxiliary vector except now and then. The
way back starts from the auxiliary vector as it is, in the place of noise, and runs without
noise; a linear layer aligns its end with the target domain. Each batch has three terms: the
noise's, the aligned vector's and, of a tenth of the weight, its ratings'.

As in the code: the network's three linear layers have no activation between them; guidance .1
is blind + .1 (conditional - blind); the gradient of the last two terms passes through the whole
way back; batches are of ratings, so that a user counts as often as they rated. Departs from it:
first-order steps (DDIM without noise, which is DPM-Solver-1) at as many evenly spaced calls,
where the paper has DPM-Solver's third order; one step on the sum of the terms, where the code
takes one for the noise and one for the others; steps are drawn uniformly, not in opposite pairs;
vectors are brought to unit mean square, one number a domain, and back, where the code has
vectors that start at unit variance; the factorisations have biases (transferred.py).

Nothing is random in a prediction: it needs no seed.

Shapes: N pairs, ratings or vectors, B users, D width, H hidden width.
"""

from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.blocks.denoisers import sinusoid
from models.blocks.diffusion import DiffusionConfig, GaussianDiffusion, standard_normal
from models.rating_baselines.biased_mf import DomainFactors, factor_losses
from models.rating_baselines.transferred import cold_ratings, train_only
from models.rating_baselines.unit_scale import UnitScale
from models.ratings import AUXILIARY, TARGET, Known, Pairs, Ratings, Users
from models.recommender import Losses


def _ddpm() -> DiffusionConfig:
    return DiffusionConfig(
        num_steps=1000, beta_min=1e-4, beta_max=0.02, schedule="linear", target="eps"
    )


@dataclass(frozen=True, kw_only=True)
class DiffCDRConfig:
    width: int = 10
    penalty: float = 0.02  # of a rating's squared vectors and biases, beside its squared error
    hidden: int = 128  # even: the step's sinusoid has this width too
    diffusion: DiffusionConfig = field(default_factory=_ddpm)
    num_calls: int = 30  # of the network on the way back
    guidance: float = 0.1  # 0: blind to the condition, 1: the conditional prediction
    hide_rate: float = 0.1  # share of training rows whose condition is hidden
    rating_weight: float = 0.1
    user_bias: bool = True  # a cold user's auxiliary bias is added

    def __post_init__(self) -> None:
        if self.diffusion.target != "eps":
            raise ValueError(
                f"diffusion.target={self.diffusion.target!r}: DiffCDR predicts noise; set 'eps'"
            )


class NoiseNetwork(nn.Module):
    """Step and condition are added to the noisy vector; then D -> H -> H -> D, all linear."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.hidden = hidden
        self.time, self.condition = nn.Linear(hidden, width), nn.Linear(width, width)
        self.layers = nn.Sequential(
            nn.Linear(width, hidden), nn.Linear(hidden, hidden), nn.Linear(hidden, width)
        )

    def forward(
        self, x_ND: Tensor, step_N: Tensor, condition_ND: Tensor, shown_N: Tensor
    ) -> Tensor:
        """The predicted noise, [N, D]; rows where `shown_N` is False see no condition."""
        told_ND = self.condition(condition_ND) * shown_N.unsqueeze(1)
        return self.layers(x_ND + self.time(sinusoid(step_N, self.hidden)) + told_ND)

    def guided(self, x_ND: Tensor, step_N: Tensor, condition_ND: Tensor, scale: float) -> Tensor:
        """blind + scale * (conditional - blind), [N, D]."""
        shown_N = torch.ones_like(step_N, dtype=torch.bool)
        blind_ND = self(x_ND, step_N, condition_ND, ~shown_N)
        return torch.lerp(blind_ND, self(x_ND, step_N, condition_ND, shown_N), scale)


class DiffCDR(nn.Module):
    def __init__(self, config: DiffCDRConfig, known: Known):
        super().__init__()
        self.config = config
        self.factors = DomainFactors(known.space, known.num_users, config.width, known.mean_rating)
        self.source_scale, self.target_scale = UnitScale(), UnitScale()  # of users
        self.diffusion = GaussianDiffusion(config.diffusion)
        self.noise = NoiseNetwork(config.width, config.hidden)
        self.align = nn.Linear(config.width, config.width, bias=False)

    def begin(self, stage: str) -> None:
        """Stages: `ratings` trains the factors, then `diffusion` the network and alignment."""
        assert stage in ("ratings", "diffusion"), stage
        parts = (self.factors,) if stage == "ratings" else (self.noise, self.align)
        train_only(self, *parts)

    def loss(self, stage: str, batch: Ratings | Users) -> Losses:
        """`ratings`: `rating` and `penalty`. `diffusion` of target Ratings by users of both
        domains: `noise` and `alignment`, smooth L1, and `transferred`, the ratings' weighed mean
        squared error."""
        assert stage in ("ratings", "diffusion") and isinstance(batch, Ratings), stage
        if stage == "ratings":
            return factor_losses(self.factors, batch, self.config.penalty)
        user_B, place_N = batch.user_N.unique(return_inverse=True)
        source_ND = self.factors.user_vectors(AUXILIARY, batch.user_N)
        target_ND = self.factors.user_vectors(TARGET, batch.user_N)
        self.source_scale.observe(source_ND)
        self.target_scale.observe(target_ND)
        x0_ND = self.target_scale.down(target_ND)
        aligned_ND = self._aligned(user_B)[place_N]
        rating_N = self._ratings(batch.pairs, aligned_ND)
        return {
            "noise": self._noise_loss(x0_ND, self.source_scale.down(source_ND)),
            "alignment": F.smooth_l1_loss(aligned_ND, x0_ND),
            "transferred": self.config.rating_weight * F.mse_loss(rating_N, batch.rating_N),
        }

    def _noise_loss(self, x0_ND: Tensor, condition_ND: Tensor) -> Tensor:
        step_N = self.diffusion.random_steps(x0_ND)
        eps_ND = standard_normal(tuple(x0_ND.shape), x0_ND)
        noisy_ND = self.diffusion.add_noise(x0_ND, step_N, eps_ND)
        shown_N = torch.rand(len(x0_ND), device=x0_ND.device) >= self.config.hide_rate
        predicted_ND = self.noise(noisy_ND, step_N, condition_ND, shown_N)
        return F.smooth_l1_loss(predicted_ND, eps_ND)

    def _aligned(self, user_B: Tensor) -> Tensor:
        """Target vectors of unit scale, [B, D], from the auxiliary ones: the whole way back."""
        source_BD = self.source_scale.down(self.factors.user_vectors(AUXILIARY, user_B))
        return self.align(self._way_back(source_BD))

    def _way_back(self, source_BD: Tensor) -> Tensor:
        """From x_T = source to x_0 [B, D]; each step keeps the predicted noise (DDIM, eta 0)."""
        config, diffusion, x_BD = self.config, self.diffusion, source_BD
        path = diffusion.path(config.diffusion.num_steps, config.num_calls)
        for step, earlier in zip(path, [*path[1:], 0], strict=True):
            step_B = torch.full((len(x_BD),), step, device=x_BD.device)
            eps_BD = self.noise.guided(x_BD, step_B, source_BD, config.guidance)
            x0_BD = diffusion.predict_x0(x_BD, step_B, eps_BD)
            x_BD = diffusion.add_noise(x0_BD, torch.full_like(step_B, earlier), eps_BD)
        return x_BD

    def _ratings(self, pairs: Pairs, aligned_ND: Tensor) -> Tensor:
        vector_ND = self.target_scale.up(aligned_ND)
        return cold_ratings(self.factors, pairs, vector_ND, self.config.user_bias)

    @torch.no_grad()
    def predict_known(self, pairs: Pairs) -> Tensor:
        """Ratings [N], not clamped, by the factors of the item's domain."""
        return self.factors.ratings(pairs)

    @torch.no_grad()
    def predict(self, pairs: Pairs) -> Tensor:
        """Ratings [N], not clamped, by the vector at the end of the way back."""
        user_B, place_N = pairs.user_N.unique(return_inverse=True)
        return self._ratings(pairs, self._aligned(user_B)[place_N])
