"""The tools that a model may call: registered once, described to the model, run so that no failure gets past."""

from __future__ import annotations

import copy
import dataclasses
import datetime
import difflib
import json
import math
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .schemas import tool_schema
from .structured import validate

NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")  # the whole name; what providers of the Messages API accept in common
NO_OUTPUT = "The tool returned nothing."
UNKNOWN_OUTCOME = "It may have been carried out all the same: find out before you call it again."
CUT = "\n[cut: these are the first {shown} of {total} characters]"


class ToolError(Exception):
    """A failure that the tool's author foresaw. Its text is for the model: what happened, and what to do."""


@dataclass(frozen=True)
class Tool:
    """A tool: what the model is told (`name`, `description`, `input_schema`), what runs, and what is known about it.

    `function` takes the arguments by name. `read_only` says that a call changes nothing outside; `timeout` is in
    seconds.
    """

    name: str
    description: str
    input_schema: dict[str, Any]
    function: Callable[..., Any]
    read_only: bool = True
    timeout: float = 10.0


@dataclass(frozen=True)
class ToolResult:
    """What goes back to the model in a tool_result block."""

    content: str
    is_error: bool = False


class Registry:
    """Tools by name, in the order of their registration. A longer result than `max_chars` is cut."""

    def __init__(self, *, max_chars: int = 20_000) -> None:
        self.max_chars = max_chars
        self.tools: dict[str, Tool] = {}

    def register(
        self, function_or_tool: Callable[..., Any] | Tool, *, read_only: bool = True, timeout: float = 10.0
    ) -> Tool:
        """Add a tool to `self.tools`, under its name, and return it.

        A `Tool` is added as it is; it brings its own `read_only` and `timeout`. A function becomes a Tool whose name,
        description and input_schema are those of `schemas.tool_schema(function)`.

        Raises, and leaves the registry as it was:
        - ValueError if the name is taken, if `NAME` does not match the whole of it, or if the time-out (a Tool's own,
          too) is not a finite number above 0;
        - whatever `tool_schema` raises for a function that it cannot describe.
        """
        raise NotImplementedError("task 2.4: Registry.register")

    def definitions(self) -> list[dict[str, Any]]:
        """What goes into `tools=` of a request: name, description and input_schema of each tool, and nothing else.

        In the order of registration: the same tools make the same bytes, which prompt caches match on. Whoever changes
        what came back, however deep inside, changes nothing in the registry.
        """
        raise NotImplementedError("task 2.4: Registry.definitions")

    def run(self, name: str, arguments: Any) -> ToolResult:
        """Run a call that a model made, and return a result that says the truth about it. Never raises.

        Before the tool runs. In these cases it does not run at all, and the result is an error:
        - No tool has this name: the content holds the name, and those of the tools whose names are near to it
          (`difflib.get_close_matches` with its defaults), or of all tools where none is.
        - `arguments` is not a dict, or `validate(arguments, tool.input_schema)` finds problems: the content holds the
          path and the message of every problem.

        While it runs. The function is called as `function(**arguments)` with a deep copy: the conversation that the
        arguments came from stays as it is. `run` returns within `tool.timeout` seconds even if the tool never does;
        then the result is an error whose content says that there was no answer, and names the limit, as in
        `f"{timeout:g} seconds"`. For a tool that is not read_only, and only for such a tool, it holds UNKNOWN_OUTCOME
        as well. A tool left behind keeps neither the program from ending nor other calls from running, however many
        were left behind. `run` may be called from several threads at the same time, and the calls run side by side.

        After it has run:
        - ToolError: an error with the text of the exception and nothing else, or NO_OUTPUT where the text is blank.
        - Any other exception that ends the tool, SystemExit and TimeoutError included: an error that holds the tool's
          name, the type of the exception and its text. No traceback.
        - A ToolResult is passed on. A str is the content as it is. None and blank strings (empty or white space only)
          are NO_OUTPUT, and no error: nothing found is an answer. All else becomes JSON, in which characters beyond
          ASCII stay as they are, dataclass instances are objects of their fields, and dates and times are in ISO
          format (`isoformat()`), wherever they stand. What JSON cannot hold (any other object, NaN, an infinity, a
          circle) is an error that names the tool: the model must not read a guess.

        The content, of errors too, is always text that UTF-8 can encode; in the place of lone surrogates stands '?'.
        If it is longer than `max_chars`, its first `max_chars` characters are kept and CUT is appended, filled in.
        """
        raise NotImplementedError("task 2.4: Registry.run")
