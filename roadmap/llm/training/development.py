"""Requests to choose the bridge's settings on: tools, templates and talk that training never sees.

The held-out sets in tests/benchmarks/ are for the published figures alone; nothing is chosen on them.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from roadmap.llm.messages.contract import Tool

from . import requests
from .requests import Kind

PER_LIST = 8  # requests of a part under one list of tools


@dataclass(frozen=True)
class Item:
    """One request, the tools that it offers, and the calls that answer it."""

    part: str
    words: str
    tools: list[Tool]
    calls: list[dict[str, Any]]


def items(count: int, seed: int) -> list[Item]:
    """`count` requests for each part: taught tools, tools never seen, right tool not offered, talk.

    Those under one list of tools follow one another, so that the engine reads the list once.
    """
    rng = random.Random(seed)
    every = requests.kinds(development=True)
    taught = [every[key] for key in requests.TAUGHT]
    new = [kind for key, kind in every.items() if key not in requests.TAUGHT]
    talk = requests.talk(development=True)
    made: list[Item] = []
    lists = max(1, count // PER_LIST)
    for place in range(lists):
        share = count * (place + 1) // lists - count * place // lists
        rng.shuffle(taught)
        chosen = rng.sample(new, [2, 3, 4, 2, 5][place % 5])
        made += _parts("taught", taught, [], talk, share, rng)
        made += _parts("untaught", chosen, [kind for kind in new if kind not in chosen], talk, share, rng)
    return made


def _parts(
    part: str, chosen: list[Kind], others: list[Kind], talk: list[str], count: int, rng: random.Random
) -> list[Item]:
    """Requests under one list of tools: for its tools, and, half as many each, for tools not in it, and talk."""
    made: list[Item] = []
    shown = requests.show(chosen, rng, plain=True)
    tools = list(shown.tools)
    for _ in range(count):
        asked = requests.ask(rng.choice(chosen), rng)
        made.append(Item(part, asked.words, tools, shown.calls(asked)))
    made += [Item("talk", requests.say(rng.choice(talk), rng).words, tools, []) for _ in range((count + 1) // 2)]
    if others:
        asks = [requests.ask(rng.choice(others), rng).words for _ in range((count + 1) // 2)]
    else:  # one of the list's own tools is taken out
        missing = rng.choice(chosen)
        tools = list(requests.show([kind for kind in chosen if kind is not missing], rng, plain=True).tools)
        asks = [requests.ask(missing, rng).words for _ in range((count + 1) // 2)]
    return made + [Item("not offered", words, tools, []) for words in asks]
