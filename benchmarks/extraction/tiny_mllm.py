"""A MiniCPM-V 4.6 of a few megabytes with random weights, where no real one can be had.

    python -m benchmarks.extraction.tiny_mllm data/models/mllm

The class, the image processor and the engine's whole path are the real ones; what its features
say of an image is a random projection of it.
"""

import argparse
from pathlib import Path

from tests.tiny_models import smollm2_tokenizer, tiny_minicpmv


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    if folder.exists():
        parser.error(f"{folder} exists: name another folder, or remove it")
    folder.mkdir(parents=True)
    # Full attention: on the CPU vLLM then pools in float32.
    tiny_minicpmv(folder, smollm2_tokenizer(), linear_attention=False)
    print(f"{folder} holds a random MiniCPM-V 4.6")


if __name__ == "__main__":
    main()
