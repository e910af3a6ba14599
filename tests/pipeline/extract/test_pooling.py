"""How an engine is told to pool."""

from importlib.metadata import entry_points

import pytest

from pipeline.extract.pooling import POOLED_CLASSES, pooling_arguments, register


def test_a_class_that_cannot_be_pooled_is_refused_with_those_that_can() -> None:
    with pytest.raises(ValueError, match=r"GPT2LMHeadModel.*LlamaForCausalLM.*Qwen3VLFor"):
        pooling_arguments(["GPT2LMHeadModel"], "mean", skip_first_token=True)
    with pytest.raises(ValueError, match="none; they work for"):
        pooling_arguments([], "mean", skip_first_token=True)


def test_every_process_of_vllm_learns_our_classes_and_may_do_so_twice() -> None:
    (plugin,) = entry_points(group="vllm.general_plugins", name="coldbridge")
    assert plugin.load() is register
    registry = pytest.importorskip("vllm").ModelRegistry
    register()
    register()
    assert {f"Pooled{name}" for name in POOLED_CLASSES} <= registry.get_supported_archs()
