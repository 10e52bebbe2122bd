"""Right answers for task 2.4, and inputs drawn for it."""

from __future__ import annotations

import json
from typing import Any

NO_OUTPUT = "The tool returned nothing."
UNKNOWN_OUTCOME = "It may have been carried out all the same: find out before you call it again."
CUT = "\n[cut: these are the first {shown} of {total} characters]"
WORDS = ["amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "heron", "islet", "jetty", "krill", "lotus"]


def words(rng, count: int) -> list[str]:
    """Different words."""
    return [WORDS[i] for i in rng.permutation(len(WORDS))[:count]]


def token(rng, length: int = 8) -> str:
    """A word that nobody would write by chance."""
    return "".join(rng.choice(list("bcdfghjkmnpqrstvwxz"), size=length))


def schema(rng) -> dict[str, Any]:
    """A schema of a tool."""
    return {
        "type": "object",
        "properties": {
            "city": {"type": "string", "description": token(rng)},
            "days": {"type": "array", "items": {"enum": [int(n) for n in rng.integers(0, 9, size=3)]}},
        },
        "required": ["city"],
        "additionalProperties": False,
    }


def json_value(text: Any) -> Any:
    """The value of a JSON text; `...` when it is none. NaN and infinities are none."""

    def refuse(word: str) -> None:
        raise ValueError(word)

    if not isinstance(text, str):
        return ...
    try:
        return json.loads(text, parse_constant=refuse)
    except (ValueError, RecursionError):
        return ...


def cut(text: str, most: int) -> str:
    """A text cut to `most` characters, with the note."""
    return text if len(text) <= most else text[:most] + CUT.format(shown=most, total=len(text))
