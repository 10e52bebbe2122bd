"""Answers from results: nothing that a tool returned is left out, nothing is made up, and a failure is said to be one.

A small model drops a sign or a value now and then. What it writes is held against the results; if it does not hold, the
results themselves are told, each value with its label.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .messages.contract import Request, TextBlock, ToolResultBlock, ToolUseBlock

# Dates and clock times are one token each; a minus belongs to a number unless a word or digit stands before it.
_FIGURE = re.compile(r"\d{4}-\d{2}-\d{2}|\d{1,2}:\d{2}(?::\d{2})?|(?<![\w.])[-−]\d[\d,]*(?:\.\d+)?|\d[\d,]*(?:\.\d+)?")
_CIRCLE = re.compile(r"\b(\w+(?:\W+\w+){1,7}?)(?:\W+\1\b){2}", re.IGNORECASE)
_FAILURE = re.compile(
    r"\b(?:could not|couldn't|cannot|can't|can not|fail(?:ed|s|ure)?|error|sorry|unable|unavailable|unknown|invalid|"
    r"not (?:found|available|work|known|supported|allowed)|no (?:such|data|results?|city)|did not|didn't|refused|"
    r"denied|timed out)\b",
    re.IGNORECASE,
)
_SMALL = frozenset(
    "a an and are at be by for from has have in is it its no not of on or that the this to was were with".split()
)
# Words with which a failure is told; any other, of four letters or more, must be the result's or the conversation's.
_FRAME = frozenset(
    "about afraid again answer because been cannot could couldn did didn does error fail failed from have information "
    "know look looked message reason reported result said says sorry that there this tool unable unfortunately what "
    "which with work would your".split()
)
_UNITS = {
    "celsius": ("celsius", "°c", "° c"), "fahrenheit": ("fahrenheit", "°f"), "kmh": ("km/h", "kmh", "kilomet"),
    "percent": ("%", "percent"), "pct": ("%", "percent"), "usd": ("usd", "$", "dollar"), "eur": ("eur", "€"),
    "gbp": ("gbp", "£", "pound"), "mm": ("mm", "millimet"), "km": ("km", "kilomet"), "ms": ("m/s", "met"),
    "minutes": ("min",), "hours": ("hour", " h"), "seconds": ("sec", " s"), "kg": ("kg", "kilo"),
    "°c": ("°c", "celsius"), "°f": ("°f", "fahrenheit"),
}  # fmt: skip
_LONGEST_STRING = 60  # of a string that the answer must repeat


@dataclass(frozen=True)
class Outcome:
    """What one call came to."""

    name: str
    text: str
    failed: bool


def outcomes(request: Request) -> list[Outcome]:
    """The results in the last turn, with the names of their tools."""
    names = {block.id: block.name for turn in request.turns for block in turn.blocks if isinstance(block, ToolUseBlock)}
    return [
        Outcome(names.get(block.tool_use_id, "tool"), block.text, block.is_error)
        for block in request.turns[-1].blocks
        if isinstance(block, ToolResultBlock)
    ]


def holds(answer: str, results: list[Outcome], request: Request) -> bool:
    """Whether an answer states every value with its sign and every failure, and no figure and no name of its own.

    A name is a word that begins with a capital within a sentence.
    """
    if not answer.strip():
        return False
    low = answer.lower()
    said = _figures(answer)
    known = set().union(*(_figures(result.text) for result in results), _asked(request))
    if not said <= known or not _names(answer) <= _names_known(request, results):
        return False
    if all(result.failed for result in results) and not _words(answer) <= _FRAME | _words(*_told(request, results)):
        return False  # it knows a reason that nobody gave
    for result in results:
        if result.failed:
            words = {word for word in re.findall(r"[^\W\d_]{3,}", result.text.lower()) if word not in _SMALL}
            kept = sum(word in low for word in words)
            if not _FAILURE.search(answer) or kept < 0.6 * len(words):
                return False
        elif not all(_stated(label, value, low, said) for label, value in leaves(result.text)):
            return False
    return True


def in_circles(answer: str) -> bool:
    """Whether a text says the same two to eight words three times in a row."""
    return bool(_CIRCLE.search(answer))


def labelled(results: list[Outcome]) -> str:
    """The results in plain words: each value with its label, each failure with its reason."""
    lines = []
    for result in results:
        text = result.text.strip()
        if result.failed:
            reason = next((str(value) for label, value in leaves(text) if label in ("error", "message")), text)
            lines.append(f"{result.name} failed: {reason or 'no reason was given'}")
            continue
        parts = [f"{label}: {_written(value)}" if label else _written(value) for label, value in leaves(text)]
        lines.append(f"{result.name} returned {'; '.join(parts)}." if parts else f"{result.name} returned nothing.")
    return "\n".join(lines)


def leaves(text: str) -> list[tuple[str, Any]]:
    """The values of a result with their labels: of JSON its leaves, of plain text the text itself."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return [("", text.strip())] if text.strip() else []
    return list(_walk(data, ""))


def _walk(data: Any, label: str) -> Iterator[tuple[str, Any]]:
    if isinstance(data, dict):
        for key, value in data.items():
            yield from _walk(value, f"{label} {key}".strip().replace("_", " "))
    elif isinstance(data, list):
        for place, value in enumerate(data, 1):
            yield from _walk(value, f"{label} {place}".strip() if isinstance(value, dict | list) else label)
    else:
        yield label, data


def _stated(label: str, value: Any, low: str, said: set[str]) -> bool:
    if value is None or isinstance(value, bool):
        return True  # whether a sentence affirms is not read off its words
    if isinstance(value, int | float):
        unit = label.lower().split()[-1] if label else ""
        return _figures(str(value)) <= said and any(way in low for way in _UNITS.get(unit, ("",)))
    text = str(value)
    if not _figures(text) <= said:
        return False
    if not label:  # a text of its own: its figures, and if it has none, its words
        words = _words(text)
        return bool(_figures(text)) or sum(word in low for word in words) >= 0.6 * len(words)
    plain = text.lower()
    return len(text) > _LONGEST_STRING or plain in low or any(way in low for way in _UNITS.get(plain, ()))


def _figures(text: str) -> set[str]:
    found = set()
    for figure in _FIGURE.findall(text):
        if ":" in figure or re.fullmatch(r"\d{4}-\d{2}-\d{2}", figure):
            found.add(figure)
        else:
            found.add(f"{float(figure.replace(',', '').replace('−', '-')):.10g}")
    return found


def _names(answer: str) -> set[str]:
    return {name.lower() for name in re.findall(r"(?<=[^\s.:!?] )[^\W\d_a-z][\w’'-]{2,}", answer) if name[0].isupper()}


def _words(*texts: str) -> set[str]:
    """Words of four letters or more."""
    return set(re.findall(r"[^\W\d_]{4,}", " ".join(texts).lower()))


def _told(request: Request, results: list[Outcome]) -> list[str]:
    """All that was said on the way to an answer: by people, in calls and in results."""
    return [f"{result.name} {result.text}" for result in results] + _conversation(request)


def _conversation(request: Request) -> list[str]:
    return [
        block.text if isinstance(block, TextBlock) else json.dumps(block.input, ensure_ascii=False)
        for turn in request.turns
        for block in turn.blocks
        if isinstance(block, TextBlock | ToolUseBlock)
    ]


def _names_known(request: Request, results: list[Outcome]) -> set[str]:
    said = set(re.findall(r"[^\W\d_][\w’'-]{2,}", " ".join(_told(request, results)).lower()))
    return said | {word for words in _UNITS.values() for unit in words for word in re.findall(r"[a-z]{3,}", unit)}


def _asked(request: Request) -> set[str]:
    return set().union(*map(_figures, _conversation(request)))


def _written(value: Any) -> str:
    if value is None:
        return "unknown"
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)
