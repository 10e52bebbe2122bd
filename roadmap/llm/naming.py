"""What an argument's name, description and schema say of its values: their form, and how they look.

A tool's author says "the file to print" or "day, YYYY-MM-DD", not what such a thing looks like in a request.
"""

from __future__ import annotations

import math
import re
from typing import Any, Literal

from . import spans
from .bridge import properties
from .messages.contract import Tool

_FORMATS = {
    "date": r"^\d{4}-\d{2}-\d{2}$",
    "time": r"^\d{2}:\d{2}",
    "email": r"^[^@\s]+@[^@\s]+\.\w+$",
    "uri": r"^\w+://\S+$",
}
# What a description says of a string's form where the schema does not; "I" and "A" are words before they are tickers.
_DESCRIBED = (
    (re.compile(r"\bYYYY-MM-DD\b"), re.compile(_FORMATS["date"])),
    (re.compile(r"\bHH:MM\b"), re.compile(_FORMATS["time"])),
    (re.compile(r"\bticker\b", re.IGNORECASE), re.compile(r"^(?![IA]$)[A-Z][A-Z.]{0,5}$")),
)
# What has figures in it, whatever else it looks like.
NUMBERED = re.compile(
    r"\b(?:reference|serial|registration|plate|barcode|tracking)\b|\b(?:application|case|order|account|invoice|ticket|"
    r"parcel|customer|member(?:ship)?|policy|booking|sample|part)(?:'s)? (?:number|code|id)\b"
)
# How a string looks by what it is called, where a word of the request looks so.
_CODED = (
    re.compile(r"\b(?:reference|number|code|id|identifier|serial|registration|ticket|plate)\b"),
    re.compile(rf"^(?=\D*(?:\d\D*){{3}})(?=.*[A-Za-z])\w[\w/-]{{3,}}$|^(?:{spans.CODE})$"),
)
APART = (  # and no other string looks so
    (
        re.compile(r"\b(?:file|path|document|script|image|photo)s?\b"),
        re.compile(r"^(?=.*[^\W\d].*\.)[\w~./\\-]+\.(?=\w*[^\W\d])\w{1,6}$"),
    ),
    (re.compile(r"\be-?mail\b"), re.compile(_FORMATS["email"])),
    (re.compile(r"\b(?:url|link|web ?site|page)\b"), re.compile(r"^(?:\w+://|www\.)\S+$")),
)
LIKELY = (APART[0], _CODED, *APART[1:])
_OTHER_KINDS: tuple[tuple[str, Literal["companies", "currencies"]], ...] = (
    ("ticker", "currencies"),
    ("currency", "companies"),
)


_MOMENTS = ("2013-02-03", "07:30")  # a date and a time of day, by which a form that takes them is known
_ARITHMETIC = re.compile(
    r"expression|formula|calcul|arithmetic|equation|quotient|evaluat|\b(?:maths?|sums?|calc|compute)\b"
)
# Words of descriptions that say nothing of what is described.
_COMMON = frozenset(
    "whether the and for are should shall with without into also not off use used only true false yes add added "
    "include included have has had make made set get give given show that this want wanted needed need one its "
    "option optional flag enable enabled disable disabled instead".split()
)
_TEXT = re.compile(
    r"\b(?:title|text|message|words|wording|phrase|caption|inscription|subject|slogan|comment|headline)\b"
)
_ADDRESS = re.compile(r"\b(?:address|street)\b(?! (?:name|only))")
_HALVES = re.compile(r"\b(?:first|given|last|family) name|\bsurname|\btitle of address")
_DIRECTIONS = {
    **dict.fromkeys(("from", "origin", "departure", "pickup"), frozenset({"to", "into", "towards"})),
    **dict.fromkeys(("to", "destination", "dropoff"), frozenset({"from", "of"})),
}
_ROLES = re.compile(
    r"\b(?:editor|author|owner|driver|teacher|guest|client|patient|child|friend|sender|coach|manager|assignee|reviewer|"
    r"tenant|passenger|player|artist|colleague|employee|candidate|proposer|sponsor|supervisor|signatory)\b(?!'s|s\b)"
)
_PROPER = re.compile(r"\b(?:surname|(?:family|full|first|last) name|person|town|city|country|who)\b")


def parts(schema: dict[str, Any]) -> list[dict[str, Any]]:
    """What a value may be, one schema for each, null apart."""
    either = schema.get("anyOf")
    every = either if isinstance(either, list) else [schema]
    return [part for part in every if isinstance(part, dict) and part.get("type") != "null"]


def nullable(schema: dict[str, Any]) -> bool:
    """Whether a value may be null."""
    either = schema.get("anyOf")
    return isinstance(either, list) and {"type": "null"} in either


def numeric(schema: Any) -> bool:
    """Whether a value is a number, or null."""
    every = parts(schema) if isinstance(schema, dict) else []
    return bool(every) and all(part.get("type") in ("integer", "number") for part in every)


def fits(value: float | int, schema: dict[str, Any]) -> bool:
    """Whether a number is of the kind and in the range that a schema allows."""
    if schema.get("type") == "integer" and not float(value).is_integer():
        return False
    if not math.isfinite(value):
        return False
    if value < schema.get("minimum", -math.inf) or value > schema.get("maximum", math.inf):
        return False
    return schema.get("exclusiveMinimum", -math.inf) < value < schema.get("exclusiveMaximum", math.inf)


def wanted(schema: dict[str, Any]) -> re.Pattern[str] | None:
    """The form that a string must have, if its schema names one; a pattern that cannot be read takes anything."""
    pattern = schema.get("pattern") or _FORMATS.get(schema.get("format", ""))
    if pattern is None:
        return None
    try:
        return re.compile(pattern)
    except re.error:
        return re.compile("")


def described(schema: dict[str, Any]) -> re.Pattern[str] | None:
    """The form that a string should have by its description, if that names one."""
    says = schema.get("description")
    return next((form for named, form in _DESCRIBED if isinstance(says, str) and named.search(says)), None)


def _forms(schema: dict[str, Any]) -> list[re.Pattern[str]]:
    """The forms that the strings among a value's kinds must or should have."""
    return [form for part in parts(schema) if (form := wanted(part) or described(part))]


def figured(schema: Any) -> bool:
    """Whether a value is a number, a date or a time."""
    if not isinstance(schema, dict) or {"const", "enum"} & schema.keys():
        return False
    return numeric(schema) or any(form.search(one) for form in _forms(schema) for one in _MOMENTS)


def free(schema: Any) -> bool:
    """Whether a value may be any words of the request."""
    if not isinstance(schema, dict) or {"const", "enum"} & schema.keys():
        return False
    return any(part.get("type") == "string" and not (wanted(part) or described(part)) for part in parts(schema))


def called(key: str, schema: Any) -> str:
    """What an argument is called and described as, in lower case."""
    says = schema.get("description", "") if isinstance(schema, dict) else ""
    return f"{apart(key)} {says}".lower()


def apart(name: str) -> str:
    """A name's words with blanks between them: `hourlyRate` and `hourly_rate` are two."""
    return re.sub(r"([a-z])(?=[A-Z])|_", r"\1 ", name)


def names_somebody(key: str, schema: Any) -> bool:
    """Whether an argument is a person's or a town's name, by what it is called or described as."""
    return bool(_PROPER.search(called(key, schema)))


def names_a_role(key: str, schema: Any) -> bool:
    """Whether an argument is somebody in a role: the editor, the driver."""
    return bool(_ROLES.search(called(key, schema)))


def not_after(key: str) -> frozenset[str]:
    """Words after which an argument does not stand: a `from_address` is not what "to" is said before."""
    words = apart(key).lower().split()
    return next((_DIRECTIONS[word] for word in words if word in _DIRECTIONS), frozenset())


def whole_names(key: str, schema: Any) -> bool:
    """Whether a name is taken whole: no first or family name alone is asked for."""
    return not _HALVES.search(called(key, schema))


def quoted(key: str, schema: Any) -> bool:
    """Whether an argument is somebody's words, which are written in quotation marks where there are any."""
    return bool(_TEXT.search(called(key, schema)))


def an_address(key: str, schema: Any) -> bool:
    """Whether an argument is a street with its number."""
    return bool(_ADDRESS.search(called(key, schema)))


def timely(schema: Any) -> bool:
    """Whether a value is a date or a time of day."""
    if not isinstance(schema, dict) or {"const", "enum"} & schema.keys():
        return False
    return any(form.search(one) for form in _forms(schema) for one in _MOMENTS if not form.search("any words"))


def stems(key: str, schema: Any) -> frozenset[str]:
    """Beginnings of the words that an argument is called and described by, by which a request may mention it."""
    words = re.findall(r"[a-z]{3,}", called(key, schema))
    return frozenset(word[: max(4, len(word) - 2)] for word in words if word not in _COMMON)


def reckons(tool: Tool) -> bool:
    """Whether a tool takes arithmetic, by what it says of itself: elsewhere numbers with signs are no text."""
    says = [tool.name, tool.description]
    for key, schema in properties(tool.input_schema).items():
        says += [key, str(schema.get("description", "")) if isinstance(schema, dict) else ""]
    return bool(_ARITHMETIC.search(apart(" ".join(says)).lower()))


def other_codes(schema: dict[str, Any]) -> frozenset[str]:
    """Codes of the right form and the wrong kind: a ticker symbol is not a currency, and the other way about."""
    says = str(schema.get("description")).lower()
    kinds = [kind for word, kind in _OTHER_KINDS if word in says]
    return spans.codes(kinds[0]) if len(kinds) == 1 else frozenset()
