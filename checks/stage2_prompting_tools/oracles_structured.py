"""Right answers of task 2.3 from the jsonschema package, put into the task's form; the known wrong ones; the drawn."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from jsonschema import Draft202012Validator, validators

_SYLLABLES = "ba do fi ga hu ke lo mi nu pe ra so ti vu wa zo".split()
KINDS = ("object", "array", "string", "integer", "number", "boolean", "null")


def word(rng: np.random.Generator, syllables: int = 3) -> str:
    """A word that no language has."""
    return "".join(_SYLLABLES[int(i)] for i in rng.integers(len(_SYLLABLES), size=syllables))


def words(rng: np.random.Generator, count: int) -> list[str]:
    """Different words."""
    found: dict[str, None] = {}
    while len(found) < count:
        found[word(rng)] = None
    return list(found)


def value(rng: np.random.Generator, depth: int = 2) -> Any:
    """A JSON value: an object or array with others in it."""
    if depth == 0 or rng.integers(4) == 0:
        plain = (word(rng), int(rng.integers(-99, 99)), float(rng.integers(1, 99)) / 8, True, False, None, "", 0)
        return plain[int(rng.integers(len(plain)))]
    if rng.integers(2):
        return [value(rng, depth - 1) for _ in range(int(rng.integers(0, 4)))]
    return {name: value(rng, depth - 1) for name in words(rng, int(rng.integers(0, 4)))}


def container(rng: np.random.Generator) -> Any:
    """An object with something in it."""
    return {word(rng): word(rng), word(rng) + "s": value(rng, 1), "n": int(rng.integers(100))}


# --- validate -------------------------------------------------------------------------------------------------------


def pointer(parts: Any) -> str:
    """A path as a JSON Pointer."""
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in parts)


class Found:
    """A problem: where, what its message must hold, and its place in the order of the document."""

    def __init__(self, parts: list[Any], tokens: list[str], key: tuple[Any, ...]):
        self.parts, self.tokens, self.key = parts, tokens, key

    @property
    def path(self) -> str:
        """The JSON Pointer."""
        return pointer(self.parts)


def _compact(item: Any) -> str:
    return json.dumps(item, separators=(",", ":"))


def _tokens(error: Any) -> list[str]:
    wanted = error.validator_value
    if error.validator == "type":
        return [wanted] if isinstance(wanted, str) else list(wanted)
    if error.validator == "enum":
        return [_compact(item) for item in wanted]
    if error.validator == "const":
        return [_compact(wanted)]
    if error.validator in ("minimum", "maximum", "minLength", "maxLength", "minItems", "maxItems", "pattern"):
        return [str(wanted)]
    return []


def _spelled_out(schema: Any) -> Any:
    """The schema with False written as one that nothing fits: jsonschema loses the path of a plain False."""
    if schema is False:
        return {"not": {}}
    if not isinstance(schema, dict):
        return schema
    made = dict(schema)
    for key in ("items", "additionalProperties"):
        if key in made and not (key == "additionalProperties" and made[key] is False):
            made[key] = _spelled_out(made[key])
    if "anyOf" in made:
        made["anyOf"] = [_spelled_out(one) for one in made["anyOf"]]
    if "properties" in made:
        made["properties"] = {name: _spelled_out(one) for name, one in made["properties"].items()}
    return made


def _order(root: Any, parts: list[Any]) -> tuple[Any, ...]:
    key: list[Any] = []
    for part in parts:
        key.append((2, part if isinstance(root, list) else list(root).index(part)))
        root = root[part]
    return tuple(key)


def found(
    item: Any, schema: Any, *, validator: Any = Draft202012Validator, at_object: bool = False, type_ends: bool = True
) -> list[Found]:
    """What is wrong with a value, in the order and at the paths that the task asks for."""
    errors = list(validator(_spelled_out(schema)).iter_errors(item))
    ended = [list(error.absolute_path) for error in errors if error.validator == "type"]
    result: list[Found] = []
    seen: set[str] = set()
    for error in errors:
        parts = list(error.absolute_path)
        inside = [end for end in ended if parts[: len(end)] == end]
        if type_ends and inside and not (error.validator == "type" and inside == [parts]):
            continue
        key = _order(item, parts)
        if error.validator == "required":
            if (mark := pointer(parts)) in seen:
                continue
            seen.add(mark)
            missing = [(i, name) for i, name in enumerate(error.validator_value) if name not in error.instance]
            result += [Found(parts if at_object else [*parts, name], [], (*key, (1, place))) for place, name in missing]
        elif error.validator == "additionalProperties":
            extra = [name for name in error.instance if name not in error.schema.get("properties", {})]
            result += [
                Found(parts if at_object else [*parts, name], [], (*_order(item, [*parts, name]), (0,)))
                for name in extra
            ]
        else:
            result.append(Found(parts, _tokens(error), (*key, (0,))))
    return sorted(result, key=lambda one: one.key)


def _is(kind: str) -> Callable[[Any, Any], bool]:
    numbers: tuple[type, ...] = (int,) if kind == "integer" else (int, float)
    return lambda _, item: isinstance(item, numbers)


def _python_enum(_: Any, allowed: Any, item: Any, __: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    if item not in allowed:
        yield ValidationError("")


def _python_const(_: Any, wanted: Any, item: Any, __: Any) -> Iterator[Any]:
    yield from _python_enum(_, [wanted], item, __)


def _anchored(_: Any, pattern: Any, item: Any, __: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    if isinstance(item, str) and not re.fullmatch(pattern, item):
        yield ValidationError("")


_CHECKER = Draft202012Validator.TYPE_CHECKER
BOOL_IS_NUMBER = validators.extend(
    Draft202012Validator,
    type_checker=_CHECKER.redefine_many({
        "integer": lambda _, item: isinstance(item, int) or (isinstance(item, float) and item.is_integer()),
        "number": _is("number"),
    }),
)  # fmt: skip
NO_INTEGRAL_FLOAT = validators.extend(
    Draft202012Validator,
    type_checker=_CHECKER.redefine("integer", lambda _, item: isinstance(item, int) and not isinstance(item, bool)),
)
PYTHON_EQUALITY = validators.extend(Draft202012Validator, {"enum": _python_enum, "const": _python_const})
ANCHORED = validators.extend(Draft202012Validator, {"pattern": _anchored})


def without_extra_schemas(schema: Any) -> Any:
    """The schema without the schemas of additional properties."""
    if isinstance(schema, list):
        return [without_extra_schemas(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        key: without_extra_schemas(one)
        for key, one in schema.items()
        if not (key == "additionalProperties" and isinstance(one, dict))
    }


def all_required(schema: Any) -> Any:
    """The schema with every property required."""
    if not isinstance(schema, dict):
        return schema
    made = dict(schema)
    if "properties" in made:
        made["required"] = list(dict.fromkeys([*made.get("required", []), *made["properties"]]))
        made["properties"] = {name: all_required(one) for name, one in made["properties"].items()}
    if "items" in made:
        made["items"] = all_required(made["items"])
    return made


# --- drawn schemas and values ---------------------------------------------------------------------------------------


def drawn_schema(rng: np.random.Generator, depth: int) -> Any:
    """A schema with many keywords."""
    pick = int(rng.integers(8)) if depth == 0 else int(rng.integers(7, 11))
    low = int(rng.integers(0, 5))
    schemas: dict[int, Callable[[], Any]] = {
        0: lambda: {"type": "string", "minLength": 2 + low, "maxLength": 4 + low},
        1: lambda: {"type": "integer", "minimum": low, "maximum": low + 9},
        2: lambda: {"type": "number", "minimum": -low},
        3: lambda: {"enum": [*words(rng, 2), low, None]},
        4: lambda: {"type": "string", "pattern": f"{word(rng, 1)}|^{word(rng, 1)[0]}"},
        5: lambda: {"type": ["boolean", "null"]},
        6: lambda: {"minimum": low, "maxLength": low, "pattern": word(rng, 1)[0]},
        7: lambda: {"anyOf": [{"type": "integer", "maximum": 3}, {"type": "null"}]},
        8: lambda: {"type": "array", "items": drawn_schema(rng, depth - 1), "minItems": 1, "maxItems": 3},
    }
    if pick in schemas:
        return schemas[pick]()
    names = words(rng, 4)
    properties = {name: drawn_schema(rng, depth - 1) for name in names}
    made = {"type": "object", "properties": properties, "required": [names[i] for i in (2, 0)]}
    if rng.integers(3):
        made["additionalProperties"] = bool(rng.integers(3) == 0) and drawn_schema(rng, 0)
    return made


def drawn_value(rng: np.random.Generator, schema: Any) -> Any:
    """A value that has something of the schema's form, and problems."""
    if not isinstance(schema, dict) or rng.integers(8) == 0:
        return value(rng, 1)
    if schema.get("type") == "array":
        return [drawn_value(rng, schema["items"]) for _ in range(int(rng.integers(0, 6)))]
    if "properties" in schema:
        names = [name for name in schema["properties"] if rng.integers(4)]
        names += words(rng, int(rng.integers(0, 3)))
        names = [names[int(i)] for i in rng.permutation(len(names))]
        return {name: drawn_value(rng, schema["properties"].get(name, {})) for name in names}
    plain = (word(rng), word(rng, 1), int(rng.integers(-5, 20)), float(rng.integers(0, 9)), 2.5, True, None)
    return plain[int(rng.integers(len(plain)))]
