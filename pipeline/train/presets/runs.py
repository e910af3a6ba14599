"""What a complete run consists of: which model, how it is trained, on which batches."""

from dataclasses import dataclass
from typing import Any

from models.baselines.llmcdsr import LLMCDSRConfig
from models.lgcd import LGCDConfig
from models.lgcd_encoders import DomainEncodersConfig
from models.lgcd_plus import LGCDPlusConfig
from pipeline.train.loop import LoopConfig
from pipeline.train.transfer_batches import TransferConfig


@dataclass(frozen=True, kw_only=True)
class CountingRun:
    """A system that reads all training sequences once."""

    model: Any  # a config of pipeline/train/build.py


@dataclass(frozen=True, kw_only=True)
class SequentialRun:
    """A system that learns from whole sequences, all training users mixed."""

    model: Any  # a config of pipeline/train/build.py
    loop: LoopConfig
    batch_size: int = 128
    max_length: int = 50


@dataclass(frozen=True, kw_only=True)
class AugmentedRun:
    """LLMCDSR: whole sequences, and users with generated titles beside them in every step."""

    model: LLMCDSRConfig
    loop: LoopConfig
    batch_size: int = 128
    titled_size: int = 32
    overlap_size: int = 128  # of a meta step
    meta_interval: int = 4  # steps from one meta step to the next
    max_length: int = 50


@dataclass(frozen=True, kw_only=True)
class EncodersRun:
    """LGCD's stage 1; validated on single-domain sequences that it does not train on."""

    model: DomainEncodersConfig
    loop: LoopConfig
    batch_size: int = 128
    max_length: int = 50
    held_out: float = 0.05  # share of single-domain sequences


@dataclass(frozen=True, kw_only=True)
class TransferRun:
    """LGCD's stage 2, which starts from stage 1."""

    model: LGCDConfig
    loop: LoopConfig
    cases: TransferConfig


@dataclass(frozen=True, kw_only=True)
class PlusRun:
    """lgcd_plus: whole sequences, and sequences of overlapping users for their cold-start views."""

    model: LGCDPlusConfig
    loop: LoopConfig
    batch_size: int = 128
    overlap_size: int = 40
    num_pseudo_items: int = 32  # of each single-domain user, to draw from
    max_length: int = 50


Run = AugmentedRun | CountingRun | PlusRun | SequentialRun | TransferRun
