"""The catalog: what is right loads, what is wrong is named together with what is allowed."""

import json
from pathlib import Path

import pytest

from pipeline.catalog import Candidates, Catalog, Domain, Filters, Images, load_catalog, parameters

ROOT = Path(__file__).resolve().parents[2]

GOOD = """
[domain.food]
title = "groceries"
format = "llmcdsr"
folder = "raw"
half = "A"

[domain.toys]
title = "toys"
format = "amazon-2018"
reviews = "toys.json.gz"
items = "meta_toys.json.gz"

[scenario.both]
domains = ["food", "toys"]
split = { valid = 0.2, test = 0.3 }
training = { seeds = [4] }
"""

TOYS = 'title = "toys"'


def load(folder: Path, text: str) -> Catalog:
    path = folder / "catalog.toml"
    path.write_text(text, encoding="utf-8")
    return load_catalog(path)


def test_the_shipped_catalog_loads() -> None:
    catalog = load_catalog(ROOT / "data" / "catalog.toml")
    assert {"demo", "food-kitchen"} <= set(catalog.scenarios)
    assert [domain.name for domain in catalog.domains_of("demo")] == ["demo-food", "demo-kitchen"]


def test_a_good_catalog_becomes_frozen_configs_with_defaults(tmp_path: Path) -> None:
    catalog = load(tmp_path, GOOD)
    scenario = catalog.scenarios["both"]
    assert catalog.folder == tmp_path
    assert catalog.domains["food"] == Domain(
        name="food", title="groceries", format="llmcdsr", folder="raw", half="A"
    )
    assert scenario.domains == ("food", "toys")
    assert (scenario.split.valid, scenario.split.test, scenario.split.kind) == (0.2, 0.3, "random")
    assert scenario.training.seeds == (4,)
    assert scenario.candidates == Candidates()


def test_a_scenario_may_name_experiments_and_fewer_seeds_for_them(tmp_path: Path) -> None:
    named = 'experiments = ["lgcd_steps", "lgcd_ablations"]\nexperiment_seeds = [5]'
    text = GOOD.replace("training = { seeds = [4] }", f"training = {{ seeds = [4, 5] }}\n{named}")
    scenario = load(tmp_path, text).scenarios["both"]
    assert scenario.experiments == ("lgcd_steps", "lgcd_ablations")
    assert scenario.experiment_seeds == (5,)
    default = load(tmp_path, GOOD).scenarios["both"]
    assert (default.experiments, default.experiment_seeds) == ((), None)


def test_a_domain_may_name_its_images(tmp_path: Path) -> None:
    catalog = load(tmp_path, GOOD.replace(TOYS, f'{TOYS}\nimages = {{ folder = "pictures" }}'))
    assert catalog.domains["toys"].images == Images(folder="pictures")
    assert catalog.domains["food"].images is None


def test_a_whole_number_will_do_where_a_share_is_asked(tmp_path: Path) -> None:
    catalog = load(tmp_path, GOOD.replace("valid = 0.2", "valid = 0"))
    assert catalog.scenarios["both"].split.valid == 0.0


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        # unknown keys, at every depth
        (
            "[domain.food]",
            "[domains.food]",
            r": domains is not a known key; allowed: automation, domain, engine, price, scen",
        ),
        ("half =", "halves =", r"domain\.food\.halves is not a known key; allowed: .*half"),
        ("split =", "splits =", r"scenario\.both\.splits is not a known key; allowed: .*split"),
        ("valid =", "vaild =", r"scenario\.both\.split\.vaild is not a known key; allowed: .*vali"),
        ('half = "A"', 'half = "A"\nname = "x"', r"domain\.food\.name is not a known key"),
        # wrong types and values
        ('"groceries"', "7", r"domain\.food\.title = 7; it must be of type str"),
        ("valid = 0.2", 'valid = "0.2"', r"both\.split\.valid = '0\.2'; it must be of type float"),
        ("[4]", "[4.0]", r"both\.training\.seeds\[0\] = 4\.0; it must be of type int"),
        ("[4]", "[true]", r"both\.training\.seeds\[0\] = True; it must be of type int"),
        ("[4]", "4", r"both\.training\.seeds = 4; it must be a list"),
        ("{ seeds = [4] }", "3", r"both\.training = 3; it must be a table"),
        ("folder = ", "folder = 3 #", r"domain\.food\.folder = 3; it must be of type str"),
        ('"llmcdsr"', '"csv"', r"domain\.food\.format = 'csv'; allowed: 'amazon-2014', 'amaz"),
        ('half = "A"', 'half = "C"', r"domain\.food\.half = 'C'; allowed: 'A', 'B'"),
        ("{ valid", '{ kind = "any", valid', r"split\.kind = 'any'; allowed: 'random', 'publish"),
        # what is missing
        ('title = "toys"', "", r"domain\.toys\.title is missing"),
        ('domains = ["food", "toys"]', "", r"scenario\.both\.domains is missing"),
        ('half = "A"', "", r"domain\.food\.half is missing: format 'llmcdsr' needs it"),
        ('reviews = "toys.json.gz"', "", r"domain\.toys\.reviews is missing: format 'amazon-2018'"),
        # domains and scenarios that do not fit together
        ('["food", "toys"]', '["food", "tois"]', r"names 'tois'; known domains: food, toys"),
        ('["food", "toys"]', '["food", "food"]', r"both\.domains = .*; they must differ"),
        ('["food", "toys"]', '["food"]', r"both\.domains: task 'inter-domain' needs at least 2"),
        ('["food", "toys"]', '"food"', r"both\.domains = 'food'; it must be a list"),
        ("test = 0.3", "test = 0.8", r"both\.split: valid \+ test must lie between 0 and 1"),
        ("[4]", "[]", r"both\.training\.seeds is empty; name at least one seed"),
        ("[4] }", "[4] }\ncandidates = { seeds = [] }", r"both\.candidates\.seeds is empty"),
        # tasks, splits and filters
        *(
            ("[4] }", f"[4] }}\n{line}", said)
            for line, said in (
                ('task = "rating"', r"both\.task = 'rating'; allowed: 'inter-domain', 'cross-"),
                ('task = "click"', r"both\.split\.kind = 'random'; task 'click' knows leave-one"),
                ("filters = { k_core = 0 }", r"filters\.k_core = 0; it must be at least 1"),
                (
                    "filters = { min_per_domain = 3 }",
                    r"min_per_domain = 3; k_core_rule 'union' does not read it",
                ),
                ('filters = { k_core_rule = "both" }', r"allowed: 'union', 'per-domain', 'overl"),
                ("clicks = { negatives = 0 }", r"clicks\.negatives = 0; it must be at least 1"),
                ("behaviours = { min_target = 2 }", r"min_target = 2; it must be at least 3"),
            )
        ),
        ("{ valid", "{ newest = 50, valid", r"split\.newest: only kind 'leave-one-out' reads it"),
        ("{ valid", "{ cold_ratios = [1.5], valid", r"cold_ratios = \(1\.5,\); name shares betw"),
        # what a format reads
        (
            'half = "A"',
            'half = "A"\nreviews = "r"',
            r"food\.reviews: format 'llmcdsr' does not read",
        ),
        *(
            (TOYS, f"{TOYS}\n{line}", said)
            for line, said in (
                ('order = "user-item"', r"toys\.order: format 'amazon-2018' does not read it"),
                ("rating_range = [5, 1]", r"toys\.rating_range = \(5\.0, 1\.0\); lowest first"),
                ("max_rejected_rows = -1", r"max_rejected_rows = -1; it must be at least 0"),
                ('paths = ["a"]', r"toys\.paths and \.without need \.within"),
            )
        ),
        *(
            ("[scenario.both]", f"{line}\n[scenario.both]", said)
            for line, said in (
                (
                    '[domain.dolls]\ntitle = "d"\nwithin = "toy"\npaths = ["* > Dolls"]',
                    r"dolls\.within names 'toy'; it must be a domain with files: food, toys",
                ),
                (
                    '[domain.dolls]\ntitle = "d"\nwithin = "toys"',
                    r"dolls\.paths is missing: which categories of 'toys' it is",
                ),
                (
                    '[domain.dolls]\ntitle = "d"\nwithin = "toys"\npaths = ["d"]\nreviews = "r"',
                    r"dolls\.reviews: a sub-domain takes this from its parent",
                ),
                ('[domain.dolls]\ntitle = "d"', r"dolls\.format is missing: what its raw files"),
                (
                    '[domain.own]\ntitle = "o"\nformat = "table"\nreviews = "r"',
                    r"own\.columns is missing: format 'table' needs it",
                ),
            )
        ),
        # images
        *(
            (TOYS, f"{TOYS}\nimages = {{ download = true, {key} = {value} }}", said)
            for key, value, said in (
                ("concurrency", 0, r"toys\.images\.concurrency = 0; it must be at least 1"),
                ("attempts", -1, r"toys\.images\.attempts = -1; it must be at least 1"),
                ("max_pixels", 0, r"toys\.images\.max_pixels = 0; it must be at least 1"),
                ("max_pixels", 200_000_000, r"max_pixels = 200000000; at most 178956970"),
                ("max_bytes", 1.5, r"toys\.images\.max_bytes = 1\.5; it must be of type int"),
                ("timeout_seconds", 0, r"toys\.images\.timeout_seconds = 0\.0; it must be above 0"),
                (
                    "per_host_delay_seconds",
                    -1,
                    r"per_host_delay_seconds = -1\.0; it must not be be",
                ),
                ("retries", 3, r"toys\.images\.retries is not a known key; allowed: allow_private"),
            )
        ),
        (TOYS, f"{TOYS}\nimages = {{}}", r"toys\.images: name a folder, or say download = true"),
        ('half = "A"', 'half = "A"\nimages = { download = true }', r"food\.images\.download = tr"),
        # models and engines
        *(
            (TOYS, f"{TOYS}\n{line}", said)
            for line, said in (
                ("features = {}", r"toys\.features: name an item_model or a user_model"),
                (
                    'features = { user_model = "m", max_users = 0 }',
                    r"features\.max_users = 0; it must be at least 1",
                ),
                (
                    'features = { user_model = "m", min_item_reviews = -1 }',
                    r"min_item_reviews = -1; it must be at least 0",
                ),
                (
                    'features = { item_model = "m", chat = false }\nimages = { folder = "p" }',
                    r"features\.chat = false; a prompt that shows images must be a chat",
                ),
                (
                    'features = { user_model = "m", pooling = "max" }',
                    r"pooling = 'max'; allowed: 'first_last_avg', 'first_last_tokens', 'mean'",
                ),
            )
        ),
        *(
            ("[domain.food]", f"[engine]\n{line}\n[domain.food]", said)
            for line, said in (
                ("replicas = 0", r"engine\.replicas = 0; it must be at least 1"),
                ("chunk_rows = 0", r"engine\.chunk_rows = 0; it must be at least 1"),
                ("gpu_memory = 1.5", r"engine\.gpu_memory = 1\.5; it must be a share of 1"),
                ('key = "secret"', r"engine\.key is not a known key"),
                ('remote = { url = "http://x/v1" }', r"engine\.remote\.revision is missing"),
                ('remote = { url = "x", revision = "1" }', r"remote\.url = 'x'; it must be http"),
                (
                    'remote = { url = "http://x", revision = "1", attempts = 0 }',
                    r"engine\.remote\.attempts = 0; it must be at least 1",
                ),
            )
        ),
        ("[domain.food]", "[[price]]\nmodel = 'm'\n[domain.food]", r"price\[0\]\.input is missing"),
        ("[scenario.both]", "[scenario.food]", r"scenario\.food: a domain has this name"),
        # automation
        *(
            ("[domain.food]", f"[automation]\n{line}\n[domain.food]", said)
            for line, said in (
                ('extraction = "monthly"', r"automation\.extraction = 'monthly'; it must be five"),
                ('timezone = "Mars/Base"', r"automation\.timezone = 'Mars/Base' is no time zone"),
                ('timezone = ""', r"automation\.timezone = '' is no time zone; name one such as"),
                (
                    "raw_files_seconds = 0",
                    r"automation\.raw_files_seconds = 0; it must be at least",
                ),
                ("weekly = true", r"automation\.weekly is not a known key; allowed: extraction"),
            )
        ),
        # experiments
        *(
            ("[scenario.both]", f"[scenario.both]\n{line}", said)
            for line, said in (
                (
                    'experiments = ["ablate"]',
                    r"both\.experiments names 'ablate'; known experiments: lgcd_ablations, ",
                ),
                (
                    'systems = ["popularity"]\nexperiments = ["lgcd_steps"]',
                    r"names 'lgcd_steps', which varies 'lgcd': add that to the scenario's systems",
                ),
                (
                    'experiments = ["lgcd_steps", "lgcd_steps"]',
                    r"both\.experiments = \('lgcd_steps', 'lgcd_steps'\); they must differ",
                ),
                (
                    "experiment_seeds = [4, 5]",
                    r"experiment_seeds = \(4, 5\); name some of training\.seeds = \(4,\)",
                ),
                ("experiment_seeds = []", r"experiment_seeds = \(\); name some of training\.seeds"),
                ("experiment_seeds = [4, 4]", r"experiment_seeds = \(4, 4\); name some of"),
            )
        ),
        (
            'domains = ["food", "toys"]',
            'domains = ["food"]\ntask = "click"\nexperiments = ["lgcd_steps"]',
            r"both\.(split|experiments)",
        ),
        # headings
        ("[scenario.both]", '[scenario."a/b"]', r"scenario\.a/b: a name may hold letters"),
        ("[domain.food]", "domain = 3\n[food]", r"domain = 3; it must be tables \[domain\.<name"),
        ("[domain.food]", "[domain]\nfood = 3\n[x]", r"domain\.food = 3; it must be a table"),
        # not TOML
        ("[domain.food]", "[domain.food", r"catalog\.toml is not valid TOML: .*line"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert GOOD.count(old) >= 1
    text = GOOD.replace(old, new, 1)
    if new.startswith("domain = 3") or new.startswith("[domain]"):
        text = text.split("[domain.toys]")[0].split("[x]")[0].split("[food]")[0]
    with pytest.raises(ValueError, match=said) as refusal:
        load(tmp_path, text)
    assert str(tmp_path / "catalog.toml") in str(refusal.value)


def test_a_missing_catalog_is_named(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"catalog\.toml is missing"):
        load_catalog(tmp_path / "catalog.toml")


def test_a_catalog_that_is_no_text_is_named(tmp_path: Path) -> None:
    (tmp_path / "catalog.toml").write_bytes(b"\xff\xfe")
    with pytest.raises(ValueError, match=r"catalog\.toml is not valid TOML"):
        load_catalog(tmp_path / "catalog.toml")


def test_parameters_are_plain_values_by_the_name_of_their_config() -> None:
    found = parameters(Filters(k_core=5), Candidates(seeds=(1, 2)))
    assert found["Filters"] == {
        "start": None,
        "end": None,
        "verified": False,
        "k_core": 5,
        "k_core_rule": "union",
        "min_per_domain": 1,
    }
    assert json.loads(json.dumps(found))["Candidates"] == {
        "num_negatives": 999,
        "seeds": [1, 2],
        "unseen": False,
    }


def test_a_sub_domain_reads_the_files_of_its_parent_and_has_features_of_its_own(
    tmp_path: Path,
) -> None:
    parent = f'{TOYS}\nmax_rejected_rows = 7\nfeatures = {{ user_model = "m" }}'
    own = '\n[domain.dolls]\ntitle = "dolls"\nwithin = "toys"\npaths = ["* > Dolls"]\n'
    catalog = load(tmp_path, GOOD.replace(TOYS, parent, 1) + own)
    dolls, toys = catalog.domains["dolls"], catalog.domains["toys"]
    assert (dolls.format, dolls.reviews, dolls.max_rejected_rows) == (toys.format, toys.reviews, 7)
    assert dolls.title == "dolls" and dolls.features is None and toys.features is not None
