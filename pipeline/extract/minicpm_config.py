"""How MiniCPM's text models (MiniCPM 1 to 4) are configured, which transformers does not know.

vLLM has the model and can do without the code in the models' repositories, which is not trusted
here, once something reads their config.json: Llama's configuration and three factors.
"""

from transformers import LlamaConfig


class MiniCPMConfig(LlamaConfig):
    model_type = "minicpm"

    scale_emb: int | float = 1  # of the embeddings
    scale_depth: int | float = 1  # of what a layer adds, over the root of the number of layers
    dim_model_base: int = 1  # the last states are divided by hidden_size over this for logits
