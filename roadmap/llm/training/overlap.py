"""Whether the training data touches the held-out requests: no tool of theirs that is untaught, no wording of theirs.

Values (cities, symbols, numbers) may be shared, wordings may not. So values are taken out of both sides first: numbers,
capitalised words within a sentence, and every word of the pools. What is left is compared as a sequence of words:
equal sequences, shared runs of words, and the share of word pairs in common.
"""

from __future__ import annotations

import functools
import re
import tomllib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from . import requests, values

# What the two untaught tools are about; none of it may appear in a tool, a request or in talk.
BANNED = re.compile(
    r"restaurant|\bdin(?:e|er|ner|ing)\b|\blunch|\bsupper|book a table|\btable for|reserve a table|translat|"
    r"\b(?:in|into) (?:french|german|spanish|italian|japanese)\b|\blanguages?\b",
    re.IGNORECASE,
)
LONGEST_RUN = 5  # words in a row, values apart, that a training template may share with a held-out request
NEAR = 0.6  # share of word pairs in common from which two wordings are the same


@dataclass(frozen=True)
class Found:
    """What was compared, and what was found."""

    templates: int
    held_out: int
    exact: list[tuple[str, str]]
    near: list[tuple[str, str, float]]
    banned: list[str]
    nearest: float

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not (self.exact or self.near or self.banned)

    def text(self) -> str:
        """The findings in lines. A held-out wording is never printed, so that nobody tunes on it by reading this."""
        lines = [
            f"overlap: {self.templates} training wordings against {self.held_out} held-out requests: "
            f"{len(self.exact)} equal, {len(self.near)} near, {len(self.banned)} on an untaught subject; "
            f"nearest pair shares {self.nearest:.0%} of its word pairs"
        ]
        lines += [f"  equal: {mine}" for mine, _ in self.exact]
        lines += [f"  near ({share:.2f}): {mine}" for mine, _, share in self.near]
        lines += [f"  untaught subject: {text}" for text in self.banned]
        return "\n".join(lines)


def compare(folder: Path) -> Found:
    """Compare all templates and talk with the sets in a folder (`taught.toml`, `untaught.toml`, `unseen.toml`)."""
    read = {
        name: tomllib.loads((folder / f"{name}.toml").read_text(encoding="utf-8"))
        for name in ("taught", "untaught", "unseen")
    }
    lists = [read["taught"], read["untaught"], *read["unseen"]["pair"]]
    held = [entry["words"] for one in lists for entry in one["request"]]
    mine = wordings()
    banned = [text for text in (*mine, *_described()) if BANNED.search(text)]
    theirs = [(text, frame(text)) for text in held]
    exact, near, nearest = [], [], 0.0
    for text in mine:
        words = frame(text)
        for other, their in theirs:
            if words == their and len(words) >= 3:
                exact.append((text, other))
                continue
            share = common_pairs(words, their)
            nearest = max(nearest, share)
            in_a_row = _runs(words, LONGEST_RUN + 1) & _runs(their, LONGEST_RUN + 1)  # without one no run is longer
            if share >= NEAR or (in_a_row and longest_run(words, their) > LONGEST_RUN):
                near.append((text, other, share))
    return Found(len(mine), len(held), exact, near, banned, nearest)


def wordings() -> list[str]:
    """Every request template and every line of talk, places as marks."""
    lines = [
        line
        for development in (False, True)
        for kind in requests.kinds(development=development).values()
        for line in (*kind.templates, *(requests.NUMBER.sub("_", words) for words, _ in kind.stories))
    ]
    lines += requests.talk() + requests.talk(development=True)
    return [requests.SLOT.sub(lambda match: match[3] or match[2] or "_", line) for line in dict.fromkeys(lines)]


def near_any(text: str, taught: Iterable[tuple[str, ...]]) -> bool:
    """Whether a request is, values apart, equal or near to one of the frames of other wordings."""
    words = frame(text)
    return any(words == one or common_pairs(words, one) >= NEAR for one in taught)


def frame(text: str) -> tuple[str, ...]:
    """A wording's words in lower case, with values as `_` and neighbouring ones as one."""
    words: list[str] = []
    for place, word in enumerate(re.findall(r"[\w'’-]+", text)):
        plain = word.lower().removesuffix("'s").removesuffix("’s")
        value = word == "_" or any(c.isdigit() for c in word) or plain in _VALUES or (place and word[0].isupper())
        value = value and plain not in ("i", "i'm", "i'd", "i've", "i'll")
        if value and words[-1:] == ["_"]:
            continue
        words.append("_" if value else plain)
    return tuple(words)


def common_pairs(first: tuple[str, ...], second: tuple[str, ...]) -> float:
    """Jaccard index of the pairs of neighbouring words; 0 where there are too few words to compare."""
    if min(len(first), len(second)) < 4:
        return 0.0
    pairs = _runs(first, 2), _runs(second, 2)
    shared = len(pairs[0] & pairs[1])
    return shared / (len(pairs[0]) + len(pairs[1]) - shared)


@functools.cache
def _runs(words: tuple[str, ...], length: int) -> frozenset[tuple[str, ...]]:
    """All runs of so many words."""
    return frozenset(zip(*(words[start:] for start in range(length)), strict=False))


def longest_run(first: tuple[str, ...], second: tuple[str, ...]) -> int:
    """The most words, values not counted, that both have in a row."""
    best = 0
    before: dict[int, int] = {}
    for word in first:
        now: dict[int, int] = {}
        for place, other in enumerate(second):
            if word == other:
                now[place] = before.get(place - 1, 0) + (word != "_")
                best = max(best, now[place])
        before = now
    return best


def _described() -> list[str]:
    return [
        " ".join((*kind.names, *kind.says, *(argument.description for argument in kind.arguments)))
        for development in (False, True)
        for kind in requests.kinds(development=development).values()
    ]


_VALUES = {
    word.lower()
    for pool in (
        values.CITIES,
        values.TICKERS,
        values.COUNTRIES,
        "|".join(values.CURRENCIES),
        "|".join(values.COMPANIES),
    )
    for word in re.findall(r"[\w'’-]+", pool)
} - {"the"}
