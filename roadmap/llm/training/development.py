"""Requests to choose the bridge's settings on: tools, templates and talk that training never sees.

The held-out sets in tests/benchmarks/ are for the published figures alone; nothing is chosen on them.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from roadmap.llm.messages.contract import Tool

from . import requests


@dataclass(frozen=True)
class Item:
    """One request, the tools that it offers, and the calls that answer it."""

    part: str
    words: str
    tools: list[Tool]
    calls: list[dict[str, Any]]


def items(count: int, seed: int) -> list[Item]:
    """`count` requests for each part: taught tools, tools never seen, right tool not offered, talk."""
    rng = random.Random(seed)
    taught = {key: kind for key, kind in requests.kinds(development=True).items() if key in requests.TAUGHT}
    new = {key: kind for key, kind in requests.kinds(development=True).items() if key not in requests.TAUGHT}
    talk = requests.talk(development=True)
    made: list[Item] = []
    for _ in range(count):
        shown = requests.show(rng.sample(list(taught.values()), 5), rng, plain=True)
        asked = requests.ask(rng.choice(list(taught.values())), rng)
        made.append(Item("taught", asked.words, list(shown.tools), shown.calls(asked)))
        kind = rng.choice(list(new.values()))
        two = [kind, *rng.sample([other for other in new.values() if other is not kind], rng.choice([1, 1, 2, 4]))]
        rng.shuffle(two)
        shown = requests.show(two, rng, plain=True)
        asked = requests.ask(kind, rng)
        made.append(Item("untaught", asked.words, list(shown.tools), shown.calls(asked)))
        pool = list((taught if rng.random() < 0.5 else new).values())
        kind = rng.choice(pool)
        others = rng.sample([other for other in pool if other is not kind], rng.choice([1, 2, 4]))
        shown = requests.show(others, rng, plain=True)
        made.append(Item("not offered", requests.ask(kind, rng).words, list(shown.tools), []))
        pool = list((taught if rng.random() < 0.5 else new).values())
        shown = requests.show(rng.sample(pool, rng.choice([2, 4, 5])), rng, plain=True)
        made.append(Item("talk", requests.say(rng.choice(talk), rng).words, list(shown.tools), []))
    return made
