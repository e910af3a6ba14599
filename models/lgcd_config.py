"""Every switch of LGCD's second stage, with the reason for its default."""

from dataclasses import dataclass, field
from typing import Literal

from models.blocks.denoisers import DenoiserConfig
from models.blocks.diffusion import DiffusionConfig
from models.lgcd_encoders import DomainEncodersConfig


@dataclass(frozen=True, kw_only=True)
class LGCDConfig:
    encoders: DomainEncodersConfig
    diffusion: DiffusionConfig = field(default_factory=DiffusionConfig)  # .target: x0 | eps
    # .guidance: how the condition enters; the paper compares xattn, linear, cfg and none.
    denoiser: DenoiserConfig = field(default_factory=DenoiserConfig)
    # How deep into the noise the prior is pushed, by target domain, as a share of the steps.
    strengths: tuple[float, float] = (0.5, 0.3)  # the paper's, for food and kitchen

    # What the denoiser attends to. "vector" is the formula, and makes attention a linear map;
    # "pair" is the last id and text state, "seq" all states of both encoders.
    cond_tokens: Literal["vector", "pair", "seq"] = "vector"
    # "none" replaces the condition everywhere by one learned vector for each direction.
    cond: Literal["both", "id", "text", "none"] = "both"
    # The paper feeds the id encoder an overlapping user's whole mixed history ("mixed"). Cold
    # users have none, so the default trains on what testing will show.
    id_input: Literal["mixed", "source_only"] = "source_only"
    # The paper's set of target items reads as including the label, which hands the answer to
    # the training chain; True is that reading.
    tgt_includes_label: bool = False

    diffuse: bool = True  # False: the guess is used as generated
    # Whose target features train the denoiser; ranking and guessing always learn from both.
    diff_train: Literal["both", "overlap", "pseudo"] = "both"
    init: Literal["guesser", "random"] = "guesser"  # random: a standard normal prior
    # Where the training chain starts. "x0_hat" is the paper: the denoised target feature, which
    # a cold user does not have; "guesser" is where scoring starts (with init="random": noise).
    train_start: Literal["x0_hat", "guesser"] = "guesser"
    # The ranking gradient passes the last call only; None is literal and costs a graph of
    # tens of calls.
    backprop_steps: int | None = 1
    # Denoiser calls of one way back; None is the paper, every step of up to 70. The chain is
    # what a training step costs, and the posterior over fewer steps is that of the same process.
    num_reverse_steps: int | None = 8
    eta: float = 1.0  # noise of the scoring chain; 0 keeps to the posterior mean
    # Of denoiser.guidance="cfg" alone: how often training hides the condition, and how far the
    # way back goes beyond what is known without it (1: the plain conditional answer).
    condition_drop: float = 0.1
    guidance_scale: float = 2.0
    # "mse" weighs all steps alike; "kl" is the KL divergence of the model's posterior from the
    # true one, the squared error weighed by step (Ho et al., eq. 12). The paper's three targets
    # are diffusion.target="x0" or "eps" with "mse", and "eps" with "kl".
    diffusion_loss: Literal["mse", "kl"] = "mse"
    sampling_seed: int = 0  # of the scoring chain

    # What a pseudo user is taught to rank first; the paper's formula wants a label and does not
    # say which. "sampled": one of the retrieved items, drawn anew each time. "soft": all of
    # them, weighed by the softmax of their retrieval scores. "real_last": the direction is
    # swapped, the retrieved items are the source and the last real item is the label. "none":
    # nothing; items that a small language model guessed make poor answers, and on the demo's
    # validation users they cost a fifth of NDCG@10.
    pseudo_label: Literal["sampled", "soft", "none", "real_last"] = "none"
    align: bool = True  # pull a pseudo user's generated vector to the condition
    fusion: Literal["moe", "linear"] = "moe"
    num_experts: int = 8
    # "sum" is the printed norm; over D values it would outweigh the ranking loss D times more.
    loss_reduction: Literal["mean", "sum"] = "mean"
    num_negatives: int | None = None  # of the ranking loss; None: the whole domain
    # The paper does not say. A few hundred shared users overfit the encoders within an epoch or
    # two; some thousands make them better.
    freeze_encoders: bool = False

    def __post_init__(self) -> None:
        sizes, width = self.encoders.space.sizes, self.encoders.encoder.width
        if len(sizes) != 2 or len(self.strengths) != 2:
            raise ValueError(
                f"LGCD transfers between 2 domains, got {len(sizes)} with strengths "
                f"{self.strengths}; give two domains and a strength for each"
            )
        if self.denoiser.width != width:
            raise ValueError(
                f"denoiser.width={self.denoiser.width} differs from encoder width={width}"
            )
        if self.init == "random" and not self.diffuse:
            raise ValueError('init="random" generates nothing without diffusion; set diffuse=True')
        if not 0 <= self.condition_drop < 1:
            raise ValueError(
                f"condition_drop={self.condition_drop} is not within 0..1 (1 excluded)"
            )
