"""The systems that a scenario may train and compare, and what each is trained from."""

from collections.abc import Iterable

_SEQUENCES = ("sequences", "vocabulary")
_SELECTED = (*_SEQUENCES, "candidates")  # selected on validation users
_TEXT = (*_SELECTED, "item_text")
_TRANSFER = (*_TEXT, "pseudo_interactions", "encoders")

ENCODER_INPUTS = (*_SEQUENCES, "item_text")
"""What LGCD's stage 1 is trained from."""

SYSTEMS: dict[str, tuple[str, ...]] = {
    "popularity": _SEQUENCES,
    "overlap_popularity": _SEQUENCES,
    "recent_popularity": _SEQUENCES,
    "cooccurrence": _SEQUENCES,
    "item_knn": (*_SEQUENCES, "item_text"),
    "ease": _SEQUENCES,
    "sasrec": _SELECTED,
    "sasrec_bce": _SELECTED,
    "gru4rec": _SELECTED,
    "fearec": _SELECTED,
    "diffurec": _SELECTED,
    "sscdr": _SELECTED,
    "unicdr": _SELECTED,
    "c2dsr": _SELECTED,
    "tricdr": _SELECTED,
    "unisrec": _TEXT,
    "llmcdsr": (*_TEXT, "title_vectors"),
    "lgcd": _TRANSFER,
    "lgcd_blind": _TRANSFER,
    "lgcd_plus": _TEXT,
}
"""Every system, and the artifacts that it is trained from."""

_MADE_FROM = {
    "encoders": ENCODER_INPUTS,
    "pseudo_interactions": ("item_text", "title_vectors"),
    "title_vectors": ("generated_titles",),
}
"""What of these artifacts is made from others that models have to make."""


def artifacts_of(systems: Iterable[str]) -> set[str]:
    """All that the systems rest on: what each is trained from, and what that is made from."""
    waiting = [name for system in systems for name in SYSTEMS[system]]
    found = set()
    while waiting:
        name = waiting.pop()
        found.add(name)
        waiting += _MADE_FROM.get(name, ())
    return found


FITTED = tuple(name for name, inputs in SYSTEMS.items() if "candidates" in inputs)
"""Those that are trained in epochs, and selected on validation users; the others count."""

DEFAULT_SYSTEMS = (
    "popularity",
    "recent_popularity",
    "cooccurrence",
    "sasrec",
    "lgcd",
    "lgcd_blind",
    "lgcd_plus",
)
"""What a scenario compares unless it names its own."""

OURS = ("lgcd", "lgcd_blind", "lgcd_plus")
"""Systems that this project stands for, and their ablations; all others are there to be beaten."""

TUNED = tuple(system for system in FITTED if system != "lgcd_blind")
"""Systems whose settings are searched for, each with the same budget; `lgcd_blind` has LGCD's."""


def tuning_of(system: str) -> str:
    """The experiment that tries a system's settings."""
    return f"{system}_tuning"


EXPERIMENTS: dict[str, str] = {
    "lgcd_ablations": "lgcd",
    "lgcd_guidance": "lgcd",
    "lgcd_targets": "lgcd",
    "lgcd_pseudo_items": "lgcd",
    "lgcd_steps": "lgcd",
    "lgcd_strength": "lgcd",
    "lgcd_overlap_ratio": "lgcd",
    "lgcd_pseudo": "lgcd",
    "lgcd_literal": "lgcd",
    "lgcd_plus_ablations": "lgcd_plus",
    **{tuning_of(system): system for system in TUNED},
}
"""Every experiment, and the system whose run it varies. None may be named as a system is."""
