"""What a request says: its words in a row, its numbers, dates and times, and what its names stand for.

A call's arguments are taken from these, so that the model can only write what it was told. Nothing here chooses a tool.
"""

from __future__ import annotations

import functools
import itertools
import re
import tomllib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from . import units

MOST_WORDS = 160  # of a long request the last ones; a grammar grows with each
LONGEST_SPAN = 8  # words of a span that is held against a pattern
_WORD = re.compile(r"[^\s]+")
_EDGES = "\"'“”‘’«»„()[]{}<>,.;:!?…—–-`*"
_KEEP = {"(": ")", "[": "]", "{": "}"}
_NUMBER = re.compile(
    r"(?<![\w.])[-−]?(?:\d{1,3}(?:,\d{3})+|\d+)(?:\.\d+)?(?:\s?(?:k|m|dozen|thousand|million)\b)?", re.IGNORECASE
)
_MINUS = re.compile(r"(?:(\S+) )?\b(?:minus|negative) (\S+)", re.IGNORECASE)
_FIGURE = re.compile(r"[-−]?\d+(?:[-.,:/]\d+)*")
_PRONOUN = re.compile(r"\b(?:an? \w+|the|this|that|another|new) one\b(?!-| hundred| thousand| million)", re.IGNORECASE)
_QUOTED = re.compile(r"\"([^\"]+)\"|“([^”]+)”|«([^»]+)»|„([^“”]+)[“”]|(?<!\w)'([^']+)'(?!\w)|(?<!\w)‘([^’]+)’(?!\w)")
_ONES = {
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
_VAGUE = re.compile(r"\b(?:pair|both)\b", re.IGNORECASE)  # words of _COUNTS that are said of much besides numbers
_NUMBER_WORDS = frozenset((*_ONES, *_TENS, *_SCALES, *_COUNTS))
_MONTHS = {
    name: number
    for number, names in enumerate(
        "january jan|february feb|march mar|april apr|may|june jun|july jul|august aug|september sep sept|october oct|"
        "november nov|december dec".split("|"),
        1,
    )
    for name in names.split()
}
_MONTH = "|".join(_MONTHS)
_TOKEN = re.compile(r"\d[\d.,]*\d|\w+|[^\w\s-]")
_GENERAL = frozenset("number num count amount value total n id max min maximum minimum".split())  # said of anything
_BEFORE = frozenset("from to at by until year month day hour".split())  # what stands before its number
_ISO = re.compile(r"\b\d{4}-\d{2}-\d{2}\b")
_DAY_FIRST = re.compile(rf"\b(\d{{1,2}})(?:st|nd|rd|th)?(?: of)? ({_MONTH})\.?,? (\d{{4}})\b", re.IGNORECASE)
_MONTH_FIRST = re.compile(rf"\b({_MONTH})\.? (\d{{1,2}})(?:st|nd|rd|th)?,? (\d{{4}})\b", re.IGNORECASE)
_SLASHED = re.compile(r"\b(\d{4})/(\d{1,2})/(\d{1,2})\b")
_DOTTED = re.compile(r"\b(\d{1,2})\.(\d{1,2})\.(\d{4})\b")
_DATES = (_ISO, _DAY_FIRST, _MONTH_FIRST, _SLASHED, _DOTTED)
_CLOCK = re.compile(r"\b(\d{1,2})(?:[:.h](\d{2}))?\s?([ap])\.?m\b\.?|\b(\d{1,2})[:.h](\d{2})\b", re.IGNORECASE)
_HOUR = rf"(?:\d{{1,2}}|{'|'.join(list(_ONES)[1:13])})"
_PAST = r"(?:half|quarter|five|ten|twenty|twenty-five|5|10|20|25)(?: minutes)?"
_TIMES = re.compile(  # what else stands in digits or words for a day or a time of day
    r"\b\d{1,2}:\d{2}\b|\b\d{1,2}(?::\d{2})?\s?[ap]\.?m\b\.?|"
    rf"\b\d{{1,2}}(?:st|nd|rd|th)?(?: of)? (?:{_MONTH})\b|\b(?:{_MONTH})\.? \d{{1,2}}(?:st|nd|rd|th)?\b|"
    rf"\b{_PAST} past {_HOUR}\b|\bquarter to {_HOUR}\b|\b{_HOUR} o'?clock\b",
    re.IGNORECASE,
)
CODE = r"[A-Za-z]+-\d\w*(?:-\w+)*|\d+-[A-Z]\b"  # T-114, 22-F; not a 12-month lease
_CODE = re.compile(rf"(?<![\w-])(?:{CODE})")
_SPOKEN_CLOCK = re.compile(
    rf"\b({_PAST}) past ({_HOUR})\b|"
    rf"\b(quarter|(?<=\bat )(?:{_PAST})|(?<=\bby )(?:{_PAST})) to ({_HOUR})\b|\b({_HOUR}) o'?clock\b",
    re.IGNORECASE,
)
_HALF = re.compile(r"\W+(?:in the |this |tomorrow |on \w+ )?(?:(morning)|afternoon|evening)\b", re.IGNORECASE)
_BARE_CLOCK = re.compile(
    r"\b(?:at|by|before|after|from|until|till|around|about) "
    rf"({_HOUR})\b(?!\s?[ap]\.?m\b|[:.]?\d)",
    re.IGNORECASE,
)


_BEGINNERS = frozenset(  # words that begin sentences, with a capital letter there, and are no names
    "i i'm i'd i've i'll a an the this that these those it its it's he she we they you my your our his her their is "
    "are am was were do does did have has had can could would will should shall may must what which who whom whose "
    "when where why how and but or so if as at by for from in of on to with no not yes please thanks thank hello hi "
    "hey dear there here then now just let let's suppose tell give show find get make book put write".split()
)


@dataclass(frozen=True)
class Word:
    """A word of the request, and what stands between it and the next."""

    text: str
    gap: str

    @property
    def name(self) -> bool:
        """Whether it may be a name: a capital letter first, and no word that begins sentences."""
        return self.text[:1].isupper() and self.text.lower() not in _BEGINNERS

    @property
    def figure(self) -> bool:
        """Whether it is a number, a date or a time in digits."""
        return bool(_FIGURE.fullmatch(self.text))


@dataclass(frozen=True)
class Said:
    """What a text offers to fill arguments with."""

    text: str
    words: tuple[Word, ...]
    numbers: tuple[float | int, ...]  # each once
    forms: tuple[str, ...]  # dates, times, symbols and codes that its words stand for
    quotes: tuple[str, ...]  # quoted texts, and what follows a colon
    hours: tuple[str, ...] = ()  # times that "at seven" may mean, where a tool asks for one
    repeated: frozenset[float | int] = frozenset()  # numbers that were said more than once
    vague: frozenset[float | int] = frozenset()  # numbers that were said by no more than "both" or "the pair"
    measures: tuple[tuple[float | int, frozenset[str]], ...] = ()  # numbers with the units that they were said in
    timely: bool = False  # whether the numbers are those of times of day and of codes, none other being said

    @property
    def cased(self) -> bool:
        """Whether names have capital letters in it: not where everything is in lower case."""
        return any(word.name for word in self.words[1:])

    def mentions(self, member: Any) -> bool:
        """Whether a member of an enum is in the text, in its own words or in others for it."""
        own = str(member).lower()
        low = self.text.lower()
        ways = [own, own.replace("_", " "), own.replace("-", " "), *_tables()["enums"].get(own, ())]
        return any(re.search(rf"(?<!\w){re.escape(way)}(?!\w)", low) for way in ways)

    def counted(self, name: str) -> list[float | int]:
        """Numbers beside an argument's own name: for `copies` the 4 of "4 copies", for `flat` that of "flat 4"."""
        words = _TOKEN.findall(self.text.lower())
        found: list[float | int] = []
        for part in re.findall(r"[a-z]+", re.sub(r"([A-Z])", r" \1", name).lower()):
            stem = part.removesuffix("s")
            for place, word in enumerate(words):
                if part in _GENERAL or word not in (part, stem, f"{stem}s", f"{stem}d"):
                    continue
                before = [] if part in _BEFORE else words[max(0, place - 6) : place]
                if before[-1:] == ["percent"] or before[-1:] == ["%"]:
                    before.pop()
                said = _numbers(" ".join(reversed(_run(reversed(before)))))[-1:]
                said = said or _numbers(" ".join(_run(words[place + 1 : place + 7])))
                found += [number for number in said if number in self.numbers]
        return list(dict.fromkeys(found))

    def measured(self, wanted: frozenset[str]) -> list[float | int]:
        """What was said in one of the wanted units, or in others that measure the same, as so many of the wanted."""
        values = (units.converted(value, said, wanted) for value, said in self.measures)
        return list(dict.fromkeys(_whole(value) for value in values if value is not None))

    def elsewhere(self, wanted: frozenset[str]) -> list[float | int]:
        """Numbers that were said in other units than the wanted, and only so."""
        return [
            value
            for value, said in self.measures
            if value not in self.repeated and units.converted(value, said, wanted) is None
        ]

    def spans(self) -> list[str]:
        """Each run of up to LONGEST_SPAN words, once."""
        found: dict[str, None] = {}
        for start in range(len(self.words)):
            text = ""
            for word in self.words[start : start + LONGEST_SPAN]:
                found[text + word.text] = None
                text += word.text + word.gap
        return list(found)


@functools.lru_cache(maxsize=2)
def codes(kind: Literal["companies", "currencies"]) -> frozenset[str]:
    """The symbols or codes that names of a kind stand for."""
    return frozenset(_tables()[kind].values())


@functools.lru_cache(maxsize=64)
def read(text: str) -> Said:
    """What a text offers. The same text is read once."""
    undated = _PRONOUN.sub(" ; ", text)
    for date in _DATES:
        undated = date.sub(" ; ", undated)
    apart = _numbers(_CODE.sub(" ; ", _TIMES.sub(" ; ", undated)))
    numbers = apart or _numbers(undated)  # the 14 of 14:15 or of T-14 is said only if no other number is
    plain = _numbers(_VAGUE.sub(";", _CODE.sub(" ; ", undated) if apart else undated))
    return Said(
        text,
        tuple(_words(text)),
        tuple(dict.fromkeys(numbers)),
        tuple(_forms(text)),
        tuple(_quotes(text)),
        tuple(_hours(text)),
        frozenset(number for number in numbers if numbers.count(number) > 1),
        frozenset(numbers) - frozenset(plain),
        measures=tuple(_measures(text)),
        timely=not apart,
    )


def _words(text: str) -> list[Word]:
    """Words without the punctuation around them, possessives taken off: the place between is kept as it was."""
    places: list[tuple[int, int]] = []
    for match in list(_WORD.finditer(text))[-MOST_WORDS:]:
        start, end = match.span()
        while start < end and text[start] in _EDGES and not _begins_number(text, start):
            start += 1
        while end > start and text[end - 1] in _EDGES:
            if text[end - 1] in _KEEP.values() and any(mark in text[start:end] for mark in _KEEP):
                break
            end -= 1
        if text[start:end].endswith(("'s", "’s")) and end - start > 3:
            places += [(start, end - 2)]
        elif start < end:
            places.append((start, end))
    words = []
    for place, (start, end) in enumerate(places):
        following = places[place + 1][0] if place + 1 < len(places) else end
        words.append(Word(text[start:end], text[end:following]))
    return words


def _begins_number(text: str, place: int) -> bool:
    return text[place] in "-(" and bool(re.match(r"[-(]+\d", text[place:]))


def _numbers(text: str) -> list[float | int]:
    """Numbers in digits, in order, those in words, and those below zero after a "minus" that takes nothing away."""
    below: list[float | int] = []

    def negated(match: re.Match[str]) -> str:
        before, after = match[1] or "", match[2]
        values = [] if before.endswith(")") or _above_zero(before) else _above_zero(after)
        below.extend(-value for value in values)
        return f"{before} ; " if values else match[0]

    plain = _MINUS.sub(negated, text)
    return _above_zero(plain) + below


def _above_zero(text: str) -> list[float | int]:
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
            found.append(_whole(value * _SCALES[scale]))
    return found + _spoken_numbers(text)


def _spoken_numbers(text: str) -> list[float | int]:
    found: list[float | int] = []
    total: int | None = None
    part, before = 0, ""
    plain = re.sub(r"\d\s?dozen\b", ";", text.lower().replace("-", " ").replace("half a dozen", "six"))
    for word in [*re.findall(r"[a-z']+", plain), ""]:
        if word in _ONES or word in _TENS:
            value = _ONES.get(word, _TENS.get(word, 0))
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


def _measures(text: str) -> Iterator[tuple[float | int, frozenset[str]]]:
    """Numbers in digits or words, each with the unit after it, or with the sign of money before it."""
    words, every = _TOKEN.findall(text.lower()), _numbers(text)
    for place, word in enumerate(words):
        if word in units.SIGNS and words[place + 1 : place + 2]:
            for value in _numbers(words[place + 1])[:1]:
                yield value, units.unit(word, "")
            continue
        said = units.unit(word, "".join(words[place + 1 : place + 2]))
        if not said:
            continue
        before, more = words[max(0, place - 8) : place], 0.0
        if before[-3:] == ["and", "a", "half"]:
            before, more = before[:-3], 0.5
        if words[place + 1 : place + 4] == ["and", "a", "half"]:
            more = 0.5
        if len(word) == 1 and word.isalpha() and not (before and before[-1][:1].isdigit()):
            continue
        run = _run(reversed(before))
        rest = before[: len(before) - len(run)]
        values = _numbers(" ".join(reversed(run)))[-1:]
        if not run and before[-1:] in (["a"], ["an"]):
            values = [0.5 if before[-2:-1] == ["half"] else 1]
        for value in values:
            below = rest[-1:] in (["minus"], ["negative"]) or (value not in every and -value in every)
            yield (-value if below else value) + more, said


def _run(words: Iterable[str]) -> list[str]:
    """The words of numbers with which some words begin, as they come."""
    run = list(itertools.takewhile(lambda word: word == "and" or word[:1].isdigit() or word in _NUMBER_WORDS, words))
    return [] if run[:1] == ["and"] else run


def _whole(value: float) -> float | int:
    return int(value) if float(value).is_integer() else value


def _forms(text: str) -> list[str]:
    found: dict[str, None] = {}
    for iso in _ISO.findall(text):
        found[iso] = None
    for day, month, year in _DAY_FIRST.findall(text):
        _add_date(found, year, _MONTHS.get(month.lower()), day)
    for month, day, year in _MONTH_FIRST.findall(text):
        _add_date(found, year, _MONTHS.get(month.lower()), day)
    for year, month, day in _SLASHED.findall(text):
        _add_date(found, year, int(month), day)
    for day, month, year in _DOTTED.findall(text):
        _add_date(found, year, int(month), day)
    for clock in _clocks(text):
        found[clock] = None
    for kind in ("companies", "currencies"):
        low = text.lower()
        for name, value in sorted(_tables()[kind].items(), key=lambda entry: -len(entry[0])):
            edge = (r"(?<!\w)", r"(?!\w)") if name[0].isalnum() else ("", "")
            low, times = re.subn(edge[0] + re.escape(name) + edge[1], " ; ", low)  # Canadian dollars are no US dollars
            if times:
                found[value] = None
    return list(found)


def _add_date(found: dict[str, None], year: str, month: int | None, day: str) -> None:
    if month is not None and 1 <= month <= 12 and 1 <= int(day) <= 31:
        found[f"{year}-{month:02}-{int(day):02}"] = None


def _clocks(text: str) -> list[str]:
    found = []
    for match in _CLOCK.finditer(text):
        hour, minute, half, plain, minutes = match.groups()
        value = int(hour or plain)
        half = half or _half_after(text[match.end() :])
        if half and (hour or value < 12):
            value = value % 12 + (12 if half.lower() == "p" else 0)
        if value < 24 and int(minute or minutes or 0) < 60:
            found.append(f"{value:02}:{minute or minutes or '00'}")
    for match in _SPOKEN_CLOCK.finditer(text.lower()):
        past, hour_past, to, hour_to, sharp = match.groups()
        away = _away(past or to or "")
        hour = _hour(hour_past or hour_to or sharp)
        if hour is not None:
            found += _either_half(hour * 60 + (-away if to else away), text[match.end() :])
    for word, clock in (("noon", "12:00"), ("midday", "12:00"), ("midnight", "00:00")):
        if re.search(rf"\b{word}\b", text, re.IGNORECASE):
            found.append(clock)
    return found


def _hours(text: str) -> list[str]:
    found = []
    for match in _BARE_CLOCK.finditer(text.lower()):
        hour = _hour(match[1])
        if hour is not None:
            found += _either_half(hour * 60, text[match.end() :])
    return found


def _hour(word: str) -> int | None:
    """The hour that a word or a figure names, if any."""
    hour = _ONES.get(word, int(word) if word.isdigit() else 0)
    return hour if 0 < hour <= 24 else None


def _away(words: str) -> int:
    """How many minutes a time is past an hour or before it: a quarter, half, twenty."""
    named = {"half": 30, "quarter": 15}.get(words.split(" ")[0])
    return named if named is not None else int(sum(_above_zero(words)))


def _half_after(rest: str) -> str | None:
    """The half of the day, "a" or "p", that is said right after a time: 3:15 in the afternoon."""
    said = _HALF.match(rest)
    return None if said is None else "a" if said[1] else "p"


def _either_half(minutes: int, rest: str) -> list[str]:
    """A time of day in the half that `rest` begins with, or in the morning and the evening: the model reads which."""
    half = _half_after(rest)
    both = [minutes % 1440, (minutes + 720) % 1440]
    if half:
        both = [at for at in both if (at >= 720) == (half == "p")]
    return [f"{at // 60:02}:{at % 60:02}" for at in both]


def _quotes(text: str) -> list[str]:
    found = ["".join(groups) for groups in _QUOTED.findall(text)]
    _, colon, tail = text.partition(": ")
    if colon and tail.strip():
        found.append(tail.strip())
    return list(dict.fromkeys(found))


@functools.lru_cache(maxsize=1)
def _tables() -> dict[str, dict[str, Any]]:
    return tomllib.loads(Path(__file__).with_name("aliases.toml").read_text(encoding="utf-8"))
