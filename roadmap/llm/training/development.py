"""Requests to choose the bridge's settings on: tools, templates and talk that training never sees.

The held-out sets in tests/benchmarks/ are for the published figures alone; nothing is chosen on them.
"""

from __future__ import annotations

import random
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from roadmap.llm import spans
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


def written(seed: int) -> list[Item]:
    """The requests of `development.toml`, written one by one, under the five taught tools or under two that are new.

    Then, of each, some again under a list that lacks their tool. Those under one list follow one another.
    """
    rng = random.Random(seed)
    every = {kind.names[0]: kind for kind in requests.kinds(development=True).values()}
    taught = [kind for kind in every.values() if kind.key in requests.TAUGHT]
    new = [kind for kind in every.values() if kind.key not in requests.TAUGHT]
    every_request = _requests("development")
    talk = [one["words"] for one in every_request if not one["calls"]]
    asked = [(one, {call["tool"] for call in one["calls"]}) for one in every_request if one["calls"]]
    known = {kind.names[0] for kind in taught}
    rng.shuffle(new)
    lists: list[tuple[str, Sequence[Kind]]] = [("taught", taught)]
    lists += [("untaught", new[place : place + 2]) for place in range(0, len(new), 2)]
    made: list[Item] = []
    for part, chosen in lists:
        names = {kind.names[0] for kind in chosen}
        shown = list(requests.show(chosen, rng, plain=True).tools)
        made += [Item(part, one["words"], shown, one["calls"]) for one, needs in asked if needs <= names]
        made += [Item("talk", words, shown, []) for words in (talk if part == "taught" else rng.sample(talk, 4))]
        if part == "untaught":
            strange = [
                one["words"] for one, needs in asked if not needs & names and one["calls"][0]["tool"] not in known
            ]
            made += [Item("not offered", words, shown, []) for words in rng.sample(strange, 5)]
            continue
        for missing in chosen:
            rest = list(requests.show([kind for kind in chosen if kind is not missing], rng, plain=True).tools)
            alone = [one["words"] for one, needs in asked if needs == {missing.names[0]}]
            made += [Item("not offered", words, rest, []) for words in rng.sample(alone, min(7, len(alone)))]
    return made


def unfamiliar(seed: int, lists: int = 2) -> list[Item]:
    """The requests of `unfamiliar.toml`: of subjects that training does not have, each `lists` times under two tools.

    Under each two tools: all requests for them, what is near them and needs no tool, and six for other such tools.
    """
    rng = random.Random(seed)
    every = requests.unfamiliar()
    asked = _requests("unfamiliar")
    made: list[Item] = []
    for _ in range(lists):
        rng.shuffle(every)
        for place in range(0, len(every), 2):
            chosen = every[place : place + 2]
            names = {kind.names[0] for kind in chosen}
            shown = list(requests.show(chosen, rng, plain=True).tools)
            others = [one["words"] for one in asked if one["calls"] and one["calls"][0]["tool"] not in names]
            made += [
                Item("unfamiliar" if one["calls"] else "talk", one["words"], shown, one["calls"])
                for one in asked
                if (one["calls"][0]["tool"] if one["calls"] else one["near"]) in names
            ]
            made += [Item("not offered", words, shown, []) for words in rng.sample(others, 6)]
    return made


def pairs() -> list[Item]:
    """The requests of `pairs.toml`, each under its pair of tools: those for calls, and those for none."""
    made: list[Item] = []
    for pair in tomllib.loads((requests.FOLDER / "pairs.toml").read_text(encoding="utf-8"))["pair"]:
        shown = [
            Tool(
                name=tool["name"],
                description=tool["description"],
                input_schema={"type": "object", "properties": tool["properties"], "required": tool["required"]},
            )
            for tool in pair["tool"]
        ]
        made += [Item("call" if one["calls"] else "none", one["words"], shown, one["calls"]) for one in pair["request"]]
    return made


def meant() -> list[Item]:
    """The requests of `meant.toml` that ask for a member of an enum, each under its tool with that one argument.

    Their parts: "named" where the request has the member's word or one of the thesaurus, "meant" otherwise.
    """
    made: list[Item] = []
    for tool in tomllib.loads((requests.FOLDER / "meant.toml").read_text(encoding="utf-8"))["tool"]:
        enum = {"enum": tool["members"], "description": tool["says"]}
        schema = {"type": "object", "properties": {tool["key"]: enum}, "required": [tool["key"]]}
        shown = [Tool(name=tool["name"], description=tool["description"], input_schema=schema)]
        for request in tool["request"]:
            if "member" in request:
                calls = [{"tool": tool["name"], "arguments": {tool["key"]: request["member"]}}]
                named = any(map(spans.read(request["words"]).mentions, tool["members"]))
                made.append(Item("named" if named else "meant", request["words"], shown, calls))
    return made


def _requests(name: str) -> list[dict[str, Any]]:
    """The requests of a file, written one by one, with their calls."""
    read = tomllib.loads((requests.FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
    asked: list[dict[str, Any]] = read["request"]
    return asked
