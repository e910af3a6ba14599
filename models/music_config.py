"""What MuSiC can be told. Origins: the paper where a comment says so, else our choice."""

from dataclasses import dataclass, field
from typing import Literal

from models.blocks.diffusion import DiffusionConfig, GaussianDiffusion
from models.blocks.vector_unet import Activation, VectorUNetConfig


def _diffusion() -> DiffusionConfig:
    """Ten steps as in the paper; its "linear" schedule is scaled to so few, since the usual
    ends leave nine tenths of the signal after them while sampling starts from pure noise.

    For that literal schedule: schedule="linear", beta_min=1e-4, beta_max=0.02, and in
    `MuSiCConfig` init="source".
    """
    return DiffusionConfig(num_steps=10, schedule="linear_scaled")


@dataclass(frozen=True, kw_only=True)
class MuSiCConfig:
    width: int = 32  # of user and item vectors (paper)
    hidden: tuple[int, ...] = (512, 128)  # of every projection
    dropout: float = 0.1  # of every projection
    projection_activation: Literal["tanh", "relu"] = "tanh"  # at its end (paper: both compared)
    share_item_mlp: bool = True  # one for both domains
    # How often a user's text is hidden while ratings train, so that the projection of the items
    # that they rated, which stands in for it, learns too.
    text_drop: float = 0.2
    scale_init: float = 1 / 8  # of <user, item> in a rating: sqrt(32) / 8 is 0.7 stars
    # Times the mean squared bias of all items, beside the mean squared error of ratings: 1
    # shrinks a bias as if the item had, at zero residual, as many ratings again as the mean item.
    item_bias_penalty: float = 1.0

    unet_widths: tuple[int, ...] = (128, 64)
    unet_embedding_width: int = 128
    act: Activation = "tanh"  # within the U-Net
    diffusion: DiffusionConfig = field(default_factory=_diffusion)
    clip: tuple[float, float] | None = (-1.0, 1.0)  # of estimates of x0: the range of tanh
    condition_drop: float = 0.1  # how often training hides the condition (DiffCDR, DMCDR)
    cond: Literal["source", "none"] = "source"  # none: the blind ablation, never a condition
    # Weight of the rating error in stage "task" alone, which a run must ask for (DiffCDR's 0.1);
    # the paper names diffusion losses only.
    task_weight: float = 0.1
    task_backprop_steps: int | None = 1  # last calls that pass its gradient on; None: all

    init: Literal["noise", "source"] = "noise"  # where the way back starts
    source_strength: float = 1.0  # of init="source": how deep, as a share of the steps
    num_reverse_steps: int | None = None  # None: all of them
    num_samples: int = 8  # generated vectors averaged for a prediction; the paper's is 1
    cfg_scale: float = 0.0  # of classifier-free guidance; 0: plainly the conditional prediction
    sampling_seed: int = 0

    def __post_init__(self) -> None:
        if self.num_samples < 1:
            raise ValueError(f"num_samples={self.num_samples} averages nothing; set 1 or more")
        if self.projection_activation == "relu" and self.clip is not None:
            raise ValueError(
                f"clip={self.clip} cuts vectors of projection_activation="
                '"relu", which have no upper bound; set clip=None'
            )
        if self.cond == "none" and self.init == "source":
            raise ValueError(
                'init="source" would show the condition that cond="none" hides; set init="noise"'
            )
        self._check_start()

    def _check_start(self) -> None:
        """Sampling must start as the noisiest vectors of training look: see `_diffusion`."""
        schedule, left = self.diffusion.schedule, self._signal_at_start()
        if self.init == "noise" and left > _FORGOTTEN:
            raise ValueError(
                f"schedule={schedule!r} with num_steps={self.diffusion.num_steps} keeps "
                f"{left:.3g} of the signal's variance at its last step, so that sampling cannot "
                'start from pure noise; set init="source", or schedule="linear_scaled"'
            )
        if self.init == "source" and left <= _FORGOTTEN:
            raise ValueError(
                f"schedule={schedule!r} with source_strength={self.source_strength} keeps only "
                f'{left:.3g} of the variance of the source that init="source" starts from; set '
                'source_strength=0.5, or init="noise"'
            )

    def _signal_at_start(self) -> float:
        diffusion = GaussianDiffusion(self.diffusion)
        return diffusion.alpha_bar[diffusion.start_step(self.start_strength)]

    @property
    def start_strength(self) -> float:
        """How deep the way back starts, as a share of the steps."""
        return self.source_strength if self.init == "source" else 1.0

    @property
    def unet(self) -> VectorUNetConfig:
        return VectorUNetConfig(
            width=self.width,
            condition_width=self.width,
            widths=self.unet_widths,
            embedding_width=self.unet_embedding_width,
            act=self.act,
        )


RATING_SETTINGS = (
    "width",
    "hidden",
    "dropout",
    "projection_activation",
    "share_item_mlp",
    "text_drop",
    "scale_init",
    "item_bias_penalty",
)
"""What of `MuSiCConfig` the stage "ratings" rests on; all else is the diffusion's."""

_FORGOTTEN = 0.02  # alpha_bar below which a noised vector is taken for pure noise
