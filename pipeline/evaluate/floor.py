"""Whether a leaderboard's systems are above its floor, popularity."""

import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog import Scenario
from pipeline.catalog.systems import OURS
from pipeline.finding import Finding
from pipeline.outcome import Fact
from pipeline.store import Store

FLOOR = "popularity"
METRIC = "NDCG@10"


def ours_above_popularity(scenario: Scenario, store: Store) -> Finding:
    """In every target domain, the best of ours against popularity; without any of ours, the best
    of all others."""
    columns = ["system", "target_domain", "pool", "metric", "mean"]
    table = store.read_table(f"leaderboard/{scenario.name}", columns)
    headline = table.filter(
        pc.and_(pc.equal(table["pool"], "target"), pc.equal(table["metric"], METRIC))
    )
    figures: dict[str, Fact] = {}
    words, passed = [], True
    for domain in scenario.domains:
        means = _means(headline, domain)
        floor = means.pop(FLOOR)
        ours = {name: mean for name, mean in means.items() if name in OURS} or means
        best = max(ours, key=lambda name: ours[name], default=FLOOR)
        value = ours.get(best, floor)
        passed &= value >= floor
        below = sum(mean < floor for mean in means.values())
        words.append(f"{domain}: {best} {value:.4f}, {FLOOR} {floor:.4f}, {below} systems below it")
        figures |= {
            f"{domain}: {FLOOR}": round(floor, 4),
            f"{domain}: best of ours": round(value, 4),
            f"{domain}: margin": round(value - floor, 4),
            f"{domain}: systems below {FLOOR}": below,
        }
    return Finding(passed=passed, says=f"{METRIC} of " + "; ".join(words), figures=figures)


def _means(headline: pa.Table, domain: str) -> dict[str, float]:
    own = headline.filter(pc.equal(headline["target_domain"], domain)).to_pylist()
    return {row["system"]: row["mean"] for row in own}
