"""Tables of experiments, written by hand."""

from typing import Any

import pyarrow as pa

from pipeline.columns import EXPERIMENT
from pipeline.evaluate.ranking import METRICS


def table(name: str, valid: dict[str, float], reference: str, **changes: Any) -> pa.Table:
    """By variant its NDCG@10 on validation users; the test users see it reversed."""
    rows = []
    for domain in ("food", "kitchen"):
        for part, sign in (("valid", 1), ("test", -1)):
            for variant, value in valid.items():
                mean = value if sign == 1 else 1 - value
                delta = sign * (value - valid[reference])
                same = variant == reference
                rows += [
                    {
                        "experiment": name,
                        "variant": variant,
                        "reference": same,
                        "part": part,
                        "target_domain": domain,
                        "metric": metric,
                        "mean": mean,
                        "seed_std": 0.01,
                        "low": mean - 0.02,
                        "high": mean + 0.02,
                        "delta": None if same else delta,
                        "p_value": None if same else 0.0005,
                        "num_users": 10,
                        "num_seeds": 3,
                        "train_seconds": 61.25,
                        "num_parameters": 1234567,
                        **changes,
                    }
                    for metric in METRICS
                ]
    return pa.Table.from_pylist(rows, schema=EXPERIMENT)
