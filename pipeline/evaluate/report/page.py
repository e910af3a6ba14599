"""The page of a scenario, of any task: `report/<scenario>`, one HTML file."""

from collections.abc import Sequence

from pipeline.catalog import Catalog, Scenario
from pipeline.digest import digest_json
from pipeline.evaluate.document import Block, Bullets, Heading
from pipeline.evaluate.report.card import card_blocks
from pipeline.evaluate.report.markup import Part, to_page
from pipeline.evaluate.report.provenance import provenance_blocks
from pipeline.evaluate.report.ranking import tell_ranking
from pipeline.evaluate.report.rating import tell_rating
from pipeline.evaluate.report.steps import Step
from pipeline.evaluate.report.told import Told
from pipeline.outcome import Outcome
from pipeline.store import Artifact, Store


def write_report(
    scenario: Scenario, catalog: Catalog, store: Store, steps: Sequence[Step] = ()
) -> Outcome:
    """Write all that there is of a scenario on one page; `steps` are how its inputs were made.

    ValueError names an artifact that is missing, but for experiments and recommendations: where
    there are none yet, the page says so.
    """
    told = _tell(scenario, store)
    data = Part(
        anchor="data", title="Dataset card", blocks=tuple(card_blocks(scenario, catalog, store))
    )
    provenance: list[Block] = provenance_blocks(scenario, told.provenance, steps)
    if told.left_out:
        provenance += [Heading("What this page leaves out", 3), Bullets(told.left_out)]
    parts = (
        *told.parts,
        data,
        Part(anchor="provenance", title="Provenance", blocks=tuple(provenance)),
    )
    page = to_page(f"Report: {scenario.name}", told.lead, _about(scenario), parts)
    path = store.write_text(f"report/{scenario.name}", ".html", page)
    artifact = Artifact(
        key=f"report/{scenario.name}",
        path=path,
        digest=digest_json(page),
        num_bytes=len(page.encode("utf-8")),
    )
    facts = {f"to quote {number}": sentence for number, sentence in enumerate(told.lead, 1)}
    return Outcome(artifact=artifact, facts={**facts, "parts": len(parts)})


def _tell(scenario: Scenario, store: Store) -> Told:
    if scenario.task == "inter-domain" and len(scenario.domains) == 2:
        return tell_ranking(scenario, store)
    if scenario.task == "cold-start-rating":
        return tell_rating(scenario, store)
    return Told(left_out=("Figures: no system is trained for scenarios of this kind yet.",))


def _about(scenario: Scenario) -> str:
    questions = {
        "inter-domain": "Ranking items of one domain for users who are known in another alone",
        "cross-domain-sequential": "Ranking the next item of users of several domains",
        "cold-start-rating": "Predicting ratings of users who are known in another domain alone",
        "click": "Predicting whether a user clicks an item",
        "multi-behaviour": "Ranking the next item of one behaviour, known others",
    }
    return f"{questions[scenario.task]}. Domains: {', '.join(scenario.domains)}."
