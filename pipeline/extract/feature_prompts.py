"""What a frozen model reads of an item or of a user before its hidden states are pooled.

MuSiC gives no prompts. Ours name the product group, show the text, and ask for one word, which
makes a decoder gather what it has read in its last states.
"""

from collections.abc import Sequence

from pipeline.extract.engine import HISTORY, Image, Message, Request

ITEM_PROMPT = "item/2"
USER_PROMPT = "user/1"
"""Names and versions, part of the cache's identity: raise them with the words below."""

_REVIEW_CHARACTERS = 2000
_DESCRIPTION_CHARACTERS = 1000  # some are pages long


def item_request(
    item_id: str,
    domain: str,
    lines: dict[str, str],
    description: str,
    images: Sequence[Image],
    chat: bool,
) -> Request:
    """An item by its images, by lines of text such as title and brand, and by its description.

    The description is what is cut where a prompt is too long; it may be empty.
    """
    shown = "".join(f"\n{name}: {text}" for name, text in lines.items())
    words = " ".join(description.split())[:_DESCRIPTION_CHARACTERS]
    place = f"\n{HISTORY}" if words else ""
    text = f"A product from {domain}.{shown}{place}\nSummarise this product in one word."
    return Request(
        row=f"item {item_id}",
        prompt=_asked(text, chat),
        history=(f"Description: {words}",) if words else None,
        images=tuple(images),
    )


def user_request(user_id: str, domain: str, reviews: Sequence[str], chat: bool) -> Request:
    """A user by the reviews they wrote, oldest first."""
    text = (
        f"What one customer wrote about {domain}:\n{HISTORY}\n"
        "Summarise this customer's taste in one word."
    )
    entries = tuple("- " + " ".join(review.split())[:_REVIEW_CHARACTERS] for review in reviews)
    return Request(row=f"user {user_id}", prompt=_asked(text, chat), history=entries)


def _asked(text: str, chat: bool) -> str | tuple[Message, ...]:
    return (("user", text),) if chat else text
