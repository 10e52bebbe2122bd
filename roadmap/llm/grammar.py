"""The grammar of the calls that one request allows, in llama.cpp's GBNF.

Names come from the request's tools; values from their schemas and from what the request says (`spans`). A tool whose
required arguments the request cannot fill is not in it. Source: llama.cpp's grammars/README.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from . import naming, units
from .bridge import properties
from .messages.contract import Tool
from .messages.parts import ToolUse
from .runs import Limits, Runs, either, literal, quoted
from .spans import Said, Word

MOST_VALUES = 400  # alternatives of one argument; more would slow every token
_MOST_WAYS = 400  # to give the numbers and codes that were said to the arguments of one call
_ANYTHING = "anything"
_ANY_RULE = (
    'anything ::= "\\"" [^"\\\\\\x00-\\x1f]{0,200} "\\"" | "-"? [0-9]{1,12} ("." [0-9]{1,6})? | '
    '"true" | "false" | "null"'
)


@dataclass(frozen=True)
class Beside:
    """What an argument stands beside, of which it is not made: it is called `key`.

    `figures`: whether another argument takes figures: then words are not figures alone. `dates`: whether another takes
    a date or a time: then no word is of one. `units`: those in which others are measured. `members`: words that it is
    not alone, in lower case: members of the others' enums that the request names, and of what may be left out pronouns
    and the like. `name`: whether it begins with a capital letter. `address`: whether with the number of a house.
    `not_after`: words that it does not follow.
    """

    key: str = ""
    figures: bool = False
    dates: bool = False
    units: frozenset[str] = frozenset()
    members: frozenset[str] = frozenset()
    name: bool = False
    address: bool = False
    not_after: frozenset[str] = frozenset()

    def labels(self, word: str, following: str) -> bool:
        """Whether a word is the argument's own name before a name or a code: "reference CW290" is CW290."""
        own = naming.apart(self.key).lower().split()
        named = following[:1].isupper() or (
            following[:1].isalnum() and bool(re.search(r"\d", following)) and not following.isdigit()
        )
        return word in own and named


class Grammar:
    """Rules for the tools of a request, over what was said."""

    def __init__(self, tools: Sequence[Tool], said: Said):
        self.said = said
        self._rules: dict[str, str] = {}
        self._written: dict[Limits, Runs] = {}
        self._repeated = {_json(number) for number in said.repeated}
        self._ids: dict[str, int] = {}  # of shared values, for the names of rules
        self._insists = True  # whether what was said outright must be there
        self._owned = True  # whether numbers beside an argument's name are its own
        self._reckons = False  # whether the tool at hand takes arithmetic
        quoting = sum(any(naming.quoted(*one) for one in properties(tool.input_schema).items()) for tool in tools)
        self._quoting = quoting == 1  # whether what is in quotation marks can be of one tool only
        self.tools: list[Tool] = []  # those that can be filled
        for number, tool in enumerate(tools):
            self._reckons = naming.reckons(tool)
            arguments = self._arguments(f"t{number}", tool.input_schema)
            if arguments is not None:
                self._rules[f"call{len(self.tools)}"] = (
                    f"{quoted(_opening(tool.name) + ', ' + _ARGUMENTS)} {arguments} {quoted('}')}"
                )
                self.tools.append(tool)

    def dispensable(self, tool: str, key: str) -> bool:
        """Whether an argument may be left out and may be any words."""
        schema = next(one.input_schema for one in self.tools if one.name == tool)
        return key not in schema.get("required", []) and naming.free(properties(schema)[key])

    def choice(self, *, none: bool) -> tuple[str, dict[str, str | None]]:
        """A grammar of what comes first, a tool or no call; and each option's text with its tool (None: no call)."""
        # With the comma: models write it in one token with the quotation mark, and without it would part from that.
        options: dict[str, str | None] = {f"[{_opening(tool.name)},": tool.name for tool in self.tools}
        if none:
            options["[]"] = None
        return f"root ::= {' | '.join(map(quoted, options))}", options

    def calls(self, first: str, *, most: int) -> str:
        """A grammar of a list of calls whose first is of the tool `first`."""
        number = [tool.name for tool in self.tools].index(first)
        every = " | ".join(f"call{place}" for place in range(len(self.tools)))
        more = f" ({quoted(', ')} ({every})){{0,{most - 1}}}" if most > 1 else ""
        return self._whole(f"call{number}{more}")

    def sequence(self) -> str:
        """A grammar of a list with one call of each tool, in their order."""
        return self._whole(f" {quoted(', ')} ".join(f"call{place}" for place in range(len(self.tools))))

    def said_for(self, tool: Tool, key: str) -> list[Any]:
        """The values that the request says for an argument, where they are few: an enum's members, numbers, dates."""
        schema = properties(tool.input_schema)[key]
        if not isinstance(schema, dict):
            return []
        if isinstance(schema.get("enum"), list):
            return [one for one in schema["enum"] if self.said.mentions(one)]
        required = key in tool.input_schema.get("required", [])
        listed = self._listed(schema, required=required, beside=Beside(key))
        return [json.loads(one) for one in listed if one not in self._repeated]

    def _whole(self, calls: str) -> str:
        """The grammar of a list of calls."""
        rules = [f"root ::= {quoted('[')} {calls} {quoted(']')}"]
        rules += [f"{name} ::= {body}" for name, body in self._rules.items()]
        if any(re.search(rf"\b{_ANYTHING}\b", body) for body in self._rules.values()):
            rules.append(_ANY_RULE)
        return "\n".join(rules)

    def _arguments(self, name: str, schema: dict[str, Any]) -> str | None:
        """The rule of a tool's arguments; None where the request cannot fill them.

        What may be left out is there if it was said outright, and numbers beside an argument's name are its own, unless
        nothing can be made of the tool then: one date is enough for a first day, though a last day takes dates, too.
        """
        before = dict(self._rules)
        for self._insists, self._owned in ((True, True), (False, True), (False, False)):
            made = self._object(name, schema)
            if made is not None:
                return made
            self._rules = dict(before)
        return None

    def _object(self, name: str, schema: dict[str, Any]) -> str | None:
        """The rule of an object, its properties in the schema's order; None where a required one has no value."""
        arguments = properties(schema)
        required = set(schema.get("required", []))
        figured = {key for key, sub in arguments.items() if naming.figured(sub)}
        dated = {key for key, sub in arguments.items() if naming.timely(sub)}
        measured = {key: units.wanted(naming.called(key, sub)) for key, sub in arguments.items() if naming.numeric(sub)}
        members = {key: self._members(sub) for key, sub in arguments.items()}
        beside = {
            key: Beside(
                key,
                figures=bool(figured - {key}),
                dates=bool(dated - {key}),
                units=frozenset[str]().union(*(said for other, said in measured.items() if other != key)),
                name=self.said.cased
                and (naming.names_somebody(key, sub) or (key not in required and naming.names_a_role(key, sub))),
                not_after=naming.not_after(key),
                address=naming.an_address(key, sub),
                members=frozenset(() if key in required else _EMPTY).union(
                    *(said for other, said in members.items() if other != key),
                    self._unlike(key, sub),
                ),
            )
            for key, sub in arguments.items()
        }
        values: list[tuple[str, str, bool]] = []
        for place, (key, sub) in enumerate(arguments.items()):
            if self.said.timely and key not in required and naming.numeric(sub):
                continue  # what may be left out is not made of a time of day
            body = self._value(
                f"{name}p{place}",
                sub if isinstance(sub, dict) else {},
                required=key in required,
                beside=beside[key],
            )
            if body is None:
                if key in required:
                    return None
                continue
            rule = f"{name}v{place}"
            self._rules[rule] = body
            values.append((key, rule, key in required or (self._insists and self._said_outright(key, sub))))
        if required - {key for key, _, _ in values}:
            return None
        shared = self._shared({key: arguments[key] for key, _, _ in values}, required, beside)
        chain = self._chain(name, values, 0, True, shared, ())
        return None if chain is None else f"{quoted('{')} {chain} {quoted('}')}"

    def _members(self, schema: Any) -> frozenset[str]:
        """The members of an enum that the request names, in lower case."""
        listed = schema.get("enum") if isinstance(schema, dict) else None
        every = listed if isinstance(listed, list) else []
        return frozenset(one.lower() for one in every if isinstance(one, str) and self.said.mentions(one))

    def _shared(
        self, properties: dict[str, Any], required: set[str], beside: dict[str, Beside]
    ) -> dict[str, list[str]]:
        """The values of those arguments that take numbers or forms from the same ones: each may have another.

        None of them where there are too many ways to give them out. (An argument that must be there and may be null
        shares with none.)
        """
        listed = {
            key: self._listed(schema, required=key in required, beside=beside[key])
            for key, schema in properties.items()
            if isinstance(schema, dict) and not (key in required and naming.nullable(schema))
        }
        listed = {
            key: values
            for key, values in listed.items()
            if any(set(values) & set(others) for other, others in listed.items() if other != key)
        }
        return listed if math.prod(map(len, listed.values())) <= _MOST_WAYS else {}

    def _listed(self, schema: dict[str, Any], *, required: bool, beside: Beside) -> list[str]:
        """The few things that were said and that an argument may be, as JSON; none where it may be any words."""
        if {"const", "enum"} & schema.keys():
            return []
        if naming.numeric(schema):
            says = {"description": schema.get("description", "")}
            return [
                _json(value)
                for part in naming.parts(schema)
                for value in self._numbers({**says, **part}, required=required, beside=beside)
            ]
        return self._forms_for(schema) if schema.get("type") == "string" else []

    def _numbers(self, schema: dict[str, Any], *, required: bool, beside: Beside) -> list[float | int]:
        """The numbers that an argument may be: those beside its own name, if there are any.

        A number with a unit is for the argument that is measured in it. What may be left out is not made of "both" or
        "the pair of them", nor of the 6 of "Pier 6"; and where it is measured in a unit, only of what was said in one.
        """
        wanted = units.wanted(naming.called(beside.key, schema))
        measured = [value for value in self.said.measured(wanted) if naming.fits(value, schema)]
        if measured and self._owned:
            return measured
        fitting = [value for value in self.said.numbers if naming.fits(value, schema)]
        counted = self.said.counted(beside.key) if self._owned else []
        own = [value for value in fitting if value in counted]
        if own:
            return own
        elsewhere = {*(self.said.elsewhere(wanted) if wanted else ()), *self.said.only_in(beside.units - wanted)}
        left = [value for value in fitting if value not in elsewhere]
        if required:
            return left or fitting
        if wanted - units.MONEY:
            return []
        return [value for value in left if value not in self.said.vague and value not in self.said.of_names]

    def _said_outright(self, key: str, schema: Any) -> bool:
        """Whether the request names a member of an enum, a date, a time or a code of the wanted form, or so many of it.

        A small model now and then leaves an optional argument out; what was said outright is not to be left out.
        """
        if not isinstance(schema, dict):
            return False
        if isinstance(schema.get("enum"), list):
            return any(self.said.mentions(one) for one in schema["enum"])
        if naming.numeric(schema):
            own = [*self.said.counted(key), *self.said.measured(units.wanted(naming.called(key, schema)))]
            return any(naming.fits(value, part) for part in naming.parts(schema) for value in own)
        parts = naming.parts(schema)
        if not any(part.get("type") == "string" for part in parts):
            return False
        patterns = [*map(naming.wanted, parts), naming.described(schema)]
        return any(pattern.search(form) for pattern in patterns if pattern for form in self.said.forms)

    def _chain(
        self,
        name: str,
        values: list[tuple[str, str, bool]],
        place: int,
        first: bool,
        shared: dict[str, list[str]],
        used: tuple[str, ...],
    ) -> str | None:
        """The arguments from `place` on; `used` are shared values that are given away. None: a required one is left."""
        if place == len(values):
            return '""'
        rule = f"{name}{'f' if first else 'm'}{place}" + "".join(f"x{self._id_of(value)}" for value in sorted(used))
        if rule not in self._rules:
            key, value, required = values[place]
            label = quoted(("" if first else ", ") + json.dumps(key, ensure_ascii=False) + ": ")
            options = [(value, used)]
            if key in shared:
                left = [one for one in shared[key] if used.count(one) <= (one in self._repeated)]
                options = [(quoted(one), (*used, one)) for one in left]
            given = [(f"{label} {body} ", False, after) for body, after in options]
            ways = []
            for begin, still_first, after in given if required else [*given, ("", first, used)]:
                rest = self._chain(name, values, place + 1, still_first, shared, after)
                if rest is not None:
                    ways.append(begin + rest)
            if not ways:
                return None
            self._rules[rule] = " | ".join(ways)
        return rule

    def _id_of(self, value: str) -> int:
        """The number that stands for a shared value in the names of rules."""
        return self._ids.setdefault(value, len(self._ids))

    def _value(self, name: str, schema: dict[str, Any], *, required: bool, beside: Beside | None = None) -> str | None:
        """The body of a value's rule, or None where nothing that was said fits."""
        beside = beside or Beside()
        if "const" in schema:
            return quoted(_json(schema["const"]))
        if isinstance(schema.get("enum"), list):
            said = [one for one in schema["enum"] if self.said.mentions(one)]
            return _alternatives(map(_json, said or (schema["enum"] if required else [])))
        for word in ("anyOf", "oneOf"):
            if isinstance(schema.get(word), list):
                bodies = [
                    self._value(
                        f"{name}o{place}",
                        {"description": schema.get("description"), **(part if isinstance(part, dict) else {})},
                        required=required,
                        beside=beside,
                    )
                    for place, part in enumerate(schema[word])
                ]
                return " | ".join(f"({body})" for body in bodies if body is not None) or None
        kind = schema.get("type")
        if isinstance(kind, list):
            either = {"anyOf": [{**schema, "type": one} for one in kind]}
            return self._value(name, either, required=required, beside=beside)
        if kind == "boolean":
            said = self.said.says(naming.stems(beside.key, schema))
            return _alternatives(map(_json, said or ((True, False) if required else ())))
        if kind == "null":
            return '"null"' if required else None
        if kind in ("integer", "number"):
            return _alternatives(map(_json, self._numbers(schema, required=required, beside=beside)))
        if kind == "array":
            items = schema.get("items")
            body = self._value(f"{name}i", items if isinstance(items, dict) else {}, required=True)
            if body is None:
                return None if schema.get("minItems", 0) else quoted("[]")
            self._rules[f"{name}i"] = body
            least = max(1, int(schema.get("minItems", 1)))
            rest = f"({quoted(', ')} {name}i){{{least - 1},{min(max(least, int(schema.get('maxItems', 8))), 16) - 1}}}"
            return f"{quoted('[')} {name}i {rest} {quoted(']')}"
        if kind == "object":
            return self._object(name, schema)
        if kind == "string":
            return self._string(schema, required=required, beside=beside)
        return _ANYTHING

    def _string(self, schema: dict[str, Any], *, required: bool, beside: Beside) -> str | None:
        wanted = naming.wanted(schema)
        if wanted or naming.described(schema):
            fitting = _alternatives(self._forms_for(schema))
            # A description is no rule: a required argument whose form was not said takes any words, if some are for it.
            form = naming.described(schema)
            if fitting or wanted or not required or (form and naming.timely(schema) and not self.said.timed(form)):
                return fitting
        if not self.said.words:
            return None
        if self._quoting and self.said.quoted and naming.quoted(beside.key, schema):
            return _alternatives(map(_json, self.said.quoted))
        likely = self._likely(beside.key, schema)
        if likely:
            return _alternatives(map(_json, likely))
        if naming.NUMBERED.search(naming.called(beside.key, schema)) and not any(
            re.search(r"\d", word.text) for word in self.said.words
        ):
            return None
        span = self._span(schema, required=required, beside=beside)
        ways = [] if span is None else [span]
        ways += [quoted(_json(quote)) for quote in self.said.quotes]
        if self._reckons and len(self.said.numbers) > 1:
            ways.append(self._sum())
        return " | ".join(ways) or None

    def _likely(self, key: str, schema: dict[str, Any]) -> list[str]:
        """The words that look like what an argument is called or described as: a file, a reference, an address."""
        called = naming.called(key, schema)
        return list(
            dict.fromkeys(
                word.text
                for named, form in naming.LIKELY
                if named.search(called)
                for word in self.said.words
                if form.search(word.text)
            )
        )

    def _unlike(self, key: str, schema: Any) -> set[str]:
        """Files, addresses and links in what was said, in lower case, for an argument that is called something else."""
        called = naming.called(key, schema)
        if any(named.search(called) for named, _ in naming.APART):  # it is one of them
            return set()
        return {word.text.lower() for word in self.said.words for _, form in naming.APART if form.search(word.text)}

    def _forms_for(self, schema: dict[str, Any]) -> list[str]:
        """What was said that has the form which a string's schema or description asks for, as JSON."""
        form = naming.wanted(schema) or naming.described(schema)
        if form is None:
            return []
        ways = [*self.said.forms, *self.said.hours, *self.said.spans(), *self.said.quotes]
        other = naming.other_codes(schema)
        return list(dict.fromkeys(_json(way) for way in ways if form.search(way) and way not in other))

    def _span(self, schema: dict[str, Any], *, required: bool, beside: Beside) -> str | None:
        """A run of the request's words, of any length, that may stand beside the other arguments."""
        words = self.said.words
        whole = naming.whole_names(beside.key, schema)
        runs = self._runs(Limits(not beside.dates, whole, beside.members - _EMPTY))
        worded = beside.figures and runs.worded in runs.rules
        rule = runs.worded if worded else runs.any
        if rule not in runs.rules:
            return None
        houses = _houses(words) if beside.address else frozenset()
        starts, every = [], True
        for place, word in enumerate(words):
            start, more = runs.start(place, worded=worded and not houses), runs.after(place)
            if start is None:
                continue
            if (
                (houses and place not in houses)
                or (place and words[place - 1].text.lower() in beside.not_after)
                or (beside.name and not word.name)
                or (more and beside.labels(word.text, words[place + 1].text))
            ):
                every = False
            elif word.text.lower() in beside.members:
                every = False
                starts += [f"{literal(word.text)} {more}"] if more and word.gap.isspace() else []
            else:
                starts.append(start)
        if beside.name and not starts and not required:
            return None
        return rule if every or not starts else either(starts)

    def _runs(self, limits: Limits) -> Runs:
        """The runs of the request's words under some limits, their rules being written once."""
        if limits not in self._written:
            self._written[limits] = Runs(f"r{len(self._written)}", self.said.words, limits)
        runs = self._written[limits]
        self._rules |= runs.rules
        return runs

    def _sum(self) -> str:
        """The rule of an arithmetic expression over the request's numbers: words for signs become signs."""
        if "sum" not in self._rules:
            numbers = " | ".join(quoted(_json(number)) for number in self.said.numbers)
            self._rules["num"] = numbers
            self._rules["atom"] = 'num | "(" num (op num){1,3} ")"'
            self._rules["op"] = '" "? [-+*/] " "?'
            self._rules["sum"] = '"\\"" atom (op atom){1,4} "\\""'
        return "sum"


def _houses(words: Sequence[Word]) -> frozenset[int]:
    """Where addresses begin: at "12" of "12 Oak Street", or at "Flat" of "Flat 9, 12 Oak Street"."""
    found = set()
    for place, word in enumerate(words[:-1]):
        if word.text[:1].isdigit() and words[place + 1].name and word.gap == " ":
            found.add(place)
            if place and words[place - 1].text.lower() in _HOUSES and words[place - 1].gap == " ":
                found.add(place - 1)
    return frozenset(found)


def without_doubles(arguments: dict[str, Any], schema: dict[str, Any], text: str) -> dict[str, Any]:
    """A call's arguments without the optional ones whose words the request says for another: a name's half as a town.

    The grammar holds each argument to what was said, not one against the other.
    """
    described = properties(schema)
    required = set(schema.get("required", []))
    places = {key: _places(value, text) for key, value in arguments.items() if isinstance(value, (str, int, float))}
    kept = dict(arguments)
    for key in reversed(list(places)):  # of two optional ones the first stays
        if key in required or not naming.free(described.get(key)):
            continue
        others = [place for other in places if other != key and other in kept for place in places[other]]
        if places[key] and all(any(a < d and c < b for c, d in others) for a, b in places[key]):
            del kept[key]
    return kept


def without_repeats(calls: Sequence[ToolUse], text: str) -> list[ToolUse]:
    """The calls without those that say nothing new: each value is one of an earlier call of the tool.

    Unless it is there and back.
    """
    if _THERE_AND_BACK.search(text):
        return list(calls)
    said: dict[str, set[str]] = {}
    kept = []
    for call in calls:
        values = set(map(repr, call.input.values()))
        if call.name not in said or not values <= said[call.name]:
            kept.append(call)
        said.setdefault(call.name, set()).update(values)
    return kept


def _places(value: str | float | int, text: str) -> list[tuple[int, int]]:
    """Where a value stands in a text, as whole words."""
    return [match.span() for match in re.finditer(rf"(?<!\w){re.escape(str(value))}(?!\w)", text, re.IGNORECASE)]


# What may be left out is not one of these words alone.
_EMPTY = frozenset(
    "i me my mine we us our you your he him his she her it its they them their this that one please pls thanks thank "
    "cheers ok the a an and or of for to in on at with".split()
)
_HOUSES = frozenset("flat apartment apt unit suite room house number no block".split())
_THERE_AND_BACK = re.compile(r"\b(?:back|return|both ways|vice versa|swap|reverse|other way)\b", re.IGNORECASE)
_ARGUMENTS = '"arguments": '


def _opening(name: str) -> str:
    return f'{{"tool": "{name}"'


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _alternatives(texts: Any) -> str | None:
    found = list(dict.fromkeys(texts))[:MOST_VALUES]
    return " | ".join(map(quoted, found)) or None
