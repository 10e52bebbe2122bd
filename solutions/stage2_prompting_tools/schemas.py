"""Task 2.2: a tool's schema from its signature: the function is written once, and the model reads the same contract.

A model knows of a tool what its name, its description and its JSON Schema say. All three stand in the function already:
in its name, its docstring and its annotations.

JSON Schema: https://json-schema.org/draft/2020-12. Docstrings: Google's Python style guide, section 3.8.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import inspect
import re
import types
import typing
from collections.abc import Callable
from typing import Any

# Headers of a docstring's sections, each alone on its line, without indentation. PARAMETERS name the arguments.
PARAMETERS = ("Args:", "Arguments:", "Parameters:")
SECTIONS = (
    *PARAMETERS, "Attributes:", "Example:", "Examples:", "Note:", "Notes:", "Raises:", "References:", "Returns:",
    "See Also:", "Todo:", "Warning:", "Warnings:", "Warns:", "Yields:",
)  # fmt: skip

# The types that JSON has a name for. True is a bool, not an int, here and everywhere below.
NAMES: dict[Any, str] = {
    str: "string",
    int: "integer",
    float: "number",
    bool: "boolean",
    None: "null",
    type(None): "null",
}

Schema = dict[str, Any]


class SchemaError(TypeError):
    """A function or an annotation that no schema can be made of. The text says which, and what to write instead."""


def parse_docstring(doc: str | None) -> tuple[str, dict[str, str]]:
    """The description in a docstring of Google's style, and what it says about each parameter.

    Indentation is cleaned as by `inspect.cleandoc`. None and an empty docstring give `("", {})`.

    The description is all that stands before the first line that is one of SECTIONS (white space behind it makes no
    difference). Its paragraphs stay apart by one blank line; inside one, line breaks and runs of white space become
    one space.

    The parameters stand in the section that one of PARAMETERS begins. It ends at the next line that is not indented.
    - An entry begins with a line `name: text` or `name (type): text`; `type` holds no parentheses, `text` may be empty,
      and white space may stand before the colon. The first entry sets the indentation of all entries.
    - A line that is indented deeper continues the entry before it, even if it looks like one (`default: metric`);
      so does a line with the entries' indentation that does not look like one. Blank lines count for nothing.
    - What an entry says is joined by single spaces; it may hold colons.
    - What stands in the section before its first entry is left out.
    What the other sections hold, and text behind the first section, is left out.
    """
    # >>> solution
    lines = [line.rstrip() for line in inspect.cleandoc(doc or "").splitlines()]
    start = next((number for number, line in enumerate(lines) if line in SECTIONS), len(lines))
    paragraphs = re.split(r"\n(?:\s*\n)+", "\n".join(lines[:start]).strip())
    description = "\n\n".join(" ".join(paragraph.split()) for paragraph in paragraphs)

    said: dict[str, list[str]] = {}
    inside, indent, name = False, None, None
    for line in lines[start:]:
        if not line:
            continue
        margin = len(line) - len(line.lstrip())
        if margin == 0:
            inside, indent, name = line in PARAMETERS, None, None
            continue
        if not inside:
            continue
        entry = re.fullmatch(r"\s*(\w+)(?:\s*\([^()]*\))?\s*:(?:\s+(.*))?", line)
        if entry and indent is None:
            indent = margin
        if entry and margin <= indent:
            name = entry[1]
            said[name] = [entry[2] or ""]
        elif name is not None:
            said[name].append(line)
    return description, {name: " ".join(" ".join(parts).split()) for name, parts in said.items()}
    # <<< solution


def annotation_schema(annotation: Any) -> Schema:
    """The JSON Schema of the values that an annotation allows. Every call gives a new dict.

    - str, int, float, bool, None: `{"type": ...}` with the name in NAMES.
    - Literal[...]: `{"type": ..., "enum": [...]}` with the values in their order; without "type" where they have
      several (None is "null"). A value that is not a str, int, bool or None is an unknown annotation.
    - An Enum class: as a Literal of its members' values; they may be floats, too. An Enum without members is unknown.
    - Optional[T], Union[...], `A | B`: `{"anyOf": [...]}`, a schema for each, in their order.
    - list[T], tuple[T, ...]: `{"type": "array", "items": ...}`. tuple[T, T] of equal types: the same with "minItems"
      and "maxItems" of their number.
    - dict[str, T]: `{"type": "object", "additionalProperties": ...}`.
    - A dataclass: `{"type": "object", "properties": {...}, "required": [...], "additionalProperties": False}`, with the
      fields that its `__init__` takes, in their order. Those without a default (or default_factory) are required. A
      default that JSON can hold stands as "default" beside the field's schema; one from a factory does not.
    - A TypedDict: the same, without defaults. Required are those keys that must be there, as `total`, Required and
      NotRequired say: also where annotations are strings (`from __future__ import annotations`, which makes
      `__required_keys__` wrong), and where one TypedDict extends another.
    - Annotated[T, ...]: the schema of T, with the last string among the rest as its "description". Without a string
      it is the schema of T alone.

    "Default that JSON can hold": None, a bool, int, float or str; a list or tuple of such things (a list), a dict of
    such things with str keys; an Enum's member stands for its value. "required" is there even when it is empty.
    Annotations of fields that are strings are resolved. Nested types stand where they are used: no "$ref", no "title".

    All else raises SchemaError: bare list, dict and tuple, tuples of several types, dicts with other keys, Any, object,
    other classes, strings, types that contain themselves, names that cannot be resolved.
    """
    # >>> solution
    return _schema(annotation, ())
    # <<< solution


def tool_schema(function: Callable[..., Any]) -> dict[str, Any]:
    """The definition of a tool, as the Messages API takes it: {"name", "description", "input_schema"}.

    - name: the function's `__name__`; description: that of its docstring.
    - input_schema: an object with "properties" in the order of the signature, "required" (the parameters without a
      default, in order; there even when empty) and "additionalProperties": False.
    - A property is the schema of its annotation. Where that has no "description" of its own, what the docstring says
      about the parameter becomes it, if it says anything.
    - The default of a parameter stands as "default", None too, if JSON can hold it (see `annotation_schema`); a
      parameter with another default is not required either, but shows none.

    Annotations may be strings (`from __future__ import annotations`): they are resolved in the function's module. The
    return annotation is of no concern, even if it cannot be resolved. A bound method has no `self`; a function wrapped
    with `functools.wraps`, or by `functools.cache`, counts as what it wraps.

    Raises SchemaError, with the function's name and the parameter's in its text, for a parameter without annotation,
    one that can only be given by position (calls come by name), *args, **kwargs, an annotation that raises it, and an
    entry of the docstring that no parameter has the name of. Also, with the function's name, where there is no
    description: a model would have nothing to choose the tool by.
    """
    # >>> solution
    name = function.__name__
    function = inspect.unwrap(function)
    description, said = parse_docstring(function.__doc__)
    if not description:
        raise SchemaError(f"{name} has no description. Write a docstring that says what it does and when to use it.")
    parameters = inspect.signature(function).parameters
    for unknown in said.keys() - parameters.keys():
        raise SchemaError(f"{name}: the docstring describes {unknown}, which is no parameter. Correct the docstring.")
    properties: Schema = {}
    for parameter in parameters.values():
        where = f"{name}, parameter {parameter.name}"
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise SchemaError(f"{where}: a model cannot know what {parameter} takes. Name each parameter.")
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise SchemaError(f"{where}: it can only be given by position, and calls come by name. Move the '/'.")
        if parameter.name not in function.__annotations__:
            raise SchemaError(f"{where}: it has no annotation. Say which type it takes.")
        # One by one: so the error names the parameter, and the return annotation may be what it likes.
        alone = types.SimpleNamespace(__annotations__={"it": function.__annotations__[parameter.name]})
        hint = _hints(alone, where, globalns=function.__globals__)["it"]
        try:
            schema = _schema(hint, ())
        except SchemaError as error:
            raise SchemaError(f"{where}: {error}") from None
        if said.get(parameter.name):
            schema.setdefault("description", said[parameter.name])
        if parameter.default is not parameter.empty:
            _add_default(schema, parameter.default)
        properties[parameter.name] = schema
    required = [p.name for p in parameters.values() if p.default is p.empty]
    return {"name": name, "description": description, "input_schema": _object(properties, required)}
    # <<< solution


# >>> solution
def _schema(annotation: Any, inside: tuple[Any, ...]) -> Schema:
    """`annotation_schema`, for a type that stands within the types `inside`."""
    if isinstance(annotation, type | types.NoneType) and annotation in NAMES:
        return {"type": NAMES[annotation]}
    origin, args = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        schema = _schema(args[0], inside)
        notes = [note for note in args[1:] if isinstance(note, str)]
        return {**schema, "description": notes[-1]} if notes else schema
    if origin is typing.Literal:
        return _choices(list(args), (str, int, bool, types.NoneType), annotation)
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [_schema(arg, inside) for arg in args]}
    if origin is list:
        return {"type": "array", "items": _schema(args[0], inside)}
    if origin is tuple and args:
        return _tuple(args, annotation, inside)
    if origin is dict and args[0] is str:
        return {"type": "object", "additionalProperties": _schema(args[1], inside)}
    if isinstance(annotation, type) and origin is None:
        if annotation in inside:
            raise SchemaError(f"{annotation.__name__} contains itself. Give the tool a flatter type.")
        if issubclass(annotation, enum.Enum):
            return _choices([m.value for m in annotation], (str, int, float, bool, types.NoneType), annotation)
        if dataclasses.is_dataclass(annotation):
            return _dataclass(annotation, (*inside, annotation))
        if typing.is_typeddict(annotation):
            return _typed_dict(annotation, (*inside, annotation))
    raise _unknown(annotation)


def _unknown(annotation: Any) -> SchemaError:
    return SchemaError(f"{annotation!r} has no schema here. Use a type that JSON can express, such as list[str].")


def _choices(values: list[Any], allowed: tuple[type, ...], annotation: Any) -> Schema:
    if not values or any(type(value) not in allowed for value in values):
        raise _unknown(annotation)
    names = {NAMES[type(value)] for value in values}
    return {"type": names.pop(), "enum": values} if len(names) == 1 else {"enum": values}


def _tuple(args: tuple[Any, ...], annotation: Any, inside: tuple[Any, ...]) -> Schema:
    if len(args) == 2 and args[1] is Ellipsis:
        return {"type": "array", "items": _schema(args[0], inside)}
    if any(arg != args[0] for arg in args):
        raise _unknown(annotation)
    return {"type": "array", "items": _schema(args[0], inside), "minItems": len(args), "maxItems": len(args)}


def _object(properties: Schema, required: list[str]) -> Schema:
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def _dataclass(annotation: Any, inside: tuple[Any, ...]) -> Schema:
    hints = _hints(annotation, annotation.__name__)
    properties, required = {}, []
    for field in dataclasses.fields(annotation):
        if not field.init:
            continue
        properties[field.name] = _schema(hints[field.name], inside)
        if field.default is not dataclasses.MISSING:
            _add_default(properties[field.name], field.default)
        elif field.default_factory is dataclasses.MISSING:
            required.append(field.name)
    return _object(properties, required)


def _typed_dict(annotation: Any, inside: tuple[Any, ...]) -> Schema:
    properties, required = {}, []
    for key, hint in _hints(annotation, annotation.__name__).items():
        needed = key in annotation.__required_keys__
        while (origin := typing.get_origin(hint)) in (typing.Required, typing.NotRequired):
            needed, (hint,) = origin is typing.Required, typing.get_args(hint)
        properties[key] = _schema(hint, inside)
        if needed:
            required.append(key)
    return _object(properties, required)


def _hints(holder: Any, name: str, **where: Any) -> dict[str, Any]:
    try:
        return typing.get_type_hints(holder, include_extras=True, **where)
    except (NameError, AttributeError, SyntaxError, TypeError) as error:
        raise SchemaError(f"{name}: an annotation cannot be resolved ({error}). Define it in the module.") from None


def _add_default(schema: Schema, value: Any) -> None:
    with contextlib.suppress(TypeError):
        schema["default"] = _plain(value)


def _plain(value: Any) -> Any:
    """The value as JSON holds it. Raises TypeError where it cannot."""
    if isinstance(value, enum.Enum):
        return _plain(value.value)
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, dict) and all(type(key) is str for key in value):
        return {key: _plain(item) for key, item in value.items()}
    raise TypeError(type(value).__name__)


# <<< solution
