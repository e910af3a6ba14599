"""The prompt that asks for titles, and how its answers are read.

LGCD takes its generation prompt from LLMCDSR: an instruction that names both domains, three
worked examples from training users of both, then the user's own titles. Departures: the
examples are the same for all users of a direction, so that an engine with a prefix cache
reads them once; titles are shortened; and the answer is JSON, which leaves no second pass to
parse free text.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.extract.engine import Message

TITLES_PROMPT = "titles/1"
TITLES_WANTED = 4
_TITLE_CHARACTERS = 45
_SHOWN_TITLES = 5
_TITLE_WORDS = 5
_SEPARATOR = re.compile(r"[,;:|(\[]| - | by ")


@dataclass(frozen=True, kw_only=True)
class Example:
    """A training user of both domains: what they had, and what they had in the other domain."""

    source: tuple[str, ...]
    target: tuple[str, ...]


TITLES_SCHEMA = json.dumps(
    {
        "type": "object",
        "properties": {
            "titles": {
                "type": "array",
                "items": {"type": "string", "minLength": 4, "maxLength": _TITLE_CHARACTERS},
                "minItems": TITLES_WANTED,
                "maxItems": TITLES_WANTED,
            }
        },
        "required": ["titles"],
        "additionalProperties": False,
    },
    separators=(",", ":"),
)


def titles_prompt(
    source_domain: str, target_domain: str, examples: Sequence[Example], titles: Sequence[str]
) -> tuple[Message, ...]:
    """Ask for products of the target domain that fit a user's titles of the source domain."""
    messages: list[Message] = [
        (
            "system",
            f"You recommend {target_domain} to people from the {source_domain} they like. "
            "Answer with product names only.",
        )
    ]
    for example in examples:
        messages.append(("user", _question(source_domain, target_domain, example.source)))
        answer = [short_title(title) for title in example.target[-TITLES_WANTED:]]
        messages.append(
            ("assistant", json.dumps({"titles": answer}, ensure_ascii=False, separators=(",", ":")))
        )
    messages.append(("user", _question(source_domain, target_domain, titles)))
    return tuple(messages)


def _question(source_domain: str, target_domain: str, titles: Sequence[str]) -> str:
    shown = "; ".join(short_title(title) for title in titles[-_SHOWN_TITLES:])
    return f"I like these {source_domain}: {shown}. Name {TITLES_WANTED} {target_domain} for me."


def short_title(title: str) -> str:
    """The product's name without sizes and model numbers, which a small model would echo."""
    words = _SEPARATOR.split(title)[0].split() or title.split()
    plain = [word for word in words if not any(character.isdigit() for character in word)]
    return " ".join((plain or words)[:_TITLE_WORDS])[:_TITLE_CHARACTERS].strip()


def parse_titles(answer: str) -> list[str]:
    """Distinct titles of an answer, in order; of a cut answer, those that are whole."""
    try:
        titles = json.loads(answer)["titles"]
    except json.JSONDecodeError:
        whole = re.findall(r'"(?:[^"\\]|\\.)*"(?=\s*[,\]])', answer)
        titles = [json.loads(title) for title in whole]
    cleaned = [" ".join(str(title).split()) for title in titles]
    return list(dict.fromkeys(title for title in cleaned if title))
