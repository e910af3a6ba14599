"""LGCD, stage 2: generate what a cold user would be like in the other domain.

"From Clues to Generation: Language-Guided Conditional Diffusion for Cross-Domain
Recommendation", 2026. A user's history in the source domain becomes a condition; a guesser and
a conditional diffusion turn it into the vector that the target domain's text encoder would give
this user; a mixture of experts fuses both into the vector that scores the target's items.

Two sorts of users train it: overlapping ones, and pseudo-overlapping ones, single-domain users
with retrieved items of the other domain. Both directions live in one model: encoders and
guessers are each domain's own, denoiser and fusion serve both.

The paper leaves much open. Each choice is a switch of `LGCDConfig`, where a comment gives the
literal reading and the reason for the default. Beyond those:
- the target feature is detached, encoded without dropout, and normalised to unit variance: with
  a gradient it would collapse, and diffusion noise is scaled for unit variance;
- the mixture starts by handing on the condition, which stage 1 has taught to rank items;
- users without any other item in the target domain have no target feature: they are left out of
  the diffusion and guess losses, and their way back starts from the guesser.

Shapes: B cases, L history length, D width, S condition tokens, V items + 1, C items of a
domain, R denoiser calls of one way back.
"""

from functools import partial
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.batch import PADDING, Query
from models.blocks.case_noise import case_noise
from models.blocks.denoisers import Denoiser
from models.blocks.diffusion import GaussianDiffusion, standard_normal
from models.blocks.losses import item_softmax
from models.blocks.moe import DenseMixture
from models.blocks.soft_labels import soft_item_softmax
from models.blocks.transformer import last_state, trim
from models.lgcd_cases import (
    Cases,
    Grounded,
    LGCDBatch,
    gather_cases,
    mean_where,
    swap_direction,
)
from models.lgcd_condition import Condition, Conditioner, by_domain
from models.lgcd_config import LGCDConfig
from models.lgcd_encoders import DomainEncoders
from models.recommender import Losses


class LGCD(nn.Module):
    """`encoders` come from stage 1; the model trains and stores them as its own."""

    def __init__(self, config: LGCDConfig, encoders: DomainEncoders):
        super().__init__()
        width = config.encoders.encoder.width
        self.config = config
        self.encoders = encoders.requires_grad_(not config.freeze_encoders)
        self.conditioner = Conditioner(config)
        self.guesser = nn.ModuleList(nn.Linear(width, width) for _ in range(2))
        self.diffusion = GaussianDiffusion(config.diffusion)
        self.denoiser = Denoiser(config.denoiser)
        self.fusion = (
            DenseMixture(2 * width, width, config.num_experts, width, pass_first=True)
            if config.fusion == "moe"
            else nn.Linear(2 * width, width)
        )
        self.start_from_encoders()

    def start_from_encoders(self) -> None:
        """What starts from stage 1; call it again after loading stage 1's weights."""
        self.conditioner.start_from(self.encoders)

    def loss(self, batch: LGCDBatch) -> Losses:
        """Named `overlap_*` and `pseudo_*`, each the mean over the users it concerns (eq. 26)."""
        config = self.config
        if config.pseudo_label == "real_last" and batch.pseudo is not None:
            batch = batch._replace(pseudo=swap_direction(batch.pseudo))
        cases = gather_cases(batch, mixed_ids=config.id_input == "mixed")
        target_B = cases.domain_B
        condition = self.conditioner(self.encoders, target_B, cases.id_BL, cases.source_BL)
        x0_BD, known_B = self.target_feature(cases)
        prior_BD = self._prior(target_B, condition, standard_normal(x0_BD.shape, x0_BD))
        estimate_BD, diffusion_B = self._denoising(x0_BD, condition)
        start_BD = prior_BD
        if config.train_start == "x0_hat":
            start_BD = torch.where(known_B.unsqueeze(1), estimate_BD, prior_BD)
        eps_RBD = standard_normal((self._longest_path, *x0_BD.shape), x0_BD)
        generated_BD = self._generate(target_B, start_BD, condition, eps_RBD, eta=1.0)
        final_BD = self._fused(condition, generated_BD)
        errors = _Errors(
            recommend_B=self._ranking_error(final_BD, cases, batch.grounded),
            guess_B=self._squared(prior_BD - x0_BD),
            diffusion_B=diffusion_B,
            align_B=self._squared(generated_BD - condition.vector_BD),
            known_B=known_B,
        )
        losses: Losses = {}
        if batch.overlap is not None:
            losses |= self._named("overlap", errors, ~cases.pseudo_B)
        if batch.pseudo is not None:
            losses |= self._named("pseudo", errors, cases.pseudo_B)
        return losses

    def _named(self, users: str, errors: "_Errors", chosen_B: Tensor) -> Losses:
        """The terms that the config asks of one sort of users."""
        config = self.config
        losses = {}
        if users == "overlap" or config.pseudo_label != "none":
            losses[f"{users}_recommend"] = mean_where(errors.recommend_B, chosen_B)
        if config.init == "guesser":
            losses[f"{users}_guess"] = mean_where(errors.guess_B, chosen_B & errors.known_B)
        if config.diffuse and config.diff_train in ("both", users):
            diffusion_B, known_B = errors.diffusion_B, errors.known_B
            losses[f"{users}_diffusion"] = mean_where(diffusion_B, chosen_B & known_B)
        if config.align and users == "pseudo":
            losses[f"{users}_align"] = mean_where(errors.align_B, chosen_B)
        return losses

    @torch.no_grad()
    def target_feature(self, cases: Cases) -> tuple[Tensor, Tensor]:
        """h_tgt [B, D] of unit variance, and who has one [B]; zeros for those who do not."""
        items_BL = cases.target_BL
        if self.config.tgt_includes_label:
            items_BL = torch.cat([items_BL, cases.label_B.unsqueeze(1)], dim=1)
        items_BL = trim(items_BL, self._max_length)
        training = self.encoders.training
        self.encoders.eval()  # dropout would make the target a moving one
        encode = self.encoders.text_states
        state_BD = last_state(self.encoders.states_of(cases.domain_B, encode, items_BL))
        self.encoders.train(training)
        return F.layer_norm(state_BD, state_BD.shape[1:]), items_BL[:, -1] != PADDING

    def _prior(self, target_B: Tensor, condition: Condition, eps_BD: Tensor) -> Tensor:
        """What generation starts from, before noise: the guess, or noise itself."""
        if self.config.init == "random":
            return eps_BD
        return by_domain(self.guesser, target_B, condition.vector_BD)

    def _denoising(self, x0_BD: Tensor, condition: Condition) -> tuple[Tensor, Tensor]:
        """The denoiser's estimate of x0 [B, D] from a random step, and its error [B] (eq. 17)."""
        if not self.config.diffuse:
            return x0_BD, x0_BD.new_zeros(len(x0_BD))
        step_B = self.diffusion.random_steps(x0_BD)
        eps_BD = standard_normal(x0_BD.shape, x0_BD)
        noisy_BD = self.diffusion.add_noise(x0_BD, step_B, eps_BD)
        token_BSD = self.denoiser.hide(condition.token_BSD, self.config.condition_drop)
        output_BD = self.denoiser(noisy_BD, step_B, token_BSD, condition.valid_BS)
        truth_BD = x0_BD if self.config.diffusion.target == "x0" else eps_BD
        error_B = self._squared(output_BD - truth_BD)
        if self.config.diffusion_loss == "kl":
            error_B = error_B * self.diffusion.kl_weight(step_B)
        return self.diffusion.x0_of(output_BD, noisy_BD, step_B), error_B

    def _generate(
        self,
        target_B: Tensor,
        start_BD: Tensor,
        condition: Condition,
        eps_RBD: Tensor,
        *,
        eta: float,
    ) -> Tensor:
        """h_rev [B, D]: the start, noised and walked back under the condition (eq. 18-19)."""
        if not self.config.diffuse:
            return start_BD
        parts, order = [], []
        for target in range(2):  # each with its own depth
            rows, path = (target_B == target).nonzero()[:, 0], self._path(target)
            if len(rows) > 0:
                denoise = partial(self._denoised, condition.of(rows))
                parts.append(
                    self.diffusion.reverse(
                        denoise,
                        start_BD[rows],
                        path,
                        eps_RBD[: len(path), rows],
                        eta=eta,
                        backprop_steps=self.config.backprop_steps,
                    )
                )
                order.append(rows)
        return torch.cat(parts).index_select(0, torch.cat(order).argsort())

    def _denoised(self, condition: Condition, x_BD: Tensor, step_B: Tensor) -> Tensor:
        _, token_BSD, valid_BS = condition
        return self.denoiser.guided(x_BD, step_B, token_BSD, valid_BS, self.config.guidance_scale)

    def _fused(self, condition: Condition, generated_BD: Tensor) -> Tensor:
        """h_final [B, D] (eq. 23-24)."""
        both_BE = torch.cat([condition.vector_BD, generated_BD], dim=1)
        if isinstance(self.fusion, DenseMixture):
            return self.fusion(both_BE, condition.vector_BD)
        return self.fusion(both_BE)

    def _ranking_error(self, final_BD: Tensor, cases: Cases, grounded: Grounded | None) -> Tensor:
        """Cross-entropy of the label among the items of its domain, [B]; zero where none is asked.

        ValueError where soft labels are asked for and the batch has none.
        """
        config, space = self.config, self.config.encoders.space
        labelled_B = ~cases.pseudo_B | (config.pseudo_label in ("sampled", "real_last"))
        error_B = final_BD.new_zeros(len(final_BD))
        for target in range(2):
            own_B, ids = cases.domain_B == target, space.ids(target)
            vectors = partial(self.encoders.item_vectors, target)
            rows = (own_B & labelled_B).nonzero()[:, 0]
            if len(rows) > 0:
                label_N = cases.label_B[rows]
                error_N = item_softmax(final_BD[rows], label_N, vectors, ids, config.num_negatives)
                error_B = error_B.index_copy(0, rows, error_N)
            rows = (own_B & cases.pseudo_B).nonzero()[:, 0]
            if config.pseudo_label == "soft" and len(rows) > 0:
                pseudo_rows = rows - int((~cases.pseudo_B).sum())  # overlap users come first
                item_NK, score_NK = (part[pseudo_rows] for part in _given(grounded))
                soft_N = soft_item_softmax(
                    final_BD[rows], item_NK, score_NK, vectors, ids, config.num_negatives
                )
                error_B = error_B.index_copy(0, rows, soft_N)
        return error_B

    @torch.no_grad()
    def score(self, query: Query) -> Tensor:
        """[B, V]; -inf for padding and for items outside each query's target domain.

        Sampling noise is drawn for each case apart, from its history and `sampling_seed`: the
        same query gets the same answer in any batch.
        """
        space, user_BD = self.config.encoders.space, self._users(query)
        scores_BV = user_BD.new_full((len(user_BD), space.num_items + 1), -torch.inf)
        for target in range(2):
            rows = (query.domain_B == target).nonzero()[:, 0]
            if len(rows) > 0:
                columns = space.columns(target)
                ids = torch.arange(columns.start, columns.stop, device=rows.device)
                table_CD = self.encoders.item_vectors(target, ids)
                scores_BV[rows, columns] = user_BD[rows] @ table_CD.T
        return scores_BV

    def _users(self, query: Query) -> Tensor:
        """h_final [B, D] of cold users, by their own noise."""
        config, target_B = self.config, query.domain_B
        history_BL = trim(query.history_BL, self._max_length)
        condition = self.conditioner(self.encoders, target_B, history_BL, history_BL)
        width = config.encoders.encoder.width
        noise_RBD = case_noise(history_BL, 1 + self._longest_path, width, config.sampling_seed)
        prior_BD = self._prior(target_B, condition, noise_RBD[0])
        generated_BD = self._generate(target_B, prior_BD, condition, noise_RBD[1:], eta=config.eta)
        return self._fused(condition, generated_BD)

    def _path(self, target: int) -> list[int]:
        start = self.diffusion.start_step(self.config.strengths[target])
        return self.diffusion.path(start, self.config.num_reverse_steps)

    @property
    def _longest_path(self) -> int:
        return max(len(self._path(target)) for target in range(2))

    def _squared(self, error_BD: Tensor) -> Tensor:
        square_BD = error_BD.square()
        return square_BD.mean(1) if self.config.loss_reduction == "mean" else square_BD.sum(1)

    @property
    def _max_length(self) -> int:
        return self.config.encoders.encoder.max_length


class _Errors(NamedTuple):
    """Each case's loss terms, [B] each; zero where a term does not apply."""

    recommend_B: Tensor
    guess_B: Tensor
    diffusion_B: Tensor
    align_B: Tensor
    known_B: Tensor  # bool: has a target feature


def _given(grounded: Grounded | None) -> Grounded:
    if grounded is None:
        raise ValueError(
            'pseudo_label="soft" needs the batch\'s grounded items; give LGCDBatch.grounded'
        )
    return grounded
