"""Numbers as people say them: in digits and in words."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable

_NUMBER = re.compile(
    r"(?<![\w.])[-−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:(?:k|m)\b(?![/²³])|\s?(?:dozen|thousand|million)\b)?",
    re.IGNORECASE,
)
_MINUS = re.compile(r"(?:(\S+) )?\b(?:minus|negative) (\S+)", re.IGNORECASE)
ONES = {
    word: number
    for number, word in enumerate(
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen "
        "seventeen eighteen nineteen".split()
    )
}
_TENS = {
    word: 10 * number for number, word in enumerate("twenty thirty forty fifty sixty seventy eighty ninety".split(), 2)
}
_SCALES = {"dozen": 12, "hundred": 100, "thousand": 1000, "million": 1_000_000, "k": 1000, "m": 1_000_000}
_COUNTS = {"couple": 2, "pair": 2, "both": 2, "dozen": 12, "half": 0.5, "once": 1, "twice": 2, "single": 1}
_NUMBER_WORDS = frozenset((*ONES, *_TENS, *_SCALES, *_COUNTS))


def numbers(text: str) -> list[float | int]:
    """Numbers in digits, in order, those in words, and those below zero after a "minus" that takes nothing away."""
    below: list[float | int] = []

    def negated(match: re.Match[str]) -> str:
        before, after = match[1] or "", match[2]
        values = [] if before.endswith(")") or above_zero(before) else above_zero(after)
        below.extend(-value for value in values)
        return f"{before} ; " if values else match[0]

    plain = _MINUS.sub(negated, text)
    return above_zero(plain) + below


def above_zero(text: str) -> list[float | int]:
    """Numbers in digits, with their own signs, and in words."""
    found: list[float | int] = []
    for match in _NUMBER.finditer(text):
        digits = re.match(r"[-−]?[\d,]+(?:\.\d+)?", match[0])
        assert digits is not None
        plain = digits[0].replace(",", "").replace("−", "-")
        value: float | int = float(plain) if "." in plain else int(plain)
        scale = match[0][digits.end() :].strip().lower()
        if not scale or scale == "m":  # metres, too
            found.append(value)
        if scale:
            found.append(whole(value * _SCALES[scale]))
    return found + _spoken_numbers(text)


def _spoken_numbers(text: str) -> list[float | int]:
    found: list[float | int] = []
    total: int | None = None
    part, before = 0, ""
    plain = re.sub(r"\d\s?dozen\b", ";", text.lower().replace("-", " ").replace("half a dozen", "six"))
    for word in [*re.findall(r"[a-z']+", plain), ""]:
        if word in ONES or word in _TENS:
            value = ONES.get(word, _TENS.get(word, 0))
            if total is not None and not (part % 100 == 0 or (part % 100 >= 20 and part % 10 == 0 and value < 10)):
                found.append(total + part)  # "five eight-sided dice": two numbers
                total, part = None, 0
            part += value
            total = total or 0
        elif word in ("dozen", "hundred", "thousand", "million") and (
            total is not None or (before in ("a", "an") and word != "dozen")
        ):
            total = total or 0
            if word in ("dozen", "hundred"):
                part = max(part, 1) * _SCALES[word]
            else:
                total, part = total + max(part, 1) * _SCALES[word], 0
        elif word == "and" and total is not None and part >= 100:
            continue
        else:
            if total is not None:
                found.append(total + part)
            total, part = None, 0
            if word in _COUNTS:
                found.append(_COUNTS[word])
        before = word
    return found


def run_of(words: Iterable[str]) -> list[str]:
    """The words of numbers with which some words begin, as they come."""
    found = list(itertools.takewhile(lambda word: word == "and" or word[:1].isdigit() or word in _NUMBER_WORDS, words))
    return [] if found[:1] == ["and"] else found


def whole(value: float) -> float | int:
    """A number, without a point where it has nothing after it."""
    return int(value) if float(value).is_integer() else value
