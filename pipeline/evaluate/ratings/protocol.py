"""How rating figures came about, and what differs from the paper's setting, in sentences."""

from typing import Any

from pipeline.catalog import Scenario
from pipeline.catalog.rating_systems import FEATURE_SYSTEMS
from pipeline.catalog.system_names import shown


def protocol(
    scenario: Scenario, rows: list[dict[str, Any]], rating_range: tuple[float, float]
) -> tuple[str, ...]:
    """`rows` are the leaderboard's; `rating_range` is of the ratings given in the test."""
    auxiliary, target = scenario.domains
    seeds = {row["system"]: row["num_seeds"] for row in rows}
    trained = ", ".join(f"{shown(system)} {count}" for system, count in seeds.items())
    low, high = rating_range
    return (
        f"A cold user is known in {auxiliary} alone. All ratings and reviews that cold users gave"
        f" in {target} are hidden from training and from every feature; their side of {auxiliary}"
        " stays whole.",
        f"Users of both domains are permuted once by the split's seed {scenario.split.seed}. At"
        " each cold ratio that share of them tests; of the others a share of"
        f" {scenario.split.valid:g} validates, and the rest trains. A smaller ratio's test users"
        " test at every larger one too, so figures of two ratios are not independent.",
        *_dual_cold_start(scenario),
        "RMSE and MAE are over all ratings of the test users, not means of users' own errors, and"
        " averaged over training seeds. Lower is better.",
        "Predictions are clamped to the rating range of the target domain; ratings given in the"
        f" test lie from {low:g} to {high:g}.",
        "Validation users choose epochs where a stage is selected by cold users, the strengths of"
        " systems that count, and the baseline to beat, which is the one with the lowest RMSE on"
        " their ratings. The test chooses nothing. Where validation users are few, that choice"
        " is a weak one.",
        "Intervals: 95 % bootstrap over users, because the ratings of one user hang together; in"
        " each resample the errors of the users drawn are divided by the number of their ratings."
        f" \u00b1: sample standard deviation over training seeds. Training seeds: {trained}; a"
        " system with one seed is deterministic or was trained once.",
        "p: two-sided paired bootstrap over users against the baseline to beat of the same cold"
        " ratio, in the same resamples, not corrected for the number of systems; it knows nothing"
        " of the spread over training seeds.",
        "Constant predictors are the floor: who does not stay below item means has learned"
        " nothing of users that helps.",
    )


def _dual_cold_start(scenario: Scenario) -> tuple[str, ...]:
    if not scenario.split.cold_items:
        return ()
    return (
        f"Dual cold start: of the items of {scenario.domains[1]} with training ratings a share of"
        f" {scenario.split.cold_items:g}, drawn by the split's seed, loses them all; only ratings"
        " of items without any training rating validate and test.",
    )


def differs(scenario: Scenario) -> tuple[str, ...]:
    """What to know before setting a figure beside MuSiC's paper; nothing where MuSiC is not run."""
    if "music" not in scenario.systems:
        return ()
    auxiliary, target = scenario.domains
    reading = ", ".join(shown(name) for name in scenario.systems if name in FEATURE_SYSTEMS)
    return (
        f"Data: the paper takes pairs of Amazon's movies, music and books, with tens of thousands"
        f" of users of both domains; here {target} is predicted from {auxiliary}, and how few"
        " users there are of both stands in the table of sizes.",
        "Models: the paper's frozen models are MiniCPM-V for items and Llama3-8B for users. Here"
        f" they are those that the catalog names for the two domains; {reading} read the same"
        " features.",
        "Validation: a share of the users of both domains validates. The paper's own selection is"
        " not told.",
        "What the paper leaves open was settled here: the rating head (mean, scaled product, item"
        " bias), a first stage of rating regression that is then frozen, the network's sizes,"
        " prediction of the clean vector instead of the noise, a linear noise schedule rescaled to"
        " the number of steps (the usual one leaves ten steps nearly clean), the mean of several"
        " generated vectors, and what stands in for users without texts.",
        "Every baseline is our own run of our own reading of its paper.",
    )
