"""LGCD, stage 1: what each domain knows of its own items and of its own users.

"From Clues to Generation: Language-Guided Conditional Diffusion for Cross-Domain
Recommendation", 2026, section on item and sequence representation (eq. 2-3). For each domain:
an id encoder and a text encoder over the same history, and one linear fusion that serves items
and states alike, so that their dot product is a score.

Departs from the paper: every position predicts its successor, not the last one alone; a loss on
texts alone is added, because pseudo items are later retrieved by text alone, which the fused
loss does not train; text vectors are centred and scaled to unit variance first.
All ids share one table, because stage 2 lets a domain's encoder read mixed histories; stage 1
only ever touches a domain's own rows.

Shapes: B batch, L history length, D width, E text width, V items + 1, N labels, C items of a
domain.
"""

from dataclasses import dataclass, field
from functools import partial
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from models.batch import PADDING, ItemSpace, SequenceBatch
from models.blocks.losses import item_softmax
from models.blocks.transformer import EncoderConfig, SequenceEncoder, last_state, trim
from models.recommender import Losses


@dataclass(frozen=True, kw_only=True)
class DomainEncodersConfig:
    space: ItemSpace
    text_width: int
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    # The paper's equation reads as "last"; "all" learns from every position of a sequence.
    pretrain_positions: Literal["all", "last"] = "all"
    pretrain_negatives: int | None = None  # None: the whole domain, as in the paper
    text_aux: float = 1.0  # weight of the text-only loss; 0 leaves it out, as in the paper


class States(NamedTuple):
    """What one domain's two encoders say after each position; zeros on padding."""

    id_BLD: Tensor
    text_BLD: Tensor


class DomainEncoder(nn.Module):
    """One domain's own parameters."""

    def __init__(self, config: DomainEncodersConfig):
        super().__init__()
        width = config.encoder.width
        self.id_encoder = SequenceEncoder(config.encoder)
        self.text_encoder = SequenceEncoder(config.encoder)
        self.text_projection = nn.Linear(config.text_width, width)
        self.fusion = nn.Linear(2 * width, width)


class DomainEncoders(nn.Module):
    """All domains' encoders over one id table and one matrix of frozen text vectors.

    `text_VE` holds a row for each id, that of padding ignored; it is data, not a weight, and
    must be given again when stored weights are loaded. Raises ValueError on another shape.
    """

    text_VE: Tensor
    text_mean_E: Tensor
    text_scale: Tensor

    def __init__(self, config: DomainEncodersConfig, text_VE: Tensor):
        super().__init__()
        self.config = config
        num_rows = config.space.num_items + 1
        if text_VE.shape != (num_rows, config.text_width):
            raise ValueError(
                f"text vectors have shape {tuple(text_VE.shape)}, need "
                f"({num_rows}, {config.text_width}): one row for each item and one for padding"
            )
        self.item = nn.Embedding(num_rows, config.encoder.width, padding_idx=PADDING)
        self.domains = nn.ModuleList(DomainEncoder(config) for _ in config.space.sizes)
        items_VE = text_VE[1:].float()
        mean_E, scale = items_VE.mean(dim=0), items_VE.std(dim=0).square().mean().sqrt()
        self.register_buffer("text_mean_E", mean_E, persistent=False)
        self.register_buffer("text_scale", scale.clamp_min(1e-6), persistent=False)
        self.register_buffer("text_VE", self.standardised(text_VE.float()), persistent=False)
        init_weights(self)

    def standardised(self, text_E: Tensor) -> Tensor:
        """Raw text vectors [..., E], centred on the catalogue and scaled to unit variance.

        Sentence encoders put all texts into a narrow cone and on the unit sphere; uncentred,
        items would look alike, and unscaled, ids would drown the texts.
        """
        return (text_E - self.text_mean_E) / self.text_scale

    def item_vectors(self, domain: int, ids: Tensor) -> Tensor:
        """E_fus of a domain's items, ids [...] -> [..., D] (eq. 2)."""
        return self.fuse(domain, self.item(ids), self.text_vectors(domain, ids))

    def text_vectors(self, domain: int, ids: Tensor) -> Tensor:
        """E_text of a domain's items, ids [...] -> [..., D]."""
        return self.own(domain).text_projection(self.text_VE[ids])

    def fuse(self, domain: int, id_D: Tensor, text_D: Tensor) -> Tensor:
        """The fusion that items and states share, [..., D] each -> [..., D]."""
        return self.own(domain).fusion(torch.cat([id_D, text_D], dim=-1))

    def id_states(self, domain: int, items_BL: Tensor) -> Tensor:
        """States [B, L, D] of a domain's id encoder; the items may be of any domain."""
        return self.own(domain).id_encoder(self.item(items_BL), items_BL != PADDING)

    def text_states(self, domain: int, items_BL: Tensor) -> Tensor:
        """States [B, L, D] of a domain's text encoder over the texts of its items."""
        x_BLD = self.text_vectors(domain, items_BL)
        return self.own(domain).text_encoder(x_BLD, items_BL != PADDING)

    def encode_texts(self, domain: int, text_BLE: Tensor, valid_BL: Tensor) -> Tensor:
        """The text encoder's last state [B, D] over raw text vectors, as if they were a history.

        For titles that a language model made up (eq. 5): compare the result by cosine with
        `text_vectors(domain, ids)`. Padding on the left, `valid_BL` False there.
        """
        own = self.own(domain)
        x_BLD = own.text_projection(self.standardised(text_BLE))
        return last_state(own.text_encoder(x_BLD, valid_BL))

    def loss(self, batch: SequenceBatch) -> Losses:
        """Each domain's next item among that domain's items, fused and by text alone (eq. 3).

        A sequence holds items of one domain; a batch may mix sequences of several domains.
        Raises ValueError on a sequence of mixed domains.
        """
        items_BL = trim(batch.items_BL, self.config.encoder.max_length + 1)
        parts = [
            self._domain_losses(domain, items_BL[rows])
            for domain, rows in enumerate(_rows_by_domain(items_BL, self.config.space))
            if len(rows) > 0
        ]
        fused_N, text_N = (torch.cat(part) for part in zip(*parts, strict=True))
        count = max(len(fused_N), 1)
        losses = {"next_item": fused_N.sum() / count}
        if self.config.text_aux:
            losses["text_next_item"] = self.config.text_aux * text_N.sum() / count
        return losses

    def _domain_losses(self, domain: int, items_BL: Tensor) -> tuple[Tensor, Tensor]:
        """Cross-entropies of the fused and of the text states, [N] each."""
        history_BL, label_BL = items_BL[:, :-1], items_BL[:, 1:]
        asked_BL = history_BL != PADDING
        if self.config.pretrain_positions == "last":
            asked_BL = torch.cat([torch.zeros_like(asked_BL[:, :-1]), asked_BL[:, -1:]], dim=1)
        label_N, ids = label_BL[asked_BL], self.config.space.ids(domain)
        id_ND = self.id_states(domain, history_BL)[asked_BL]
        text_ND = self.text_states(domain, history_BL)[asked_BL]
        num_negatives, fused_ND = self.config.pretrain_negatives, self.fuse(domain, id_ND, text_ND)
        fused_N = item_softmax(
            fused_ND, label_N, partial(self.item_vectors, domain), ids, num_negatives
        )
        if not self.config.text_aux:
            return fused_N, fused_N.detach()
        by_text = partial(self.text_vectors, domain)
        return fused_N, item_softmax(text_ND, label_N, by_text, ids, num_negatives)

    def own(self, domain: int) -> DomainEncoder:
        """One domain's parameters."""
        own = self.domains[domain]
        assert isinstance(own, DomainEncoder)
        return own


def _rows_by_domain(items_BL: Tensor, space: ItemSpace) -> list[Tensor]:
    """Row numbers of each domain's sequences."""
    pad_BL = items_BL == PADDING
    whole = [
        (space.contains(domain, items_BL) | pad_BL).all(1) for domain in range(len(space.sizes))
    ]
    mixed_B = ~torch.stack(whole).any(dim=0)
    if mixed_B.any():
        raise ValueError(
            f"{int(mixed_B.sum())} of {len(items_BL)} sequences hold items of several domains; "
            "stage 1 takes single-domain sequences, so split them by domain first"
        )
    return [own_B.nonzero().squeeze(1) for own_B in whole]


def init_weights(encoders: DomainEncoders) -> None:
    """Every initial value but those of the sequence encoders, which set their own.

    | parameter         | value                                                    |
    |-------------------|----------------------------------------------------------|
    | item ids          | normal, std 0.02; padding zero                           |
    | text projection   | normal, std 0.02 / sqrt(E): texts start as large as ids  |
    | fusion            | Xavier normal                                            |
    | biases            | zero                                                     |
    """
    nn.init.normal_(encoders.item.weight, std=0.02)
    with torch.no_grad():
        encoders.item.weight[PADDING] = 0
    for own in encoders.domains:
        assert isinstance(own, DomainEncoder)
        text_width = own.text_projection.in_features
        nn.init.normal_(own.text_projection.weight, std=0.02 / text_width**0.5)
        nn.init.xavier_normal_(own.fusion.weight)
        nn.init.zeros_(own.text_projection.bias)
        nn.init.zeros_(own.fusion.bias)
