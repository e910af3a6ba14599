"""LGCD, stage 1: what each domain knows of its own items and of its own users.

"From Clues to Generation: Language-Guided Conditional Diffusion for Cross-Domain
Recommendation", 2026, section on item and sequence representation (eq. 2-3). For each domain:
an id encoder and a text encoder over the same history, and one linear fusion that serves items
and states alike, so that their dot product is a score.

Departs from the paper: every position predicts its successor, not the last one alone; a loss on
texts alone is added, because pseudo items are later retrieved by text alone, which the fused
loss does not train; text vectors are centred and scaled to unit variance first, and their
projection starts at their principal axes; by default the domains share their parameters.
All ids share one table, because stage 2 lets a domain's encoder read mixed histories; stage 1
only ever touches a domain's own rows.

Shapes: B batch, L history length, D width, E text width, V items + 1, N labels, C items of a
domain, M domains, I items of a batch and their candidates.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor, nn

from models.batch import PADDING, ItemSpace, SequenceBatch
from models.blocks.losses import draw_items, sampled_softmax
from models.blocks.texts import standardised
from models.blocks.transformer import EncoderConfig, SequenceEncoder, last_state, trim
from models.recommender import Losses

Encode = Callable[[int, Tensor], Tensor]
"""(domain, items_BL) -> states_BLD"""


@dataclass(frozen=True, kw_only=True)
class DomainEncodersConfig:
    space: ItemSpace
    text_width: int
    encoder: EncoderConfig = field(default_factory=EncoderConfig)
    # The paper's equation reads as "last"; "all" learns from every position of a sequence.
    pretrain_positions: Literal["all", "last"] = "all"
    pretrain_negatives: int | None = None  # None: the whole domain, as in the paper
    text_aux: float = 1.0  # weight of the text-only loss; 0 leaves it out, as in the paper
    # The paper gives each domain encoders, projection and fusion of its own (False). Shared
    # ones put like texts of both domains into one place: stage 2 then starts from what the
    # texts say of users whom too few shared users resemble, instead of from nothing.
    share_domains: bool = True


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
    text_mean_ME: Tensor
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
        num_encoders = 1 if config.share_domains else len(config.space.sizes)
        self.domains = nn.ModuleList(DomainEncoder(config) for _ in range(num_encoders))
        self._register_texts(text_VE.float())
        init_weights(self)

    def _register_texts(self, text_VE: Tensor) -> None:
        """Each domain's mean, one scale for all, and every item's vector after both."""
        ready = standardised(text_VE, self.config.space)
        self.register_buffer("text_mean_ME", ready.mean_SE, persistent=False)
        self.register_buffer("text_scale", ready.scale, persistent=False)
        self.register_buffer("text_VE", ready.text_VE, persistent=False)

    def standardised(self, domain: int, text_E: Tensor) -> Tensor:
        """Raw text vectors [..., E], centred on a domain's items and scaled to unit variance.

        Sentence encoders put all texts into a narrow cone and on the unit sphere; uncentred,
        items would look alike, and unscaled, ids would drown the texts. Each domain has its
        own centre: what all its titles share says nothing of a user.
        """
        return (text_E - self.text_mean_ME[domain]) / self.text_scale

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
        valid_BL = items_BL != PADDING
        # Most of a padded batch is padding, and projecting it would cost more than encoding.
        x_BLD = _spread(self.text_vectors(domain, items_BL[valid_BL]), valid_BL)
        return self.own(domain).text_encoder(x_BLD, valid_BL)

    def states_of(self, domain_B: Tensor, encode: Encode, items_BL: Tensor) -> Tensor:
        """States [B, L, D] of `id_states` or `text_states`, each row by its own domain's encoder.

        Shared encoders take all rows in one pass.
        """
        if self.config.share_domains:
            return encode(0, items_BL)
        rows = [(domain_B == domain).nonzero()[:, 0] for domain in range(len(self.domains))]
        parts = [encode(domain, items_BL[own]) for domain, own in enumerate(rows)]
        return torch.cat(parts).index_select(0, torch.cat(rows).argsort())

    def encode_texts(self, domain: int, text_BLE: Tensor, valid_BL: Tensor) -> Tensor:
        """The text encoder's last state [B, D] over raw text vectors, as if they were a history.

        For titles that a language model made up (eq. 5): compare the result by cosine with
        `text_vectors(domain, ids)`. Padding on the left, `valid_BL` False there.
        """
        own = self.own(domain)
        x_BLD = own.text_projection(self.standardised(domain, text_BLE))
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
        """Cross-entropies of the fused and of the text states, [N] each.

        Every item of the batch and every candidate is looked up and projected once: look-ups
        and projections are what a step costs.
        """
        valid_BL = items_BL != PADDING
        history_BL, asked_BL = valid_BL[:, :-1], valid_BL[:, :-1]
        if self.config.pretrain_positions == "last":
            asked_BL = torch.cat([torch.zeros_like(asked_BL[:, :-1]), asked_BL[:, -1:]], dim=1)
        place_BL = (valid_BL.flatten().cumsum(0) - 1).view(valid_BL.shape)
        label_N = place_BL[:, 1:][asked_BL]  # where the labels stand among the batch's items
        candidates = self._candidates(domain, items_BL.device)
        ids_I = torch.cat([items_BL[valid_BL], candidates])
        id_ID, text_ID = self.item(ids_I), self.text_vectors(domain, ids_I)
        num_items = len(ids_I) - len(candidates)
        own = self.own(domain)
        id_ND, text_ND = (
            encoder(_spread(x_ID[:num_items], valid_BL)[:, :-1], history_BL)[asked_BL]
            for encoder, x_ID in ((own.id_encoder, id_ID), (own.text_encoder, text_ID))
        )

        def errors(state_ND: Tensor, vector_ID: Tensor) -> Tensor:
            labels, others = (vector_ID[label_N], ids_I[label_N]), vector_ID[num_items:]
            return sampled_softmax(state_ND, *labels, others, candidates)

        fused_N = errors(self.fuse(domain, id_ND, text_ND), self.fuse(domain, id_ID, text_ID))
        return fused_N, errors(text_ND, text_ID) if self.config.text_aux else fused_N.detach()

    def _candidates(self, domain: int, device: torch.device) -> Tensor:
        """What labels compete with: sampled items of the domain, or all of them."""
        ids = self.config.space.ids(domain)
        if self.config.pretrain_negatives is None:
            return torch.arange(ids.start, ids.stop, device=device)
        return draw_items(ids, (self.config.pretrain_negatives,), device, None)

    def own(self, domain: int) -> DomainEncoder:
        """One domain's parameters."""
        own = self.domains[0 if self.config.share_domains else domain]
        assert isinstance(own, DomainEncoder)
        return own


def _spread(x_ND: Tensor, valid_BL: Tensor) -> Tensor:
    """Rows at the valid positions of a batch [B, L, D], zeros elsewhere."""
    x_BLD = x_ND.new_zeros(*valid_BL.shape, x_ND.shape[1])
    return x_BLD.index_put((valid_BL,), x_ND)


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

    | parameter         | value                                                        |
    |-------------------|--------------------------------------------------------------|
    | item ids          | normal, std 0.02; padding zero                               |
    | text projection   | the texts' principal axes, scaled to std 0.1: texts say more |
    |                   | than ids until ids have learned something                    |
    | fusion            | Xavier normal                                                |
    | biases            | zero                                                         |

    All domains start alike, whether or not they share their parameters later on.
    """
    nn.init.normal_(encoders.item.weight, std=0.02)
    with torch.no_grad():
        encoders.item.weight[PADDING] = 0
    first = encoders.own(0)
    nn.init.xavier_normal_(first.fusion.weight)
    nn.init.zeros_(first.fusion.bias)
    nn.init.zeros_(first.text_projection.bias)
    with torch.no_grad():
        first.text_projection.weight.copy_(
            _principal_axes(encoders.text_VE[1:], 0.1, encoders.config.encoder.width)
        )
    for other in encoders.domains:
        other.load_state_dict(first.state_dict())


def _principal_axes(text_VE: Tensor, std: float, width: int) -> Tensor:
    """The `width` directions along which texts differ most, [D, E]; zeros where E is smaller.

    Scaled so that projected texts have standard deviation `std` over all D values.
    """
    covariance_EE = text_VE.T @ text_VE / len(text_VE)
    variance_E, axis_EE = torch.linalg.eigh(covariance_EE)  # in ascending order
    axes = axis_EE.flip(1).T[:width]
    kept = variance_E.flip(0)[:width].clamp_min(0).sum() / width
    weight_DE = text_VE.new_zeros(width, text_VE.shape[1])
    weight_DE[: len(axes)] = axes * (std / kept.sqrt().clamp_min(1e-6))
    return weight_DE
