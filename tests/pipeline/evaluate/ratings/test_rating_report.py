"""What the rating report says, and what its pictures are drawn from."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest

from pipeline.catalog import Scenario
from pipeline.evaluate.background import Provenance, Upstream
from pipeline.evaluate.cost import Scoring
from pipeline.evaluate.ratings.background import RatingBackground, RatingCost, RatioSize
from pipeline.evaluate.ratings.convergence import Converged
from pipeline.evaluate.ratings.leaderboard import build_rating_leaderboard
from pipeline.evaluate.ratings.leaderboard_report import RatingReport, markdown_report
from pipeline.evaluate.ratings.plots import (
    FeatureMap,
    binned_means,
    calibration,
    error_lines,
    feature_plane,
    prediction_histograms,
    two_axes,
)
from pipeline.evaluate.ratings.published import DIFFCDR_CELLS, DIFFCDR_METHODS
from pipeline.evaluate.significance import Bootstrap
from tests.pipeline.evaluate.ratings.prediction_tables import both_parts, off_by
from tests.pipeline.evaluate.ratings.prediction_tables import predicted as hand_made

NEAR, FAR = [off_by(*[0.25, -0.25] * 3)] * 2, [off_by(*[1.0, -1.0] * 3)]
NASTY = "<script>alert('$x$')</script> | [a](http)"
SYSTEMS = {"item_mean": FAR, "cmf": [off_by(*[0.5, -0.5] * 3)], "music": NEAR}


def report(
    systems: Mapping[str, Sequence[Sequence[float]]] = SYSTEMS,
    background: RatingBackground | None = None,
) -> RatingReport:
    predictions = pa.concat_tables([both_parts(systems, ratio=ratio) for ratio in (0.2, 0.8)])
    return RatingReport(
        scenario=Scenario(
            name="tiny", domains=("rock", "soul"), task="cold-start-rating", systems=tuple(systems)
        ),
        leaderboard=build_rating_leaderboard(predictions, bootstrap=Bootstrap(resamples=200)),
        predictions=predictions,
        background=background or RatingBackground(),
    )


def background() -> RatingBackground:
    scoring = Scoring(
        num_trained=1234, num_stored=2000, seconds=0.5, num_users=20, machine="A <1> one"
    )
    counted = Scoring(num_trained=0, num_stored=7, seconds=0.1, num_users=20, machine="A <1> one")
    generator = np.random.default_rng(0)
    return RatingBackground(
        notes=(NASTY,),
        sizes=tuple(
            RatioSize(cold_ratio=ratio, overlap=31, valid_users=5, valid_ratings=13)
            for ratio in (0.2, 0.8)
        ),
        fallbacks={"rock: cold users without text": 17},
        curves={
            ("music", "ratings", 0.2, 0): [0.9, 0.8, 0.85],
            ("music", "ratings", 0.8, 0): [0.9, 0.8],
            ("music", "overlap_users", 0.2, 0): [0.5],
        },
        features=FeatureMap(
            system="music",
            cold_ratio=0.2,
            true_ND=generator.normal(size=(30, 4)),
            generated_ND=generator.normal(size=(30, 4)),
        ),
        costs=(
            RatingCost(system="music", scoring=scoring, train_seconds=12.34),
            RatingCost(system="item_mean", scoring=counted, train_seconds=None),
        ),
        provenance=Provenance(
            artifacts=(Upstream(name="ratings/tiny", digest="00112233aabbccdd"),),
            split_seed=7,
            candidate_seeds=(),
            versions=(("coldbridge", "0.1.0"),),
        ),
    )


@pytest.fixture(scope="module")
def text() -> str:
    """The report of three systems, nothing gathered."""
    return markdown_report(report())


def lines_of(text: str, start: str) -> list[str]:
    return [line for line in text.splitlines() if line.startswith(start)]


def test_the_summary_says_who_leads_whom_to_beat_and_how_ours_stand(text: str) -> None:
    first, second = lines_of(text, "- Cold ratio ")
    assert first.startswith("- Cold ratio 0.2: MuSiC leads with RMSE 0.2500 (0.250 to 0.250)")
    assert "the baseline to beat, chosen on validation users, is CMF with 0.5000" in first
    assert "MuSiC has 0.2500, 0.2500 better (difference -0.250 to -0.250, p = 0.005)" in first
    assert "item means alone reach 1.0000" in first
    assert second.startswith("- Cold ratio 0.8: MuSiC leads")


def test_where_ours_are_worse_the_summary_says_so() -> None:
    first, _ = lines_of(markdown_report(report({"item_mean": NEAR, "music": FAR})), "- Cold ratio ")
    assert first.startswith("- Cold ratio 0.2: Item mean leads with RMSE 0.2500")
    assert "MuSiC has 1.0000, 0.7500 worse (difference +0.750 to +0.750" in first


def test_the_lowest_error_is_bold_and_comes_first(text: str) -> None:
    overview = text.split("Lowest mean RMSE first")[0]
    names = [line.split("|")[1].strip() for line in lines_of(overview, "| ")[2:]]
    assert names == ["MuSiC (ours)", "CMF", "Item mean"]
    assert "| MuSiC (ours) | **0.2500** | **0.2500** | **0.2500** | **0.2500** |" in overview
    assert "| CMF | 0.5000 | 0.5000 |" in overview


def test_differences_stand_beside_intervals_and_p(text: str) -> None:
    assert "### Less CMF: below zero is better" in text
    assert "| MuSiC (ours) | -0.2500 | -0.250 to -0.250 | 0.005 |" in text
    assert "| Item mean | +0.5000 | +0.500 to +0.500 | 0.005 |" in text
    assert "| CMF | to beat |" in text
    assert "| MuSiC (ours) | **0.2500** | 0.250 to 0.250 | 0.0000 |" in text  # two seeds


def test_what_was_gathered_is_told() -> None:
    text = markdown_report(report(background=background()))
    assert "| 0.2 | 31 | 5 | 13 | 3 | 6 |" in text
    assert "| rock: cold users without text | 17 |" in text
    assert "| MuSiC (ours) | 1,234 | 2,000 | 12.3 | 25.000 |" in text
    assert "| Item mean | none | 7 |  | 5.000 |" in text
    assert "| MuSiC | ratings | 2 | 2 to 3 | 2 | 1 |" in text
    assert "| ratings/tiny | 00112233aabbccdd |" in text
    assert "Seeds: split 7;" in text


def test_users_without_text_have_figures_of_their_own() -> None:
    """User 1 is silent, and CMF is wrong about user 1 alone."""
    systems = {"item_mean": FAR, "cmf": [off_by(1.0, 1.0, 0.0, 0.0, 0.0, 0.0)], "music": NEAR}
    silent = (frozenset({1}), frozenset[int]())
    text = markdown_report(report(systems, RatingBackground(silent=silent)))
    (table,) = (part for part in text.split("\n\n") if part.startswith("| Cold ratio 0.2 |"))
    assert "RMSE, 2 users with text" in table and "MAE, 1 users without" in table
    assert "| MuSiC | 0.2500 | 0.2500 | 0.2500 | 0.2500 |" in table
    assert "| CMF | 0.0000 | 0.0000 | 1.0000 | 1.0000 |" in table
    (nobody,) = (part for part in text.split("\n\n") if part.startswith("| Cold ratio 0.8 |"))
    assert "0 users without" in nobody and "| MuSiC | 0.2500 | 0.2500 |  |  |" in nobody


def test_steps_by_convergence_stand_beside_the_grids() -> None:
    run = Converged(
        cold_ratio=0.2,
        seed=3,
        chosen=4,
        valid={1: 0.9, 2: 0.7, 4: 0.8, 8: 0.7, 10: 0.75},
        test={1: 1.9, 2: 1.7, 4: 1.8, 8: 1.7, 10: 1.75},
    )
    assert run.of_grid == 2  # of equals, the smaller
    text = markdown_report(report(background=RatingBackground(convergence=(run,))))
    assert "| 0.2 | 3 | 4 | 0.8000 (1.8000) | 2 | 0.7000 (1.7000) | 0.7500 (1.7500) |" in text
    assert "RMSE at all 10 steps" in text


def test_the_protocol_tells_what_is_hidden_and_how_validation_chooses(text: str) -> None:
    assert "A cold user is known in rock alone." in text
    assert "The test chooses nothing." in text
    assert "ratings given in the test lie from 1 to 5" in text
    assert "Training seeds: Item mean 1, CMF 1, MuSiC 2;" in text


def test_the_dual_cold_start_is_told_where_items_are_cold_too(text: str) -> None:
    assert "Dual cold start" not in text
    one = report()
    split = replace(one.scenario.split, cold_items=0.2)
    dual = markdown_report(replace(one, scenario=replace(one.scenario, split=split)))
    assert "Dual cold start: of the items of soul with training ratings a share of 0.2" in dual


def test_the_papers_setting_is_told_where_music_is_run_alone(text: str) -> None:
    heading = "What differs from the paper's setting"
    assert heading in text
    assert heading not in markdown_report(report({"item_mean": FAR, "cmf": NEAR}))


def test_published_figures_stand_apart_and_are_whole(text: str) -> None:
    assert {len(cells.split()) for cells in DIFFCDR_CELLS.values()} == {len(DIFFCDR_METHODS)}
    for cells in DIFFCDR_CELLS.values():
        for mae, rmse in (cell.split("/") for cell in cells.split()):
            assert 0.9 < float(mae) < float(rmse) < 5.3
    assert "| Movie to Music | 0.2 | 4.4546 / 5.1338 |" in text
    assert "Another, larger data set: not comparable cell by cell." in text


def test_equal_predictions_share_a_bin_and_others_are_averaged() -> None:
    constant = hand_made([1, 2, 3], [[0.5, 0.5, 0.5]])
    assert binned_means(constant) == ([3.5], [3.0])
    rising = hand_made(range(16), [np.arange(16) / 8])
    means, ratings = binned_means(rising)
    assert means == pytest.approx([3 + (2 * number + 0.5) / 8 for number in range(8)])
    assert ratings == [3.0] * 8


def test_the_plane_holds_the_two_main_axes_of_both_sets() -> None:
    # Spread along the first dimension most, along the second less, along the third not at all.
    true_ND = np.array([[3.0, 0.0, 1.0], [-3.0, 0.0, 1.0]])
    generated_ND = np.array([[0.0, 1.0, 1.0], [0.0, -1.0, 1.0]])
    true_N2, generated_N2, explained = two_axes(true_ND, generated_ND)
    assert np.abs(true_N2) == pytest.approx(np.array([[3.0, 0.0], [3.0, 0.0]]))
    assert np.abs(generated_N2) == pytest.approx(np.array([[0.0, 1.0], [0.0, 1.0]]))
    assert explained == pytest.approx((0.9, 0.1))


def test_pictures_stay_small() -> None:
    generator = np.random.default_rng(1)
    names = ("item_mean", "user_mean", "biases", "biased_mf", "cmf", "emcdr", "ptupcdr", "music")
    systems = {name: [off_by(*generator.normal(size=6))] * 3 for name in names}
    many = report(systems)
    looked_at = many.looked_at()
    assert {one.system for one in looked_at[many.leaderboard["cold_ratio"][0].as_py()]} >= {
        "item_mean",
        "music",
    }
    features = FeatureMap(
        system="music",
        cold_ratio=0.2,
        true_ND=generator.normal(size=(2000, 32)),
        generated_ND=generator.normal(size=(2000, 32)),
    )
    pictures = (
        error_lines(many.leaderboard),
        calibration(looked_at),
        prediction_histograms(looked_at, (1.0, 5.0)),
        feature_plane(features),
    )
    sizes = [len(picture) for picture in pictures]
    assert max(sizes) < 100_000, sizes
