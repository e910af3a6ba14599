"""What a complete run consists of: which model, how it is trained, on which batches."""

from dataclasses import dataclass
from typing import Any

from models.lgcd import LGCDConfig
from models.lgcd_encoders import DomainEncodersConfig
from pipeline.train.batches import TransferConfig
from pipeline.train.loop import LoopConfig


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


Run = CountingRun | SequentialRun | TransferRun
