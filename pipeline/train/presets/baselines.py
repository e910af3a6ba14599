"""The systems to beat, complete. One function each: (scenario, space, text width) -> run."""

from models.baselines.cooccurrence import CooccurrenceConfig
from models.baselines.popularity import PopularityConfig, RecentPopularityConfig
from models.baselines.sasrec import SASRecConfig
from models.batch import ItemSpace
from pipeline.catalog import Scenario
from pipeline.train.presets.runs import CountingRun, SequentialRun
from pipeline.train.presets.shared import encoder_of, loop_of


def popularity(scenario: Scenario, space: ItemSpace, text_width: int) -> CountingRun:
    return CountingRun(model=PopularityConfig(space=space))


def recent_popularity(scenario: Scenario, space: ItemSpace, text_width: int) -> CountingRun:
    return CountingRun(model=RecentPopularityConfig(space=space))


def cooccurrence(scenario: Scenario, space: ItemSpace, text_width: int) -> CountingRun:
    return CountingRun(model=CooccurrenceConfig(space=space))


def sasrec(scenario: Scenario, space: ItemSpace, text_width: int) -> SequentialRun:
    """All training sequences mixed in one table; sampled softmax within the label's domain."""
    return SequentialRun(
        model=SASRecConfig(space=space, encoder=encoder_of(scenario)),
        loop=loop_of(scenario),
        max_length=scenario.training.max_length,
    )
