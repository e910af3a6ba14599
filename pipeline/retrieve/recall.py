"""How often grounded titles name what a user really has: measured on training overlap users.

The LLM saw only their source half; their real items of the target domain are the answer. A
random draw of the same size says what chance gives.
"""

import pyarrow as pa

from pipeline.catalog import Scenario
from pipeline.outcome import Fact
from pipeline.store import Store


def recall_of_probe(pseudo: pa.Table, scenario: Scenario, store: Store) -> dict[str, Fact]:
    """Share of probe users with at least one hit, and of items hit; empty without a probe."""
    probe = [row for row in pseudo.to_pylist() if row["part"] == "overlap"]
    if not probe:
        return {}
    sequences = store.read_table(f"sequences/{scenario.name}", ["user", "items"])
    owned = dict(zip(sequences["user"].to_pylist(), sequences["items"].to_pylist(), strict=True))
    vocabulary = store.read_table(f"vocabulary/{scenario.name}", ["domain"])["domain"].to_pylist()
    sizes = {domain: vocabulary.count(domain) for domain in scenario.domains}
    hits = chance = num_items = users_hit = 0.0
    for row in probe:
        own = set(owned[row["user"]])
        in_domain = [item for item in own if vocabulary[item - 1] == row["target_domain"]]
        found = own & set(row["items"])
        hits += len(found)
        users_hit += bool(found)
        num_items += len(in_domain)
        chance += len(row["items"]) / sizes[row["target_domain"]] * len(in_domain)
    return {
        "probe_users": len(probe),
        "probe_users_hit": round(users_hit / len(probe), 4),
        "probe_recall": round(hits / num_items, 4),
        "probe_recall_by_chance": round(chance / num_items, 4),
    }
