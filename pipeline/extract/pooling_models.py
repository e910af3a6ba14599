"""vLLM's decoders, with what `pooling.py` promises of their hidden states.

A decoder hands out the first layer's states beside the last's through an interface that vLLM has
for speculative decoding ("auxiliary hidden states"). Layers keep the residual stream apart from
what they add to it; the interface sums the two. It does so after the layer's all-reduce, so that
with tensor parallelism every rank holds the whole sum. With pipeline parallelism the first layer
is on another rank than the pooler, and not every class passes its states on: refused.

Which states, and of which tokens, is read from the model's config, where `pooling_arguments` put
it. It is fixed before the decoder is compiled; what these classes add stays outside of the
compiled part and of CUDA graphs, which vLLM cuts to the decoder's pieces where it pools. Tried on
the CPU alone: eager, compiled, and on two ranks.
"""

from typing import Any

import torch
from torch import Tensor, nn
from vllm.config import VllmConfig
from vllm.model_executor.layers.pooler import DispatchPooler
from vllm.model_executor.layers.pooler.seqwise import EmbeddingPoolerHead, SequencePooler
from vllm.model_executor.layers.pooler.seqwise.methods import (
    LastPool,
    MeanPool,
    SequencePoolingMethod,
)
from vllm.model_executor.models.interfaces import SupportsEagle3
from vllm.model_executor.models.llama import LlamaForCausalLM
from vllm.model_executor.models.minicpm import MiniCPMForCausalLM
from vllm.model_executor.models.minicpm3 import MiniCPM3ForCausalLM
from vllm.model_executor.models.minicpmv4_6 import MiniCPMV4_6ForConditionalGeneration
from vllm.model_executor.models.mistral import MistralForCausalLM
from vllm.model_executor.models.qwen2 import Qwen2ForCausalLM
from vllm.model_executor.models.qwen2_5_vl import Qwen2_5_VLForConditionalGeneration
from vllm.model_executor.models.qwen2_vl import Qwen2VLForConditionalGeneration
from vllm.model_executor.models.qwen3 import Qwen3ForCausalLM
from vllm.model_executor.models.qwen3_vl import Qwen3VLForConditionalGeneration
from vllm.v1.pool.metadata import PoolingMetadata


class MeanWithoutFirst(MeanPool):
    """The mean over all tokens of a prompt but the first; over that one where it is alone."""

    def forward(self, hidden_states: Tensor, pooling_metadata: PoolingMetadata) -> Tensor:
        """hidden_states: (tokens of all prompts, width). Returns (prompts, width), float32."""
        cursor = pooling_metadata.get_pooling_cursor()
        lengths = cursor.prompt_lens_cpu
        first = cursor.first_token_indices_gpu[(lengths > 1).to(hidden_states.device)]
        # Zeroed, not subtracted from the sum: next to its state the others' digits are lost.
        others = hidden_states.index_fill(0, first.long(), 0.0)
        scale = lengths / (lengths - 1).clamp(min=1)
        means = super().forward(others, pooling_metadata)
        assert isinstance(means, Tensor)
        return means * scale.to(means.device, means.dtype).unsqueeze(1)


class FirstAndLastToken(LastPool):
    """The mean of a prompt's first and last token; the second is the first where that is left out
    and the prompt has more than one."""

    def __init__(self, pool_first_token: bool) -> None:
        super().__init__()
        self.pool_first_token = pool_first_token

    def forward(self, hidden_states: Tensor, pooling_metadata: PoolingMetadata) -> Tensor:
        """hidden_states: (tokens of all prompts, width). Returns (prompts, width)."""
        cursor = pooling_metadata.get_pooling_cursor()
        first = cursor.first_token_indices_gpu.long()
        if not self.pool_first_token:
            first = first + (cursor.prompt_lens_cpu > 1).to(first.device)
        last = super().forward(hidden_states, pooling_metadata)
        assert isinstance(last, Tensor)
        return hidden_states[first] / 2 + last / 2  # halved first: in float16 the sum may overflow


class PooledStates(nn.Module, SupportsEagle3):
    """Goes before one of vLLM's classes among the bases of a class.

    All of them have decoders with that interface, though Qwen2-VL does not say so.
    """

    def __init__(self, *, vllm_config: VllmConfig, prefix: str = "") -> None:
        if vllm_config.parallel_config.pipeline_parallel_size > 1:
            raise ValueError(
                "pooled features cannot be had with pipeline parallelism: set "
                "pipeline_parallel_size = 1 and use tensor parallelism"
            )
        super().__init__(vllm_config=vllm_config, prefix=prefix)
        model_config = vllm_config.model_config
        self.pool_first_layer: bool = model_config.hf_config.pool_first_layer
        if self.pool_first_layer:
            self.set_aux_hidden_state_layers((1,))
        assert model_config.pooler_config is not None
        last_token = model_config.pooler_config.seq_pooling_type == "LAST"
        self.pooler = _pooler(_pooling(model_config.hf_config, last_token))

    def forward(
        self,
        input_ids: Tensor | None,
        positions: Tensor,
        intermediate_tensors: Any = None,
        inputs_embeds: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        """The states to pool: (tokens, width)."""
        states = super().forward(
            input_ids, positions, intermediate_tensors, inputs_embeds, **kwargs
        )
        if not self.pool_first_layer:
            return states
        last, (first,) = states
        return first / 2 + last / 2  # halved first: in float16 the sum may overflow


def _pooling(config: Any, last_token: bool) -> SequencePoolingMethod:
    if config.pool_two_tokens:
        return FirstAndLastToken(config.pool_first_token)
    if last_token:
        return LastPool()
    return MeanPool() if config.pool_first_token else MeanWithoutFirst()


def _pooler(pooling: SequencePoolingMethod) -> DispatchPooler:
    # Without an activation: vLLM would scale to unit length.
    head = EmbeddingPoolerHead(head_dtype=torch.float32)
    return DispatchPooler({"embed": SequencePooler(pooling=pooling, head=head)})


class PooledLlamaForCausalLM(PooledStates, LlamaForCausalLM):
    pass


class PooledMistralForCausalLM(PooledStates, MistralForCausalLM):
    pass


class PooledQwen2ForCausalLM(PooledStates, Qwen2ForCausalLM):
    pass


class PooledQwen3ForCausalLM(PooledStates, Qwen3ForCausalLM):
    pass


class PooledMiniCPMForCausalLM(PooledStates, MiniCPMForCausalLM):
    def __init__(self, *, vllm_config: VllmConfig, prefix: str = "") -> None:
        super().__init__(vllm_config=vllm_config, prefix=prefix)
        # vLLM divides the last states by it, for an output layer that is not here.
        self.scale_width = 1.0


class PooledMiniCPM3ForCausalLM(PooledMiniCPMForCausalLM, MiniCPM3ForCausalLM):
    pass


class PooledMiniCPMV4_6ForConditionalGeneration(PooledStates, MiniCPMV4_6ForConditionalGeneration):
    pass


class PooledQwen2VLForConditionalGeneration(PooledStates, Qwen2VLForConditionalGeneration):
    pass


class PooledQwen2_5_VLForConditionalGeneration(PooledStates, Qwen2_5_VLForConditionalGeneration):
    pass


class PooledQwen3VLForConditionalGeneration(PooledStates, Qwen3VLForConditionalGeneration):
    """Between its first layers it adds features of the images ("deepstack"). Those added after
    the first are in vLLM's state of it, and not in transformers': H[1] is what the layer gave."""

    def forward(
        self,
        input_ids: Tensor | None,
        positions: Tensor,
        intermediate_tensors: Any = None,
        inputs_embeds: Tensor | None = None,
        **kwargs: Any,
    ) -> Tensor:
        added = self._added_to_first(inputs_embeds)
        states = super().forward(
            input_ids, positions, intermediate_tensors, inputs_embeds, **kwargs
        )
        return states if added is None else states - added / 2

    def _added_to_first(self, inputs_embeds: Tensor | None) -> Tensor | None:
        if not self.pool_first_layer or inputs_embeds is None:
            return None
        added = self._get_deepstack_input_embeds(inputs_embeds.size(0))
        # A copy: the forward pass clears the buffer.
        return None if added is None else added["deepstack_input_embeds_0"].clone()
