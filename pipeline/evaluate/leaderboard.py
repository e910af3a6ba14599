"""The leaderboard: every system's figures, how sure they are, and which baseline to beat.

The baseline to beat is chosen for each target domain by NDCG@10 on the validation users, in
the pool "target". The test users choose nothing.

Letters: S training seeds, N users, K columns (systems and metrics).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from pipeline.catalog import Scenario
from pipeline.catalog.systems import OURS
from pipeline.columns import LEADERBOARD
from pipeline.evaluate.background import Background
from pipeline.evaluate.comparable import Ranking, read_rankings
from pipeline.evaluate.leaderboard_report import Report, headline_tables, markdown_report
from pipeline.evaluate.plots import hit_rate_bars
from pipeline.evaluate.published import PublishedTable, published_table
from pipeline.evaluate.ranking import METRICS, RANKED_POOLS
from pipeline.evaluate.significance import (
    Bootstrap,
    intervals,
    paired_p_values,
    standard_errors,
)
from pipeline.outcome import Fact, Outcome
from pipeline.store import Store

_CHOICE = ("NDCG@10", "target")  # what the best baseline is chosen by, on validation users


def write_leaderboard(
    store: Store,
    scenario: Scenario,
    systems: Sequence[str],
    *,
    background: Background | None = None,
    bootstrap: Bootstrap | None = None,
) -> Outcome:
    """Compare systems from their saved ranks; write the table, and what there is to say of it.

    Writes `leaderboard/<scenario>` as Parquet and Markdown. `background` goes into the Markdown
    alone: the table depends on the ranks and nothing else.
    """
    ranks = pa.concat_tables(
        store.read_table(f"scores/{scenario.name}/{system}") for system in systems
    )
    test, valid = (ranks.filter(pc.equal(ranks["part"], part)) for part in ("test", "valid"))
    published = published_table(scenario.published)
    table = build_leaderboard(test, valid, published=published, bootstrap=bootstrap or Bootstrap())
    report = Report(
        scenario=scenario.name,
        leaderboard=table,
        ranks=test,
        published=published,
        background=background or Background(),
    )
    key = f"leaderboard/{scenario.name}"
    store.write_text(key, ".md", markdown_report(report))
    return Outcome(
        artifact=store.write_table(key, LEADERBOARD, table),
        facts=_facts(table),
        preview=_headline(table),
        tables=headline_tables(report),
        plots={"HR@10": hit_rate_bars(table)},
    )


def build_leaderboard(
    ranks_test: pa.Table,
    ranks_valid: pa.Table,
    *,
    baselines: Sequence[str] | None = None,
    published: PublishedTable | None = None,
    bootstrap: Bootstrap | None = None,
) -> pa.Table:
    """Systems x target domains x pools x metrics, schema LEADERBOARD; inputs of schema RANKS.

    p-values are against the best baseline of the target domain: of `baselines`, or of all
    systems that are not ours or an ablation of ours (OURS). The published value stands in
    the pool "target" alone.

    Raises ValueError where systems were ranked on different users or candidates, where a rank
    is missing, doubled or impossible, and where a table holds another part than its own.
    """
    bootstrap = bootstrap or Bootstrap()
    _check_parts(ranks_test, ranks_valid)
    systems = pc.unique(ranks_test["system"]).to_pylist()
    if baselines is None:
        baselines = [system for system in systems if system not in OURS]
    rows: list[dict[str, Any]] = []
    for domain in pc.unique(ranks_test["target_domain"]).to_pylist():
        best = best_baseline(ranks_valid, domain, baselines)
        for pool in RANKED_POOLS:
            rankings = read_rankings(ranks_test, domain, pool)
            place = {"target_domain": domain, "pool": pool}
            rows += [place | row for row in _rows(rankings, best, bootstrap)]
    for row in rows:
        row["published"] = _quote(published, row)
    rows.sort(key=lambda row: systems.index(row["system"]))
    return pa.Table.from_pylist(rows, schema=LEADERBOARD)


def best_baseline(ranks_valid: pa.Table, domain: str, baselines: Sequence[str]) -> str | None:
    """The baseline with the highest validation NDCG@10 in the pool "target"; None without any."""
    metric, pool = _CHOICE
    wanted = pc.is_in(ranks_valid["system"], value_set=pa.array(baselines, pa.string()))
    if not pc.any(wanted).as_py():
        return None
    rankings = read_rankings(ranks_valid.filter(wanted), domain, pool)
    return max(rankings, key=lambda ranking: ranking.metric_SN(metric).mean()).system


def _quote(published: PublishedTable | None, row: dict[str, Any]) -> float | None:
    """What is published for a row's system; the headline pool alone has any."""
    if published is None or row["pool"] != "target":
        return None
    return published.value(row["system"], row["target_domain"], row["metric"])


def _rows(rankings: list[Ranking], best: str | None, bootstrap: Bootstrap) -> list[dict[str, Any]]:
    """The rows of one domain and pool, all systems and metrics."""
    cells = [(ranking, metric) for ranking in rankings for metric in METRICS]
    metrics_SN = [ranking.metric_SN(metric) for ranking, metric in cells]
    value_NK = np.stack([metric_SN.mean(axis=0) for metric_SN in metrics_SN], axis=1)
    low_K, high_K = intervals(value_NK, bootstrap)
    error_K = standard_errors(value_NK, bootstrap)
    contrast = _contrast(value_NK, [ranking.system for ranking in rankings], best, bootstrap)
    rows = []
    for k, (ranking, metric) in enumerate(cells):
        seed_mean_S = metrics_SN[k].mean(axis=1)
        rows.append(
            {
                "system": ranking.system,
                "metric": metric,
                "mean": float(value_NK[:, k].mean()),
                "seed_std": float(seed_mean_S.std(ddof=1)) if len(seed_mean_S) > 1 else None,
                "low": float(low_K[k]),
                "high": float(high_K[k]),
                "std_error": float(error_K[k]),
                "num_users": len(ranking.user_N),
                "num_seeds": len(seed_mean_S),
                **_versus(contrast, k, None if ranking.system == best else best),
            }
        )
    return rows


@dataclass(frozen=True, kw_only=True)
class _Contrast:
    """Each column less the same metric of the best baseline, over pairs of users."""

    delta_K: np.ndarray
    low_K: np.ndarray
    high_K: np.ndarray
    p_K: np.ndarray


def _contrast(
    value_NK: np.ndarray, systems: list[str], best: str | None, bootstrap: Bootstrap
) -> _Contrast | None:
    if best is None:
        return None
    start = systems.index(best) * len(METRICS)
    reference_NK = np.tile(value_NK[:, start : start + len(METRICS)], len(systems))
    difference_NK = value_NK - reference_NK
    low_K, high_K = intervals(difference_NK, bootstrap)
    return _Contrast(
        delta_K=difference_NK.mean(axis=0),
        low_K=low_K,
        high_K=high_K,
        p_K=paired_p_values(difference_NK, bootstrap),
    )


def _versus(contrast: _Contrast | None, k: int, rival: str | None) -> dict[str, Any]:
    """Columns of a row that tell how it stands to its rival; nulls for one without."""
    if contrast is None or rival is None:
        return dict.fromkeys(("versus", "delta", "delta_low", "delta_high", "p_value"))
    return {
        "versus": rival,
        "delta": float(contrast.delta_K[k]),
        "delta_low": float(contrast.low_K[k]),
        "delta_high": float(contrast.high_K[k]),
        "p_value": float(contrast.p_K[k]),
    }


def _check_parts(ranks_test: pa.Table, ranks_valid: pa.Table) -> None:
    for ranks, part in ((ranks_test, "test"), (ranks_valid, "valid")):
        found = pc.unique(ranks["part"]).to_pylist()
        if found != [part]:
            raise ValueError(f"ranks of part {part!r} wanted, the table holds {found}; rank again")
    tested, validated = (
        set(pc.unique(ranks["system"]).to_pylist()) for ranks in (ranks_test, ranks_valid)
    )
    if tested != validated:
        odd = ", ".join(sorted(tested ^ validated))
        raise ValueError(f"systems ranked on only one of valid and test: {odd}; rank them again")


def _headline(table: pa.Table) -> pa.Table:
    """HR@10 in the pool "target", best first in each domain."""
    wanted = pc.and_(pc.equal(table["pool"], "target"), pc.equal(table["metric"], "HR@10"))
    keys = [("target_domain", "ascending"), ("mean", "descending")]
    return table.filter(wanted).sort_by(keys)


def _facts(table: pa.Table) -> dict[str, Fact]:
    facts: dict[str, Fact] = {}
    for row in _headline(table).to_pylist():
        name = row["target_domain"]
        if f"{name}: best system" not in facts:
            facts[f"{name}: best system"] = row["system"]
            facts[f"{name}: best HR@10"] = round(row["mean"], 4)
            facts[f"{name}: test users"] = row["num_users"]
        if row["versus"]:
            facts[f"{name}: baseline to beat"] = row["versus"]
    return facts
