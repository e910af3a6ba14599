"""What the report of experiments says, from tables written by hand."""

from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from pipeline.catalog import Scenario
from pipeline.columns import EXPERIMENT
from pipeline.evaluate.document import to_markdown
from pipeline.evaluate.experiment_plots import chart, place
from pipeline.evaluate.experiment_report import report_blocks, write_ablation_report
from pipeline.evaluate.published_ablations import LGCD_TABLE_3, published_ablations
from pipeline.store import Store
from pipeline.train.experiments.lgcd import ablations
from tests.pipeline.evaluate.experiment_tables import table

PNG = b"\x89PNG"


ABLATIONS = table("lgcd_ablations", {"LGCD": 0.4, "w/o Diffusion": 0.3, "control": 0.45}, "LGCD")
STEPS = table("lgcd_steps", {"10": 0.2, "100": 0.4, "full model": 0.35}, "full model")


def scenario(**changes: Any) -> Scenario:
    names = ("lgcd_ablations", "lgcd_steps")
    return Scenario(name="pair", domains=("food", "kitchen"), experiments=names, **changes)


def markdown(**changes: Any) -> str:
    tables = {"lgcd_ablations": ABLATIONS, "lgcd_steps": STEPS}
    return to_markdown(report_blocks(scenario(**changes), tables))


def row(text: str, variant: str) -> list[str]:
    line = next(line for line in text.splitlines() if line.startswith(f"| {variant} "))
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_the_report_says_that_validation_chooses() -> None:
    text = markdown()
    assert "Choices are made by validation users alone" in text
    assert "The columns of the test users are for information" in text
    # The test users would have chosen w/o Diffusion.
    assert (
        "- food: on validation users control is best, NDCG@10 0.4500, +0.0500 to the reference"
        " (p &lt; 0.001). Worse than the reference at p &lt; 0.05: w/o Diffusion." in text
    )
    assert row(text, "control")[1].startswith("**0.4500**")
    assert "**0.7" not in text


def test_a_row_holds_validation_then_test_with_intervals_spread_and_p() -> None:
    cells = row(markdown(), "w/o Diffusion")
    assert cells[1] == "0.3000 (0.280 to 0.320) ± 0.010"
    assert cells[3] == "&lt; 0.001"
    assert cells[4] == "0.7000 (0.680 to 0.720) ± 0.010"
    assert len(cells) == 9
    assert row(markdown(), "LGCD reference")[3] == ""


def test_published_figures_stand_beside_ours_in_their_setting_alone() -> None:
    text = markdown(published="lgcd-food-kitchen")
    assert row(text, "w/o Diffusion")[9:] == ["0.2200", "0.1368"]  # food comes first
    assert row(text, "control")[9:] == ["", ""]
    assert "arXiv 2604.05365, Table 3" in text
    assert "Table 3" not in markdown()


def test_costs_are_told_once_for_each_experiment() -> None:
    assert markdown().count("| w/o Diffusion | 1,234,567 | 61.2 |") == 1


def test_table_and_markdown_are_written_and_the_ui_gets_charts(tmp_path: Path) -> None:
    store = Store(tmp_path)
    for name, one in (("lgcd_ablations", ABLATIONS), ("lgcd_steps", STEPS)):
        store.write_table(f"experiments/pair/{name}", EXPERIMENT, one)
    outcome = write_ablation_report(scenario(), store)
    assert store.read_table("ablation_report/pair").num_rows == len(ABLATIONS) + len(STEPS)
    assert set(outcome.tables) == {"lgcd_ablations", "lgcd_steps"}
    assert all(PNG in png[:4] and len(png) < 100_000 for png in outcome.plots.values())
    assert "Experiments: pair" in store.read_text("ablation_report/pair", ".md")


def test_numbers_are_places_on_the_axis_and_names_are_levels() -> None:
    assert (place("0.1"), place("200"), place("full model")) == (0.1, 200.0, None)


@pytest.mark.parametrize("parts", [("valid",), ("valid", "test")])
@pytest.mark.parametrize("axis", [None, "steps"])
def test_charts_are_the_same_for_the_same_figures_and_others_for_others(
    axis: str | None, parts: tuple[str, ...]
) -> None:
    one = chart(STEPS, axis, parts)
    assert one.startswith(PNG) and one == chart(STEPS, axis, parts)
    changed = table("lgcd_steps", {"10": 0.3, "100": 0.4, "full model": 0.35}, "full model")
    assert one != chart(changed, axis, parts)


def test_every_published_ablation_is_a_variant_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    import pipeline.train.experiments.lgcd as lgcd

    monkeypatch.setattr(lgcd, "_model", lambda run, **changes: run)
    monkeypatch.setattr(lgcd, "_cases", lambda run, **changes: run)
    labels = ablations(None, scenario())
    for cells in LGCD_TABLE_3.cells.values():
        assert set(cells) == set(labels) - {"w/o pseudo-interactions", "control"}


def test_published_ablations_are_known_by_name_and_setting() -> None:
    found = published_ablations("lgcd-table-3", "lgcd-food-kitchen")
    assert found and found.value("w/o MoE", "kitchen", "NDCG@5") == 0.1730
    assert found.value("w/o MoE", "kitchen", "HR@10") is None
    assert found.value("control", "kitchen", "HR@5") is None
    assert published_ablations(None, "lgcd-food-kitchen") is None
    assert published_ablations("lgcd-table-3", None) is None
    with pytest.raises(ValueError, match="'table-9' is no known table; known: lgcd-table-3"):
        published_ablations("table-9", None)


def test_published_hit_rates_are_whole_numbers_of_cases_but_for_the_cell_that_is_named() -> None:
    odd = {
        (domain, variant)
        for domain, num_cases in (("food", 300), ("kitchen", 637))
        for variant, (hit_rate, _) in LGCD_TABLE_3.cells[domain].items()
        if round(round(hit_rate * num_cases) / num_cases, 4) != hit_rate
    }
    assert odd == {("food", "w/o MoE")}
    assert "w/o MoE" in LGCD_TABLE_3.remarks[1]


def test_a_bar_of_the_test_users_is_seen_where_it_is_longer_than_all_of_validation() -> None:
    def with_test_mean(mean: float) -> bytes:
        rows = ABLATIONS.to_pylist()
        for row in rows:
            if row["part"] == "test" and row["variant"] == "w/o Diffusion":
                row |= {"mean": mean, "low": mean, "high": mean}
        return chart(pa.Table.from_pylist(rows, schema=EXPERIMENT), None, ("valid", "test"))

    assert with_test_mean(0.8) != with_test_mean(0.9)


def test_searches_of_settings_are_compared_in_one_table() -> None:
    slow, fast = "learning rate 0.001", "learning rate 0.003"
    tables = {
        "gru4rec_tuning": table("gru4rec_tuning", {slow: 0.2, fast: 0.3}, slow),
        "unicdr_tuning": table("unicdr_tuning", {"full model": 0.1, slow: 0.05}, "full model"),
    }
    text = to_markdown(report_blocks(scenario(), tables))
    assert "## Settings tried, the same for every system" in text
    assert row(text, "System")[1:] == [slow, fast, "full model"]
    assert row(text, "GRU4Rec")[1:] == ["0.2000 preset", "**0.3000**", ""]
    assert row(text, "UniCDR")[1:] == ["0.0500", "", "**0.1000** preset"]
    assert "Settings tried" not in markdown()
