"""The leaderboard's first metric, whatever the task: what is quoted of it, and its chart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pipeline.catalog.system_names import shown
from pipeline.evaluate.document import Block, Cell, Charts, Grid, Paragraph
from pipeline.evaluate.leaderboard_tables import p_text
from pipeline.evaluate.report.charts import Kind, Mark, interval_chart

Row = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Board:
    metric: str
    lower_is_better: bool
    task: str  # what the metric is of, as a clause of the sentence to quote
    places: Mapping[str, Mapping[str, Row]]  # by place ("in food"), then by system, best first
    ours: tuple[str, ...]
    chosen: str | None  # the one of ours that validation prefers; None: there is none

    @property
    def looked_at(self) -> str:
        """The system that the page is about: ours, or else the best of the first place."""
        return self.chosen or next(iter(next(iter(self.places.values()))))

    def rival(self, place: str) -> str | None:
        """The baseline to beat, as the other systems' rows name it."""
        named = {row["versus"] for row in self.places[place].values()} - {None}
        return next(iter(named)) if named else None

    def pair(self, place: str) -> tuple[str, ...]:
        """The system that the page is about, then the baseline to beat, where that is another."""
        return tuple(dict.fromkeys(filter(None, (self.looked_at, self.rival(place)))))

    def kind(self, system: str, place: str) -> Kind:
        if system in self.ours:
            return "ours"
        return "rival" if system == self.rival(place) else "other"


def headline(board: Board) -> list[str]:
    """A sentence for each place that can be quoted as it stands."""
    return [_sentence(board, place) for place in board.places]


def _sentence(board: Board, place: str) -> str:
    rows, system, rival = board.places[place], board.looked_at, board.rival(place)
    row = rows[system]
    told = f"{place}, {shown(system)} {board.task} {board.metric} {_figure(row)}"
    told = told[0].upper() + told[1:]
    if rival is None or rival == system:
        return f"{told}."
    told += f"; {shown(rival)}, the baseline to beat, reaches {_figure(rows[rival])}"
    reach = f"95 % interval {row['delta_low']:+.3f} to {row['delta_high']:+.3f}"
    p = p_text(row["p_value"])
    p = p if p.startswith("<") else f"= {p}"
    return f"{told}; the difference is {row['delta']:+.3f} ({reach}, p {p})."


def _figure(row: Row) -> str:
    return f"{row['mean']:.3f} (95 % interval {row['low']:.3f} to {row['high']:.3f})"


def board_grid(board: Board) -> Grid:
    """Every system in every place, best mean over places first."""
    first = next(iter(board.places.values()))

    def mean(system: str) -> float:
        return sum(rows[system]["mean"] for rows in board.places.values()) / len(board.places)

    lines = []
    for system in sorted(first, key=mean, reverse=not board.lower_is_better):
        figures = []
        for place, rows in board.places.items():
            figures += [_mean_cell(rows, system), Cell(_standing(rows[system], board, place))]
        lines.append((Cell(shown(system), "(ours)" if system in board.ours else ""), *figures))
    header = (name for place in board.places for name in (f"{board.metric} {place}", "p"))
    return Grid(("System", *header), tuple(lines), caption=f"{board.metric} of all systems")


def _mean_cell(rows: Mapping[str, Row], system: str) -> Cell:
    """The best is the first of its place."""
    row = rows[system]
    reach = f"({row['low']:.3f} to {row['high']:.3f})"
    return Cell(f"{row['mean']:.4f}", reach, strong=system == next(iter(rows)))


def _standing(row: Row, board: Board, place: str) -> str:
    if row["p_value"] is None:
        return "to beat" if row["system"] == board.rival(place) else ""
    return p_text(row["p_value"])


def how_to_read(board: Board) -> list[Block]:
    direction = "Lowest" if board.lower_is_better else "Highest"
    chosen = (
        f" Quoted above: {shown(board.chosen)}, which they prefer of ours." if board.chosen else ""
    )
    return [
        Paragraph(
            f"{direction} mean over the columns first; the best of each is bold. In parentheses:"
            " 95 % interval over users. p: paired test against the baseline to beat, which"
            f" validation users chose.{chosen}"
        )
    ]


LEGEND = Paragraph(
    "Disc: ours. Square: the baseline to beat. Ring: the others. Diamond: published, where there is"
    " such a figure. Line: 95 % interval over users."
)
"""Of the charts."""


def board_charts(board: Board) -> Charts:
    """Every system with its interval, a chart for each place."""
    direction = "lower is better" if board.lower_is_better else "higher is better"
    return Charts(
        tuple(
            interval_chart(
                f"{board.metric} {place}: mean and 95 % interval over users",
                [
                    Mark(
                        label=shown(system),
                        mean=row["mean"],
                        low=row["low"],
                        high=row["high"],
                        kind=board.kind(system, place),
                        published=row.get("published"),
                    )
                    for system, row in rows.items()
                ],
                f"{board.metric}, {direction}",
                from_zero=not board.lower_is_better,
            )
            for place, rows in board.places.items()
        )
    )
