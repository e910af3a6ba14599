"""Rating scenarios of the catalog: which systems they get, whose features they may read."""

from pathlib import Path

import pytest

from pipeline.catalog import Catalog, FeatureSource, load_catalog
from pipeline.catalog.rating_systems import DEFAULT_RATING_SYSTEMS
from pipeline.catalog.systems import DEFAULT_SYSTEMS

FEATURES = 'features = { item_model = "folder:a", user_model = "folder:a" }'
OTHERS = 'features = { item_model = "folder:b", user_model = "folder:b" }'
GOOD = "\n".join(
    f'[domain.{name}]\ntitle = "{name}"\nformat = "amazon-2014"\nreviews = "{file}"\n{features}'
    for name, file, features in (
        ("songs", "songs.gz", FEATURES),
        ("films", "films.gz", FEATURES),
        ("songs-b", "songs.gz", OTHERS),
        ("films-b", "films.gz", OTHERS),
    )
)
SCENARIO = """
[scenario.ratings]
domains = ["songs", "films"]
task = "cold-start-rating"
"""
SOURCES = """
systems = ["item_mean", "music"]
experiments = ["music_features"]
feature_sources = [{ name = "model b", domains = ["songs-b", "films-b"] }]
"""


def load(folder: Path, text: str) -> Catalog:
    path = folder / "catalog.toml"
    path.write_text(text, encoding="utf-8")
    return load_catalog(path)


def test_the_default_systems_are_those_of_the_task(tmp_path: Path) -> None:
    scenario = load(tmp_path, GOOD + SCENARIO).scenarios["ratings"]
    assert scenario.systems == DEFAULT_RATING_SYSTEMS
    ranked = load(tmp_path, GOOD + SCENARIO.replace('task = "cold-start-rating"', ""))
    assert ranked.scenarios["ratings"].systems == DEFAULT_SYSTEMS


def test_ranking_systems_are_an_error_even_where_they_are_just_the_default_ones(
    tmp_path: Path,
) -> None:
    named = ", ".join(f'"{system}"' for system in DEFAULT_SYSTEMS)
    with pytest.raises(ValueError, match=r"ratings\.systems names 'popularity'; known systems: gl"):
        load(tmp_path, f"{GOOD}{SCENARIO}systems = [{named}]")


def test_other_domains_lend_their_features(tmp_path: Path) -> None:
    scenario = load(tmp_path, GOOD + SCENARIO + SOURCES).scenarios["ratings"]
    assert scenario.feature_sources == (
        FeatureSource(name="model b", domains=("songs-b", "films-b")),
    )
    assert scenario.domains == ("songs", "films")
    assert scenario.read_domains == ("songs", "films", "songs-b", "films-b")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('"songs-b", "films-b"', '"songs-b"', r"'model b': name two domains"),
        ('"songs-b", "films-b"', '"songs-b", "fims"', r"'model b' names domain 'fims'; known dom"),
        ('"songs-b", "films-b"', '"songs-b", "songs-b"', r"'songs-b' must be 'films' but for its"),
        (OTHERS, "", r"'songs-b' needs features with an item_model and a user_model"),
        ('"music_features"', '"music_steps"', r"feature_sources: nothing reads them; add 'music_f"),
        ("feature_sources = [", 'feature_sources = [{ name = "model b", domains = ["songs-b", '
         '"films-b"] }, ', r"feature_sources: two have the same name"),
    ],
)  # fmt: skip
def test_wrong_feature_sources_are_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    text = GOOD + SCENARIO + SOURCES
    assert old in text
    with pytest.raises(ValueError, match=said):
        load(tmp_path, text.replace(old, new))
