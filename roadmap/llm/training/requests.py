"""Requests with the calls that answer them, drawn from the templates of `tools.toml` and `talk.toml`."""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeVar

from roadmap.llm.messages.contract import Tool

from .values import INTEGERS, NUMBERS, PATTERNS, POOLS, Said, named, story_number

FOLDER = Path(__file__).parent
TAUGHT = ("get_weather", "get_stock_price", "convert_currency", "get_time", "calculate")
# Tools kept out of training, to choose the bridge's settings on: one or two of most domains.
DEVELOPMENT = (
    "read_aloud", "cinema_seats", "track_parcel", "find_doctor", "set_light", "train_times", "deploy", "population",
    "call_contact", "print_document", "roll_dice", "vat_rate", "set_volume", "find_recipe",
)  # fmt: skip
_Line = TypeVar("_Line")
_EVERY = 7  # of a taught tool's templates, each seventh is kept for development
_STORIES = 0.3  # share of a tool's requests that are stories, where it has any
NUMBER = re.compile(r"\{([a-z])(?::(n|big))?\}")
SLOT = re.compile(r"\{(\w+)(?::(\w+)(?:\|([^}]*))?)?\}")
_PLURAL = {
    "city", "ticker", "country", "person", "coin", "word", "company_name", "team", "topic", "film", "currency", "code",
    "flight", "book", "song", "room", "file", "host", "service", "product", "dish", "grocery", "place",
}  # fmt: skip
_BETWEEN = (" and ", " and ", " and ", " & ", ", also ", " as well as ", " and then ", ", ", " and also ")
_ASKED_BETWEEN = (*_BETWEEN, " or ", " or ")  # in questions: an order that says "or" wants one of two
_ARGUMENT_ALIASES = {
    "city": ("location", "place", "town", "city_name"),
    "symbol": ("ticker", "stock", "share"),
    "to": ("recipient", "target"),
    "from": ("source",),
    "day": ("when", "date"),
    "date": ("on_date", "day"),
    "text": ("content", "message"),
    "amount": ("value", "sum"),
    "country": ("nation", "land"),
    "name": ("person", "who"),
    "minutes": ("duration", "length"),
    "expression": ("formula", "input"),
    "time": ("at", "clock_time"),
    "title": ("query", "q"),
    "room": ("where", "area"),
}


@dataclass(frozen=True)
class Argument:
    """One argument of a tool: its name, where its values come from, and whether it must be given."""

    name: str
    kind: str
    description: str
    required: bool

    @property
    def options(self) -> list[str] | None:
        """The values of an enum."""
        return self.kind.split("|") if "|" in self.kind else None

    def schema(self, described: bool) -> dict[str, Any]:
        """The argument's JSON schema."""
        schema: dict[str, Any]
        if self.options is not None:
            schema = {"enum": self.options}
        elif self.kind in INTEGERS:
            schema = {"type": "integer"}
        elif self.kind in NUMBERS:
            schema = {"type": "number"}
        else:
            schema = {"type": "string"}
            if self.kind in PATTERNS:
                schema["pattern"] = PATTERNS[self.kind]
        return {**schema, "description": self.description} if described else schema

    def draw(self, rng: random.Random) -> Said:
        """A value, and how it is said."""
        if self.kind.startswith("("):
            return named(rng.choice(self.kind.strip("()").split("; ")))
        return POOLS[self.kind](rng)


@dataclass(frozen=True)
class Kind:
    """A tool with its aliases and its request templates."""

    key: str
    domain: str
    names: tuple[str, ...]
    says: tuple[str, ...]
    arguments: tuple[Argument, ...]
    templates: tuple[str, ...]
    stories: tuple[tuple[str, str], ...] = ()  # of `calculate`: a computation in everyday words, and its expression


@dataclass(frozen=True)
class Call:
    """A call by the tool's key and its arguments' own names."""

    key: str
    arguments: dict[str, Any]


@dataclass(frozen=True)
class Asked:
    """A request and the calls that answer it; none where it is talk."""

    words: str
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True)
class Shown:
    """Tools as one conversation shows them: under which name, with which names of arguments."""

    tools: tuple[Tool, ...]
    names: dict[str, str]
    renamed: dict[str, dict[str, str]] = field(default_factory=dict)

    def calls(self, asked: Asked) -> list[dict[str, Any]]:
        """The calls as the model is to write them."""
        return [
            {
                "tool": self.names[call.key],
                "arguments": {self.renamed[call.key].get(key, key): value for key, value in call.arguments.items()},
            }
            for call in asked.calls
        ]


def kinds(*, development: bool = False) -> dict[str, Kind]:
    """The tools to train on, or those to choose settings on, each with the templates of that part."""
    chosen: dict[str, Kind] = {}
    for kind in _read("tools"):
        if kind.key in TAUGHT:
            kind = replace(kind, templates=_part(kind.templates, development), stories=_part(kind.stories, development))
        elif (kind.key in DEVELOPMENT) != development:
            continue
        chosen[kind.key] = kind
    return chosen


def unfamiliar() -> list[Kind]:
    """Tools on subjects that no tool to train on has; they have no templates, their requests are written out."""
    return list(_read("unfamiliar"))


def _read(name: str) -> Iterator[Kind]:
    """The tools of a file, with all their templates."""
    for domain, tools in tomllib.loads((FOLDER / f"{name}.toml").read_text(encoding="utf-8")).items():
        if domain == "request":
            continue
        for key, tool in tools.items():
            stories = (line.partition(" => ") for line in tool.get("stories", "").strip().splitlines())
            yield Kind(
                key,
                domain,
                tuple(tool["names"].split()),
                tuple(tool["says"]),
                tuple(_argument(line) for line in tool["args"]),
                tuple(tool.get("ask", "").strip().splitlines()),
                tuple((words, expression) for words, _, expression in stories),
            )


def talk(*, development: bool = False) -> list[str]:
    """What needs no tool; each seventh line is kept for development."""
    lines = tomllib.loads((FOLDER / "talk.toml").read_text(encoding="utf-8"))["lines"].strip().splitlines()
    return list(_part(lines, development))


def _part(lines: Sequence[_Line], development: bool) -> tuple[_Line, ...]:
    """Each seventh line for development, the others for training."""
    return tuple(line for place, line in enumerate(lines) if (place % _EVERY == 3) == development)


def ask(kind: Kind, rng: random.Random) -> Asked:
    """A request for one call of a tool."""
    if kind.stories and rng.random() < _STORIES:
        words, expression = _told(rng.choice(kind.stories), rng)
        return Asked(_worn(words, rng), (Call(kind.key, {kind.arguments[0].name: expression}),))
    words, arguments = _fill(rng.choice(kind.templates), kind, rng)
    return Asked(_worn(words, rng), (Call(kind.key, arguments),))


def _told(story: tuple[str, str], rng: random.Random) -> tuple[str, str]:
    """A story with numbers in its places, and the expression over them."""
    words, expression = story
    for name, size in dict.fromkeys(NUMBER.findall(words)):
        said, value = story_number(size, rng)
        place = "{" + name + (f":{size}" if size else "") + "}"
        words, expression = words.replace(place, said), expression.replace("{" + name + "}", str(value))
    return words, expression


def ask_twice(kind: Kind, rng: random.Random) -> Asked | None:
    """A request for two calls of one tool, by two values of one argument; None where the tool has no such argument."""
    plural = [entry for entry in kind.arguments if entry.required and (entry.kind in _PLURAL or entry.kind[0] == "(")]
    if not plural:
        return None
    argument = rng.choice(plural)
    usable = [line for line in kind.templates if line.count("{" + argument.name + "}") == 1 and "'s" not in line]
    if not usable:
        return None
    marked = rng.choice(usable).replace("{" + argument.name + "}", "\0")
    words, arguments = _fill(marked, kind, rng)
    said = [argument.draw(rng), argument.draw(rng)]
    if len({*arguments.values(), said[0][1], said[1][1]}) < len(arguments) + 2:
        return None
    between = rng.choice(_ASKED_BETWEEN if words.endswith("?") else _BETWEEN)
    words = words.replace("\0", between.join(entry[0] for entry in said))
    order = [entry.name for entry in kind.arguments]
    calls = []
    for _, value in said:
        every = {**arguments, argument.name: value}
        calls.append(Call(kind.key, {name: every[name] for name in order if name in every}))
    return Asked(words, tuple(calls))


def joined(first: Asked, second: Asked, rng: random.Random) -> Asked:
    """Two requests in one breath."""
    begin = first.words.rstrip(".?! ")
    link = rng.choice([", and ", " and also ", ". Also: ", "? And ", "; then "])
    rest = second.words
    values = [value for call in second.calls for value in call.arguments.values() if isinstance(value, str)]
    if rng.random() < 0.5 and not rest.startswith(tuple(values)):  # names keep their capital
        rest = rest[0].lower() + rest[1:]
    return Asked(begin + link + rest, first.calls + second.calls)


def say(line: str, rng: random.Random) -> Asked:
    """A line of talk, with its places filled."""
    return Asked(_worn(SLOT.sub(lambda match: str(POOLS[match[1]](rng)[0]), line), rng))


def show(chosen: Sequence[Kind], rng: random.Random, *, plain: bool = False) -> Shown:
    """Tools under names and descriptions drawn from their aliases; `plain` takes the first of each."""
    tools: list[Tool] = []
    names: dict[str, str] = {}
    renamed: dict[str, dict[str, str]] = {}
    for kind in chosen:
        name, says = (kind.names[0], kind.says[0]) if plain else (rng.choice(kind.names), rng.choice(kind.says))
        if not plain and rng.random() < 0.1:
            name = _camel(name) if rng.random() < 0.5 else f"{kind.domain}_{name}"
        while name in names.values():
            name += "_2"
        new = {} if plain or rng.random() < 0.6 else _aliases(kind, rng)
        described = plain or rng.random() < 0.7
        tools.append(
            Tool(
                name=name,
                description=says,
                input_schema={
                    "type": "object",
                    "properties": {
                        new.get(argument.name, argument.name): argument.schema(described) for argument in kind.arguments
                    },
                    "required": [new.get(entry.name, entry.name) for entry in kind.arguments if entry.required],
                },
            )
        )
        names[kind.key], renamed[kind.key] = name, new
    return Shown(tuple(tools), names, renamed)


def _argument(line: str) -> Argument:
    head, _, description = line.rpartition(" = ")
    name, _, kind = head.partition(": ")
    return Argument(name.rstrip("?"), kind, description, not name.endswith("?"))


def _fill(template: str, kind: Kind, rng: random.Random) -> tuple[str, dict[str, Any]]:
    arguments: dict[str, Any] = {}
    by_name = {argument.name: argument for argument in kind.arguments}

    def one(match: re.Match[str]) -> str:
        name, fixed, words = match.groups()
        argument = by_name[name]
        if fixed is not None:
            arguments[name] = fixed
            return words if words is not None else fixed
        if argument.options is not None:
            said: Said = (rng.choice(argument.options),) * 2
        else:
            said = argument.draw(rng)
            while said[1] in arguments.values() and isinstance(said[1], str):  # two places are two places
                said = argument.draw(rng)
        arguments[name] = said[1]
        return said[0]

    words = SLOT.sub(one, template)
    return words, {argument.name: arguments[argument.name] for argument in kind.arguments if argument.name in arguments}


def _worn(words: str, rng: random.Random) -> str:
    """As people type: now and then without the mark at the end, or with a word before."""
    if rng.random() < 0.12:
        words = words.rstrip(".?!")
    if rng.random() < 0.08:
        words = rng.choice(["Hey, ", "Quick question: ", "Please: ", "One more thing. ", "Hello! "]) + words
    if rng.random() < 0.06:
        words += rng.choice([" Thanks!", " Thank you.", " Please be quick.", " :)"])
    return words


def _aliases(kind: Kind, rng: random.Random) -> dict[str, str]:
    taken = {argument.name for argument in kind.arguments}
    new: dict[str, str] = {}
    for argument in kind.arguments:
        options = [name for name in _ARGUMENT_ALIASES.get(argument.name, ()) if name not in taken]
        if options:
            new[argument.name] = rng.choice(options)
            taken.add(new[argument.name])
    return new


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.capitalize() for part in rest)
