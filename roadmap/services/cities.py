"""Cities of 15,000 people or more, by name. Source: GeoNames, in the package that `roadmap fetch --list` names.

The file is large and a program asks for few names: the text is searched, and only entries that match are parsed.
"""

from __future__ import annotations

import bisect
import json
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from roadmap import artifacts

CITIES = "world-cities"
_KEPT_QUERIES = 1024
_ENTRY = re.compile(r'\{"geonameid": \d+, "name": ("(?:[^"\\]|\\.)*")')


@dataclass(frozen=True)
class City:
    """A city. `population` decides which of two namesakes comes first."""

    id: int
    name: str
    latitude: float
    longitude: float
    country_code: str
    country: str
    population: int
    timezone: str


def fold(name: str) -> str:
    """A name without case, accents and doubled spaces: 'São  Paulo' is 'sao paulo'."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", name) if not unicodedata.combining(c))
    return " ".join(plain.casefold().split())


def find(name: str) -> list[City]:
    """The cities called `name`, in whatever case and with or without accents, the largest first.

    Alternative names count as well, in the spellings that GeoNames has.
    """
    known = _index()
    wanted = fold(name)
    if len(wanted) < 2:
        return []
    if wanted not in known.found:
        if len(known.found) >= _KEPT_QUERIES:
            known.found.clear()
        known.found[wanted] = sorted(known.search(name, wanted), key=lambda city: -city.population)
    return known.found[wanted]


@cache
def _index() -> _Index:
    return _Index()


class _Index:
    def __init__(self) -> None:
        folder = artifacts.path(CITIES)
        self._text = (folder / "cities15000.json").read_text(encoding="utf-8")
        self._lowered = self._text.lower()
        self._countries = json.loads((folder / "countries.json").read_text(encoding="utf-8"))
        self._starts: list[int] = []
        self._named: dict[str, list[int]] = {}
        self.found: dict[str, list[City]] = {}
        for match in _ENTRY.finditer(self._text):
            self._starts.append(match.start())
            written = match[1]
            plain = json.loads(written) if "\\" in written else written[1:-1]
            self._named.setdefault(plain.casefold() if plain.isascii() else fold(plain), []).append(match.start())

    def search(self, name: str, wanted: str) -> Iterator[City]:
        """The cities with that name; `wanted` is the name, folded."""
        starts = set(self._named.get(wanted, ()))
        clean = " ".join(unicodedata.normalize("NFC", name).split())
        # The file escapes what is not ASCII, so that a capital with an accent is not lowered: look for it as well.
        for spelling in {wanted, clean.lower(), clean.title(), clean.upper()}:
            starts.update(self._mentions(json.dumps(spelling).lower()))
        for start in starts:
            entry = json.JSONDecoder().raw_decode(self._text, start)[0]
            if wanted in {fold(entry["name"]), *map(fold, entry["alternatenames"])}:
                yield self._city(entry)

    def _mentions(self, quoted: str) -> Iterator[int]:
        place = self._lowered.find(quoted)
        while place >= 0:
            yield self._starts[max(0, bisect.bisect_right(self._starts, place) - 1)]
            place = self._lowered.find(quoted, place + 1)

    def _city(self, entry: dict[str, Any]) -> City:
        code = entry["countrycode"]
        return City(
            entry["geonameid"],
            entry["name"],
            entry["latitude"],
            entry["longitude"],
            code,
            self._countries.get(code, {}).get("name", code),
            entry["population"],
            entry["timezone"],
        )
