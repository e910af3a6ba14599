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
  the diffusion and guess losses, and their way back starts from the guesser;
- the paper's comparison with classifier-free guidance is not built.

Shapes: B cases, L history length, D width, S condition tokens, V items + 1, C items of a
domain, R denoiser calls of one way back.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.batch import PADDING, Query
from models.blocks.denoisers import Denoiser, DenoiserConfig
from models.blocks.diffusion import DiffusionConfig, GaussianDiffusion, standard_normal
from models.blocks.losses import item_softmax
from models.blocks.moe import DenseMixture
from models.blocks.transformer import last_state, trim
from models.lgcd_cases import Cases, LGCDBatch, case_noise, gather_cases, mean_where
from models.lgcd_encoders import DomainEncoders, DomainEncodersConfig
from models.recommender import Losses


@dataclass(frozen=True, kw_only=True)
class LGCDConfig:
    encoders: DomainEncodersConfig
    diffusion: DiffusionConfig = field(default_factory=DiffusionConfig)  # .target: x0 | eps
    denoiser: DenoiserConfig = field(default_factory=DenoiserConfig)  # .guidance: ablations
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
    sampling_seed: int = 0  # of the scoring chain

    # What a pseudo user is taught to rank first; the paper's formula wants a label and does not
    # say which. "sampled": one of the retrieved items, drawn anew each time. "none": nothing;
    # items that a small language model guessed make poor answers, and on the demo's validation
    # users they cost a fifth of NDCG@10.
    pseudo_label: Literal["sampled", "none"] = "none"
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


class Condition(NamedTuple):
    """What the source history says of a user."""

    vector_BD: Tensor  # h_cond
    token_BSD: Tensor  # what the denoiser attends to
    valid_BS: Tensor | None  # None: every token counts


class LGCD(nn.Module):
    """`encoders` come from stage 1; the model trains and stores them as its own."""

    def __init__(self, config: LGCDConfig, encoders: DomainEncoders):
        super().__init__()
        width = config.encoders.encoder.width
        self.config = config
        self.encoders = encoders.requires_grad_(not config.freeze_encoders)
        self.condition_fusion = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(2))
        self.blind = nn.Parameter(torch.zeros(2, width))  # in place of the condition
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
        """Sets every initial value that is not PyTorch's own; call it again after loading stage 1.

        The condition's fusion starts as a copy of stage 1's, and blind conditions at zero.
        """
        nn.init.zeros_(self.blind)
        for domain, fusion in enumerate(self.condition_fusion):
            fusion.load_state_dict(self.encoders.own(domain).fusion.state_dict())

    def loss(self, batch: LGCDBatch) -> Losses:
        """Named `overlap_*` and `pseudo_*`, each the mean over the users it concerns (eq. 26)."""
        mixed_ids = self.config.id_input == "mixed"
        cases = gather_cases(batch, mixed_ids=mixed_ids)
        directions = [
            self._errors(target, cases.of(cases.domain_B == target))
            for target in range(2)
            if (cases.domain_B == target).any()
        ]
        errors = _Errors(*(torch.cat(part) for part in zip(*directions, strict=True)))
        losses = self._named("overlap", errors, ~errors.pseudo_B)
        if batch.pseudo is not None:
            losses |= self._named("pseudo", errors, errors.pseudo_B)
        return losses

    def _named(self, users: str, errors: "_Errors", chosen_B: Tensor) -> Losses:
        """The terms that the config asks of one sort of users."""
        config = self.config
        losses = {}
        if users == "overlap" or config.pseudo_label == "sampled":
            losses[f"{users}_recommend"] = mean_where(errors.recommend_B, chosen_B)
        if config.init == "guesser":
            losses[f"{users}_guess"] = mean_where(errors.guess_B, chosen_B & errors.known_B)
        if config.diffuse and config.diff_train in ("both", users):
            diffusion_B, known_B = errors.diffusion_B, errors.known_B
            losses[f"{users}_diffusion"] = mean_where(diffusion_B, chosen_B & known_B)
        if config.align and users == "pseudo":
            losses[f"{users}_align"] = mean_where(errors.align_B, chosen_B)
        return losses

    def _errors(self, target: int, cases: Cases) -> "_Errors":
        """Every loss of every case that asks for an item of domain `target`."""
        condition = self.condition(target, cases.id_BL, cases.source_BL)
        x0_BD, known_B = self.target_feature(target, cases)
        prior_BD = self._prior(target, condition, standard_normal(x0_BD.shape, x0_BD))
        estimate_BD, diffusion_B = self._denoising(x0_BD, condition)
        start_BD = prior_BD
        if self.config.train_start == "x0_hat":
            start_BD = torch.where(known_B.unsqueeze(1), estimate_BD, prior_BD)
        path = self._path(target)
        eps_RBD = standard_normal((len(path), *x0_BD.shape), x0_BD)
        generated_BD = self._generate(start_BD, condition, path, eps_RBD, eta=1.0)
        return _Errors(
            recommend_B=self._ranking_error(target, cases.label_B, condition, generated_BD),
            guess_B=self._squared(prior_BD - x0_BD),
            diffusion_B=diffusion_B,
            align_B=self._squared(generated_BD - condition.vector_BD),
            known_B=known_B,
            pseudo_B=cases.pseudo_B,
        )

    def condition(self, target: int, id_BL: Tensor, source_BL: Tensor) -> Condition:
        """h_cond and the denoiser's tokens, from the domain that is not `target`."""
        source, config = 1 - target, self.config
        if config.cond == "none":
            vector_BD = self.blind[target].expand(len(source_BL), -1)
            return Condition(vector_BD, vector_BD.unsqueeze(1), None)
        id_BL, source_BL = (trim(x, self._max_length) for x in (id_BL, source_BL))
        id_BLD = self.encoders.id_states(source, id_BL)
        text_BLD = self.encoders.text_states(source, source_BL)
        # An ablated modality is silent in the fusion and absent among the tokens.
        id_BLD = id_BLD * (config.cond != "text")
        text_BLD = text_BLD * (config.cond != "id")
        both_BE = torch.cat([last_state(id_BLD), last_state(text_BLD)], dim=1)
        vector_BD = self.condition_fusion[source](both_BE)
        return Condition(vector_BD, *self._tokens(vector_BD, id_BL, source_BL, id_BLD, text_BLD))

    def _tokens(
        self, vector_BD: Tensor, id_BL: Tensor, source_BL: Tensor, id_BLD: Tensor, text_BLD: Tensor
    ) -> tuple[Tensor, Tensor | None]:
        """Condition tokens [B, S, D] by `config.cond_tokens`, and which of them count [B, S]."""
        if self.config.cond_tokens == "vector":
            return vector_BD.unsqueeze(1), None
        if self.config.cond_tokens == "pair":
            id_BLD, text_BLD = id_BLD[:, -1:], text_BLD[:, -1:]
            id_BL, source_BL = id_BL[:, -1:], source_BL[:, -1:]
        id_valid_BL = (id_BL != PADDING) & (self.config.cond != "text")
        text_valid_BL = (source_BL != PADDING) & (self.config.cond != "id")
        valid_BS = torch.cat([id_valid_BL, text_valid_BL], dim=1)
        return torch.cat([id_BLD, text_BLD], dim=1), valid_BS

    @torch.no_grad()
    def target_feature(self, target: int, cases: Cases) -> tuple[Tensor, Tensor]:
        """h_tgt [B, D] of unit variance, and who has one [B]; zeros for those who do not."""
        items_BL = cases.target_BL
        if self.config.tgt_includes_label:
            items_BL = torch.cat([items_BL, cases.label_B.unsqueeze(1)], dim=1)
        items_BL = trim(items_BL, self._max_length)
        training = self.encoders.training
        self.encoders.eval()  # dropout would make the target a moving one
        state_BD = last_state(self.encoders.text_states(target, items_BL))
        self.encoders.train(training)
        return F.layer_norm(state_BD, state_BD.shape[1:]), items_BL[:, -1] != PADDING

    def _prior(self, target: int, condition: Condition, eps_BD: Tensor) -> Tensor:
        """What generation starts from, before noise: the guess, or noise itself."""
        if self.config.init == "random":
            return eps_BD
        return self.guesser[target](condition.vector_BD)

    def _denoising(self, x0_BD: Tensor, condition: Condition) -> tuple[Tensor, Tensor]:
        """The denoiser's estimate of x0 [B, D] from a random step, and its error [B] (eq. 17)."""
        if not self.config.diffuse:
            return x0_BD, x0_BD.new_zeros(len(x0_BD))
        step_B = self.diffusion.random_steps(x0_BD)
        eps_BD = standard_normal(x0_BD.shape, x0_BD)
        noisy_BD = self.diffusion.add_noise(x0_BD, step_B, eps_BD)
        output_BD = self.denoiser(noisy_BD, step_B, condition.token_BSD, condition.valid_BS)
        truth_BD = x0_BD if self.config.diffusion.target == "x0" else eps_BD
        estimate_BD = self.diffusion.x0_of(output_BD, noisy_BD, step_B)
        return estimate_BD, self._squared(output_BD - truth_BD)

    def _generate(
        self,
        start_BD: Tensor,
        condition: Condition,
        path: list[int],
        eps_RBD: Tensor,
        *,
        eta: float,
    ) -> Tensor:
        """h_rev [B, D]: the start, noised and walked back under the condition (eq. 18-19)."""
        if not self.config.diffuse:
            return start_BD
        return self.diffusion.reverse(
            lambda x_BD, step_B: self.denoiser(
                x_BD, step_B, condition.token_BSD, condition.valid_BS
            ),
            start_BD,
            path,
            eps_RBD,
            eta=eta,
            backprop_steps=self.config.backprop_steps,
        )

    def _fused(self, condition: Condition, generated_BD: Tensor) -> Tensor:
        """h_final [B, D] (eq. 23-24)."""
        both_BE = torch.cat([condition.vector_BD, generated_BD], dim=1)
        if isinstance(self.fusion, DenseMixture):
            return self.fusion(both_BE, condition.vector_BD)
        return self.fusion(both_BE)

    def _ranking_error(
        self, target: int, label_B: Tensor, condition: Condition, generated_BD: Tensor
    ) -> Tensor:
        vectors = partial(self.encoders.item_vectors, target)
        ids = self.config.encoders.space.ids(target)
        final_BD = self._fused(condition, generated_BD)
        return item_softmax(final_BD, label_B, vectors, ids, self.config.num_negatives)

    @torch.no_grad()
    def score(self, query: Query) -> Tensor:
        """[B, V]; -inf for padding and for items outside each query's target domain.

        Sampling noise is drawn for each case apart, from its history and `sampling_seed`: the
        same query gets the same answer in any batch.
        """
        num_columns = self.config.encoders.space.num_items + 1
        scores_BV = torch.full(
            (len(query.domain_B), num_columns), -torch.inf, device=query.domain_B.device
        )
        for target in range(2):
            rows = (query.domain_B == target).nonzero()
            if len(rows) > 0:
                ids = self.config.encoders.space.ids(target)
                columns = torch.arange(ids.start, ids.stop, device=rows.device)
                table_CD = self.encoders.item_vectors(target, columns)
                user_BD = self._user(target, query.history_BL[rows.squeeze(1)])
                scores_BV[rows, columns] = user_BD @ table_CD.T
        return scores_BV

    def _user(self, target: int, history_BL: Tensor) -> Tensor:
        """h_final [B, D] of cold users, by their own noise."""
        config, history_BL = self.config, trim(history_BL, self._max_length)
        condition, path = self.condition(target, history_BL, history_BL), self._path(target)
        width = config.encoders.encoder.width
        noise_RBD = case_noise(history_BL, 1 + len(path), width, config.sampling_seed)
        prior_BD = self._prior(target, condition, noise_RBD[0])
        generated_BD = self._generate(prior_BD, condition, path, noise_RBD[1:], eta=config.eta)
        return self._fused(condition, generated_BD)

    def _path(self, target: int) -> list[int]:
        start = self.diffusion.start_step(self.config.strengths[target])
        return self.diffusion.path(start, self.config.num_reverse_steps)

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
    pseudo_B: Tensor  # bool
