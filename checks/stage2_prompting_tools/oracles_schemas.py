"""What the checks of task 2.2 draw, each with its right answer, and the known wrong ones.

A docstring is made from its parts, and an annotation together with its schema, so nothing here reads either.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

_SYLLABLES = "ba do fi ga hu ke lo mi nu pe ra so ti vu wa zo".split()


def word(rng: np.random.Generator, syllables: int = 4) -> str:
    """A word that no language has; one of 60,000 or so, and no keyword of Python."""
    return "".join(_SYLLABLES[int(i)] for i in rng.integers(len(_SYLLABLES), size=syllables))


def words(rng: np.random.Generator, count: int) -> list[str]:
    """Different words."""
    found: dict[str, None] = {}
    while len(found) < count:
        found[word(rng)] = None
    return list(found)


def phrase(rng: np.random.Generator, low: int = 2, high: int = 6) -> str:
    """A few words in a row."""
    return " ".join(words(rng, int(rng.integers(low, high))))


# --- docstrings -----------------------------------------------------------------------------------------------------


@dataclass
class Entry:
    """A parameter in a docstring: its lines, and the type in parentheses, if any."""

    name: str
    lines: list[str]
    type: str = ""


@dataclass
class Doc:
    """A docstring in parts. `others` are sections with entries that are no parameters."""

    paragraphs: list[list[str]]
    entries: list[Entry] = field(default_factory=list)
    header: str = "Args:"
    others: list[tuple[str, list[Entry]]] = field(default_factory=list)
    others_first: bool = False

    def text(self, margin: int = 4, step: int = 4) -> str:
        """The docstring as it stands in a file: every line but the first is indented by `margin`."""
        blocks = ["\n".join(lines) for lines in self.paragraphs]
        sections = [(self.header, self.entries)] if self.entries else []
        sections = [*self.others, *sections] if self.others_first else [*sections, *self.others]
        for header, entries in sections:
            lines = [header]
            for entry in entries:
                first, *more = entry.lines
                kind = f" ({entry.type})" if entry.type else ""
                lines.append(f"{' ' * step}{entry.name}{kind}: {first}".rstrip())
                lines += [f"{' ' * 2 * step}{line}" for line in more]
            blocks.append("\n".join(lines))
        lines = "\n\n".join(blocks).split("\n")
        return "\n".join([lines[0], *(f"{' ' * margin}{line}" if line else "" for line in lines[1:])]) + (
            f"\n{' ' * margin}" if len(lines) > 1 else ""
        )

    @property
    def description(self) -> str:
        """The description that it holds."""
        return "\n\n".join(" ".join(" ".join(lines).split()) for lines in self.paragraphs)

    def answer(self, said: Callable[[Entry], dict[str, str]] | None = None) -> list[Any]:
        """Description and parameters, as data; `said` says what becomes of an entry."""
        found: dict[str, str] = {}
        for entry in self.entries:
            found.update(said(entry) if said else {entry.name: joined(entry.lines)})
        return [self.description, found]


def joined(lines: list[str]) -> str:
    """Lines as one, with single spaces."""
    return " ".join(" ".join(lines).split())


def first_line_only(entry: Entry) -> dict[str, str]:
    """A reader that forgets continuation lines."""
    return {entry.name: joined(entry.lines[:1])}


def cut_at_colon(entry: Entry) -> dict[str, str]:
    """A reader that splits at every colon and takes the second piece."""
    return {entry.name: joined(entry.lines).split(":")[0].strip()}


def continuation_as_entry(entry: Entry) -> dict[str, str]:
    """A reader that takes every line of the form `word: text` for an entry."""
    found = {entry.name: [entry.lines[0]]}
    name = entry.name
    for line in entry.lines[1:]:
        match = re.match(r"(\w+): (.*)", line)
        if match:
            name = match[1]
            found[name] = [match[2]]
        else:
            found[name].append(line)
    return {name: joined(lines) for name, lines in found.items()}


def with_type(entry: Entry) -> dict[str, str]:
    """A reader that takes all before the colon for the name."""
    return {f"{entry.name} ({entry.type})" if entry.type else entry.name: joined(entry.lines)}


def paragraphs(rng: np.random.Generator, count: int) -> list[list[str]]:
    """Paragraphs of one to three lines."""
    return [[phrase(rng, 3, 8) for _ in range(int(rng.integers(1, 4)))] for _ in range(count)]


# --- annotations ----------------------------------------------------------------------------------------------------


@dataclass
class Drawn:
    """An annotation as Python source, its schema, and the definitions that it needs."""

    source: str
    schema: dict[str, Any]
    needs: str = ""


SIMPLE = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
HEADER = """
import dataclasses, enum, functools, typing
from dataclasses import dataclass, field
from enum import Enum, IntEnum, StrEnum
from typing import Annotated, Any, Literal, NotRequired, Optional, Required, TypedDict, Union
"""


def simple(rng: np.random.Generator) -> Drawn:
    """str, int, float or bool."""
    name = list(SIMPLE)[int(rng.integers(4))]
    return Drawn(name, {"type": SIMPLE[name]})


def literal(rng: np.random.Generator, kind: str | None = None) -> Drawn:
    """A Literal of strings, integers, booleans, or of several kinds."""
    kind = kind or ("string", "integer", "boolean", "mixed")[int(rng.integers(4))]
    values: list[Any]
    if kind == "string":
        values = words(rng, int(rng.integers(1, 5)))
    elif kind == "integer":
        values = [int(v) for v in rng.choice(10**6, size=int(rng.integers(1, 5)), replace=False) - 1000]
    elif kind == "boolean":
        values = [True] if rng.integers(2) else [True, False]
    else:
        values = [*words(rng, 2), int(rng.integers(2, 10**6)), True, None]
        values = [values[int(i)] for i in rng.permutation(len(values))]
    named = {} if kind == "mixed" else {"type": kind}
    return Drawn(f"Literal[{', '.join(map(repr, values))}]", {**named, "enum": values})


def enumeration(rng: np.random.Generator, kind: str | None = None) -> Drawn:
    """An Enum class, whose names differ from its values; the last name is an alias."""
    kind = kind or ("Enum", "StrEnum", "IntEnum", "float")[int(rng.integers(4))]
    names = [name.upper() for name in words(rng, 4)]
    values: list[Any]
    if kind == "float":
        values, type_name = [float(v) + 0.5 for v in rng.choice(10**4, size=3, replace=False)], "number"
    elif kind == "IntEnum":
        values, type_name = [int(v) for v in rng.choice(10**4, size=3, replace=False)], "integer"
    else:
        values, type_name = words(rng, 3), "string"
    base = "Enum" if kind == "float" else kind
    title = f"E{word(rng)}"
    lines = [f"class {title}({base}):"]
    lines += [f"    {name} = {value!r}" for name, value in zip(names, [*values, values[0]], strict=True)]
    return Drawn(title, {"type": type_name, "enum": values}, "\n".join(lines))


def leaf(rng: np.random.Generator) -> Drawn:
    """A type without types inside."""
    return (simple, simple, literal, enumeration)[int(rng.integers(4))](rng)


def container(rng: np.random.Generator, kind: str, inner: Drawn, count: int = 2) -> Drawn:
    """A list, tuple or dict of something."""
    items = {"type": "array", "items": inner.schema}
    source, schema = {
        "list": (f"list[{inner.source}]", items),
        "tuple": (f"tuple[{inner.source}, ...]", items),
        "fixed": (
            f"tuple[{', '.join([inner.source] * count)}]",
            {**items, "minItems": count, "maxItems": count},
        ),
        "dict": (f"dict[str, {inner.source}]", {"type": "object", "additionalProperties": inner.schema}),
    }[kind]
    return Drawn(source, schema, inner.needs)


def union(rng: np.random.Generator, parts: list[Drawn], *, null: bool) -> Drawn:
    """A union of different types, in one of its spellings; None stands last."""
    needs = "\n".join(part.needs for part in parts)
    sources = [part.source for part in parts]
    schema = {"anyOf": [part.schema for part in parts] + [{"type": "null"}] * null}
    spelling = int(rng.integers(3))
    if null and len(parts) == 1 and spelling == 0:
        return Drawn(f"Optional[{sources[0]}]", schema, needs)
    if spelling == 1:
        return Drawn(f"Union[{', '.join(sources + ['None'] * null)}]", schema, needs)
    return Drawn(" | ".join(sources + ["None"] * null), schema, needs)


def tree(rng: np.random.Generator, depth: int) -> Drawn:
    """A nested annotation."""
    if depth == 0:
        return leaf(rng)
    kind = ("list", "tuple", "fixed", "dict", "optional", "union")[int(rng.integers(6))]
    if kind == "optional":
        return union(rng, [bracketed(rng, depth - 1)], null=True)
    if kind == "union":
        parts = [simple(rng), container(rng, "list", tree(rng, depth - 1)), literal(rng, "string")]
        parts = [parts[int(i)] for i in rng.permutation(3)[: int(rng.integers(2, 4))]]
        return union(rng, parts, null=bool(rng.integers(2)))
    return container(rng, kind, tree(rng, depth - 1), int(rng.integers(2, 5)))


def bracketed(rng: np.random.Generator, depth: int) -> Drawn:
    """A nested annotation that is no union itself: Python would flatten one in another."""
    if depth == 0:
        return leaf(rng)
    return container(rng, ("list", "tuple", "dict")[int(rng.integers(3))], tree(rng, depth - 1))


# --- known wrong schemas --------------------------------------------------------------------------------------------


def changed(schema: Any, change: Callable[[dict[str, Any]], Any]) -> Any:
    """The schema with `change` applied to every schema in it, from the inside out."""
    if isinstance(schema, list):
        return [changed(item, change) for item in schema]
    if not isinstance(schema, dict):
        return schema
    made = {}
    for key, value in schema.items():
        if key == "properties" and isinstance(value, dict):
            made[key] = {name: changed(one, change) for name, one in value.items()}
        elif key in ("items", "anyOf", "additionalProperties", "input_schema"):
            made[key] = changed(value, change)
        else:
            made[key] = value
    return change(made)


def required_sorted(schema: dict[str, Any]) -> dict[str, Any]:
    """The same schema, its required properties in alphabetical order."""
    names = schema.get("required")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return schema
    return {**schema, "required": sorted(names)}


def bool_as_integer(schema: dict[str, Any]) -> dict[str, Any]:
    """A bool taken for an int, of which it is a subclass."""
    return {**schema, "type": "integer"} if schema.get("type") == "boolean" else schema


def without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """None forgotten in a union; a union of one is that one."""
    if "anyOf" not in schema:
        return schema
    left = [one for one in schema["anyOf"] if one != {"type": "null"}]
    return left[0] if len(left) == 1 else {"anyOf": left}


def without_items(schema: dict[str, Any]) -> dict[str, Any]:
    """An array of anything."""
    return {key: value for key, value in schema.items() if key != "items"}


def choices_are_strings(schema: dict[str, Any]) -> dict[str, Any]:
    """Every choice called a string."""
    return {**schema, "type": "string"} if "enum" in schema else schema


def choices_without_type(schema: dict[str, Any]) -> dict[str, Any]:
    """Choices without their type."""
    return {key: value for key, value in schema.items() if key != "type"} if "enum" in schema else schema


def extra_allowed(schema: dict[str, Any]) -> dict[str, Any]:
    """Objects that take any other property."""
    return {key: value for key, value in schema.items() if not (key == "additionalProperties" and value is False)}


def all_required(schema: dict[str, Any]) -> dict[str, Any]:
    """Every property required."""
    return {**schema, "required": list(schema["properties"])} if "properties" in schema else schema


def nullable_is_optional(schema: dict[str, Any]) -> dict[str, Any]:
    """What may be None taken for what may be left out."""
    if "properties" not in schema:
        return schema
    null = [key for key, one in schema["properties"].items() if {"type": "null"} in one.get("anyOf", [])]
    return {**schema, "required": [key for key in schema["required"] if key not in null]}


def without_defaults(test: Callable[[Any], bool]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    """The defaults for which `test` holds left out."""

    def change(schema: dict[str, Any]) -> dict[str, Any]:
        return {key: value for key, value in schema.items() if not (key == "default" and test(value))}

    return change


def without_descriptions(schema: dict[str, Any]) -> dict[str, Any]:
    """Descriptions of properties left out."""
    if "properties" not in schema:
        return schema
    bare = {
        name: {key: value for key, value in one.items() if key != "description"}
        for name, one in schema["properties"].items()
    }
    return {**schema, "properties": bare}
