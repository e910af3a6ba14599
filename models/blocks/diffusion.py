"""Gaussian diffusion of vectors: the noising process, its posterior, and the way back.

Ho et al., "Denoising Diffusion Probabilistic Models", 2020; the start from a noised prior
instead of pure noise is Meng et al., "SDEdit", 2022, as LGCD (2026) uses it.

Steps count as in the papers: t = 1..T, and t = 0 is clean. Tables therefore have T + 1
entries, the first of them for clean data: beta_0 = 0, alpha_bar_0 = 1.
Vectors should have about unit variance. Nothing is clamped unless `reverse` is told to: that suits
vectors with bounds, and most item or user vectors have none.

Shapes: N vectors, D width, T steps, S denoiser calls of one way back.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

Denoise = Callable[[Tensor, Tensor], Tensor]
"""(noisy_ND, step_N) -> what `DiffusionConfig.target` names, [N, D]."""


@dataclass(frozen=True, kw_only=True)
class DiffusionConfig:
    num_steps: int = 100
    beta_min: float = 1e-3  # of sqrt_linear and linear; the others know their own ends
    beta_max: float = 0.1
    schedule: Literal["sqrt_linear", "linear", "linear_scaled", "cosine", "trunc_lin"] = (
        "sqrt_linear"
    )
    # Of the noise between the calls of a way back: that of q(x_s | x_t, x0), or the larger one
    # of q(x_t | x_s), which for single steps is beta_t (Ho et al., section 3.2, name both).
    variance: Literal["posterior", "forward"] = "posterior"
    target: Literal["x0", "eps"] = "x0"  # what the denoiser predicts

    def __post_init__(self) -> None:
        if self.num_steps < 1 or not 0 < self.beta_min <= self.beta_max < 1:
            raise ValueError(
                f"no diffusion with num_steps={self.num_steps}, beta_min={self.beta_min}, "
                f"beta_max={self.beta_max}; needs num_steps >= 1, 0 < beta_min <= beta_max < 1"
            )


def betas(config: DiffusionConfig) -> Tensor:
    """beta_1..beta_T, float64 [T].

    sqrt_linear: linear in sqrt(beta), then squared (LGCD). linear: Ho et al. linear_scaled: their
    ends of 1000 steps scaled to `num_steps`, the last kept below one, so that few steps end in
    noise too. cosine: Nichol and Dhariwal, 2021, betas kept within 1e-4..0.9999. trunc_lin:
    linear, its ends scaled to the number of steps (DiffuRec, 2024); below 21 steps the last beta
    falls to a twentieth, since it would exceed one.
    """
    low, high, num_steps = config.beta_min, config.beta_max, config.num_steps
    if config.schedule == "sqrt_linear":
        root_T = torch.linspace(math.sqrt(low), math.sqrt(high), num_steps, dtype=torch.float64)
        return root_T.square()
    if config.schedule == "linear":
        return torch.linspace(low, high, num_steps, dtype=torch.float64)
    if config.schedule == "linear_scaled":
        last = min(20 / num_steps, 0.999)
        return torch.linspace(0.1 / num_steps, last, num_steps, dtype=torch.float64)
    if config.schedule == "trunc_lin":
        scale = 1000 / num_steps
        last = 0.02 * scale + 0.01
        last = last if last <= 1 else 0.001 * scale + 0.01
        return torch.linspace(1e-4 * scale + 0.01, last, num_steps, dtype=torch.float64)
    time = torch.arange(num_steps + 1, dtype=torch.float64) / num_steps
    kept = torch.cos((time + 0.008) / 1.008 * math.pi / 2).square()
    return (1 - kept[1:] / kept[:-1]).clamp(1e-4, 0.9999)


class GaussianDiffusion(nn.Module):
    """Tables in float64, cast once; they follow from the config and are not stored as weights."""

    signal: Tensor  # sqrt(alpha_bar_t), [T + 1]
    noise: Tensor  # sqrt(1 - alpha_bar_t), [T + 1]
    kl: Tensor  # see kl_weight, [T + 1]

    def __init__(self, config: DiffusionConfig):
        super().__init__()
        self.config = config
        alpha_bar = torch.cat([torch.ones(1, dtype=torch.float64), 1 - betas(config)]).cumprod(0)
        # Plain floats too: all rows of a way back share their step, so its coefficients are
        # numbers, at full precision and without waiting for a GPU.
        self.alpha_bar: tuple[float, ...] = tuple(alpha_bar.tolist())
        self.register_buffer("signal", alpha_bar.sqrt().float(), persistent=False)
        self.register_buffer("noise", (1 - alpha_bar).sqrt().float(), persistent=False)
        self.register_buffer("kl", torch.tensor(self._kl_weights()), persistent=False)

    def random_steps(self, like_ND: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Uniform steps 1..T, int64 [N], for training."""
        num_rows, num_steps = len(like_ND), self.config.num_steps
        return torch.randint(
            1, num_steps + 1, (num_rows,), device=like_ND.device, generator=generator
        )

    def add_noise(self, x0_ND: Tensor, step_N: Tensor, eps_ND: Tensor) -> Tensor:
        """x_t = sqrt(alpha_bar_t) x0 + sqrt(1 - alpha_bar_t) eps."""
        return self.signal[step_N, None] * x0_ND + self.noise[step_N, None] * eps_ND

    def predict_x0(self, noisy_ND: Tensor, step_N: Tensor, eps_ND: Tensor) -> Tensor:
        """`add_noise` solved for x0."""
        return (noisy_ND - self.noise[step_N, None] * eps_ND) / self.signal[step_N, None]

    def x0_of(self, output_ND: Tensor, noisy_ND: Tensor, step_N: Tensor) -> Tensor:
        """The clean vector that a denoiser's output stands for, by `config.target`."""
        if self.config.target == "x0":
            return output_ND
        return self.predict_x0(noisy_ND, step_N, output_ND)

    def posterior(self, step: int, earlier: int) -> tuple[float, float, float]:
        """Coefficients of x0 and x_t, and the standard deviation, of q(x_earlier | x_t, x0).

        With earlier = t - 1 this is Ho et al., eq. 6-7. With fewer steps it is the same
        posterior of the same process looked at less often (alpha becomes the ratio of the two
        alpha_bars). At earlier = 0 it is x0 itself, without noise. `config.variance` chooses
        the deviation.
        """
        bar_t, bar_s = self.alpha_bar[step], self.alpha_bar[earlier]
        alpha = bar_t / bar_s
        of_x0 = math.sqrt(bar_s) * (1 - alpha) / (1 - bar_t)
        of_noisy = math.sqrt(alpha) * (1 - bar_s) / (1 - bar_t)
        shrink = (1 - bar_s) / (1 - bar_t)
        if self.config.variance == "forward" and earlier > 0:
            shrink = 1.0
        return of_x0, of_noisy, math.sqrt(shrink * (1 - alpha))

    def kl_weight(self, step_N: Tensor) -> Tensor:
        """What makes the squared error of a prediction, summed over D, a KL divergence, [N].

        KL(q(x_{t-1} | x_t, x0) || the same with the predicted x0), which is the term L_{t-1} of
        Ho et al.'s bound (their eq. 8 and 12), up to a constant under variance="forward". For
        either target. The last step has no variance to divide by; it is given that of step 2,
        as in the authors' code.
        """
        return self.kl[step_N]

    def _kl_weights(self) -> list[float]:
        weights = [0.0]
        for step in range(1, self.config.num_steps + 1):
            of_x0, _, deviation = self.posterior(step, step - 1)
            if step == 1:
                first = 1 - self.alpha_bar[1]
                deviation = self.posterior(2, 1)[2] if self.config.num_steps > 1 else first**0.5
            weight = of_x0**2 / (2 * deviation**2)
            if self.config.target == "eps":  # x0 = (x_t - noise * eps) / signal
                weight *= (1 - self.alpha_bar[step]) / self.alpha_bar[step]
            weights.append(weight)
        return weights

    def posterior_mean(
        self, x0_ND: Tensor, noisy_ND: Tensor, step: int, earlier: int | None = None
    ) -> Tensor:
        """The mean of q(x_earlier | x_t, x0); earlier is t - 1 unless given."""
        of_x0, of_noisy, _ = self.posterior(step, step - 1 if earlier is None else earlier)
        return of_x0 * x0_ND + of_noisy * noisy_ND

    def start_step(self, strength: float) -> int:
        """round(strength * T), at least 1: how deep into the noise a way back begins."""
        if not 0 < strength <= 1:
            raise ValueError(f"strength={strength} is not within 0..1 (0 excluded)")
        return max(1, round(strength * self.config.num_steps))

    def path(self, start_step: int, num_reverse_steps: int | None) -> list[int]:
        """The steps at which a way back calls the denoiser, falling from `start_step`.

        `num_reverse_steps` of them, evenly spaced and ending at 1 (one call alone: at the
        start); None, or more than there are, calls at every step.
        """
        count = min(num_reverse_steps or start_step, start_step)
        if count == 1:
            return [start_step]
        gap = (start_step - 1) / (count - 1)
        return [start_step - round(index * gap) for index in range(count)]

    def reverse(
        self,
        denoise: Denoise,
        prior_ND: Tensor,
        path: list[int],
        eps_SND: Tensor,
        *,
        eta: float = 1.0,
        backprop_steps: int | None = 1,
        clip: tuple[float, float] | None = None,
    ) -> Tensor:
        """Noises `prior_ND` to the first step of `path` and walks back to a clean vector.

        prior_ND: a guess of the clean vectors, such as what the condition says (SDEdit); more
            noise, where the way back is to start from N(0, I).
        eps_SND: standard normal noise, the first for the start, one for each later call.
        eta: scale of the noise between calls; 1 samples the posterior, 0 keeps to its mean.
        backprop_steps: the gradient passes through this many last calls only; None, through all
        of them and into `prior_ND`. The literal None costs a graph as long as the path.
        clip: the range of every estimate of x0, for vectors that are known to keep to one.
        """
        first_with_graph = 0 if backprop_steps is None else len(path) - backprop_steps
        x_ND = self.add_noise(prior_ND, _steps(path[0], prior_ND), eps_SND[0])
        if first_with_graph > 0:
            x_ND = x_ND.detach()
        for index, (step, earlier) in enumerate(zip(path, [*path[1:], 0], strict=True)):
            with torch.set_grad_enabled(torch.is_grad_enabled() and index >= first_with_graph):
                step_N = _steps(step, x_ND)
                x0_ND = self.x0_of(denoise(x_ND, step_N), x_ND, step_N)
                if clip is not None:
                    x0_ND = x0_ND.clamp(*clip)
                x_ND = self.posterior_mean(x0_ND, x_ND, step, earlier)
                if earlier > 0:
                    x_ND = x_ND + eta * self.posterior(step, earlier)[2] * eps_SND[index + 1]
        return x_ND


def standard_normal(
    shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """Noise on the device and in the type of `like`; None draws from torch's default generator."""
    return torch.randn(shape, dtype=like.dtype, device=like.device, generator=generator)


def _steps(step: int, x_ND: Tensor) -> Tensor:
    return torch.full((len(x_ND),), step, dtype=torch.int64, device=x_ND.device)
