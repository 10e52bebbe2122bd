"""What a request says: its words in a row, its numbers, dates and times, and what its names stand for.

A call's arguments are taken from these, so that the model can only write what it was told. Nothing here chooses a tool.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from . import figures, moments, units

MOST_WORDS = 160  # of a long request the last ones; a grammar grows with each
LONGEST_SPAN = 8  # words of a span that is held against a pattern
_WORD = re.compile(r"[^\s]+")
_EDGES = "\"'“”‘’«»„()[]{}<>,.;:!?…—–-`*"
_KEEP = {"(": ")", "[": "]", "{": "}"}
_FIGURE = re.compile(r"[-−]?\d+(?:[-.,:/]\d+)*")
_PRONOUN = re.compile(r"\b(?:an? \w+|the|this|that|another|new) one\b(?!-| hundred| thousand| million)", re.IGNORECASE)
_QUOTED = re.compile(r"\"([^\"]+)\"|“([^”]+)”|«([^»]+)»|„([^“”]+)[“”]|(?<!\w)'([^']+)'(?!\w)|(?<!\w)‘([^’]+)’(?!\w)")
_TOKEN = re.compile(r"\d[\d.,]*\d|\w+|[^\w\s-]")
_GENERAL = frozenset("number num count amount value total n id max min maximum minimum".split())  # said of anything
_BEFORE = frozenset("from to at by until year month day hour".split())  # what stands before its number
_VAGUE = re.compile(  # numbers that are said of much besides what is counted: of calls, too
    r"\b(?:pair|both|once|twice)\b|\b(?:two|three|four|2|3|4) (?:(?:more )?(?:jobs|things|requests|errands|orders|"
    r"questions|wishes|points|favours|entries)|for the|of (?:them|those|these))\b",
    re.IGNORECASE,
)
_LIKE = {"until": ("until", "till", "to", "through"), "since": ("since", "from", "after")}
_VERB = re.compile(r"\b(?:may|march)(?= \d)")  # "may 6 of us come": no month, unless nothing has a capital letter
CODE = r"[A-Za-z]+-\d\w*(?:-\w+)*|\d+-[A-Z]\b"  # T-114, 22-F; not a 12-month lease
_CODE = re.compile(rf"(?<![\w-])(?:{CODE})")
_FURTHER = frozenset("more extra further additional full whole".split())  # three more weeks
_NEGATIONS = frozenset("no not without never none off nor neither skip drop omit".split())
_BEGINNERS = frozenset(  # words that begin sentences, with a capital letter there, and are no names
    "i i'm i'd i've i'll a an the this that these those it its it's he she we they you my your our his her their is "
    "are am was were do does did have has had can could would will should shall may must what which who whom whose "
    "when where why how and but or so if as at by for from in of on to with no not yes please thanks thank hello hi "
    "hey dear there here then now just let let's suppose tell give show find get make book put write nobody everybody "
    "somebody everyone someone none yes ok okay".split()
)


_END = re.compile(r"[\"'”’)]*[?!;](?:\s|$)|[\"'”’)]*\.[\"'”’)]*\s*\n")
_SHORTENED = frozenset("mr mrs ms dr prof st mt no nr vs jr sr rev hon gen capt sgt lt inc ltd co corp ave rd".split())


@dataclass(frozen=True)
class Word:
    """A word of the request, and what stands between it and the next."""

    text: str
    gap: str
    begins: bool = False  # whether a sentence begins with it
    dated: bool = False  # whether it is of a date or a time of day

    @property
    def ends(self) -> bool:
        """Whether a sentence ends after it, and the next is no other word of one thing."""
        return bool(_END.match(self.gap)) or (
            self.gap[:2] == ". " and len(self.text) > 1 and self.text.lower() not in _SHORTENED
        )

    @property
    def name(self) -> bool:
        """Whether it may be a name: a capital letter first, and no word that begins sentences."""
        if self.dated or not self.text[:1].isupper() or self.text.lower() in _BEGINNERS:
            return False
        return not (self.begins and self.text.lower() in _openers())

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
    quoted: tuple[str, ...] = ()  # of these, those in quotation marks
    hours: tuple[str, ...] = ()  # times that "at seven" may mean, where a tool asks for one
    repeated: frozenset[float | int] = frozenset()  # numbers that were said more than once
    vague: frozenset[float | int] = frozenset()  # numbers that were said by no more than "both" or "the pair"
    measures: tuple[tuple[float | int, frozenset[str]], ...] = ()  # numbers with the units that they were said in
    timely: bool = False  # whether the numbers are those of times of day and of codes, none other being said

    @property
    def of_names(self) -> frozenset[float | int]:
        """Numbers that are said only as part of a name: the 6 of "Pier 6", the 5 of "5 Elm Grove"."""
        found = []
        for place, word in enumerate(self.words):
            if word.text.isdigit():
                before = self.words[place - 1] if place else None
                after = self.words[place + 1] if place + 1 < len(self.words) else None
                if (before is not None and before.name and before.gap == " ") or (
                    after is not None and after.name and word.gap == " "
                ):
                    found.append(int(word.text))
        return frozenset(found) - self.repeated

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

    def timed(self, wanted: re.Pattern[str]) -> bool:
        """Whether a day or a time of day is said in words that have no form: "on Friday", "this evening"."""
        return moments.some(self.text, clock=bool(wanted.search("07:30")))

    def counted(self, name: str) -> list[float | int]:
        """Numbers beside an argument's own name: for `copies` the 4 of "4 copies", for `flat` that of "flat 4"."""
        words = _TOKEN.findall(self.text.lower())
        found: list[float | int] = []
        for part in re.findall(r"[a-z]+", re.sub(r"([A-Z])", r" \1", name).lower()):
            stem = part.removesuffix("s")
            for place, word in enumerate(words):
                if part in _GENERAL or word not in (part, stem, f"{stem}s", f"{stem}d", *_LIKE.get(part, ())):
                    continue
                before = [] if part in _BEFORE else words[max(0, place - 6) : place]
                if before[-1:] == ["percent"] or before[-1:] == ["%"]:
                    before.pop()
                said = figures.numbers(" ".join(reversed(figures.run_of(reversed(before)))))[-1:]
                said = said or figures.numbers(" ".join(figures.run_of(words[place + 1 : place + 7])))
                found += [number for number in said if number in self.numbers]
        return list(dict.fromkeys(found))

    def measured(self, wanted: frozenset[str]) -> list[float | int]:
        """What was said in one of the wanted units, or in others that measure the same, as so many of the wanted."""
        own = [value for value, said in self.measures if said & wanted]
        values = own or (units.converted(value, said, wanted) for value, said in self.measures)
        return list(dict.fromkeys(figures.whole(value) for value in values if value is not None))

    def elsewhere(self, wanted: frozenset[str]) -> list[float | int]:
        """Numbers that were said in other units than the wanted, and only so."""
        return [
            value
            for value, said in self.measures
            if value not in self.repeated and units.converted(value, said, wanted) is None
        ]

    def only_in(self, others: frozenset[str]) -> list[float | int]:
        """Numbers that were said in some units, and only so."""
        return [value for value, said in self.measures if said & others and value not in self.repeated]

    def says(self, stems: frozenset[str]) -> list[bool]:
        """Whether the text says that something be so, by words that begin like this, or that not; neither, or both."""
        words, found = [word.text.lower() for word in self.words], []
        for place, word in enumerate(words):
            if any(word.startswith(stem) for stem in stems):
                near = [*words[max(0, place - 4) : place], *words[place + 1 : place + 3]]
                found.append(not any(one in _NEGATIONS or one.endswith("n't") for one in near))
        return list(dict.fromkeys(found))

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
    undated = moments.undated(_PRONOUN.sub(" ; ", text))
    if text != text.lower():
        undated = _VERB.sub(" ; ", undated)
    apart = figures.numbers(_CODE.sub(" ; ", moments.TIMES.sub(" ; ", undated)))
    numbers = apart or figures.numbers(undated)  # the 14 of 14:15 or of T-14 is said only if no other number is
    plain = figures.numbers(_VAGUE.sub(" ; ", _CODE.sub(" ; ", undated) if apart else undated))
    return Said(
        text,
        tuple(_words(text)),
        tuple(dict.fromkeys(numbers)),
        tuple(_forms(text)),
        tuple(_quotes(text)),
        tuple("".join(groups) for groups in _QUOTED.findall(text)),
        tuple(moments.hours(text)),
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
    taken = moments.places(text)
    words: list[Word] = []
    for place, (start, end) in enumerate(places):
        following = places[place + 1][0] if place + 1 < len(places) else end
        words.append(
            Word(
                text[start:end],
                text[end:following],
                begins=not words or words[-1].ends or words[-1].gap[:2] == ": ",
                dated=any(first < end and start < last for first, last in taken),
            )
        )
    return words


def _begins_number(text: str, place: int) -> bool:
    return text[place] in "-(" and bool(re.match(r"[-(]+\d", text[place:]))


def _measures(text: str) -> Iterator[tuple[float | int, frozenset[str]]]:
    """Numbers in digits or words, each with the unit after it, or with the sign of money before it."""
    words, every = _TOKEN.findall(units.plain(text)), figures.numbers(text)
    for place, word in enumerate(words):
        if word in units.SIGNS and words[place + 1 : place + 2]:
            for value in figures.numbers(words[place + 1])[:1]:
                yield value, units.unit(word, "")
            continue
        said = units.unit(word, "".join(words[place + 1 : place + 2]))
        if not said:
            continue
        before, more = words[max(0, place - 8) : place], 0.0
        if before[-1:] and before[-1] in _FURTHER:
            before.pop()
        if before[-3:] == ["and", "a", "half"]:
            before, more = before[:-3], 0.5
        if words[place + 1 : place + 4] == ["and", "a", "half"]:
            more = 0.5
        if len(word) == 1 and word.isalpha() and not (before and before[-1][:1].isdigit()):
            continue
        run = figures.run_of(reversed(before))
        rest = before[: len(before) - len(run)]
        values = figures.numbers(" ".join(reversed(run)))[-1:]
        if not run and before[-1:] in (["a"], ["an"]):
            values = [0.5 if before[-2:-1] == ["half"] else 1]
        for value in values:
            below = rest[-1:] in (["minus"], ["negative"]) or (value not in every and -value in every)
            yield (-value if below else value) + more, said


def _forms(text: str) -> list[str]:
    found = dict.fromkeys([*moments.dates(text), *moments.clocks(text)])
    for kind in ("companies", "currencies"):
        low = text.lower()
        for name, value in sorted(_tables()[kind].items(), key=lambda entry: -len(entry[0])):
            edge = (r"(?<!\w)", r"(?!\w)") if name[0].isalnum() else ("", "")
            low, times = re.subn(edge[0] + re.escape(name) + edge[1], " ; ", low)  # Canadian dollars are no US dollars
            if times:
                found[value] = None
    return list(found)


def _quotes(text: str) -> list[str]:
    found = ["".join(groups) for groups in _QUOTED.findall(text)]
    _, colon, tail = text.partition(": ")
    if colon and tail.strip():
        found.append(tail.strip())
    return list(dict.fromkeys(found))


@functools.lru_cache(maxsize=1)
def _openers() -> frozenset[str]:
    return frozenset(_tables()["openers"].split())


@functools.lru_cache(maxsize=1)
def _tables() -> dict[str, Any]:
    return tomllib.loads(Path(__file__).with_name("aliases.toml").read_text(encoding="utf-8"))
