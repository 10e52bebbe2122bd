"""Where the tools' services are: in this process, unless the environment names others."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

WEATHER, GEOCODING, STOCKS = "ROADMAP_WEATHER_URL", "ROADMAP_GEOCODING_URL", "ROADMAP_STOCKS_URL"
TODAY = "ROADMAP_SERVICES_TODAY"
_OPEN_METEO = ("api.open-meteo.com", "https://geocoding-api.open-meteo.com")  # it geocodes under another host


@dataclass(frozen=True)
class Addresses:
    """Base URLs: `{weather}/v1/forecast`, `{geocoding}/v1/search`, `{stocks}/v1/prices`."""

    weather: str
    geocoding: str
    stocks: str


@contextlib.contextmanager
def connect(environ: Mapping[str, str] = os.environ) -> Iterator[Addresses]:
    """The services that the environment names, the local ones for the rest, for as long as the block runs.

    `ROADMAP_WEATHER_URL=https://api.open-meteo.com` alone points both weather and geocoding at the real service. A
    weather address without a geocoding one is taken to answer both. The local services live on one recorded day
    (`roadmap.services.records.TODAY`); `ROADMAP_SERVICES_TODAY`, as YYYY-MM-DD, moves it.
    """
    weather, geocoding, stocks = (environ.get(name, "").strip().rstrip("/") for name in (WEATHER, GEOCODING, STOCKS))
    if weather and not geocoding:
        host, theirs = _OPEN_METEO
        geocoding = theirs if urlsplit(weather).hostname == host else weather
    if weather and geocoding and stocks:
        yield Addresses(weather, geocoding, stocks)
        return
    from roadmap.llm.serving import serve

    from .app import application

    with serve(application(today=environ.get(TODAY) or None)) as url:
        yield Addresses(weather or url, geocoding or url, stocks or url)
