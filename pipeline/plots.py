"""What every stage's figures share: no display, names taken literally, small PNGs."""

import io
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def figure(height: float) -> "Figure":
    """An empty figure, 7 inches wide and `height` inches high."""
    # Agg canvas and no pyplot: no display is needed and nothing global is touched.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    empty = Figure(figsize=(7, height), layout="constrained")
    FigureCanvasAgg(empty)
    return empty


def png(drawn: "Figure") -> bytes:
    """The figure as PNG; the same figure gives the same bytes."""
    buffer = io.BytesIO()
    drawn.savefig(buffer, format="png", dpi=110, metadata={"Software": None})
    return buffer.getvalue()


def literal(text: str) -> str:
    """Names are data: a dollar sign would start a formula."""
    return text.replace("$", r"\$")
