"""Runs of a request's words as rules of a grammar: from which word on a string may begin, and where it may end."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from .spans import Word


@dataclass(frozen=True)
class Limits:
    """What a run of words may be.

    `dates`: whether words of dates and times may be in it. `whole`: whether a name is not cut: "Grace" of "Grace
    Mensah" is none. `others`: words, in lower case, that are said for other arguments: no run ends in "in leather".
    """

    dates: bool = True
    whole: bool = False
    others: frozenset[str] = frozenset()


class Runs:
    """The rules of all runs under some limits. Their names begin with `name`."""

    def __init__(self, name: str, words: Sequence[Word], limits: Limits):
        self.rules: dict[str, str] = {}
        self.any, self.worded = f"{name}any", f"{name}words"  # any run; any that is not figures alone
        self._name, self._words, self._limits = name, words, limits
        for place in reversed(range(len(words))):
            if limits.dates or not words[place].dated:
                self._write(place)
        for rule, worded in ((self.any, False), (self.worded, True)):
            starts = [start for place in range(len(words)) if (start := self.start(place, worded=worded))]
            if starts:
                self.rules[rule] = either(starts)

    def start(self, place: int, *, worded: bool) -> str | None:
        """The rule of the runs that begin at a word; None where there are none."""
        rule = f"{self._name}{'w' if worded else 's'}{place}"
        return rule if rule in self.rules else None

    def after(self, place: int, *, worded: bool = False) -> str:
        """What follows a word within a run; nothing after the last of a sentence."""
        word, more = self._words[place], self.start(place + 1, worded=worded)
        if word.ends or more is None or self._stops(place):
            return ""
        return (f"{literal(word.gap)} " if word.gap else "") + more

    def _write(self, place: int) -> None:
        word, more = literal(self._words[place].text), self.after(place)
        if self._may_end(place):
            self.rules[f"{self._name}s{place}"] = word + (f" ({more})?" if more else "")
        elif more:
            self.rules[f"{self._name}s{place}"] = f"{word} {more}"
        if not self._words[place].figure:
            if self.start(place, worded=False):
                self.rules[f"{self._name}w{place}"] = f"{self._name}s{place}"
        elif self.after(place, worded=True):  # a word is still to come
            self.rules[f"{self._name}w{place}"] = f"{word} {self.after(place, worded=True)}"

    def _may_end(self, place: int) -> bool:
        word, rest = self._words[place], self._words[place + 1 :]
        if not rest or word.ends:
            return True
        low = word.text.lower()
        if low in _OPEN or (rest[0].dated and not self._limits.dates and low in _BEFORE_DATES):
            return False
        if not self._limits.whole or not word.name or word.gap != " ":
            return True
        number = rest[0].text.isdigit() and (len(rest) == 1 or rest[0].gap[:1] in (",", ".", "?", "!", ";"))
        return not (rest[0].name or number)

    def _stops(self, place: int) -> bool:
        """Whether what comes next is "in leather", which is said for another argument."""
        rest = self._words[place + 1 : place + 3]
        return len(rest) == 2 and rest[0].text.lower() in _JOINING and rest[1].text.lower() in self._limits.others


def either(starts: Sequence[str]) -> str:
    """A string that begins in one of some ways."""
    return f'"\\"" ({" | ".join(starts)}) "\\""'


def literal(text: str) -> str:
    """A text within a JSON string, as a GBNF literal."""
    return quoted(json.dumps(text, ensure_ascii=False)[1:-1])


def quoted(text: str) -> str:
    """A text as a GBNF literal."""
    escaped = (
        text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
    )
    return f'"{escaped}"'


_OPEN = frozenset("of the a an and or from with for to my your our his her their".split())  # no run ends with these
_BEFORE_DATES = frozenset("on at by until till since before after in from".split())
_JOINING = frozenset("in with as on".split())
