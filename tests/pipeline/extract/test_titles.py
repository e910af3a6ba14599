"""Who gets generated titles, from which prompts, and what is stored of the answers."""

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from pipeline.catalog import Split, Titles
from pipeline.extract.engine import Generate, Generation, Prepared, Request
from pipeline.extract.extraction import Extraction
from pipeline.extract.row_cache import RowCache
from pipeline.extract.titles import build_generated_titles, plan_titles
from tests.pipeline.extract.echo_engine import EchoEngine


class TitleEngine(EchoEngine):
    """Answers each request with its own seed, so that answers tell whose they are."""

    def __init__(self) -> None:
        super().__init__(chunk=100)
        self.requests: list[Request] = []

    def prepare(self, task: Any, requests: Sequence[Request]) -> list[Prepared]:
        return [Prepared(request=request, content="", tokens=9, cut=0) for request in requests]

    def generate(self, task: Generate, prepared: Sequence[Prepared]) -> list[Generation]:
        requests = [each.request for each in prepared]
        self.requests += requests
        return [
            Generation(
                text=json.dumps({"titles": [f"Thing {request.seed}", "Pan", "Pan"]}),
                finished=True,
                prompt_tokens=9,
                output_tokens=5,
            )
            for request in requests
        ]


def generate(world: Any, engine: TitleEngine) -> Any:
    cache = RowCache(world.catalog.folder / "cache" / "rows")
    extraction = Extraction(engine=engine, cache=cache)
    return build_generated_titles(world.catalog, world.scenario, world.store, extraction)


def titles_of(world: Any, parts: tuple[str, ...]) -> dict[int, dict[str, list[str]]]:
    """The real titles of each user of the given parts, by domain, in time order."""
    vocabulary = world.store.read_table("vocabulary/little").to_pylist()
    found = {}
    for row in world.store.read_table("sequences/little").to_pylist():
        if row["part"] in parts:
            own = [vocabulary[item - 1] for item in row["items"]]
            found[row["user"]] = {
                domain: [item["title"] for item in own if item["domain"] == domain]
                for domain in world.scenario.domains
            }
    return found


def test_the_plan_is_the_same_every_time_and_follows_its_seed(world: Any) -> None:
    assert plan_titles(world.scenario, world.store) == plan_titles(world.scenario, world.store)
    other = replace(world.scenario, titles=replace(world.scenario.titles, seed=1))
    assert plan_titles(world.scenario, world.store) != plan_titles(other, world.store)


def test_single_domain_users_are_asked_with_their_own_titles(world: Any) -> None:
    tasks, _ = plan_titles(world.scenario, world.store)
    real = titles_of(world, ("single",))
    single = [task for task in tasks if task.part == "single"]
    assert sorted(task.user for task in single) == sorted(real)  # three of each domain
    for task in single:
        assert list(task.titles) == real[task.user][task.source]
        assert {task.source, task.target} == set(world.scenario.domains)


def test_examples_are_training_overlap_users_alone(world: Any) -> None:
    _, examples = plan_titles(world.scenario, world.store)
    overlap = titles_of(world, ("overlap",)).values()
    for source, target in (("food", "tools"), ("tools", "food")):
        assert len(examples[source]) == 3
        for example in examples[source]:
            shown = {source: list(example.source), target: list(example.target)}
            assert shown in overlap
            assert min(len(example.source), len(example.target)) >= 3


def test_the_probe_asks_training_overlap_users_whom_no_example_shows(world: Any) -> None:
    for seed in range(10):
        titles = Titles(max_users=0, probe_users=100, seed=seed)
        tasks, examples = plan_titles(replace(world.scenario, titles=titles), world.store)
        overlap = titles_of(world, ("overlap",))
        shown = {entry.source for own in examples.values() for entry in own}
        shown |= {entry.target for own in examples.values() for entry in own}
        assert tasks and {task.part for task in tasks} == {"overlap"}
        for task in tasks:
            assert list(task.titles) == overlap[task.user][task.source]
            assert task.titles not in shown


def test_a_larger_sample_keeps_the_users_of_a_smaller_one(world: Any) -> None:
    def asked(max_users: int) -> set[Any]:
        titles = replace(world.scenario.titles, max_users=max_users)
        generator = TitleEngine()
        generate(world.with_scenario(titles=titles), generator)
        return set(generator.requests)

    small = asked(2)
    added = asked(6)  # the cache answers what was asked before
    assert (len(small), len(added)) == (2 + 2, 4)
    tasks, _ = plan_titles(world.scenario, world.store)
    assert len(tasks) == 8 and not small & added


@pytest.mark.parametrize("max_users", [0, 1, 3, 5])
def test_no_more_users_are_asked_than_allowed(world: Any, max_users: int) -> None:
    titles = Titles(max_users=max_users)
    tasks, _ = plan_titles(replace(world.scenario, titles=titles), world.store)
    assert len(tasks) <= max_users


def test_answers_become_rows_and_a_second_run_asks_nothing(world: Any) -> None:
    generator = TitleEngine()
    first = generate(world, generator)
    rows = world.store.read_table("generated_titles/little").to_pylist()
    tasks, _ = plan_titles(world.scenario, world.store)
    assert [(r["user"], r["part"], r["target_domain"]) for r in rows] == [
        (t.user, t.part, t.target) for t in tasks
    ]
    assert [row["titles"] for row in rows] == [
        [f"Thing {answer.seed}", "Pan"] for answer in _by_row(generator, tasks)
    ]
    assert {(row["finished"], row["output_tokens"]) for row in rows} == {(True, 5)}
    assert len({request.seed for request in generator.requests}) == len(rows)
    assert (first.facts["computed"], first.facts["from_cache"]) == (8, 0)
    assert (first.facts["single_domain_users"], first.facts["probe_users"]) == (6, 2)
    again = generate(world, generator)
    assert (again.facts["computed"], again.facts["from_cache"]) == (0, 8)
    assert again.artifact.digest == first.artifact.digest
    assert len(generator.requests) == 8


def _by_row(engine: TitleEngine, tasks: Any) -> list[Request]:
    """The requests in the order of the tasks; the engine saw them in an order of its own."""
    asked = {request.row: request for request in engine.requests}
    return [asked[f"user {task.user} of {task.source}"] for task in tasks]


def test_prompts_call_domains_by_their_titles(world: Any) -> None:
    generator = TitleEngine()
    generate(world, generator)
    systems = {request.prompt[0][1] for request in generator.requests}
    assert len(systems) == 2
    assert all("fine food" in text and "fine tools" in text for text in systems)


def test_prompts_show_nothing_of_evaluation_users(world: Any) -> None:
    held_out = world.with_scenario(split=Split(valid=0.2, test=0.2, seed=3))
    held_out.prepare()
    real = titles_of(held_out, ("valid", "test"))
    tasks, examples = plan_titles(held_out.scenario, held_out.store)
    assert not set(real) & {task.user for task in tasks}
    cold = {tuple(own[domain]) for own in real.values() for domain in own if len(own[domain]) > 1}
    shown = {side for own in examples.values() for e in own for side in (e.source, e.target)}
    assert cold and not cold & shown


def test_too_few_users_to_show_is_an_error_with_a_remedy(world: Any) -> None:
    few = world.with_scenario(split=Split(valid=0.4, test=0.5))
    few.prepare()
    with pytest.raises(ValueError, match=r"only . training overlap users .*the training share"):
        plan_titles(few.scenario, few.store)
