"""Generated titles: what an LLM thinks a single-domain user would want in the other domain.

LGCD, section 3.3, first half. A sample of single-domain users gets titles, and so does a
probe: training overlap users, asked from their source half alone, whose real target half
tells how often the grounded titles hit (pipeline/retrieve/recall.py).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl
import pyarrow as pa

from pipeline.catalog import Catalog, Scenario
from pipeline.columns import GENERATED_TITLES
from pipeline.digest import digest_json
from pipeline.extract.engine import Generate, Generation, Request, Sampling
from pipeline.extract.extraction import Extraction, generate
from pipeline.extract.title_prompts import (
    TITLES_PROMPT,
    TITLES_SCHEMA,
    Example,
    parse_titles,
    titles_prompt,
)
from pipeline.outcome import Fact, Outcome
from pipeline.store import Store

_SHOTS = 3
_SHOT_ITEMS = 3  # an example user has at least so many items on either side


@dataclass(frozen=True, kw_only=True)
class TitleTask:
    """One user to generate for."""

    user: int
    part: str
    source: str
    target: str
    titles: tuple[str, ...]  # the user's source titles, in time order


def build_generated_titles(
    catalog: Catalog, scenario: Scenario, store: Store, extraction: Extraction
) -> Outcome:
    """Write `generated_titles/<scenario>`: one row for each sampled user and probe user.

    Deterministic for `scenario.titles.seed`; each request's own seed comes from its user, so
    that answers do not depend on which users share a batch.
    """
    tasks, examples = plan_titles(scenario, store)
    names = {name: catalog.domains[name].title for name in scenario.domains}
    requests = [
        Request(
            row=f"user {task.user} of {task.source}",
            prompt=titles_prompt(
                names[task.source], names[task.target], examples[task.source], task.titles
            ),
            seed=_request_seed(scenario.titles.seed, task),
        )
        for task in tasks
    ]
    generations, usage = generate(extraction, titles_task(scenario), requests)
    table = _table(tasks, generations)
    artifact = store.write_table(f"generated_titles/{scenario.name}", GENERATED_TITLES, table)
    facts = _facts(tasks, generations) | usage.facts()
    return Outcome(artifact=artifact, facts=facts, preview=table.slice(0, 8))


def titles_task(scenario: Scenario) -> Generate:
    """With which model and sampling a scenario's titles are generated."""
    return Generate(
        model=scenario.titles.model,
        prompt=TITLES_PROMPT,
        sampling=Sampling(),
        json_schema=TITLES_SCHEMA,
    )


def plan_titles(
    scenario: Scenario, store: Store
) -> tuple[list[TitleTask], dict[str, list[Example]]]:
    """Who gets titles, and the worked examples of each source domain."""
    items = pl.DataFrame(
        pl.from_arrow(store.read_table(f"vocabulary/{scenario.name}", ["item", "domain", "title"]))
    )
    users = _titles_by_domain(scenario, store, items)
    generator = np.random.default_rng(scenario.titles.seed)
    shown = {
        source: _draw_shown(users, source, _other(scenario, source), generator)
        for source in scenario.domains
    }
    examples = {
        source: [
            Example(source=tuple(row[source]), target=tuple(row[_other(scenario, source)]))
            for row in rows.iter_rows(named=True)
        ]
        for source, rows in shown.items()
    }
    known = pl.concat(rows["user"] for rows in shown.values()).to_numpy()
    return _draw_tasks(users, scenario, known, generator), examples


def _other(scenario: Scenario, domain: str) -> str:
    first, second = scenario.domains
    return second if domain == first else first


def _titles_by_domain(scenario: Scenario, store: Store, items: pl.DataFrame) -> pl.DataFrame:
    """Training users with a list of titles for each domain (null where they have none)."""
    sequences = pl.DataFrame(
        pl.from_arrow(store.read_table(f"sequences/{scenario.name}", ["user", "part", "items"]))
    )
    training = sequences.filter(pl.col("part").is_in(["single", "overlap"]))
    titled = (
        training.explode("items")
        .join(items, left_on="items", right_on="item", maintain_order="left")
        .group_by("user", "part", "domain", maintain_order=True)
        .agg("title")
    )
    return titled.pivot(on="domain", index=["user", "part"], values="title").sort("user")


def _draw_shown(
    users: pl.DataFrame, source: str, target: str, generator: np.random.Generator
) -> pl.DataFrame:
    """The training overlap users who serve as worked examples of one direction."""
    fit = users.filter(
        (pl.col("part") == "overlap")
        & (pl.col(source).list.len() >= _SHOT_ITEMS)
        & (pl.col(target).list.len() >= _SHOT_ITEMS)
    )
    if fit.height < _SHOTS:
        raise ValueError(
            f"only {fit.height} training overlap users have {_SHOT_ITEMS} items in both {source} "
            f"and {target}; the prompt needs {_SHOTS} examples: raise the training share in split"
        )
    return fit[np.sort(generator.choice(fit.height, size=_SHOTS, replace=False))]


def _draw_tasks(
    users: pl.DataFrame, scenario: Scenario, known: np.ndarray, generator: np.random.Generator
) -> list[TitleTask]:
    """Single-domain users, as many from each domain as they have there, and the probe.

    `known` are the users whom the examples show: of them the probe would prove nothing.
    """
    single = users.filter(part="single")
    probe = users.filter(part="overlap")
    num_single = scenario.titles.max_users // len(scenario.domains)
    num_probe = scenario.titles.probe_users // len(scenario.domains)
    nobody = np.empty(0, dtype=known.dtype)
    tasks = []
    for source in scenario.domains:
        own = single.filter(pl.col(source).is_not_null())
        chosen = _sample(own, num_single, nobody, generator)
        asked = _sample(probe, num_probe, known, generator)
        for row in pl.concat([chosen, asked]).iter_rows(named=True):
            tasks.append(
                TitleTask(
                    user=row["user"],
                    part=row["part"],
                    source=source,
                    target=_other(scenario, source),
                    titles=tuple(row[source]),
                )
            )
    return tasks


def _sample(
    users: pl.DataFrame, count: int, without: np.ndarray, generator: np.random.Generator
) -> pl.DataFrame:
    """`count` users at random, in their order; a larger count adds to those of a smaller one."""
    order = generator.permutation(users.height)
    allowed = ~np.isin(users["user"].to_numpy()[order], without)
    return users[np.sort(order[allowed][:count])]


def _request_seed(seed: int, task: TitleTask) -> int:
    # One seed for all would make the answers of different users alike.
    return int(digest_json([seed, task.user, task.target])[:8], 16) >> 1


def _table(tasks: Sequence[TitleTask], answers: Sequence[Generation]) -> pa.Table:
    rows = [
        {
            "user": task.user,
            "part": task.part,
            "target_domain": task.target,
            "titles": parse_titles(answer.text),
            "finished": answer.finished,
            "output_tokens": answer.output_tokens,
        }
        for task, answer in zip(tasks, answers, strict=True)
    ]
    return pa.Table.from_pylist(rows, schema=GENERATED_TITLES)


def _facts(tasks: Sequence[TitleTask], answers: Sequence[Generation]) -> dict[str, Fact]:
    count = max(len(answers), 1)
    return {
        "single_domain_users": sum(task.part == "single" for task in tasks),
        "probe_users": sum(task.part == "overlap" for task in tasks),
        "cut_by_token_limit": sum(not answer.finished for answer in answers),
        "mean_output_tokens": round(sum(answer.output_tokens for answer in answers) / count, 1),
        "mean_prompt_tokens": round(sum(answer.prompt_tokens for answer in answers) / count, 1),
        "distinct_titles": len({title for a in answers for title in parse_titles(a.text)}),
    }
