"""Which member of an enum a request means that names none: the noisy channel.

"My story still lacks a bad guy" names neither hero nor villain nor sidekick. Asked for the member, a small model gives
the one it likes best whatever was said. Asked the other way about, how likely these very words are from somebody who
wants a villain, it knows better: the member under which the request is likeliest is the one that was meant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .bridge import properties
from .messages.contract import Tool
from .spans import Said

MOST_WORDS = 60  # of the request, the last ones: each costs a step of the model for each member
MOST_MEMBERS = 8  # more are not weighed

Likelihood = Callable[[str, str], float]
"""How likely a text is after another: its log-probability."""


def resolved(tools: Sequence[Tool], names: Sequence[str], said: Said, likelihood: Likelihood) -> list[Tool]:
    """The tools, those called `names` with one member left of each required enum of which the request names none."""
    return [_resolved(tool, said, likelihood) if tool.name in names else tool for tool in tools]


def open_enums(tool: Tool, said: Said) -> dict[str, list[str]]:
    """The required enums of a tool of which the request names no member, with their members."""
    arguments = properties(tool.input_schema)
    found: dict[str, list[str]] = {}
    for key in tool.input_schema.get("required", []):
        members = arguments[key].get("enum") if isinstance(arguments.get(key), dict) else None
        if not isinstance(members, list) or not 1 < len(members) <= MOST_MEMBERS:
            continue
        if all(isinstance(one, str) for one in members) and not any(said.mentions(one) for one in members):
            found[key] = members
    return found


def meant(tool: Tool, key: str, members: Sequence[str], text: str, likelihood: Likelihood) -> str:
    """The member of a tool's argument under which a request is likeliest."""
    words = " ".join(text.split()[-MOST_WORDS:])
    return max(
        members,
        key=lambda one: likelihood(f"{tool.description}\n{key}: {one.replace('_', ' ')}\nCustomer:", f" {words}"),
    )


def _resolved(tool: Tool, said: Said, likelihood: Likelihood) -> Tool:
    found = {key: meant(tool, key, members, said.text, likelihood) for key, members in open_enums(tool, said).items()}
    if not found:
        return tool
    schema = tool.input_schema
    left = {key: {**sub, "enum": [found[key]]} if key in found else sub for key, sub in properties(schema).items()}
    return tool.model_copy(update={"input_schema": {**schema, "properties": left}})
