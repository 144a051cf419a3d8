"""Which texts can be posted, and how they are stored."""

import unicodedata

import regex

from .errors import BadText

HALF_A_PAIR = "The text holds half of a surrogate pair, which is not valid Unicode."
GRAPHEME = regex.compile(r"\X")
"""A character as people count them (Unicode UAX #29)."""


def clean(text: str, limit: int) -> str:
    """The text as it is stored: NFC, without white space around it. Raises `BadText` for what is
    empty, too long, or holds what no text may hold."""
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise BadText(HALF_A_PAIR)
    if "\x00" in text:
        raise BadText("The text holds a NUL character, which no text may.")
    text = unicodedata.normalize("NFC", text).strip()
    if all(unicodedata.category(character)[0] in "CZ" for character in text):
        raise BadText("The text is empty: it has no visible character.")
    # A character may consist of many code points, so their number is bounded as well.
    if len(text) > 10 * limit:
        raise BadText(f"The text has {len(text)} code points; the limit is {10 * limit}.")
    count = len(text) if text.isascii() else len(GRAPHEME.findall(text))
    if count > limit:
        raise BadText(f"The text has {count} characters; the limit is {limit} characters.")
    return text
