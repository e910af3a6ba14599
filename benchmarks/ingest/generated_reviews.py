"""Generated dumps in the layout of Amazon 2018: sizes and faults like a real one's, words random.

Lines are some 600 bytes, most of it text of 5 to 400 words with a long tail; one review in ten
has an entity, a tag or a line break in it, a few repeat another's user and item.
"""

import gzip
import json
from pathlib import Path

import numpy as np

_ROWS_AT_A_TIME = 50_000


def write_reviews(path: Path, rows: int, seed: int = 0) -> None:
    """A gzip file of `rows` JSON lines, the same for the same rows and seed."""
    generator = np.random.default_rng(seed)
    words = _words(generator)
    with gzip.open(path, "wb", compresslevel=6) as file:
        for start in range(0, rows, _ROWS_AT_A_TIME):
            count = min(_ROWS_AT_A_TIME, rows - start)
            file.write("".join(_lines(generator, words, count, rows)).encode())


def _words(generator: np.random.Generator) -> list[str]:
    letters = np.array(list("etaoinshrdlucmfwypvbgk"))
    lengths = generator.integers(2, 10, size=8_000)
    return ["".join(generator.choice(letters, size=length)) for length in lengths]


def _lines(generator: np.random.Generator, words: list[str], count: int, rows: int) -> list[str]:
    users = (generator.random(count) ** 2 * rows / 3).astype(int)
    items = (generator.random(count) ** 3 * rows / 12).astype(int)
    lengths = np.clip(generator.lognormal(3.4, 0.9, size=count), 5, 400).astype(int)
    picks = (generator.random(lengths.sum()) ** 2 * len(words)).astype(int)
    ends = np.cumsum(lengths)
    faults = generator.random(count)
    times = generator.integers(1_000_000_000, 1_540_000_000, size=count)
    stars = generator.integers(1, 6, size=count)
    return [
        json.dumps(
            {
                "overall": float(stars[i]),
                "verified": bool(stars[i] > 1),
                "reviewTime": "09 1, 2016",
                "reviewerID": f"A{users[i]:013d}",
                "asin": f"B{items[i]:09d}",
                "style": {"Size:": " 7.0 oz", "Flavor:": " Classic"},
                "reviewerName": "Some Body",
                "reviewText": _text(words, picks[ends[i] - lengths[i] : ends[i]], faults[i]),
                "summary": "Five Stars",
                "unixReviewTime": int(times[i]),
            }
        )
        + "\n"
        for i in range(count)
    ]


def _text(words: list[str], picks: np.ndarray, fault: float) -> str:
    text = " ".join(words[pick] for pick in picks)
    if fault < 0.04:
        return f"{text} &amp; more"
    if fault < 0.07:
        return f"{text}<br />and more"
    return f"{text}\nand more" if fault < 0.1 else text
