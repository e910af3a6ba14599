"""A rating run and where its weights lie."""

from dataclasses import dataclass

from pipeline.train.ratings.runs import RatingRun


@dataclass(frozen=True, kw_only=True)
class StoredRatingRun:
    """A run, what it is trained from, and where its weights lie."""

    run: RatingRun
    inputs: tuple[str, ...]  # artifacts, as in RATING_SYSTEMS
    folder: str  # "weights/<scenario>/<system>"
    seeds: tuple[int, ...]
    cold_ratios: tuple[float, ...]


def cold_folder(folder: str, cold_ratio: float) -> str:
    """Where a run's weights of one cold ratio lie: "<folder>/cold-20"."""
    return f"{folder}/cold-{100 * cold_ratio:g}"
