"""lgcd_plus: a cold user's next item, built from those ideas around LGCD that earned their place.

It keeps LGCD's question (source history in, target item out), its item vectors of ids and texts
and its pseudo-overlapping users, and departs from it where that pays. Each departure is a switch
of `LGCDPlusConfig`, and the ablation of each is an experiment:
- one encoder for both domains, trained on views built as the test is (cold_views.py), with every
  target item of a user as a label, and some of the history left out anew each time;
- an auxiliary next-item loss on all sequences, single-domain ones included;
- pseudo-interactions by collaborative neighbours: a single-domain user learns to rank what
  overlapping users chose after similar histories, one of these items a step, drawn by its share
  of the votes, which makes them soft labels (Hinton et al. 2015);
- the votes themselves, added to the scores: log p + weight * log(share of the votes);
- no diffusion: `generator` puts one back, with what LGCD's own lacks.

Shapes: B sequences, L history length, D width, A text axes, V items + 1, P asked items, N labels
or valid positions, M negatives, S domains, C items of a domain.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from models.baselines.cooccurrence import Cooccurrence, CooccurrenceConfig
from models.batch import PADDING, ItemSpace, Query, SequenceBatch
from models.blocks.cold_views import ColdViews, cold_views
from models.blocks.losses import draw_of_domains, look_up, sampled_softmax
from models.blocks.single_domain import unpacked
from models.blocks.texts import principal_axes, standardised
from models.blocks.transformer import EncoderConfig, SequenceEncoder, last_state, trim
from models.lgcd_plus_generator import Generator, GeneratorConfig
from models.recommender import Losses


@dataclass(frozen=True, kw_only=True)
class LGCDPlusConfig:
    space: ItemSpace
    text_width: int
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    num_negatives: int = 512  # of each domain, shared by a step
    text_axes: int | None = 128  # principal axes of the texts that items are given; None: ids alone
    # Weights of the three losses; 0 leaves one out.
    views: float = 1.0
    next_item: float = 1.0
    pseudo: float = 0.5
    view_labels: Literal["all", "last"] = "all"
    label_decay: float = 1.0  # weight of an asked item = decay ** (items to the sequence's end)
    view_item_drop: float = 0.5  # share of a view's history that is left out, anew each time
    votes: float = 0.3  # weight of the log share of the votes in the score; 0: the network alone
    votes_floor: float = 1e-5  # share of an item without votes
    generator: GeneratorConfig | None = None  # LGCD's diffusion put back

    def __post_init__(self) -> None:
        if not self.views and not self.next_item:
            raise ValueError("views = next_item = 0 leave nothing to learn from; set one of them")


class PlusBatch(NamedTuple):
    """A training step's sequences, of single-domain and overlapping users mixed."""

    items_BL: Tensor  # int64
    pseudo_B: Tensor  # int64, an item of the other domain for a single-domain user; 0: none
    overlap_BL: Tensor  # int64, sequences of overlapping users, for their cold-start views


class LGCDPlus(nn.Module):
    """`text_VE` is data, not a weight, and must be given again when stored weights are loaded."""

    text_VA: Tensor

    def __init__(self, config: LGCDPlusConfig, text_VE: Tensor):
        super().__init__()
        self.config, width = config, config.encoder.width
        self.item = nn.Embedding(config.space.num_items + 1, width, padding_idx=PADDING)
        self.encoder = SequenceEncoder(config.encoder)
        self.text_projection = None
        if config.text_axes is not None:
            self.register_buffer(
                "text_VA", _on_axes(text_VE, config.space, config.text_axes), persistent=False
            )
            self.text_projection = nn.Linear(config.text_axes, width, bias=False)
        self.generator = Generator(config.generator) if config.generator else None
        self.cooccurrence = Cooccurrence(CooccurrenceConfig(space=config.space))
        init_weights(self)

    def count(self, batches: Iterable[SequenceBatch]) -> None:
        """Counts who followed whom, for votes and pseudo-interactions; once, before training."""
        self.cooccurrence.count(batches)

    def item_vectors(self, ids: Tensor) -> Tensor:
        """ids [...] -> [..., D]."""
        id_D = self.item(ids)
        return id_D if self.text_projection is None else id_D + self._text_vectors(ids)

    def _text_vectors(self, ids: Tensor) -> Tensor:
        assert self.text_projection is not None
        return self.text_projection(self.text_VA[ids])

    def loss(self, batch: PlusBatch) -> Losses:
        """ "next_item", "view" and "pseudo", each the mean over its labels, and "diffusion"."""
        config = self.config
        items_BL = trim(batch.items_BL, config.encoder.max_length)
        overlap_BL = trim(batch.overlap_BL, config.encoder.max_length)
        views = cold_views(overlap_BL, config.space, config.view_item_drop)
        label_BL = F.pad(items_BL[:, 1:], (0, 1))
        asked_BL = (items_BL != PADDING) & (label_BL != PADDING)
        rows_P = batch.pseudo_B.nonzero()[:, 0]
        labels = label_BL[asked_BL], views.label_P, batch.pseudo_B[rows_P]
        # One look-up for everything: the gradient of each costs a pass over the item table.
        history_BL = _stacked(items_BL, views.history_WL)
        negative_SM = draw_of_domains(config.space, config.num_negatives, items_BL.device)
        valid_BL = history_BL != PADDING
        history_ND, negative_SMD, *label_ND = look_up(
            self.item_vectors, history_BL[valid_BL], negative_SM, *labels
        )
        token_BLD = self.encoder(unpacked(history_ND, valid_BL), valid_BL)
        length, num_rows = history_BL.shape[1], len(items_BL)
        shift = length - views.history_WL.shape[1]
        view_P, place_P = views.view_P + num_rows, views.place_P + shift
        own_BLD = token_BLD[:num_rows, length - items_BL.shape[1] :]
        view_PD = token_BLD[view_P, place_P]
        losses: Losses = {}
        if self.generator is not None:
            seen_PL = valid_BL[view_P]
            seen_PL &= torch.arange(length, device=seen_PL.device) <= place_P.unsqueeze(1)
            losses["diffusion"] = self.generator.error(
                label_ND[1], token_BLD[view_P], seen_PL
            ).mean()
            view_PD = self.generator(view_PD, token_BLD[view_P], seen_PL)
        asked = {
            "next_item": (config.next_item, own_BLD[asked_BL], None),
            "view": (config.views, view_PD, self._label_weights(views)),
            "pseudo": (config.pseudo, own_BLD[rows_P, -1], None),
        }
        for (name, (weight, state_ND, weight_N)), label_N, vector_ND in zip(
            asked.items(), labels, label_ND, strict=True
        ):
            if weight:
                error_N = self._errors(state_ND, label_N, vector_ND, negative_SM, negative_SMD)
                losses[name] = weight * _mean(error_N, weight_N)
        return losses

    def _label_weights(self, views: ColdViews) -> Tensor:
        if self.config.view_labels == "last":
            return (views.to_end_P == 0).float()
        return self.config.label_decay ** views.to_end_P.float()

    def _errors(
        self,
        state_ND: Tensor,
        label_N: Tensor,
        label_ND: Tensor,
        negative_SM: Tensor,
        negative_SMD: Tensor,
    ) -> Tensor:
        """Cross-entropy [N] of each label against its own domain's negatives."""
        error_N = state_ND.new_zeros(len(label_N))
        for domain in range(len(self.config.space.sizes)):
            rows = self.config.space.contains(domain, label_N).nonzero()[:, 0]
            own = sampled_softmax(
                state_ND[rows],
                label_ND[rows],
                label_N[rows],
                negative_SMD[domain],
                negative_SM[domain],
            )
            error_N = error_N.index_copy(0, rows, own)
        return error_N

    @torch.no_grad()
    def score(self, query: Query) -> Tensor:
        """Log probabilities within the target domain plus weighted log votes [B, V]; else zero."""
        history_BL = trim(query.history_BL, self.config.encoder.max_length)
        valid_BL = history_BL != PADDING
        token_BLD = self.encoder(self.item_vectors(history_BL), valid_BL)
        state_BD = last_state(token_BLD)
        if self.generator is not None:
            state_BD = self.generator(state_BD, token_BLD, valid_BL)
        votes_BV = self.cooccurrence.score(query) if self.config.votes else None
        scores_BV = state_BD.new_zeros(len(history_BL), self.config.space.num_items + 1)
        for domain in range(len(self.config.space.sizes)):
            rows = (query.domain_B == domain).nonzero()[:, 0]
            columns = self.config.space.columns(domain)
            ids = torch.arange(columns.start, columns.stop, device=rows.device)
            score_BC = (state_BD[rows] @ self.item_vectors(ids).T).log_softmax(dim=1)
            if votes_BV is not None:
                score_BC = score_BC + self.config.votes * self._log_share(votes_BV[rows, columns])
            scores_BV[rows, columns] = score_BC
        return scores_BV

    def _log_share(self, votes_BC: Tensor) -> Tensor:
        total_B1 = votes_BC.sum(dim=1, keepdim=True).clamp_min(1e-9)
        return (votes_BC / total_B1 + self.config.votes_floor).log()


def _stacked(*items: Tensor) -> Tensor:
    """Rows of both, padded on the left to the longer."""
    longest = max(entry.shape[1] for entry in items)
    return torch.cat([F.pad(entry, (longest - entry.shape[1], 0)) for entry in items])


def _mean(error_N: Tensor, weight_N: Tensor | None) -> Tensor:
    """The weighted mean; zero, with a gradient of zero, where nothing is asked."""
    if weight_N is None:
        return error_N.sum() / max(len(error_N), 1)
    return (error_N * weight_N).sum() / weight_N.sum().clamp_min(1e-6)


def _on_axes(text_VE: Tensor, space: ItemSpace, num_axes: int) -> Tensor:
    """Texts along their principal axes, [V, A], of unit variance over all values."""
    text_VE = standardised(text_VE, space).text_VE
    text_VA = text_VE @ principal_axes(text_VE[1:], num_axes).T
    return text_VA / text_VA[1:].square().mean().sqrt().clamp_min(1e-6)


def init_weights(model: LGCDPlus) -> None:
    """Every initial value but those of encoder and generator, which set their own.

    | parameter       | value                                                             |
    |-----------------|-------------------------------------------------------------------|
    | item ids        | normal, std 0.02; padding zero                                    |
    | text projection | normal, so that projected texts have std 0.1 and say more than    |
    |                 | ids until ids have learned something                              |
    """
    nn.init.normal_(model.item.weight, std=0.02)
    with torch.no_grad():
        model.item.weight[PADDING] = 0
    if model.text_projection is not None:
        num_axes = model.text_projection.in_features
        nn.init.normal_(model.text_projection.weight, std=0.1 / num_axes**0.5)
