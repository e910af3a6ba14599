"""MuSiC: what a user who writes about records of one sort would think of another sort.

"Multimodal Data and Side Users for Diffusion Cross-Domain Recommendation" (MuSiC, ACM MM 2025).
Frozen features of items (pictures and texts) and of users (what they wrote in a domain) are
projected to short vectors whose inner product gives a rating. A cold user has no vector in the
target domain: a diffusion generates it, conditioned on their auxiliary one. The network first
learns, without a condition, what target users look like, from side users, who are of the target
domain alone; then, from users of both domains, what the condition says.

The paper prints neither sizes of the network nor the rating function, and leaves schedule and
target of the diffusion open; `MuSiCConfig` says what stands in. Beyond it: users without texts
(see `UserVectors`), averaged samples, stages "task" and "refit". Who has no auxiliary side at
all is given the null condition. init="source" noises the auxiliary vector before the way back,
where DiffCDR, which the idea comes from, takes it as it is.

Stages, and what each trains:
- ratings (0): projections and rating heads, on ratings of both domains; frozen ever after;
- side_users (1): the U-Net, unconditional; overlap_users (2): the same network, conditional;
- joint: the ablation that mixes (1) and (2); task: (2) and the rating error of what it generates;
- refit: the target head alone, on generated instead of true vectors. True ones hold texts of
  the very ratings that stage 0 fits, so that its head trusts vectors more than they deserve.

Shapes: N users or pairs, K part of them or their users, D width, R denoiser calls, M samples,
L noise vectors of a user, C items.
"""

from collections.abc import Callable
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.blocks.case_noise import case_noise
from models.blocks.diffusion import GaussianDiffusion, standard_normal
from models.blocks.vector_unet import VectorUNet
from models.music_config import RATING_SETTINGS, MuSiCConfig
from models.music_vectors import ItemVectors, RatingHead, UserVectors
from models.ratings import AUXILIARY, TARGET, Known, Pairs, Ratings, Shared, Users
from models.recommender import Losses


class MuSiC(nn.Module):
    def __init__(self, config: MuSiCConfig, known: Known):
        super().__init__()
        features, space = known.features, known.space
        assert features is not None, "MuSiC reads features"
        self.config, self.space, self.num_users = config, space, known.num_users
        self.items = ItemVectors(config, space, features)
        self.auxiliary_users = UserVectors(config, AUXILIARY, features)
        self.target_users = UserVectors(config, TARGET, features)
        # The auxiliary domain's mean is not known beforehand; its b_0 soon learns it.
        self.auxiliary_head = RatingHead(config, space.ids(AUXILIARY), known.mean_rating)
        self.target_head = RatingHead(config, space.ids(TARGET), known.mean_rating)
        self.diffusion = GaussianDiffusion(config.diffusion)
        self.unet = VectorUNet(config.unet)
        self._learning: tuple[nn.Module, ...] = (self,)
        self._held: dict[str, Tensor] = {}  # made by the first batches of a stage

    def begin(self, stage: str) -> None:
        """ValueError where MuSiC has no such stage."""
        users = (self.auxiliary_users, self.target_users)
        heads = (self.auxiliary_head, self.target_head)
        parts: dict[str, tuple[nn.Module, ...]] = {
            "ratings": (self.items, *users, *heads),
            **dict.fromkeys(_DIFFUSION_STAGES, (self.unet,)),
            "refit": (self.target_head,),
        }
        if stage not in parts:
            raise ValueError(f"MuSiC has no stage {stage!r}; name one of {', '.join(parts)}")
        self._learning, self._held = parts[stage], {}
        self.requires_grad_(False)
        for part in self._learning:
            part.requires_grad_(True)
        self.train(self.training)

    def shared(self, stage: str) -> Shared | None:
        """Stage "ratings" knows nothing of the diffusion that follows."""
        if stage != "ratings":
            return None
        settings = {name: getattr(self.config, name) for name in RATING_SETTINGS}
        return Shared(settings, _RATING_PARTS)

    def train(self, mode: bool = True) -> Self:
        """Frozen parts stay as in prediction: what they give a stage must not be dropped out."""
        super().train(False)
        self.training = mode
        for part in self._learning:
            nn.Module.train(part, mode)
        return self

    def loss(self, stage: str, batch: Ratings | Users) -> Losses:
        """Of one stage; Ratings for "ratings", "task" and "refit", Users for the others."""
        if isinstance(batch, Users):
            return {"diffusion": self._diffusion_loss(stage, batch.user_N)}
        if stage == "ratings":
            return {
                "rating": F.mse_loss(self.predict_known(batch.pairs), batch.rating_N),
                "item_bias": self._bias_loss(self.auxiliary_head, self.target_head),
            }
        if stage == "refit":
            vector_ND = self._held_vectors(self.generate, batch.user_N)
            rating_N = self._target_ratings(vector_ND, batch.item_N)
            return {
                "rating": F.mse_loss(rating_N, batch.rating_N),
                "item_bias": self._bias_loss(self.target_head),
            }
        assert stage == "task", f"stage {stage} does not learn from ratings"
        user_K, row_N = batch.user_N.unique(return_inverse=True)
        rating_N = self._target_ratings(self._sampled(user_K)[row_N], batch.item_N)
        return {
            "diffusion": self._diffusion_loss(stage, user_K),
            "task": self.config.task_weight * F.mse_loss(rating_N, batch.rating_N),
        }

    def predict_known(self, pairs: Pairs) -> Tensor:
        rating_N = torch.empty(len(pairs.item_N), device=pairs.item_N.device)
        sides = (
            (AUXILIARY, self.auxiliary_users, self.auxiliary_head),
            (TARGET, self.target_users, self.target_head),
        )
        for domain, users, head in sides:
            rows = self.space.contains(domain, pairs.item_N).nonzero()[:, 0]
            item_K = pairs.item_N[rows]
            own_K = head(users(pairs.user_N[rows]), self.items(domain, item_K), item_K)
            rating_N = rating_N.index_copy(0, rows, own_K)
        return rating_N

    @torch.no_grad()
    def predict(self, pairs: Pairs) -> Tensor:
        user_K, row_N = pairs.user_N.unique(return_inverse=True)
        return self._target_ratings(self.generate(user_K)[row_N], pairs.item_N)

    @torch.no_grad()
    def condition(self, user_N: Tensor) -> Tensor:
        """f_u of the auxiliary domain, [N, D]."""
        return self.auxiliary_users(user_N)

    @torch.no_grad()
    def target_vectors(self, user_N: Tensor) -> Tensor:
        """f_u of the target domain, [N, D], of users whose target side may be read."""
        return self.target_users(user_N)

    @torch.no_grad()
    def generate(self, user_N: Tensor) -> Tensor:
        """Target vectors [N, D] from the auxiliary side alone, the mean of `num_samples`.

        Noise is each user's own and follows from the user's number and `sampling_seed`: the same
        user gets the same vector in any batch.
        """
        return self._generated(user_N, self._path(self.config.num_reverse_steps))

    def converged_steps(self, user_N: Tensor, tolerance: float) -> int:
        """How many reverse steps are enough for these users; nothing is searched on ratings.

        The smallest of 1, 2, 4, ... reverse steps whose generated vectors differ from those of
        twice as many (at most the full path) by less than `tolerance` in mean squared
        difference relative to the mean square of the latter; the length of the full path if
        none does. All paths read the same noise. Beyond the paper, which sweeps steps by RMSE.
        """
        full, count = len(self._path(None)), 1
        coarse_ND = self._generated(user_N, self._path(count))
        while count < full:
            fine_ND = self._generated(user_N, self._path(min(2 * count, full)))
            if (coarse_ND - fine_ND).square().mean() < tolerance * fine_ND.square().mean():
                return count
            coarse_ND, count = fine_ND, 2 * count
        return full

    def _diffusion_loss(self, stage: str, user_N: Tensor) -> Tensor:
        """Mean squared error of the U-Net's output from a random step; x0 has no gradient."""
        assert stage in _DIFFUSION_STAGES, f"stage {stage} does not learn from users"
        x0_ND = self._held_vectors(self.target_vectors, user_N)
        condition_ND = self._held_vectors(self.condition, user_N)
        given_N = self._given(user_N)
        if stage == "side_users":
            given_N = torch.zeros_like(given_N)
        elif self.training:
            drawn_N = torch.rand(len(user_N), device=user_N.device)
            given_N = given_N & (drawn_N >= self.config.condition_drop)
        step_N, eps_ND = self.diffusion.random_steps(x0_ND), standard_normal(x0_ND.shape, x0_ND)
        noisy_ND = self.diffusion.add_noise(x0_ND, step_N, eps_ND)
        output_ND = self.unet(noisy_ND, step_N, condition_ND, given_N)
        truth_ND = x0_ND if self.config.diffusion.target == "x0" else eps_ND
        return F.mse_loss(output_ND, truth_ND)

    def _held_vectors(self, of: Callable[[Tensor], Tensor], user_N: Tensor) -> Tensor:
        """`of(user_N)`, made once a stage for all users: all that it rests on is frozen there.

        All at once, so that a run that was killed makes the very same numbers again.
        """
        name = of.__name__
        if name not in self._held:
            parts = torch.arange(self.num_users, device=user_N.device).split(_USERS_AT_ONCE)
            self._held[name] = torch.cat([of(part) for part in parts])
        return self._held[name][user_N]

    def _sampled(self, user_K: Tensor) -> Tensor:
        """One vector of each user, by noise of torch's default generator, with a gradient."""
        condition_KD = self._held_vectors(self.condition, user_K)
        path = self._path(self.config.num_reverse_steps)
        noise_RKD = standard_normal((1 + len(path), *condition_KD.shape), condition_KD)
        return self._walk(condition_KD, self._given(user_K), path, noise_RKD)

    @torch.no_grad()
    def _generated(self, user_N: Tensor, path: list[int]) -> Tensor:
        num_samples, width = self.config.num_samples, self.config.width
        num_vectors = num_samples * (1 + len(self._path(None)))  # the same for every path
        noise_LND = case_noise(user_N.unsqueeze(1), num_vectors, width, self.config.sampling_seed)
        noise_MRND = noise_LND.unflatten(0, (num_samples, -1))
        noise_RKD = noise_MRND.transpose(0, 1).flatten(1, 2)
        condition_KD = self.condition(user_N).repeat(num_samples, 1)
        given_K = self._given(user_N).repeat(num_samples)
        vector_KD = self._walk(condition_KD, given_K, path, noise_RKD)
        return vector_KD.unflatten(0, (num_samples, -1)).mean(dim=0)

    def _walk(
        self, condition_KD: Tensor, given_K: Tensor, path: list[int], noise_RKD: Tensor
    ) -> Tensor:
        """Clean vectors [K, D]; the first noise stands where no source does."""
        scale = self.config.cfg_scale
        return self.diffusion.reverse(
            lambda x_KD, step_K: self.unet.guided(x_KD, step_K, condition_KD, given_K, scale),
            condition_KD if self.config.init == "source" else noise_RKD[0],
            path,
            noise_RKD[1:],
            backprop_steps=self.config.task_backprop_steps,
            clip=self.config.clip,
        )

    def _path(self, num_reverse_steps: int | None) -> list[int]:
        start = self.diffusion.start_step(self.config.start_strength)
        return self.diffusion.path(start, num_reverse_steps)

    def _given(self, user_N: Tensor) -> Tensor:
        """Whose condition is shown, bool [N]."""
        known_N = self.auxiliary_users.known(user_N)
        return known_N if self.config.cond == "source" else torch.zeros_like(known_N)

    def _target_ratings(self, user_ND: Tensor, item_N: Tensor) -> Tensor:
        assert bool(self.space.contains(TARGET, item_N).all()), "items of the target domain"
        return self.target_head(user_ND, self.items(TARGET, item_N), item_N)

    def _bias_loss(self, *heads: RatingHead) -> Tensor:
        """Keeps the biases of items with few ratings small: a mean over the items of `heads`."""
        bias_C = torch.cat([head.bias_C for head in heads])
        return self.config.item_bias_penalty * bias_C.square().mean()


_RATING_PARTS = ("items", "auxiliary_users", "target_users", "auxiliary_head", "target_head")
_USERS_AT_ONCE = 1024
_DIFFUSION_STAGES = ("side_users", "overlap_users", "joint", "task")
