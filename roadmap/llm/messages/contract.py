"""What a request to `POST /v1/messages` must be. Anything else is refused as the real API refuses it.

The shapes are pydantic models, as the paths in the real API's messages show hers to be; the rules about conversations
stand below them. Text only: images, documents and server-side tools are refused with a sentence of their own.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import jsonschema
from pydantic import BaseModel, ConfigDict, Discriminator, Field, StrictFloat, StrictInt, Tag, ValidationError

from .errors import ApiError, invalid

MAX_BODY_BYTES = 32 * 1024 * 1024
MOST_CACHE_MARKS = 4
_STRING, _LIST = "(string)", "(list)"  # tags of a union; they do not appear in paths


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class CacheControl(_Strict):
    """A prompt-cache mark: accepted, without an effect here."""

    type: Literal["ephemeral"]
    ttl: Literal["5m", "1h"] | None = None


class TextBlock(_Strict):
    """Text in a message, a system prompt or a tool's result."""

    type: Literal["text"]
    text: str
    cache_control: CacheControl | None = None
    citations: list[Any] | None = None


class ToolUseBlock(_Strict):
    """A call that the assistant made earlier."""

    type: Literal["tool_use"]
    id: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]+$")]
    name: Annotated[str, Field(min_length=1, max_length=200)]
    input: dict[str, Any]
    cache_control: CacheControl | None = None
    caller: dict[str, Any] | None = None
    toolset_name: str | None = None


def _form(value: Any) -> str:
    return _STRING if isinstance(value, str) else _LIST


class ToolResultBlock(_Strict):
    """What came of a call."""

    type: Literal["tool_result"]
    tool_use_id: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]+$")]
    content: Annotated[Annotated[str, Tag(_STRING)] | Annotated[list[TextBlock], Tag(_LIST)], Discriminator(_form)] = ""
    is_error: bool = False
    cache_control: CacheControl | None = None

    @property
    def text(self) -> str:
        """The result as one string."""
        return self.content if isinstance(self.content, str) else "\n".join(block.text for block in self.content)


Block = Annotated[TextBlock | ToolUseBlock | ToolResultBlock, Field(discriminator="type")]


class Message(_Strict):
    """One turn. A string is short for one text block."""

    role: Literal["user", "assistant"]
    content: Annotated[Annotated[str, Tag(_STRING)] | Annotated[list[Block], Tag(_LIST)], Discriminator(_form)]

    @property
    def blocks(self) -> list[TextBlock | ToolUseBlock | ToolResultBlock]:
        """The content as blocks; an empty string has none."""
        if isinstance(self.content, str):
            return [TextBlock(type="text", text=self.content)] if self.content else []
        return list(self.content)


class Tool(_Strict):
    """A tool that the client offers."""

    type: Literal["custom"] | None = None
    name: Annotated[str, Field(pattern=r"^[a-zA-Z0-9_-]{1,128}$")]
    description: str = ""
    input_schema: dict[str, Any]
    cache_control: CacheControl | None = None
    strict: bool | None = None
    input_examples: list[dict[str, Any]] | None = None
    eager_input_streaming: bool | None = None


class ChooseAuto(_Strict):
    """The model decides whether to call."""

    type: Literal["auto"]
    disable_parallel_tool_use: bool = False


class ChooseAny(_Strict):
    """The model must call, whichever tool."""

    type: Literal["any"]
    disable_parallel_tool_use: bool = False


class ChooseTool(_Strict):
    """The model must call this tool."""

    type: Literal["tool"]
    name: str
    disable_parallel_tool_use: bool = False


class ChooseNone(_Strict):
    """The model must not call."""

    type: Literal["none"]


ToolChoice = Annotated[ChooseAuto | ChooseAny | ChooseTool | ChooseNone, Field(discriminator="type")]


class JsonFormat(_Strict):
    """An answer that must be JSON of this schema."""

    type: Literal["json_schema"]
    schema_: Annotated[dict[str, Any], Field(alias="schema")]


class OutputConfig(_Strict):
    """How the answer is to be formed."""

    format: JsonFormat | None = None
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None


class ThinkingOff(_Strict):
    """No thinking; the only kind a model without it can offer."""

    type: Literal["disabled"]


class Metadata(_Strict):
    """Who asks: an opaque id."""

    user_id: str | None = None


class Request(_Strict):
    """A request that keeps the contract."""

    model: Annotated[str, Field(min_length=1, max_length=256)]
    messages: list[Message]
    max_tokens: Annotated[int, Field(ge=1)]
    system: (
        Annotated[Annotated[str, Tag(_STRING)] | Annotated[list[TextBlock], Tag(_LIST)], Discriminator(_form)] | None
    ) = None
    stop_sequences: list[Annotated[str, Field(min_length=1)]] = []
    stream: bool = False
    temperature: Annotated[StrictFloat | StrictInt, Field(ge=0, le=1)] | None = None
    top_p: Annotated[StrictFloat | StrictInt, Field(ge=0, le=1)] | None = None
    top_k: Annotated[int, Field(ge=0)] | None = None
    metadata: Metadata | None = None
    tools: list[Tool] = []
    tool_choice: ToolChoice | None = None
    output_config: OutputConfig | None = None
    thinking: ThinkingOff | None = None
    service_tier: Literal["auto", "standard_only"] | None = None

    @property
    def system_text(self) -> str:
        """The system prompt as one string, empty where there is none."""
        if self.system is None or isinstance(self.system, str):
            return self.system or ""
        return "\n".join(block.text for block in self.system)

    @property
    def turns(self) -> list[Message]:
        """The messages with neighbours of one role joined, as the API reads them."""
        joined: list[Message] = []
        for message in self.messages:
            if joined and joined[-1].role == message.role:
                joined[-1] = Message(role=message.role, content=[*joined[-1].blocks, *message.blocks])
            else:
                joined.append(message)
        return joined


def parse(body: bytes | dict[str, Any]) -> Request:
    """A request from a body. Raises `ApiError` (400 or 413) with the path and the reason of the first fault."""
    if isinstance(body, bytes):
        if len(body) > MAX_BODY_BYTES:
            raise ApiError("request_too_large", "Request exceeds the maximum size")
        try:
            body = json.loads(body, parse_constant=_no_number)
            json.dumps(body, ensure_ascii=False).encode()  # half a surrogate pair is no text
        except (ValueError, RecursionError):
            raise invalid("The request body is not valid JSON") from None
    if not isinstance(body, dict):
        raise invalid("The request body must be a JSON object")
    for role in _roles(body):
        if role == "system":
            raise invalid(
                'messages: Unexpected role "system". The Messages API accepts a top-level `system` parameter, not '
                '"system" as an input message role.'
            )
    try:
        request = Request.model_validate(body)
    except ValidationError as error:
        raise invalid(_first_fault(error)) from None
    for problem in _problems(request):
        raise invalid(problem)
    return request


def _no_number(constant: str) -> None:
    raise ValueError(f"{constant} is not JSON")


def _roles(body: dict[str, Any]) -> Iterator[Any]:
    messages = body.get("messages")
    for message in messages if isinstance(messages, list) else []:
        if isinstance(message, dict):
            yield message.get("role")


def _first_fault(error: ValidationError) -> str:
    fault = error.errors(include_url=False, include_context=False, include_input=False)[0]
    path = ".".join(str(step) for step in fault["loc"] if step not in (_STRING, _LIST))
    return f"{path}: {fault['msg']}" if path else str(fault["msg"])


def _problems(request: Request) -> Iterator[str]:
    """Each rule about the whole that is broken, in the API's words."""
    yield from _tool_problems(request)
    yield from _text_problems(request)
    if not request.messages:
        yield "messages: at least one message is required"
        return
    if request.messages[0].role != "user":
        yield 'messages: first message must use the "user" role'
    last = len(request.messages) - 1
    for index, message in enumerate(request.messages):
        if not message.blocks and not (index == last and message.role == "assistant"):
            yield (
                f"messages.{index}: all messages must have non-empty content except for the optional final assistant "
                "message"
            )
        for place, block in enumerate(message.blocks):
            if isinstance(block, TextBlock) and not block.text:
                yield "messages: text content blocks must be non-empty"
            elif isinstance(block, TextBlock) and not block.text.strip():
                yield "messages: text content blocks must contain non-whitespace text"
            if isinstance(block, ToolUseBlock) and message.role == "user":
                yield f"messages.{index}.content.{place}: `tool_use` blocks can only be in `assistant` messages"
            if isinstance(block, ToolResultBlock) and block.is_error and not block.text:
                yield f"messages.{index}.content.{place}.tool_result: content cannot be empty if `is_error` is true"
            if isinstance(block, ToolResultBlock) and message.role == "assistant":
                yield f"messages.{index}.content.{place}: `tool_result` blocks can only be in `user` messages"
    yield from _pairing_problems(request)
    final = request.turns[-1]
    if final.role == "assistant" and final.blocks:
        block = final.blocks[-1]
        if isinstance(block, TextBlock) and block.text != block.text.rstrip():
            yield "messages: final assistant content cannot end with trailing whitespace"


def _text_problems(request: Request) -> Iterator[str]:
    """Faults of the system prompt, the stop sequences and the cache marks."""
    system = request.system if isinstance(request.system, list) else []
    if any(not block.text for block in system):
        yield "system: text content blocks must be non-empty"
    if any(not stop.strip() for stop in request.stop_sequences):
        yield "stop_sequences: each stop sequence must contain non-whitespace"
    marked = [*system, *request.tools, *(block for message in request.messages for block in message.blocks)]
    marks = sum(block.cache_control is not None for block in marked)
    if marks > MOST_CACHE_MARKS:
        yield f"A maximum of {MOST_CACHE_MARKS} blocks with cache_control may be provided. Found {marks}."


def _tool_problems(request: Request) -> Iterator[str]:
    names = [tool.name for tool in request.tools]
    if len(set(names)) < len(names):
        yield "tools: Tool names must be unique."
    for index, tool in enumerate(request.tools):
        if tool.input_schema.get("type") != "object":
            yield f"tools.{index}.custom.input_schema.type: Input should be 'object'"
        try:
            jsonschema.Draft202012Validator.check_schema(tool.input_schema)
        except jsonschema.SchemaError:
            yield (
                f"tools.{index}.custom.input_schema: JSON schema is invalid. It must match JSON Schema draft 2020-12 "
                "(https://json-schema.org/draft/2020-12)."
            )
    if request.tool_choice is not None and not request.tools:
        yield "tool_choice: tool_choice may only be specified while providing tools."
    if isinstance(request.tool_choice, ChooseTool) and request.tool_choice.name not in names:
        yield f"tool_choice: Tool '{request.tool_choice.name}' not found in provided tools"
    talked = any(isinstance(block, ToolUseBlock) for message in request.messages for block in message.blocks)
    if talked and not request.tools:
        yield "Requests which include `tool_use` or `tool_result` blocks must define tools."


def _pairing_problems(request: Request) -> Iterator[str]:
    """Every call is answered once, in the very next turn, before anything else is said there."""
    turns = request.turns
    seen: set[str] = set()
    for index, turn in enumerate(turns):
        calls = [block.id for block in turn.blocks if isinstance(block, ToolUseBlock)]
        if seen & set(calls) or len(set(calls)) < len(calls):
            yield f"messages.{index}: `tool_use` ids must be unique"
        seen |= set(calls)
        following = turns[index + 1].blocks if index + 1 < len(turns) else []
        leading = []
        for block in following:
            if not isinstance(block, ToolResultBlock):
                break
            leading.append(block.tool_use_id)
        missing = [call for call in calls if call not in leading]
        if missing:
            yield (
                f"messages.{index}: `tool_use` ids were found without `tool_result` blocks immediately after: "
                f"{', '.join(missing)}. Each `tool_use` block must have a corresponding `tool_result` block in the "
                "next message."
            )
        before = [block.id for block in turns[index - 1].blocks if isinstance(block, ToolUseBlock)] if index else []
        answered: set[str] = set()
        for place, block in enumerate(turn.blocks):
            if not isinstance(block, ToolResultBlock):
                continue
            where = f"messages.{index}.content.{place}"
            if block.tool_use_id not in before:
                yield (
                    f"{where}: unexpected `tool_use_id` found in `tool_result` blocks: {block.tool_use_id}. Each "
                    "`tool_result` block must have a corresponding `tool_use` block in the previous message."
                )
            if block.tool_use_id in answered:
                yield (
                    f"{where}: each `tool_use` must have a single result. Found multiple `tool_result` blocks with "
                    f"id: {block.tool_use_id}"
                )
            answered.add(block.tool_use_id)
