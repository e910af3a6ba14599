"""What a source history says of a user: LGCD's condition (its section on the conditional signal).

Shapes: B cases, L history length, D width, S condition tokens.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from models.batch import PADDING
from models.blocks.transformer import last_state, trim
from models.lgcd_config import LGCDConfig
from models.lgcd_encoders import DomainEncoders


class Condition(NamedTuple):
    """What the source history says of a user."""

    vector_BD: Tensor  # h_cond
    token_BSD: Tensor  # what the denoiser attends to
    valid_BS: Tensor | None  # None: every token counts

    def of(self, rows: Tensor) -> "Condition":
        """That of the numbered cases."""
        valid_BS = None if self.valid_BS is None else self.valid_BS[rows]
        return Condition(self.vector_BD[rows], self.token_BSD[rows], valid_BS)


class Conditioner(nn.Module):
    """One fusion of id and text state for each source domain.

    The encoders are the model's own and therefore given at every call.
    """

    def __init__(self, config: LGCDConfig):
        super().__init__()
        width = config.encoders.encoder.width
        self.config = config
        self.fusion = nn.ModuleList(nn.Linear(2 * width, width) for _ in range(2))
        self.blind = nn.Parameter(torch.zeros(2, width))  # in place of the condition

    def start_from(self, encoders: DomainEncoders) -> None:
        """Fusions start as copies of stage 1's, and blind conditions at zero."""
        nn.init.zeros_(self.blind)
        for domain, fusion in enumerate(self.fusion):
            fusion.load_state_dict(encoders.own(domain).fusion.state_dict())

    def forward(
        self, encoders: DomainEncoders, target_B: Tensor, id_BL: Tensor, source_BL: Tensor
    ) -> Condition:
        """The condition of cases that ask for an item of domain `target_B`.

        `id_BL` is what the id encoder reads, `source_BL` what the text encoder does.
        """
        if self.config.cond == "none":
            vector_BD = self.blind[target_B]
            return Condition(vector_BD, vector_BD.unsqueeze(1), None)
        max_length, source_B = self.config.encoders.encoder.max_length, 1 - target_B
        id_BL, source_BL = (trim(x, max_length) for x in (id_BL, source_BL))
        id_BLD = encoders.states_of(source_B, encoders.id_states, id_BL)
        text_BLD = encoders.states_of(source_B, encoders.text_states, source_BL)
        # An ablated modality is silent in the fusion and absent among the tokens.
        id_BLD = id_BLD * (self.config.cond != "text")
        text_BLD = text_BLD * (self.config.cond != "id")
        both_BE = torch.cat([last_state(id_BLD), last_state(text_BLD)], dim=1)
        vector_BD = by_domain(self.fusion, source_B, both_BE)
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


def by_domain(layers: nn.ModuleList, domain_B: Tensor, x_BE: Tensor) -> Tensor:
    """Each row's own domain's layer, [B, E] -> [B, D]; for layers that cost next to nothing."""
    answer_MBD = torch.stack([layer(x_BE) for layer in layers])
    return answer_MBD[domain_B, torch.arange(len(domain_B), device=domain_B.device)]
