"""How many users an LLM left without a usable title."""

import pyarrow.compute as pc

from pipeline.catalog import Scenario
from pipeline.finding import Finding
from pipeline.store import Store

MOST_EMPTY = 0.2
"""Share of users without a title. Beyond it pseudo-interactions stand for too few of them."""


def few_are_empty(scenario: Scenario, store: Store) -> Finding:
    """Users without a title, and answers that the token limit cut."""
    table = store.read_table(f"generated_titles/{scenario.name}", ["titles", "finished"])
    users = table.num_rows
    lengths = pc.list_value_length(table["titles"])
    empty = pc.sum(pc.equal(lengths, 0)).as_py() or 0
    cut = pc.sum(pc.invert(table["finished"])).as_py() or 0
    share = empty / users if users else 1.0
    return Finding(
        passed=share <= MOST_EMPTY,
        says=f"{empty} of {users} users got no title ({share:.1%}; at most {MOST_EMPTY:.0%} may)",
        figures={
            "users": users,
            "share without a title": round(share, 4),
            "share cut by the token limit": round(cut / users, 4) if users else 0.0,
            "titles of a user": round((pc.sum(lengths).as_py() or 0) / users, 2) if users else 0.0,
        },
    )
