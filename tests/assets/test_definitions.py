"""What Dagster loads: the graph, its partitions, its code versions, its jobs."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.definitions import build_defs, defs
from assets.jobs import STAGES
from assets.partitions import Partitions
from assets.resources import PROJECT, Workspace
from pipeline.catalog.rating_systems import RATING_EXPERIMENTS, RATING_SYSTEMS
from pipeline.catalog.systems import DEFAULT_SYSTEMS as SYSTEMS
from pipeline.catalog.systems import EXPERIMENTS
from pipeline.catalog.systems import SYSTEMS as KNOWN_SYSTEMS

CASES = ("sequences", "ratings", "clicks", "behaviours")
"""The asset of each task."""

SEQUENCES = ["sequences", "vocabulary"]
TRANSFER = [
    "candidates",
    "encoders",
    "item_text",
    "pseudo_interactions",
    *SEQUENCES,
]
COMPARED = Partitions(Workspace().catalog).systems
"""The systems that the project's own catalog names, those of SYSTEMS among them."""

NAMED = Partitions(Workspace().catalog).experiments
"""The experiments that the project's own catalog names."""

INPUTS = {e: sorted({*KNOWN_SYSTEMS[EXPERIMENTS[e]], "candidates", *SEQUENCES}) for e in NAMED}

RATED = Partitions(Workspace().catalog).rating_systems
"""The rating systems that the project's own catalog names: all of them."""

VARIED = Partitions(Workspace().catalog).rating_experiments
"""The experiments on rating systems that the project's own catalog names."""

GRAPH = {
    "raw": [],
    "reviews": ["items", "raw"],
    "items": ["raw"],
    "item_images": ["items"],
    "interactions": ["items", "reviews"],
    "vocabulary": ["interactions", "items"],
    "dataset_card": ["interactions", "items", "reviews"],
    **{name: ["interactions", "vocabulary"] for name in CASES},
    "candidates": ["interactions", *SEQUENCES],
    "item_text": ["vocabulary"],
    "generated_titles": SEQUENCES,
    "item_multimodal": ["item_images", "items", "reviews"],
    "review_features": ["reviews"],
    "title_vectors": ["generated_titles"],
    "pseudo_interactions": ["item_text", "title_vectors", *SEQUENCES],
    "encoders": ["item_text", *SEQUENCES],
    **{f"weights/{s}": list(KNOWN_SYSTEMS[s]) for s in COMPARED},
    "weights/popularity": SEQUENCES,
    "weights/recent_popularity": SEQUENCES,
    "weights/cooccurrence": SEQUENCES,
    "weights/sasrec": ["candidates", *SEQUENCES],
    "weights/lgcd": TRANSFER,
    "weights/lgcd_blind": TRANSFER,
    **{f"scores/{s}": ["candidates", *SEQUENCES, f"weights/{s}"] for s in COMPARED},
    **{f"recommendations/{s}": [*SEQUENCES, f"weights/{s}"] for s in COMPARED},
    **{f"experiments/{e}": [f"weights/{EXPERIMENTS[e]}", *INPUTS[e]] for e in NAMED},
    **({"ablation_report": [f"experiments/{e}" for e in NAMED]} if NAMED else {}),
    **{f"weights/{s}": list(RATING_SYSTEMS[s]) for s in RATED},
    **{f"predictions/{s}": [*RATING_SYSTEMS[s], f"weights/{s}"] for s in RATED},
    **{
        f"experiments/{e}": [
            *RATING_SYSTEMS[RATING_EXPERIMENTS[e]],
            f"weights/{RATING_EXPERIMENTS[e]}",
        ]
        for e in VARIED
    },
    "rating_ablation_report": [f"experiments/{e}" for e in VARIED],
    "rating_leaderboard": [
        *(f"{kind}/{s}" for kind in ("predictions", "weights") for s in RATED),
        *("ratings", "vocabulary"),
    ],
    "leaderboard": sorted(
        [
            *(f"{kind}/{s}" for kind in ("scores", "weights") for s in COMPARED),
            *("candidates", "encoders", "generated_titles", "item_text", "pseudo_interactions"),
            *("title_vectors", *SEQUENCES),
        ]
    ),
}
GRAPH["report"] = [
    *("dataset_card", "vocabulary", *CASES, "candidates", "item_text", "generated_titles"),
    *("pseudo_interactions", "encoders", "leaderboard", "rating_leaderboard"),
    *(f"{kind}/{s}" for kind in ("weights", "scores", "recommendations") for s in COMPARED),
    *(f"{kind}/{s}" for kind in ("weights", "predictions") for s in RATED),
    *(f"experiments/{e}" for e in (*NAMED, *VARIED)),
]
STAGE_OF = {
    "ingest": ["raw", "reviews", "items", "item_images"],
    "prepare": ["interactions", "vocabulary", "dataset_card", *CASES, "candidates"],
    "extract": ["item_text", "generated_titles", "item_multimodal", "review_features"],
    "retrieve": ["title_vectors", "pseudo_interactions"],
    "train": ["encoders", *(f"weights/{s}" for s in (*COMPARED, *RATED))],
    "evaluate": [
        *(f"scores/{s}" for s in COMPARED),
        *(f"recommendations/{s}" for s in COMPARED),
        *(f"predictions/{s}" for s in RATED),
        *("leaderboard", "rating_leaderboard", "report"),
    ],
    "experiments": [
        *(f"experiments/{e}" for e in (*NAMED, *VARIED)),
        *("ablation_report", "rating_ablation_report"),
    ],
}


def _nodes(definitions: dg.Definitions) -> dict[str, Any]:
    graph = definitions.resolve_asset_graph()
    return {key.to_user_string(): graph.get(key) for key in graph.get_all_asset_keys()}


def _versions(workspace: Workspace) -> dict[str, str]:
    return {name: node.code_version for name, node in _nodes(build_defs(workspace)).items()}


def test_the_projects_own_definitions_are_loadable() -> None:
    dg.Definitions.validate_loadable(defs)


def test_the_graph_is_the_expected_one() -> None:
    found = {
        name: sorted(parent.to_user_string() for parent in node.parent_keys)
        for name, node in _nodes(defs).items()
    }
    assert found == {name: sorted(parents) for name, parents in GRAPH.items()}


def test_every_asset_belongs_to_its_stage_and_says_what_it_is() -> None:
    nodes = _nodes(defs)
    assert {name: node.group_name for name, node in nodes.items()} == {
        name: stage for stage, names in STAGE_OF.items() for name in names
    }
    for name, node in nodes.items():
        assert node.description and len(node.description) < 100, name
        assert node.kinds and node.code_version, name


def test_what_uses_the_gpu_or_much_memory_says_so_and_nothing_else_does() -> None:
    in_pool: dict[str, set[str]] = {}
    for name, node in _nodes(defs).items():
        for pool in node.pools:
            in_pool.setdefault(pool, set()).add(name.split("/")[0])
    assert in_pool == {
        "gpu": {
            *("item_text", "generated_titles", "item_multimodal", "review_features"),
            *("title_vectors", "encoders", "weights", "scores", "recommendations"),
            *("predictions", "experiments"),
        },
        "memory": {
            *("items", "reviews", "interactions", "dataset_card", "candidates"),
            *CASES,
        },
    }


def test_pools_count_runs_so_that_a_killed_one_keeps_no_slot(tmp_path: Path) -> None:
    settings = (PROJECT / "dagster.yaml").read_text()
    (tmp_path / "dagster.yaml").write_text(settings.replace("data/.dagster", str(tmp_path)))
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        pools = instance.get_concurrency_config().pool_config
    assert pools.default_pool_limit == 1
    assert pools.pool_granularity is not None and pools.pool_granularity.value == "run"


def test_ingest_is_partitioned_by_domain_and_the_rest_by_the_scenarios_that_need_it(
    workspace: Callable[..., Workspace],
) -> None:
    for name, node in _nodes(build_defs(workspace())).items():
        keys = node.partitions_def.get_partition_keys()
        if node.group_name == "ingest":
            assert keys == ["food", "garden", "kitchen"]
        elif name in ("interactions", "vocabulary", "dataset_card", "report"):
            assert keys == ["clicked", "other", "small", "three"]
        elif name in ("sequences", "candidates"):
            assert keys == ["other", "small", "three"]
        elif name == "clicks":
            assert keys == ["clicked"]
        else:
            assert keys == ["other", "small"], name


def test_titles_and_text_vectors_are_made_for_pairs_whose_systems_need_them(
    workspace: Callable[..., Workspace],
) -> None:
    counted = workspace(more='systems = ["popularity", "cooccurrence"]')
    nodes = _nodes(build_defs(counted))
    of = {name: node.partitions_def.get_partition_keys() for name, node in nodes.items()}
    for name in ("item_text", "generated_titles", "title_vectors", "pseudo_interactions"):
        assert of[name] == ["small"], name
    for name in ("weights/cooccurrence", "scores/popularity", "leaderboard", "candidates"):
        assert {"other", "small"} <= set(of[name]), name
    path = Path(counted.data) / "catalog.toml"
    path.write_text(
        path.read_text().replace(
            "[scenario.small]", '[scenario.small]\nsystems = ["popularity", "item_knn"]'
        )
    )
    definitions = build_defs(counted)
    dg.Definitions.validate_loadable(definitions)
    assert "item_text" in _nodes(definitions)
    assert not {"generated_titles", "title_vectors", "encoders"} & set(_nodes(definitions))


def test_a_catalog_without_pairs_of_domains_has_no_systems(
    workspace: Callable[..., Workspace],
) -> None:
    built = workspace()
    path = Path(built.data) / "catalog.toml"
    text = path.read_text()
    path.write_text(text[: text.index("[scenario.small]")] + text[text.index("[scenario.three]") :])
    nodes = _nodes(build_defs(built))
    assert {node.group_name for node in nodes.values()} == {"ingest", "prepare", "evaluate"}
    assert [name for name in nodes if nodes[name].group_name == "evaluate"] == ["report"]


def test_a_domain_feeds_every_scenario_that_names_it(workspace: Callable[..., Workspace]) -> None:
    catalog = workspace().catalog
    mapping = Partitions(catalog).domain_to_scenarios()
    scenarios, domains = Partitions(catalog).scenarios, Partitions(catalog).domains

    def fed_by(domain: str) -> set[str]:
        subset = domains.empty_subset().with_partition_keys([domain])
        return set(
            mapping.get_downstream_partitions_for_partitions(
                subset, domains, scenarios
            ).get_partition_keys()
        )

    assert fed_by("food") == {"small", "other", "three", "clicked"}
    assert fed_by("kitchen") == {"small", "three"}
    assert fed_by("garden") == {"other", "three"}


def test_there_is_a_job_for_each_stage_one_for_everything_and_one_for_a_domain() -> None:
    jobs = {job.name: job for job in defs.resolve_all_job_defs()}
    assert {*STAGE_OF, "everything"} <= set(jobs) and set(STAGE_OF) <= set(STAGES)
    selected = {
        name: {key.to_user_string() for key in job.asset_layer.executable_asset_keys}
        for name, job in jobs.items()
        if name not in ("everything", "domain")
    }
    for stage in STAGE_OF:
        of_stage = [assets for name, assets in selected.items() if name.split("_")[0] == stage]
        assert sorted(name for assets in of_stage for name in assets) == sorted(STAGE_OF[stage])
        assert len(selected[stage]) == max(map(len, of_stage))
    assert selected["prepare_sequences"] == {"sequences", "candidates"}
    assert selected["prepare_clicks"] == {"clicks"}
    names = {name: jobs[name].partitions_def for name in ("everything", "domain")}
    assert names["everything"] and names["domain"]
    assert {"demo", "food-kitchen", "rock-rnb"} <= set(names["everything"].get_partition_keys())
    assert "gift-cards" in names["domain"].get_partition_keys()


INGEST = set(STAGE_OF["ingest"]) - {"item_images"}
TRAIN = {"encoders", *(f"weights/{s}" for s in SYSTEMS)}
SCORES = {f"scores/{s}" for s in SYSTEMS}
TITLED = {"generated_titles", "dataset_card", "report"}
RECOMMENDATIONS = {f"recommendations/{s}" for s in SYSTEMS}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, set()),
        # The title of a domain is part of the prompts for generated titles.
        ({"food_title": 'title = "groceries"'}, TITLED),
        ({"food_title": 'title = "food"\nkeep_repeats = true'}, INGEST),
        (
            {"filters": "filters = { k_core = 5 }"},
            {"interactions", "dataset_card", "report"},
        ),
        ({"clicks": "clicks = { negatives = 2 }"}, {"clicks"}),
        ({"split": "split = { valid = 0.2, test = 0.5 }"}, {"sequences", "report"}),
        ({"candidates": "candidates = { seeds = [0, 1] }"}, {"candidates", "report"} | SCORES),
        ({"titles": "titles = { max_users = 8 }"}, {"generated_titles"}),
        # The notes of leaderboard and report name both models.
        (
            {"titles": 'titles = { max_users = 4, model = "package:another" }'},
            {"generated_titles", "leaderboard", "report"},
        ),
        (
            {"text_model": 'text_model = "package:another"'},
            {"item_text", "title_vectors", "leaderboard", "report"},
        ),
        ({"training": "training = { seeds = [0], max_epochs = 2 }"}, TRAIN | {"report"}),
        ({"top_n": "top_n = 6"}, RECOMMENDATIONS),
        ({"published": 'published = "lgcd-food-kitchen"'}, {"leaderboard", "report"}),
    ],
)
def test_a_parameter_changes_the_code_version_of_exactly_what_reads_it(
    workspace: Callable[..., Workspace], change: dict[str, str], expected: set[str]
) -> None:
    before, after = _versions(workspace()), _versions(workspace(**change))
    assert {name for name in before if before[name] != after[name]} == expected
