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
    raise NotImplementedError("task 2.2: parse_docstring")


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
    raise NotImplementedError("task 2.2: annotation_schema")


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
    raise NotImplementedError("task 2.2: tool_schema")
