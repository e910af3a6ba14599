"""Whether rating systems have lower errors than a leaderboard's floor, the means."""

import pyarrow.compute as pc

from pipeline.catalog import Scenario
from pipeline.catalog.rating_systems import RATING_OURS
from pipeline.finding import Finding
from pipeline.outcome import Fact
from pipeline.store import Store

MEANS = ("global_mean", "user_mean", "item_mean")
METRIC = "RMSE"


def ours_below_means(scenario: Scenario, store: Store) -> Finding:
    """At every cold ratio, the best of ours against the best mean; without any of ours, the best
    of all others. Errors: lower is better."""
    columns = ["cold_ratio", "system", "metric", "mean"]
    table = store.read_table(f"rating_leaderboard/{scenario.name}", columns)
    rows = table.filter(pc.equal(table["metric"], METRIC)).to_pylist()
    figures: dict[str, Fact] = {}
    words, passed = [], True
    for ratio in dict.fromkeys(row["cold_ratio"] for row in rows):
        errors = {row["system"]: row["mean"] for row in rows if row["cold_ratio"] == ratio}
        floor = min(error for name, error in errors.items() if name in MEANS)
        others = {name: error for name, error in errors.items() if name not in MEANS}
        ours = {name: error for name, error in others.items() if name in RATING_OURS} or others
        best = min(ours, key=lambda name: ours[name], default="no other system")
        value = ours.get(best, floor)
        passed &= value <= floor
        words.append(f"{ratio:g}: {best} {value:.4f}, best mean {floor:.4f}")
        figures |= {
            f"cold ratio {ratio:g}: best mean": round(floor, 4),
            f"cold ratio {ratio:g}: best of ours": round(value, 4),
            f"cold ratio {ratio:g}: margin": round(floor - value, 4),
        }
    return Finding(
        passed=passed, says=f"{METRIC} at cold ratio " + "; ".join(words), figures=figures
    )
