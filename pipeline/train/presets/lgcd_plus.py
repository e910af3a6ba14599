"""lgcd_plus, complete."""

from models.batch import ItemSpace
from models.lgcd_plus import LGCDPlusConfig
from pipeline.catalog import Scenario
from pipeline.train.presets.runs import PlusRun
from pipeline.train.presets.shared import encoder_of, fast_loop_of


def lgcd_plus(scenario: Scenario, space: ItemSpace, text_width: int) -> PlusRun:
    """Every choice was made on food-kitchen's validation users."""
    return PlusRun(
        model=LGCDPlusConfig(space=space, text_width=text_width, encoder=encoder_of(scenario)),
        loop=fast_loop_of(scenario),
        max_length=scenario.training.max_length,
    )
