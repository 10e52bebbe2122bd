"""Task 2.3: answers that parse, or are repaired: find the JSON in a text, hold it against a schema, ask again.

A model that is asked for JSON sends a code block, a polite sentence, a missing field. The program looks at what came,
says precisely what is wrong, and asks again a limited number of times; what it returns fits the schema.

JSON Schema: https://json-schema.org/draft/2020-12. Paths: JSON Pointer, RFC 6901.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import anthropic

NO_ANSWER = "(no answer)"  # what is sent back in the place of a blank answer: the API refuses an empty turn
TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")


@dataclass(frozen=True)
class Problem:
    """What is wrong at one place. `path` is a JSON Pointer, `message` says in words what was expected there."""

    path: str
    message: str


class StructuredError(Exception):
    """The model gave no answer that fits the schema.

    `problems` are those of the last answer, `text` is that answer, `attempts` is how many answers there were.
    """

    def __init__(self, problems: Sequence[Problem], text: str, attempts: int):
        shown = "; ".join(f"{problem.path or 'the answer'}: {problem.message}" for problem in problems)
        super().__init__(f"No answer of {attempts} fits the schema. The last one: {shown}")
        self.problems = list(problems)
        self.text = text
        self.attempts = attempts


def instructions(system: str, schema: dict[str, Any]) -> str:
    """The system message that asks for JSON: the caller's own, then the schema."""
    wanted = "Answer with one JSON value that fits this JSON Schema, and with nothing else:"
    return f"{system}\n\n{wanted}\n{json.dumps(schema, ensure_ascii=False)}".strip()


def extract_json(text: str) -> Any:
    """The JSON value in a model's answer. The first of these that succeeds counts:

    1. The whole text, but for white space at its ends, is a JSON value of any kind.
    2. Fenced code blocks, in order: the first whose content is a JSON value of any kind. A block begins with a line
       of three backticks and perhaps a word (```json), and ends with the next line that begins with three backticks.
    3. The first place in the text from which a complete object or array can be read, from its `{` or `[` to the bracket
       that closes it. Brackets inside strings are text. What follows makes no difference. A bracket from which nothing
       can be read (`[see below]`, `{"a": 1,`) is passed over, and the search goes on with the next one after it.

    JSON is what RFC 8259 says: NaN, Infinity, single quotes and trailing commas are none.

    Raises ValueError when there is no value, and nothing else whatever the text: where the nesting is too deep for
    Python's parser (RecursionError), the search ends.
    """
    # >>> solution
    candidates = [text, *re.findall(r"^```[^\n`]*\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)]
    for candidate in candidates:
        try:
            return _DECODER.decode(candidate.strip())
        except (ValueError, RecursionError):
            continue
    for bracket in re.finditer(r"[{\[]", text):
        try:
            return _DECODER.raw_decode(text, bracket.start())[0]
        except ValueError:
            continue
        except RecursionError:
            break
    raise ValueError("The answer holds no JSON value. Ask for one JSON value and nothing else.")
    # <<< solution


def validate(value: Any, schema: dict[str, Any] | bool) -> list[Problem]:
    """Every problem of a JSON value (None, bool, int, float, str, list, dict) under a schema; none is an empty list.

    These keywords count, as JSON Schema defines them; all others are ignored:
    - type (a name of TYPES, or a list of names), enum, const, anyOf;
    - required, properties, additionalProperties; items, minItems, maxItems;
    - minimum, maximum; minLength, maxLength (in characters), pattern (found anywhere in the string: `re.search`).
    The schema may be True (all is right) or False (nothing is), also inside another one.

    JSON Schema's own subtleties: 1.0 is an integer. True is a boolean and neither an integer nor a number; it differs
    from 1, and 1 equals 1.0, at every depth (enum, const). A keyword for numbers says nothing about a string, and so
    on: `{"minimum": 5}` allows "x". `properties` demands nothing of properties that are not there.

    Each broken keyword is one Problem, and these rules say which and where:
    - path: "" is the value itself, "/days/0/unit" a place inside; "~" in a name becomes "~0", "/" becomes "~1".
    - A wrong type ends the matter: nothing else is reported at its place, or inside.
    - Each missing property is a problem at the path that it would have; so is each property that
      `additionalProperties: false` does not allow, at its own path.
    - anyOf that no alternative fits is one problem at the path of the value, whatever is wrong inside.
    - Order: first what concerns the value as a whole; then its missing properties, in the order of `required`; then
      what is wrong inside: properties in the order of the value, items from the first on.

    A message holds what was expected: for type the name or names, for enum every allowed value as JSON, for const the
    value as JSON, for a limit its number, for pattern the pattern.
    """
    # >>> solution
    return list(_problems(value, schema, ""))
    # <<< solution


def ask(
    client: anthropic.Anthropic,
    model: str,
    messages: Sequence[dict[str, Any]],
    schema: dict[str, Any],
    *,
    system: str = "",
    retries: int = 2,
    max_tokens: int = 500,
) -> Any:
    """Ask for a JSON value that fits the schema, and return it.

    One `client.messages.create` an attempt, with `model`, `max_tokens`, `messages`, and `instructions(system, schema)`
    as `system`. The answer is the text of its text blocks, joined. Its problems are those of `validate`, or
    - where `extract_json` finds nothing, one Problem with the path "" that says that there is no JSON;
    - where stop_reason is "max_tokens", one Problem with the path "" whose message holds the number `max_tokens`. What
      was cut off is not looked at: it may parse and fit all the same (12 of 1234).

    With problems the conversation goes on by two messages, and the model is asked again, at most `retries` times: an
    assistant message with the text of the answer, unchanged (NO_ANSWER where it is blank), and a user message with the
    path and the message of every problem. Earlier attempts stay in the conversation.

    Raises StructuredError with the last answer's problems, its text, and the number of answers. A stop_reason
    "refusal" raises it at once, with one Problem that holds the word "refused": asking again does not change it. Errors
    of the API come through as they are. `messages` is left as it is.
    """
    # >>> solution
    turns = list(messages)
    for attempt in range(retries + 1):
        answer = client.messages.create(
            model=model, max_tokens=max_tokens, messages=turns, system=instructions(system, schema)
        )
        text = "".join(block.text for block in answer.content if block.type == "text")
        if answer.stop_reason == "refusal":
            raise StructuredError([Problem("", "The model refused to answer.")], text, attempt + 1)
        if answer.stop_reason == "max_tokens":
            problems = [Problem("", f"The answer was cut off after {max_tokens} tokens. Give a shorter one.")]
        else:
            try:
                value = extract_json(text)
            except ValueError as error:
                problems = [Problem("", str(error))]
            else:
                problems = validate(value, schema)
                if not problems:
                    return value
        said = "\n".join(f"- {problem.path or 'The whole answer'}: {problem.message}" for problem in problems)
        turns += [
            {"role": "assistant", "content": text if text.strip() else NO_ANSWER},
            {"role": "user", "content": f"That does not fit the schema:\n{said}\nAnswer again, with the JSON alone."},
        ]
    raise StructuredError(problems, text, retries + 1)
    # <<< solution


# >>> solution
def _no_json(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_json)


def _problems(value: Any, schema: Any, path: str) -> Iterator[Problem]:
    if schema is True:
        return
    if schema is False:
        yield Problem(path, "nothing is allowed here")
        return
    if "type" in schema:
        names = [schema["type"]] if isinstance(schema["type"], str) else list(schema["type"])
        if not any(_is(value, name) for name in names):
            yield Problem(path, f"expected {' or '.join(names)}, got {_shown(value)}")
            return
    if "enum" in schema and not any(_equal(value, allowed) for allowed in schema["enum"]):
        yield Problem(path, f"expected one of {', '.join(map(_json, schema['enum']))}, got {_shown(value)}")
    if "const" in schema and not _equal(value, schema["const"]):
        yield Problem(path, f"expected {_json(schema['const'])}, got {_shown(value)}")
    if "anyOf" in schema and all(next(_problems(value, one, path), None) for one in schema["anyOf"]):
        shapes = "; ".join(_json(one) for one in schema["anyOf"])
        yield Problem(path, f"expected a value that fits one of these schemas: {shapes}")
    if _is(value, "number"):
        yield from _limits(value, schema, path, "minimum", "maximum", "")
    elif isinstance(value, str):
        yield from _limits(len(value), schema, path, "minLength", "maxLength", " characters")
        if "pattern" in schema and not re.search(schema["pattern"], value):
            yield Problem(path, f"expected text that matches {schema['pattern']}, got {_shown(value)}")
    elif isinstance(value, list):
        yield from _limits(len(value), schema, path, "minItems", "maxItems", " items")
        for number, item in enumerate(value):
            yield from _problems(item, schema.get("items", True), f"{path}/{number}")
    elif isinstance(value, dict):
        yield from _properties(value, schema, path)


def _properties(value: dict[str, Any], schema: dict[str, Any], path: str) -> Iterator[Problem]:
    known, others = schema.get("properties", {}), schema.get("additionalProperties", True)
    for name in schema.get("required", []):
        if name not in value:
            yield Problem(_below(path, name), "this property is required, and it is missing")
    for name, item in value.items():
        if name in known:
            yield from _problems(item, known[name], _below(path, name))
        elif others is False:
            yield Problem(_below(path, name), "there is no such property; leave it out")
        else:
            yield from _problems(item, others, _below(path, name))


def _limits(size: float, schema: dict[str, Any], path: str, lowest: str, highest: str, unit: str) -> Iterator[Problem]:
    if lowest in schema and size < schema[lowest]:
        yield Problem(path, f"expected at least {schema[lowest]}{unit}, got {size}")
    if highest in schema and size > schema[highest]:
        yield Problem(path, f"expected at most {schema[highest]}{unit}, got {size}")


def _below(path: str, name: str) -> str:
    return f"{path}/{name.replace('~', '~0').replace('/', '~1')}"


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    if isinstance(value, int | float):
        return name == "number" or (name == "integer" and value == value // 1)
    kinds = {"object": dict, "array": list, "string": str, "null": type(None)}
    return name in kinds and isinstance(value, kinds[name])


def _equal(a: Any, b: Any) -> bool:
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(_equal, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    return bool(a == b)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _shown(value: Any) -> str:
    text = _json(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


# <<< solution
