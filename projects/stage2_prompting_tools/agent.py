"""Task 2.6: the loop around the model: ask, run the calls, send the results back, until there is a reason to stop.

The Messages API keeps no state: each request carries the whole conversation. What makes the loop correct is
bookkeeping: every call of a turn is answered once, in the very next message, whatever happened to it.

Messages API: https://docs.claude.com/en/api/messages and, for tools, /en/docs/agents-and-tools/tool-use.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol

import anthropic
import httpx2  # the SDK's HTTP library: what breaks a stream comes out of it

from .registry import ToolResult

# The content of results for calls that were not run; `limit` is "max_turns" or "max_cost".
NOT_RUN = "Not run: the conversation has reached its limit ({limit})."


class Toolbox(Protocol):
    """What an agent needs of a registry."""

    def definitions(self) -> list[dict[str, Any]]:
        """For `tools=` of a request."""
        ...

    def run(self, name: str, arguments: Any) -> ToolResult:
        """Runs a call."""
        ...


@dataclass(frozen=True)
class Prices:
    """US dollars for a million tokens. Writing to a prompt cache costs more than reading from it."""

    input: float
    output: float
    cache_write: float = 0.0
    cache_read: float = 0.0


@dataclass
class Usage:
    """Tokens, under the API's own names. The four are counted apart: cached tokens are not among `input_tokens`."""

    input_tokens: int = 0
    output_tokens: int = 0
    cache_creation_input_tokens: int = 0
    cache_read_input_tokens: int = 0

    def add(self, usage: Any) -> None:
        """Add the counts of one answer to this object.

        `usage` has the four attributes: it is the SDK's `anthropic.types.Usage`, or another Usage. Where the service
        has no cache to speak of, the two last are None, which counts as 0. `usage` stays as it is.
        """
        raise NotImplementedError("task 2.6: Usage.add")

    def cost(self, prices: Prices | None) -> float:
        """What this costs in US dollars; 0.0 where no prices are known. Prices are for a million tokens.

        Written to the cache are the `cache_creation_input_tokens`, read from it the `cache_read_input_tokens`.
        """
        raise NotImplementedError("task 2.6: Usage.cost")


@dataclass(frozen=True)
class Call:
    """A call that the model made."""

    id: str
    name: str
    arguments: Any


# What `stream` yields, besides the Outcome at the end.


@dataclass(frozen=True)
class TextPiece:
    """Text of the model, as it came."""

    text: str


@dataclass(frozen=True)
class Called:
    """A call is about to be run."""

    call: Call


@dataclass(frozen=True)
class Answered:
    """A call has been run."""

    call: Call
    result: ToolResult


@dataclass(frozen=True)
class Step:
    """One answer of the model, and what was done about it. `results` are in the order of `calls`."""

    stop_reason: str
    text: str
    calls: tuple[Call, ...]
    results: tuple[ToolResult, ...]
    usage: Usage


@dataclass(frozen=True)
class Outcome:
    """How a run ended. `messages` is the whole conversation, fit to be the `history` of the next question."""

    text: str
    stop: str
    turns: int
    usage: Usage
    cost: float
    messages: list[dict[str, Any]]
    steps: list[Step] = field(default_factory=list)


Event = TextPiece | Called | Answered | Outcome


class Agent:
    """A model, tools, and limits. It keeps nothing between runs.

    `prices` belong to `max_cost`, in US dollars. `run` stands in for `registry.run`, for a gate that may say no.
    """

    def __init__(
        self,
        client: anthropic.Anthropic,
        model: str,
        registry: Toolbox,
        *,
        system: str = "",
        max_turns: int = 8,
        max_tokens: int = 1024,
        max_cost: float | None = None,
        prices: Prices | None = None,
        run: Callable[[str, Any], ToolResult] | None = None,
    ):
        if max_turns < 1 or max_tokens < 1:
            raise ValueError(f"max_turns={max_turns} and max_tokens={max_tokens} allow no answer. Give 1 or more.")
        if max_cost is not None and (prices is None or not max_cost > 0):
            raise ValueError("max_cost needs prices, and must be more than 0.")
        self.client = client
        self.model = model
        self.registry = registry
        self.system = system
        self.max_turns = max_turns
        self.max_tokens = max_tokens
        self.max_cost = max_cost
        self.prices = prices
        self.run_call = run or registry.run

    def run(self, question: str, history: Sequence[dict[str, Any]] = ()) -> Outcome:
        """Ask the model, run its calls, and go on until it is done. The Outcome that `stream` ends with.

        All that `stream` says about requests, calls, stops and errors holds here as well. Whether the answers are
        streamed over the network makes no difference.
        """
        raise NotImplementedError("task 2.6: Agent.run")

    def stream(self, question: str, history: Sequence[dict[str, Any]] = ()) -> Iterator[Event]:
        """The same run as it happens: a TextPiece as soon as a piece of text arrives, Called and Answered, the Outcome.

        *Requests.* Each has `self.model`, `max_tokens`, `system` and `tools` (`registry.definitions()`; either is left
        out where it is empty), and the conversation: `history`, then the question as a user message, then what follows.
        The answers are requested as streams (`client.messages.stream`). `history` is neither changed nor shared: later
        changes to `Outcome.messages`, however deep inside, do not reach it.

        *Turns.* Each answer of the model is a turn, and becomes one assistant message of plain dicts, with its blocks
        as they came. Only text blocks that are empty or blank are left out: the API does not take them back. An answer
        of which nothing is left becomes no message. What happens then depends on its stop reason:
        - "tool_use": the calls are run, all at the same time, each once, with `self.run_call(name, arguments)`.
          Exactly one user message answers them: a tool_result for each, in the order of the calls, whichever was ready
          first, with the result's content, and `is_error` true where it is an error. An exception that comes out of
          `run_call` is an error result that holds its type and its text. The arguments are a copy: a tool that changes
          them does not change the conversation. Then comes the next turn.
        - "pause_turn": the service wants to be asked again. The next turn follows without a new user message. A call of
          ours does not belong in such an answer, and is left out as below.
        - Any other, known or not, ends the run: "end_turn", "stop_sequence", "max_tokens", "refusal",
          "model_context_window_exceeded" and what is still to come; so does a "tool_use" without any call. A call in
          an answer that ended in this way may be cut off, however whole it looks: it is never run, and left out of the
          message and of the Step.

        *Limits.* No turn follows if there were `max_turns`, or if the run has cost `max_cost` or more. The calls of
        that last turn are not run, because nobody would read their results. They are answered all the same, each with
        an error result whose content is NOT_RUN with "max_turns" or "max_cost" as its limit (max_turns where both
        hold), in the message and in the Step.

        *Outcome.* `stop` is the limit that forbade a turn which would have followed, else the stop reason of the last
        answer. `text` is the text of the last answer: its text blocks, with nothing between them; an answer after
        pause_turn continues the one before it (a Step has its own answer's text). `usage` is the sum over all turns,
        `cost` what it costs at `prices`. Whatever happened, the conversation in `messages` is valid: with another user
        message behind it the API takes it.

        *Events.* The Called of a turn, then the Answered, each in the order of the calls; none for calls that are not
        run. The Outcome is the last. Nothing is asked before the first event is wanted; whoever stops reading stops
        the run.

        *Errors.* What the SDK raises after its own retries passes through as it is, without another try. What breaks a
        stream is none of its exceptions: httpx2.TransportError becomes anthropic.APIConnectionError, and a ValueError
        about the answer itself (a tool's input that is no JSON) anthropic.APIResponseValidationError. So all of them
        are an anthropic.APIError.
        """
        raise NotImplementedError("task 2.6: Agent.stream")
