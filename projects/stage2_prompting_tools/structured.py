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
    raise NotImplementedError("task 2.3: extract_json")


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
    raise NotImplementedError("task 2.3: validate")


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
    raise NotImplementedError("task 2.3: ask")
