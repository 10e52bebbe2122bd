"""Tool calls from a model that was never taught any: what to call is decoded under a schema, never looked up.

The model reads the tools' names, descriptions and arguments, and writes a list of calls. The schema fixes the form,
so that what comes is always a call that the request allows; which call, and with which arguments, is the model's.
"""

from __future__ import annotations

import json
from typing import Any

from .messages.contract import ChooseAny, ChooseAuto, ChooseNone, ChooseTool, Request, Tool
from .messages.parts import ToolUse

MOST_CALLS = 4
_TOLD = """You can use these tools:
{tools}
To use tools, answer with a JSON list of calls and nothing else. With no fitting tool, answer with []."""


def offered(request: Request) -> list[Tool]:
    """The tools that the model may call in this answer."""
    choice = request.tool_choice
    if isinstance(choice, ChooseNone):
        return []
    if isinstance(choice, ChooseTool):
        return [tool for tool in request.tools if tool.name == choice.name]
    return request.tools


def must_call(request: Request) -> bool:
    """Whether an answer without a call is not allowed."""
    return isinstance(request.tool_choice, ChooseAny | ChooseTool)


def single(request: Request) -> bool:
    """Whether one call at most is allowed."""
    choice = request.tool_choice
    return isinstance(choice, ChooseAuto | ChooseAny | ChooseTool) and choice.disable_parallel_tool_use


def told(tools: list[Tool]) -> str:
    """What the model is told about the tools, at the end of the system prompt."""
    lines = []
    for tool in tools:
        arguments = ", ".join(_argument(name, schema, tool) for name, schema in properties(tool.input_schema).items())
        lines.append(f"- {tool.name}({arguments}): {tool.description}".rstrip(": "))
    return _TOLD.format(tools="\n".join(lines))


def calls_schema(request: Request) -> dict[str, Any]:
    """The JSON schema of a list of calls that this request allows."""
    call = [
        {
            "type": "object",
            "properties": {"tool": {"const": tool.name}, "arguments": _closed(tool.input_schema)},
            "required": ["tool", "arguments"],
            "additionalProperties": False,
        }
        for tool in offered(request)
    ]
    least = 1 if must_call(request) else 0
    return {
        "type": "array",
        "items": {"anyOf": call},
        "minItems": least,
        "maxItems": 1 if single(request) else MOST_CALLS,
    }


def read_calls(text: str) -> list[ToolUse]:
    """The calls that the model wrote, each once; a text that was cut off by the token limit has none."""
    try:
        made = json.loads(text)
    except ValueError:
        return []
    calls: list[ToolUse] = []
    for call in made:
        use = ToolUse(call["tool"], call["arguments"])
        if not any((other.name, other.input) == (use.name, use.input) for other in calls):
            calls.append(use)
    return calls


def properties(schema: dict[str, Any]) -> dict[str, Any]:
    """The schemas of an object's properties, as of a tool's arguments, by their names."""
    found = schema.get("properties")
    return found if isinstance(found, dict) else {}


def _argument(name: str, schema: Any, tool: Tool) -> str:
    schema = schema if isinstance(schema, dict) else {}
    words = "|".join(map(str, schema["enum"])) if "enum" in schema else str(schema.get("type", "any"))
    optional = "" if name in tool.input_schema.get("required", []) else "?"
    says = f" ({schema['description']})" if schema.get("description") else ""
    return f"{name}{optional}: {words}{says}"


def _closed(schema: dict[str, Any]) -> dict[str, Any]:
    """The tool's schema, without arguments that it does not name unless it asks for them."""
    return {"additionalProperties": False, **schema}
