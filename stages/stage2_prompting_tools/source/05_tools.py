# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   lesson:
#     id: L2.05
#     question: A model can only write text. How does it look up the weather, and what goes wrong on the way?
#     objectives:
#       - derive a tool's definition from a function's signature, and say what the schema lets through
#       - carry one tool call through its four steps by hand, message by message
#       - dispatch calls without trusting them, and answer parallel calls in one message
#       - turn every failure into a result that says what is known, time-outs included
#       - retry what may be retried, once only what must happen once, and wait between tries
#       - say what the SDK's tool runner and the Model Context Protocol add to your own loop, and what they hide
#     minutes: 70
#     prerequisites: [L2.01, L2.04]
#     topics:
#       T2.09: schema-from-signature
#       T2.10: [four-steps, dispatch, parallel-calls, errors-as-results, time-outs, tool-runner, mcp]
#       T2.11: four-steps
#       T2.13: [http-clients, idempotence]
#       T2.26: [four-steps, http-clients]
#     leads_to: ["2.2", "2.4", "2.5", "2.6", "2.10"]
# ---

# %% [markdown]
# # Tool calling
#
# Ask a language model whether you need a coat in Oslo, and it will tell you. It has no window, no thermometer and no
# network; it has weights that were fixed last year. A **tool** is a function of yours that the model may ask for. It
# writes the name and the arguments. Your program decides whether to run it, runs it, and sends back what came.
#
# So a tool call is one message that your program reads and one that it writes. What takes the rest of the year is
# everything that goes wrong between the two: a function that hangs, a service that answers too late, an order that is
# placed three times. This lesson goes through them in that order.

# %%
import asyncio
import contextlib
import dataclasses
import difflib
import functools
import inspect
import json
import logging
import subprocess
import sys
import textwrap
import threading
import time
import types
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated, Any, Literal, Required, TypedDict, Union, get_args, get_origin, get_type_hints

import anthropic
import httpx
import jsonschema
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import binomtest
from starlette.applications import Starlette
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from roadmap.lessons import data, style
from roadmap.llm import connect
from roadmap.llm.messages.parts import ToolUse
from roadmap.llm.scripted import Reply, ScriptedModel, scripted_application
from roadmap.llm.serving import serve
from roadmap.services.app import Fault, Faults
from roadmap.services.app import application as services

style.use()
stack = contextlib.ExitStack()
endpoint = stack.enter_context(connect({}))  # the local model; without the {} your environment decides
print(f"{endpoint.name}: {[model.id for model in endpoint.client.models.list()]}")


@contextlib.contextmanager
def scripted(*turns):
    """The real SDK in front of a server that plays `turns`; gives the client and the script, which records."""
    script = ScriptedModel(list(turns))
    direct = anthropic.DefaultHttpxClient(trust_env=False)  # no proxy stands before this process
    with (
        serve(scripted_application(script)) as url,
        anthropic.Anthropic(base_url=url, api_key="none", max_retries=0, http_client=direct) as client,
    ):
        yield client, script


# %% [markdown]
# Two models answer in this lesson. The **scripted** one plays turns that we write, over real HTTP and by the real
# contract: it shows mechanics, the same on every machine. The **local** one is a real language model: it shows what
# models do, and there we count.
#
# ## 1. A definition from a signature <a id="schema-from-signature"></a>
#
# The model never sees your code. It sees a **definition**: a name, a description, and a JSON schema of the arguments.
# Written by hand, it parts ways with the function at the first change. So derive it:
#
# | in the function | in the definition |
# | --- | --- |
# | its name | `name` |
# | its docstring, before `Args:` | `description` |
# | a parameter | a key of `properties` |
# | `city: str` | `{"type": "string"}` |
# | `unit: Literal["celsius", "fahrenheit"]` | `{"enum": ["celsius", "fahrenheit"]}` |
# | no default | the key is `required` |
# | `days: int = 1` | not required, `"default": 1` |
# | the parameter's line under `Args:` | its `description` |
#
# **Predict.** `note: str | None`, and `hours: int = 2`. One of them may be left out, one of them may be null. Which?


# %%
@dataclasses.dataclass
class Place:
    """A point on the map."""

    latitude: float
    longitude: float
    label: str = ""


def schema_of(annotation: Any) -> dict[str, Any]:
    """The JSON schema of a type annotation. What we do not know is refused: a guess would let anything through."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    plain = {str: "string", int: "integer", float: "number", bool: "boolean", type(None): "null"}
    if annotation in plain:
        return {"type": plain[annotation]}
    if origin is Annotated:
        described = [extra for extra in arguments[1:] if isinstance(extra, str)]
        return schema_of(arguments[0]) | ({"description": described[-1]} if described else {})
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin in (Union, types.UnionType):  # Optional[X] is Union[X, None]
        return {"anyOf": [schema_of(one) for one in arguments]}
    if origin is list:
        return {"type": "array", "items": schema_of(arguments[0])}
    if origin is dict and arguments[0] is str:
        return {"type": "object", "additionalProperties": schema_of(arguments[1])}
    if dataclasses.is_dataclass(annotation):
        return object_schema(annotation)
    raise TypeError(f"{annotation!r} has no schema here. Use a type that JSON can express.")


def object_schema(function: Any, notes: dict[str, str] | None = None) -> dict[str, Any]:
    """The schema of a function's arguments, or of a dataclass's fields: both have a signature."""
    hints = get_type_hints(function, include_extras=True)  # also resolves annotations that are strings
    properties, required = {}, []
    for name, parameter in inspect.signature(function).parameters.items():
        if name not in hints or parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            raise TypeError(f"{name} of {function.__name__} cannot be described. Annotate it; name each argument.")
        properties[name] = schema_of(hints[name])
        if notes and name in notes:
            properties[name].setdefault("description", notes[name])  # Annotated has the last word
        if parameter.default is parameter.empty:
            required.append(name)
        else:
            properties[name]["default"] = parameter.default
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": False}


def definition(function: Callable) -> dict[str, Any]:
    """What a request offers under `tools`."""
    summary, _, arguments = (inspect.getdoc(function) or "").partition("\nArgs:")
    notes = dict(line.strip().split(": ", 1) for line in arguments.splitlines() if ": " in line)
    schema = object_schema(function, notes)
    return {"name": function.__name__, "description": summary.strip(), "input_schema": schema}


def plan_walk(start: Place, hours: int, pace: Literal["easy", "fast"] = "easy", note: str | None = None) -> str:
    """Plan a walk.

    Args:
        start: Where it begins.
        hours: How long it may take.
    """
    return f"{hours} h from {start}"


made = definition(plan_walk)
print(made["name"], "-", made["description"], "- required:", made["input_schema"]["required"])
for name, field in made["input_schema"]["properties"].items():
    print(f"  {name}: {json.dumps(field)}")
assert made["input_schema"]["required"] == ["start", "hours"]

# %% [markdown]
# `note` may be null, `hours` may be left out: *null* belongs to the type, *left out* to the default. (In `plan_walk`,
# `note` has both.) Three more things to see in the code:
#
# - `get_type_hints`, not `parameter.annotation`. Under `from __future__ import annotations` the latter is a string.
# - `annotation in plain` compares exactly. Had we asked `issubclass(bool, int)`, every flag would be an integer.
# - Anything unknown raises. A definition is made once, at start-up: that is the time to fail.
#
# Task 2.2 goes further: a `"type"` beside the `"enum"` where the values have one, an `Enum` as a `Literal` of its
# members' values, tuples, TypedDicts, a default only where JSON can hold it. Four things of the standard library help
# there. `inspect.unwrap` finds the function below `functools.wraps`. `get_type_hints` resolves *all* annotations, the
# return's too, and its error does not say which one could not be resolved; resolve one at a time, on a stand-in, with
# the function's `__globals__`, and you know. A TypedDict's `__required_keys__` says which keys must be there, but not
# where `Required` or `NotRequired` stands inside a string; the hints keep these marks, to be looked at and taken off.

# %% tags=["stable"]
alone = types.SimpleNamespace(__annotations__={"it": "Place | None"})  # one annotation of a function, as it stands
print(get_type_hints(alone, globalns=globals(), include_extras=True))


class Trip(TypedDict, total=False):
    """A TypedDict with one key that must be there, said in a string."""

    start: "Required[str]"
    end: str


hints = get_type_hints(Trip, include_extras=True)
print(sorted(Trip.__required_keys__), {key: get_origin(hint) is Required for key, hint in hints.items()})

# %% [markdown]
# A schema in a request is a promise by the model's maker, not a law (L2.04). So you check the arguments when they come.
# **Predict.** Many programs let pydantic do that. Does it accept what the schema accepts?

# %% tags=["stable"]
import pydantic


def forecast(city: str, days: int = 1, rain: bool = False) -> str:
    """A forecast."""
    return f"{city} {days} {rain}"


law = jsonschema.Draft202012Validator(definition(forecast)["input_schema"])
lenient = pydantic.validate_call(forecast)


def outcome(call: Callable, arguments: dict[str, Any]) -> str:
    """What the function makes of these arguments."""
    try:
        return str(call(**arguments))
    except (pydantic.ValidationError, TypeError):
        return "refused"


given: list[dict[str, Any]] = [
    {"city": "Oslo", "days": 3},
    {"city": "Oslo", "days": "3"},
    {"city": "Oslo", "days": True},
    {"city": "Oslo", "rain": "no"},
    {"city": "Oslo", "days": 3.0},
    {"city": "Oslo", "day": 3},
    {"days": 3},
]
rows = [
    [json.dumps(one), "accepted" if law.is_valid(one) else "refused", outcome(lenient, one), outcome(forecast, one)]
    for one in given
]
style.table(
    rows,
    columns=["arguments", "JSON schema", "pydantic passes on", "no check passes on"],
    caption="Three gatekeepers, three opinions. Without a check, strings and flags go through as numbers of days.",
)
assert [row[1] for row in rows] == ["accepted"] + ["refused"] * 3 + ["accepted"] + ["refused"] * 2
assert rows[3][2] == "Oslo 1 False"
assert rows[2][2] == "Oslo 1 False"

# %% [markdown]
# Pydantic in its default mode **converts**: `"3"` becomes 3, `"no"` becomes `False`, `True` becomes one day. That
# is lenient, and for a forecast it is kind. For `amount` in a transfer, refuse. JSON Schema accepts `3.0` as an integer
# (the value counts, not how it is written), so a function that is strict about `int` converts that one case itself. The
# rightmost column shows why not to skip the check: the annotation `days: int` stops nobody in Python.
#
# ## 2. Four steps, by hand <a id="four-steps"></a>
#
# 1. **Request**: the question, and the definitions of the tools.
# 2. **Call**: the model answers with a `tool_use` block (an id, a name, an input), `stop_reason` is `tool_use`.
# 3. **Dispatch**: your program runs the function.
# 4. **Result**: you send everything again, the call included, and a `tool_result` block with the call's id. The model
#    answers in words, or calls again.

# %%
RECORDED = {"Oslo": (3, 4.1), "Rome": (14, 0.0), "Cairo": (24, 0.0), "Lima": (19, 0.2), "Seoul": (6, 1.3)}


def get_weather(city: str, unit: Literal["celsius", "fahrenheit"] = "celsius") -> str:
    """Today's temperature and rain in a city.

    Args:
        city: The name of the city, in English.
    """
    degrees, rain = RECORDED[city]
    shown = degrees if unit == "celsius" else degrees * 9 / 5 + 32
    return json.dumps({"city": city, "temperature": shown, "unit": unit, "rain_mm": rain, "source": "station"})


question = {"role": "user", "content": "Do I need a coat in Oslo?"}
turns = (
    Reply.of("Let me look.", ToolUse("get_weather", {"city": "Oslo"}, id="toolu_01"), output_tokens=31),
    Reply.of("Yes. It is 3 °C in Oslo today, with 4.1 mm of rain.", input_tokens=190, output_tokens=22),
)
with scripted(*turns) as (client, script):
    ask = functools.partial(client.messages.create, model="scripted", max_tokens=200, tools=[definition(get_weather)])
    first = ask(messages=[question])  # 1
    call = first.content[-1]  # 2
    output = get_weather(**call.input)  # 3
    result = {"type": "tool_result", "tool_use_id": call.id, "content": output}
    conversation = [
        question,
        {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in first.content]},
        {"role": "user", "content": [result]},
    ]
    final = ask(messages=conversation)  # 4
conversation.append({"role": "assistant", "content": [b.model_dump(exclude_none=True) for b in final.content]})
for message in conversation:
    blocks = [message["content"]] if isinstance(message["content"], str) else message["content"]
    print(f"{message['role']}:", *(json.dumps(block, ensure_ascii=False) for block in blocks), sep="\n    ")

# %%
sizes = [len(json.dumps(body)) for body in script.requests]
lanes = {"the model": 0, "your program": 1.3, "get_weather": 2}
arrows = [
    ("your program", "the model", f"1  question + definitions ({sizes[0]:,} bytes)"),
    ("the model", "your program", f"2  {call.name}({json.dumps(call.input)})   stop_reason: {first.stop_reason}"),
    ("your program", "get_weather", "3  run it"),
    ("get_weather", "your program", "   what it returned"),
    ("your program", "the model", f"4  everything again + result ({sizes[1]:,} bytes)"),
    ("the model", "your program", f"   words   stop_reason: {final.stop_reason}"),
]
figure, axis = plt.subplots(figsize=(8.4, 3.6))
for lane, x in lanes.items():
    axis.vlines(x, -0.6, len(arrows) - 0.5, color=style.GREY, linewidth=1)
    axis.text(x, -0.75, lane, ha="center", weight="bold")
for y, (start, end, words) in enumerate(arrows):
    ends = {"xy": (lanes[end], y), "xytext": (lanes[start], y)}
    axis.annotate("", **ends, arrowprops={"arrowstyle": "->", "color": style.BLUE, "linewidth": 1.6})
    axis.text(min(lanes[start], lanes[end]) + 0.03, y - 0.14, words, fontsize=8.5)
axis.set(ylim=(len(arrows) - 0.4, -1.4), xlim=(-0.3, 2.3))
axis.axis("off")
style.show(
    figure,
    caption="No arrow joins the model and the tool. The second request carries the first one again, and more.",
    alt="Sequence diagram of three lanes, your program in the middle; each of six arrows starts or ends there.",
)
assert sizes[1] > 1.3 * sizes[0]
assert first.stop_reason == "tool_use"

# %% [markdown]
# Two things follow from the picture. The model runs nothing: whatever happens, your program did it. And the service
# remembers nothing: the history is yours, it is sent in full every time, and you pay for it every time.
#
# The contract about step 4 is strict. **Predict.** Which of these six second requests does the server accept?

# %% tags=["stable"]
call_turn = {
    "role": "assistant",
    "content": [{"type": "tool_use", "id": "toolu_01", "name": "get_weather", "input": {"city": "Oslo"}}],
}
fine = {"type": "tool_result", "tool_use_id": "toolu_01", "content": "3 degrees"}
thanks = {"type": "text", "text": "Here it is."}


def replying(*blocks: dict[str, Any]) -> list[dict[str, Any]]:
    """The question, the call, and these blocks in the next turn."""
    return [question, call_turn, {"role": "user", "content": list(blocks)}]


attempts = {
    "a new question, the call unanswered": [question, call_turn, question],
    "the result without the call": [question, {"role": "user", "content": [fine]}],
    "a result with another id": replying({**fine, "tool_use_id": "toolu_1"}),
    "two results for one call": replying(fine, fine),
    "words, then the result": replying(thanks, fine),
    "the result, then words": replying(fine, thanks),
}
rows = []
with scripted(*[Reply.of("Thank you.")] * 6) as (client, script):
    for what, messages in attempts.items():
        try:
            client.messages.create(model="scripted", max_tokens=50, tools=[definition(get_weather)], messages=messages)
            rows.append([what, "accepted"])
        except anthropic.BadRequestError as error:
            rows.append([what, textwrap.shorten(error.body["error"]["message"], 105)])
style.table(rows, columns=["second request", "answer"], caption="Every call is answered once, in the next turn, first.")
assert [row[1] == "accepted" for row in rows] == [False] * 5 + [True]

# %% [markdown]
# Only the last. Every call gets exactly one result, in the very next turn, before anything else in it. Keep that as
# the loop's invariant: whatever happens between steps 2 and 4, a result for each id goes back.
#
# ### A real model, and how often it is right
#
# Now the local model, with three tools on offer. We have written 48 requests of which we know the right call; for a
# quarter of them it is none. Each is asked in three ways: the plain SmolLM2 **may** call (`tool_choice` is `auto`); it
# **must** (`any`); and the same model **with an adapter** may.
#
# The adapter is a file of 6.5 MB that the course trained on generated conversations with calls (how, is the subject of
# stage 4). With it the endpoint also holds arguments to what the request says: a city must be words of the request, a
# number one of its numbers. Its name in requests is `smollm2-135m-tools`.
#
# **Predict.** SmolLM2 itself was never taught to call tools; the endpoint decodes under the schemas, so that every call
# is a valid one. Will it pick the right one of three tools more often when it *may* call, or when it *must*? And on how
# many of the twelve requests without a tool will the trained one call all the same?


# %%
def get_stock_price(symbol: str) -> str:
    """The latest price of a share.

    Args:
        symbol: The ticker symbol, as in AAPL.
    """
    return json.dumps({"symbol": symbol, "price": 101.5, "currency": "USD"})


def convert_currency(amount: float, source: str, target: str) -> str:
    """Convert an amount of money.

    Args:
        source: Code of the currency it is in, as in USD.
        target: Code of the currency wanted.
    """
    return json.dumps({"amount": round(amount * 0.9, 2), "currency": target})


TOOLS: dict[str, Callable] = {tool.__name__: tool for tool in (get_weather, get_stock_price, convert_currency)}
STAGE = "stage2_prompting_tools"
lines = data.path(STAGE, "05_tools_requests.jsonl").read_text(encoding="utf-8").splitlines()
requests = [json.loads(line) for line in lines]  # {"words": ..., "tool": a name or null, "arguments": ...}
PLAIN, TRAINED = "smollm2-135m-instruct", "smollm2-135m-tools"
WAYS = {"may call": (PLAIN, "auto"), "must call": (PLAIN, "any"), "with the adapter": (TRAINED, "auto")}


def calls_made(model: str, words: str, choice: str) -> list[tuple[str, dict[str, Any]]]:
    """What a model calls when it is asked this and may call (auto) or must (any)."""
    message = endpoint.client.messages.create(
        model=model,
        max_tokens=64,
        stop_sequences=["."],  # words are not what we count
        tools=[definition(tool) for tool in TOOLS.values()],
        tool_choice={"type": choice, "disable_parallel_tool_use": True},
        messages=[{"role": "user", "content": words}],
    )
    return [(block.name, dict(block.input)) for block in message.content if block.type == "tool_use"]


def marks(request: dict[str, Any], made: list[tuple[str, dict[str, Any]]]) -> dict[str, bool]:
    """Whether the tool is the right one, and whether the whole call is; a default that is written out is no fault."""
    if request["tool"] is None:
        return {"no call": made == []}
    fields = definition(TOOLS[request["tool"]])["input_schema"]["properties"]
    defaults = {name: field["default"] for name, field in fields.items() if "default" in field}
    right = [name for name, _ in made] == [request["tool"]]
    return {"right tool": right, "exact call": right and defaults | made[0][1] == defaults | request["arguments"]}


for request in (requests[12], requests[36]):
    print(request["words"])
    for way, (model, choice) in WAYS.items():
        if choice == "any" and request["tool"] is None:
            continue  # it is not allowed to be right
        print(f"  {way}: {calls_made(model, request['words'], choice)}")

# %% [markdown]
# Two requests prove nothing, and 48 take longer than a lesson should. So a script ran these very cells on all of them
# (`05_tools_sweep.py`, beside the data), and stored what came.

# %%
sweep = json.loads(data.path(STAGE, "05_tools_sweep.json").read_text(encoding="utf-8"))
ways: dict[str, dict[str, list[bool]]] = sweep["ways"]  # way: kind of mark: one for each request that has it
KINDS = ("right tool", "exact call", "no call")
shares = {
    way: {kind: (sum(kinds[kind]), len(kinds[kind])) for kind in KINDS if kind in kinds} for way, kinds in ways.items()
}
figure, axis = plt.subplots(figsize=(7.2, 3.2))
for row, (way, kinds) in enumerate(shares.items()):
    for kind, (right, count) in kinds.items():
        x = KINDS.index(kind) + 0.24 * (row - (len(shares) - 1) / 2)
        axis.vlines(x, *binomtest(right, count).proportion_ci(method="wilson"), color=style.COLOURS[row], linewidth=2)
        axis.plot(x, right / count, "o", color=style.COLOURS[row], label=way if kind == "right tool" else None)
        axis.annotate(f"{right}/{count}", (x, right / count), xytext=(6, -3), textcoords="offset points", fontsize=8)
axis.hlines(1 / 3, -0.4, 0.4, color=style.GREY, linestyle="--", linewidth=1)
axis.set(xticks=range(3), xticklabels=["right tool", "exact call", "no call where none fits"], ylim=(-0.04, 1.04))
axis.set(xlim=(-0.5, 2.6), ylabel="share of requests")
axis.legend(loc="lower center", ncols=3, bbox_to_anchor=(0.5, 1.0))
style.show(
    figure,
    caption="SmolLM2 and three tools, asked in three ways: shares right, with Wilson's 95% intervals. Dashed: lots.",
    alt="Dots with vertical interval bars for right tool, exact call and no call, one colour for each way of asking.",
)
print(shares)


def paired(before: str, after: str, kind: str) -> tuple[int, int, float]:
    """How many requests the second way gained and lost, and how often a fair coin would part them so unevenly."""
    pairs = list(zip(ways[before][kind], ways[after][kind], strict=True))
    gained, lost = pairs.count((False, True)), pairs.count((True, False))
    return gained, lost, binomtest(lost, gained + lost).pvalue  # McNemar's exact test


must = paired("may call", "must call", "right tool")
adapter = paired("must call", "with the adapter", "exact call")
print("must instead of may, right tool: gained {}, lost {}, p = {:.3f}".format(*must))
print("adapter instead of must, exact call: gained {}, lost {}, p = {:.5f}".format(*adapter))
fresh = [
    right for right, known in zip(ways["with the adapter"]["exact call"], sweep["seen"][:36], strict=True) if not known
]
print(f"with the adapter, where its training data holds no such wording: {sum(fresh)} of {len(fresh)} exact")
print("with the adapter, all that is wrong:")
silent, wrong, uncalled_for = [], [], []
for request, made in zip(requests, sweep["calls"]["with the adapter"], strict=True):
    if not all(marks(request, made).values()):
        kind = silent if not made else uncalled_for if request["tool"] is None else wrong
        kind.append((request, made))
        print(f"   {request['words']} {made}")
assert must[:2] == (9, 0)
assert must[2] < 0.05
assert adapter[:2] == (18, 0)
assert adapter[2] < 0.01
choice = paired("must call", "with the adapter", "right tool")
print("adapter instead of must, right tool: gained {}, lost {}, p = {:.3f}".format(*choice))
assert choice[:2] == (10, 0)
assert choice[2] < 0.01
assert (shares["with the adapter"]["exact call"], len(silent), len(wrong), len(uncalled_for)) == ((36, 36), 0, 0, 2)
assert all(value in request["words"] for request, made in uncalled_for for value in made[0][1].values())
assert (sum(fresh), len(fresh)) == (32, 32)

# %% [markdown]
# When it must call. A model that may call decides two things, *whether* and *which*, and the plain one is worse at the
# first: made to call, it gets nine of its nineteen mistakes right, and loses nothing. The two intervals overlap, and
# the difference is real all the same: both ways were asked the same requests, so we count those on which they differ (a
# **paired** comparison). Still, every call was valid and only half were exact. No schema can know better.
#
# With the adapter, and with arguments held to the request, all 36 calls are exact instead of 18 (also the 32 whose
# wording is not near to one that it was trained on); the tool alone is right in ten requests more. What it gets wrong
# is listed: it calls for two of the twelve that need no tool, where a term of the stock market or of money is to be
# explained; the plain one called for three. Those are the dangerous kind. *GBP* is in the request and has the form of a
# ticker symbol, so the call is valid, it will be run, and something may come back. Nothing downstream can tell that the
# question was another one.
#
# Thirty-six requests are few (all right of 36 is still an interval that begins at 90%), and these three tools are among
# those that it was trained on. On a larger held-out set nearly all of its calls for such tools are exact. For tools
# that it never saw it depends on the tools: more than eight in ten are exact for two plain ones, and three in four for
# twelve of many kinds, with options that are often said in other words (figures and intervals are in
# `tool_calling_lora.md`, beside the adapter). Training teaches tools, and only in part *tool calling*; and the first
# set that one measures on is seldom the hardest. Measure on your own.
#
# Three levers are yours. Names and descriptions are prompts (L2.01): change them and count again, on requests that you
# did not look at meanwhile. Where a call is certain to be due, say so in `tool_choice`. Where arguments are words of
# the request, hold them to it (L2.04). The fourth, training, is that of stage 4. Larger models make fewer of these
# mistakes; the measure stays the same.
#
# ## 3. Dispatch <a id="dispatch"></a>
#
# The call says `get_weather`; your program needs the function. The shortest way is `globals()[name](**input)`. It is
# also a remote shell: the name and the input are text that a stranger may have influenced, and `globals()` holds
# `subprocess`. Look names up in a table of what you offered, and nowhere else.
#
# Then the arguments, against the schema that you sent. Report **all** problems at once: each repair costs a turn, and a
# turn costs the whole history again.


# %%
def complain(schema: dict[str, Any], arguments: dict[str, Any]) -> list[str]:
    """Every way in which the arguments break the schema, in words."""
    faults = jsonschema.Draft202012Validator(schema).iter_errors(arguments)
    return [f"{'.'.join(map(str, fault.path)) or 'arguments'}: {fault.message}" for fault in faults]


def dispatch(tools: dict[str, Callable], name: str, arguments: dict[str, Any]) -> str:
    """Run a call, if it is one of ours and fits. Raises LookupError and ValueError in words for the model."""
    if name not in tools:
        near = difflib.get_close_matches(name, tools)
        hint = f"Did you mean {near[0]}?" if near else f"There are {', '.join(tools)}."
        raise LookupError(f"There is no tool {name!r}. {hint}")
    if problems := complain(definition(tools[name])["input_schema"], arguments):
        raise ValueError("; ".join(problems))
    return tools[name](**arguments)


tried = [
    ("get_weather", {"city": "Oslo", "unit": "fahrenheit"}),
    ("get_wether", {"city": "Oslo"}),
    ("subprocess", {}),
    ("get_weather", {"town": "Oslo", "unit": "kelvin"}),
    ("convert_currency", {"amount": "50", "source": "USD"}),
]
rows = []
for name, arguments in tried:
    try:
        rows.append([f"{name}({json.dumps(arguments)})", dispatch(TOOLS, name, arguments)])
    except (LookupError, ValueError) as error:
        rows.append([f"{name}({json.dumps(arguments)})", str(error)])
style.table(
    rows, columns=["call", "what comes of it"], caption="One call is run. Four are answered, with all that is wrong."
)
assert rows[3][1].count(";") == 2  # three problems, one answer

# %% [markdown]
# ## 4. Parallel calls <a id="parallel-calls"></a>
#
# One turn may hold several `tool_use` blocks: *Oslo and Rome and Cairo, please*. They do not depend on each other (what
# depends on a result can only come in a later turn), so you may run them side by side.
#
# **Predict.** Three calls take 1.2, 0.2 and 0.6 seconds. Run side by side, in which order do the results come, and in
# which order do you send them?


# %%
def lookup(city: str, seconds: float) -> str:
    """A weather service that takes its time."""
    time.sleep(seconds)
    done.append(city)
    return f"{city}: {RECORDED[city][0]} °C"


blocks = [("toolu_a", "Oslo", 1.2), ("toolu_b", "Rome", 0.2), ("toolu_c", "Cairo", 0.6)]
took, done = {}, []
for workers in (1, len(blocks)):
    done.clear()
    begun = time.perf_counter()
    with ThreadPoolExecutor(workers) as pool:
        outputs = list(pool.map(lambda block: lookup(*block[1:]), blocks))  # map keeps the order of the calls
    took[workers] = time.perf_counter() - begun
    print(f"{workers} at a time: {took[workers]:.1f} s, done in the order {done}")
results = [
    {"type": "tool_result", "tool_use_id": id, "content": output}
    for (id, _, _), output in zip(blocks, outputs, strict=True)
]
print("sent:", [(result["tool_use_id"], result["content"]) for result in results])
assert done == ["Rome", "Cairo", "Oslo"]
assert took[3] < 0.9 * took[1]

# %% [markdown]
# They come as they are done, Rome first, and the turn takes as long as its slowest call. They go back in the order of
# the calls, in **one** user message. (The server matches them by id and would take any order. But the same conversation
# should have the same bytes: tests compare them, and prompt caches match on them.) Before you run two calls at once,
# know whether your functions allow it. Reads over HTTP do. Two writes may not, and a database connection often belongs
# to one thread.
#
# ## 5. Errors are results <a id="errors-as-results"></a>
#
# What if a tool fails? If the exception ends your program, the user loses the whole conversation because one city has
# no station. So catch it, and send a `tool_result` with `is_error: true`. The model can then try otherwise, ask, or
# tell the user. What it can do depends on your words.
#
# **Predict.** Three programs report the same failure, a service that did not answer. The first sends an empty string,
# the second the word `Error`, the third what happened and what is therefore not known. After which of them does the
# local model tell its user the truth?

# %%
REPORTS = {
    "nothing": ("", False),
    "Error": ("Error", True),
    "what happened": (
        "The weather service did not answer within 5 seconds, so the temperature in {city} is not known.",
        True,
    ),
}
ADMITS = ("not known", "not respond", "not answer", "unable", "could not", "not available", "unknown")


def answer_to(city: str, content: str, is_error: bool, model: str = PLAIN, most: int = 24) -> str:
    """What the model says when its call about a city came to this. It may not call again: it is time to answer."""
    call = {"type": "tool_use", "id": "toolu_1", "name": "get_weather", "input": {"city": city}}
    result = {"type": "tool_result", "tool_use_id": "toolu_1", "content": content, "is_error": is_error}
    answer = endpoint.client.messages.create(
        model=model,
        max_tokens=most,
        tools=[definition(get_weather)],
        tool_choice={"type": "none"},
        messages=[
            {"role": "user", "content": f"How warm is it in {city} today?"},
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [result]},
        ],
    )
    return "".join(block.text for block in answer.content if block.type == "text")


stored = {report: [any(word in a for word in ADMITS) for a in answers] for report, answers in sweep["reports"].items()}
rows = []
for report, (content, is_error) in REPORTS.items():
    plain = sweep["reports"][report][0]  # about Oslo, too
    checked = answer_to("Oslo", content.format(city="Oslo"), is_error, TRAINED, 60)
    count = f"{sum(stored[report])} of {len(stored[report])}"
    rows.append([report, textwrap.shorten(plain, 80), count, textwrap.shorten(checked, 120)])
style.table(
    rows,
    columns=["the result says", "what the user reads, about Oslo", "admit it, 20 cities", "with the adapter, checked"],
    caption="One failure, three reports. The last column is asked now; the others are the script's.",
)
assert all("°" not in row[3] for row in rows)
assert any(word in rows[2][3] for word in ADMITS)
assert sum(stored["nothing"]) == sum(stored["Error"]) == 0
assert sum(stored["what happened"]) >= 18

# %% [markdown]
# After the third, in practically all of them; after the other two, in none. With nothing in its hands the model says
# the same call again or describes a result. With *Error* it explains an error that nobody had. What a small model does
# so visibly a large one does seldom and convincingly. The sentence leaves no gap to fill: it says what happened, and
# what is therefore **not known**.
#
# Your program holds the results itself, and can compare. That is what the last column shows: under the adapter's name
# the endpoint holds each answer against the results, and where the two part it tells the results themselves, labelled.
# No check can add what the report lacks, though: *Error* stays *Error*.
#
# Truthful also means: no traceback (it carries paths, and now and then a password), no `"success"` for a thing that
# half happened. The rule is that of error messages to people: one sentence what, one sentence what to do. A wrapper at
# the border of every tool does it, and lets nothing out:


# %% tags=["stable"]
class ToolError(Exception):
    """A failure that the tool's author foresaw, in words for the model."""


def run_tool(tools: dict[str, Callable], block: ToolUse) -> dict[str, Any]:
    """A `tool_result` for a call, whatever happens."""
    failed = True
    try:
        content, failed = dispatch(tools, block.name, block.input), False
    except (ToolError, LookupError, ValueError) as error:
        content = str(error)
    except Exception as error:  # a bug in the tool: the model is told its type and message, the log gets the rest
        content = f"{block.name} failed: {type(error).__name__}: {error}"
    return {"type": "tool_result", "tool_use_id": block.id, "content": content, "is_error": failed}


for city in ("Oslo", "Narnia"):
    print(run_tool(TOOLS, ToolUse("get_weather", {"city": city}, id="toolu_7")))

# %% [markdown]
# There is a bug in that output. `RECORDED["Narnia"]` raises `KeyError`, which is a `LookupError`, so the wrapper took
# the author's slip for prepared words: the model reads `'Narnia'` and nothing else. Foreseen failures need an exception
# class of their own, and nothing else belongs into the first `except`. And *no such city* is no failure at all: it is
# an answer, `{"city": null}`, as *no results* is for a search.
#
# What a tool returns is text in the end. Data becomes JSON with `json.dumps(value, ensure_ascii=False,
# allow_nan=False)`: an ö stays an ö, which takes fewer tokens than `\u00f6`, and NaN, which is no JSON, is an error
# here and not at the reader's. Half a character (a lone surrogate) would break the request that carries it;
# `text.encode("utf-8", "replace").decode()` takes it out.
#
# ## 6. Time-outs <a id="time-outs"></a>
#
# A tool that raises is easy. A tool that hangs says nothing, and your loop waits with it. So each call gets a deadline.
#
# **Predict.** The tool sleeps for 1.2 seconds, the limit is 0.2. After how long does this function return?
#
# ```python
# with ThreadPoolExecutor() as pool:
#     return pool.submit(tool).result(timeout=0.2)
# ```


# %%
def with_pool(tool: Callable, limit: float) -> Any:
    """A time limit that looks right."""
    with ThreadPoolExecutor() as pool:
        return pool.submit(tool).result(timeout=limit)


def with_daemon(tool: Callable, limit: float) -> Any:
    """A time limit that holds: nobody waits for the thread, not even the interpreter when it ends."""
    outcome: list[Any] = []

    def work() -> None:
        try:
            outcome.append((True, tool()))
        except BaseException as error:  # SystemExit, too: without an outcome it would read as a time-out
            outcome.append((False, error))

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    thread.join(limit)
    if not outcome:
        raise TimeoutError(f"no answer within {limit:g} s")
    worked, value = outcome[0]
    if not worked:
        raise value
    return value


still_running = threading.Event()


def hang() -> None:
    """A tool that takes far too long, and does its work in the end."""
    time.sleep(1.2)
    still_running.set()


waited = {}
for way in (with_pool, with_daemon):
    still_running.clear()
    begun = time.perf_counter()
    with contextlib.suppress(TimeoutError):
        way(hang, 0.2)
    waited[way.__name__] = time.perf_counter() - begun
    print(f"{way.__name__}: returned after {waited[way.__name__]:.1f} s")
time.sleep(1.3)
print("the work was done all the same:", still_running.is_set())
assert waited["with_pool"] > 1.1
assert waited["with_daemon"] < 1
assert still_running.is_set()

# %% [markdown]
# After 1.2 seconds. `result` raised in time, but leaving the `with` block waits for the thread. The version with a
# daemon thread returns at the limit. It asks whether the thread has left an outcome, never which exception came: a tool
# may raise a `TimeoutError` of its own, long before the limit, and that is its error and not your deadline. (Here both
# reach the caller as the same type; whoever has to tell them apart looks at `outcome`, as task 2.4 does.) Neither
# *stops* the tool: Python cannot end a thread. The work goes on behind your back and, as the last line shows, may well
# succeed. Two consequences. A tool needs time limits **inside**, on its own sockets and queries; the outer one is a net
# below them. And what cannot be trusted to end belongs in a process, which can be killed (L2.06).
#
# **Predict.** A limit inside, then: a server sends one byte every 0.1 seconds, eleven in all, and the client says
# `httpx.get(url, timeout=0.25)`. What happens?


# %%
async def drip(request):
    """A JSON document, one byte at a time."""

    async def pieces():
        for _ in range(10):
            yield b" "
            await asyncio.sleep(0.1)
        yield b"1"

    return StreamingResponse(pieces(), media_type="application/json")


async def silent(request):
    """Nothing, for a second."""
    await asyncio.sleep(1)
    return JSONResponse(1)


def get_within(client: httpx.Client, url: str, seconds: float) -> Any:
    """A GET with a limit on the whole, looked at whenever something arrives. Raises TimeoutError."""
    end = time.monotonic() + seconds
    with client.stream("GET", url, timeout=seconds) as response:
        body = b""
        for piece in response.iter_raw():
            body += piece
            if time.monotonic() > end:
                raise TimeoutError(f"{url} did not finish within {seconds:g} s")
    return json.loads(body)


ways = {
    "silent server, timeout=0.25": ("/silent", lambda c, url: c.get(url, timeout=0.25).json()),
    "dripping server, timeout=0.25": ("/drip", lambda c, url: c.get(url, timeout=0.25).json()),
    "dripping server, limit on the whole": ("/drip", lambda c, url: get_within(c, url, 0.25)),
}
rows = []
with (
    serve(Starlette(routes=[Route("/drip", drip), Route("/silent", silent)])) as url,
    httpx.Client(trust_env=False) as client,
):
    client.get(url)  # the connection's own time is not what we measure
    for name, (path, way) in ways.items():
        begun = time.perf_counter()
        try:
            ended = f"answered {way(client, url + path)}"
        except (TimeoutError, httpx.TimeoutException) as error:
            ended = type(error).__name__
        rows.append([name, ended, round(time.perf_counter() - begun, 2)])
style.table(
    rows,
    columns=["server, limit", "how it ended", "after (s)"],
    caption="A client's time-out limits each silence, not the whole: a slow drip never trips it.",
)
assert rows[1][1] == "answered 1"
assert rows[2][2] < rows[1][2]
assert rows[1][2] > 0.9

# %% [markdown]
# The dripping server wins. In httpx, as in most clients, `timeout` bounds each wait for the next bytes. That is right
# for downloads and wrong as a promise to a user. Hence two layers: the client's time-out against silence, the deadline
# of the registry against everything.
#
# ## 7. Idempotence <a id="idempotence"></a>
#
# No answer within the limit: try again? A time-out tells you that no answer came. It does not tell you whether the work
# was done. An operation is **idempotent** when doing it twice is the same as doing it once: reading, setting a value,
# deleting by id. *Order a lamp* is not.
#
# **Predict.** The shop below does what it is asked at once, but its answers are slow for a while. A client orders one
# lamp, with two retries. The first two answers come too late, the third in time. How many lamps are ordered?


# %%
class Shop:
    """An order service whose first answers are slow. With an idempotency key it remembers what it answered."""

    def __init__(self, slow_answers: int) -> None:
        self.slow_answers, self.orders, self.answered = slow_answers, [], {}

    async def order(self, request) -> JSONResponse:
        """The order is taken first; then the answer is late, as after a lost packet."""
        body, key = await request.json(), request.headers.get("idempotency-key")
        answer = self.answered.get(key)
        if answer is None:
            self.orders.append(body["item"])
            answer = {"order": len(self.orders), "item": body["item"]}
            if key is not None:
                self.answered[key] = answer
        self.slow_answers -= 1
        if self.slow_answers >= 0:
            await asyncio.sleep(1.5)
        return JSONResponse(answer)


def order(client: httpx.Client, url: str, item: str, tries: int, key: str | None = None) -> dict[str, Any]:
    """Order, and try again after a time-out."""
    headers = {} if key is None else {"Idempotency-Key": key}
    for _ in range(tries):
        with contextlib.suppress(httpx.TimeoutException):
            return client.post(url, json={"item": item}, headers=headers, timeout=0.7).json()
    return {"unknown": "No answer came. The order may have been placed or not; look before you order again."}


def lamps(slow_answers: int, tries: int, *keys: str | None) -> tuple[dict[str, Any], int]:
    """The last answer and the number of lamps, when one lamp is ordered once for each key."""
    shop = Shop(slow_answers)
    with (
        serve(Starlette(routes=[Route("/orders", shop.order, methods=["POST"])])) as url,
        httpx.Client(trust_env=False) as client,
    ):
        answers = [order(client, f"{url}/orders", "lamp", tries, key) for key in keys]
    return answers[-1], len(shop.orders)


cases = {
    "three tries, no key": (2, 3, None),
    "three tries, one key": (2, 3, "toolu_01"),
    "one try, no key": (1, 1, None),
    "one try, and the model calls again": (1, 1, "toolu_01", "toolu_02"),
}
rows = [[name, *lamps(*case)] for name, case in cases.items()]
style.table(
    [[name, count, json.dumps(answer)] for name, answer, count in rows],
    columns=["the client", "lamps", "what it was told last"],
    caption="One lamp was wanted, four times. Two of the four ways order one and know it or say that they do not.",
)
assert [count for _, _, count in rows] == [3, 1, 1, 2]

# %% [markdown]
# Three lamps, and a client that believes it has one. With an **idempotency key** the server recognises the repetition
# and gives the first answer again. The key names the *intention*, so it is made before the first try and kept through
# all of them. The id of the `tool_use` block is a natural one.
#
# The last row is the trap. A single try, which is careful; but the result reads like a failure, so the model calls
# again, with a new id, and there are two lamps. Against that no key made by the client helps: only words do. A write
# that timed out is not *failed*. It is **unknown**, the result must say so, and say how to find out.
#
# How common is it? If an answer is lost with probability $p$, and there are two retries, a client sends $1 + p + p^2$
# orders on the average, and all of them are taken. At one lost answer in twenty that is 1.0525: five customers in a
# hundred get a second lamp, and nobody's log shows an error.

# %% [markdown]
# ## 8. HTTP clients that behave <a id="http-clients"></a>
#
# Most tools are HTTP clients, and most of their failures are the other side's. The status says whose turn it is.
#
# | what came | retry a read? | why |
# | --- | --- | --- |
# | no connection, time-out | yes | nothing was decided |
# | 429 | yes, after `Retry-After` | you are too fast; they say for how long |
# | 500, 502, 503, 504 | yes | theirs, and often brief |
# | 400, 401, 403, 404, 422 | no | yours: the same request gets the same answer |
# | 200 with a body that does not parse | no | a bug on either side, not weather |
# | 200 with an empty list | no | an answer: there is no such city |
#
# Between tries, wait: 0.5 s, then 1, then 2, doubling each time. This is **exponential back-off**. By hand, the
# longest that one read may take with a time-out of 5 s and two retries: $3 \cdot 5 + 0.5 + 1 = 16.5$ seconds. If the
# deadline of the tool is 10 s, then the last retry never happens. Limits must be added up from the inside out.
#
# The service below is the course's own, with recorded days in the wire format of Open-Meteo, and with faults that we
# put before it.


# %%
AGAIN = {429, 500, 502, 503, 504}
BROKEN = (httpx.NetworkError, httpx.RemoteProtocolError, httpx.TimeoutException)  # no connection, a broken one, silence


def reason_of(response: httpx.Response) -> str:
    """The service's own words, if it has any. A proxy's 502 is a page in HTML."""
    try:
        return str(response.json()["reason"])
    except (ValueError, LookupError, TypeError, RecursionError):  # the last one for `[[[[...`
        return ""


def fetch(client: httpx.Client, url: str, params: dict[str, Any], *, retries: int = 2, sleep=time.sleep) -> Any:
    """A GET that is tried again where that helps. Raises ToolError with the service's own reason."""
    for attempt in range(retries + 1):
        wait = 0.5 * 2**attempt
        try:
            response = client.get(url, params=params, timeout=5, follow_redirects=False)
        except BROKEN as error:  # not TransportError: an address that is not HTTP is one, too, and stays wrong
            reason = type(error).__name__
        else:
            if response.is_success:
                return response.json()  # raises ValueError, or RecursionError for `[[[[...`; task 2.5 says what then
            reason = f"{response.status_code} {reason_of(response)}".strip()
            if response.status_code not in AGAIN:
                raise ToolError(f"The service refused: {reason}")
            asked = response.headers.get("retry-after", "") if response.status_code in (429, 503) else ""
            wait = max(wait, float(asked) if asked.isdecimal() else 0)  # it may also be a date; we do not read those
        if attempt < retries:
            sleep(wait)
    raise ToolError(f"The service failed {retries + 1} times, last with: {reason}. Try later.")


SEATTLE = {"latitude": 47.61, "longitude": -122.33, "daily": "temperature_2m_max,precipitation_sum"}
busy, late, lost = Fault("status", 503), Fault("status", 429, retry_after=3), Fault("cut")
stories: dict[str, tuple[list[Fault], str, dict[str, Any]]] = {
    "all is well": ([], "forecast", {**SEATTLE, "forecast_days": 1}),
    "503, a broken connection, 200": ([busy, lost], "forecast", {**SEATTLE, "forecast_days": 1}),
    "429 with Retry-After: 3, 200": ([late], "forecast", {**SEATTLE, "forecast_days": 1}),
    "503 for good": ([busy] * 9, "forecast", {**SEATTLE, "forecast_days": 1}),
    "99 days are asked for": ([], "forecast", {**SEATTLE, "forecast_days": 99}),
    "a city that is not there": ([], "search", {"name": "Narnia"}),
}
rows = []
with httpx.Client(trust_env=False) as client:
    for name, (plan, path, params) in stories.items():
        waits: list[float] = []
        with serve(services(faults=Faults(plan))) as url:
            try:
                found = fetch(client, f"{url}/v1/{path}", params, sleep=waits.append)  # written down, not waited
                outcome = str(found.get("daily", found.get("results", "no results")))
            except ToolError as error:
                outcome = str(error)
        rows.append([name, len(waits) + 1, waits, outcome])
style.table(
    rows,
    columns=["the service", "tries", "waits (s)", "outcome"],
    caption="Patience where it helps and none where not. No results are an answer, not a failure.",
)
assert [row[1] for row in rows] == [1, 3, 2, 3, 1, 1]
assert rows[2][2] == [3.0]

# %% [markdown]
# `sleep` is an argument, so a test of half a minute of waiting takes none.
#
# **Predict.** A service is down for two seconds, and 400 clients meet it at the same moment. All use the back-off
# above. What does the service see when it comes back?


# %%
def arrivals(jitter: bool, clients: int = 400, outage: float = 2.0) -> np.ndarray:
    """When requests arrive, retries included, until each client has met the service alive."""
    rng = np.random.default_rng(1)
    times = []
    for first in rng.uniform(0, 0.05, clients):
        now, attempt = first, 0
        times.append(now)
        while now < outage:
            longest = 0.5 * 2**attempt
            now += rng.uniform(0, longest) if jitter else longest
            attempt += 1
            times.append(now)
    return np.array(times)


edges = np.arange(0, 6.05, 0.05)
figure, axes = plt.subplots(1, 2, figsize=(8.6, 2.8), sharey=True)
peaks = {}
for axis, jitter in zip(axes, (False, True), strict=True):
    counts, _ = np.histogram(arrivals(jitter), edges)
    peaks[jitter] = counts[edges[:-1] >= 2].max()
    axis.bar(edges[:-1], counts, width=0.05, align="edge", color=style.BLUE if jitter else style.ORANGE)
    axis.axvspan(0, 2, color=style.GREY, alpha=0.12, linewidth=0)
    axis.set(xlabel="seconds", title=f"{'random' if jitter else 'fixed'} waits: {peaks[jitter]} at once, after 2 s")
axes[0].set_ylabel("requests in 0.05 s")
style.show(
    figure,
    caption="Down for two seconds (grey), then 400 clients return. Fixed waits keep them in step; random ones do not.",
    alt="Two histograms of arrivals: tall spikes at 0, 0.5, 1.5 and 3.5 seconds; and a low spread after the first.",
)
assert peaks[False] > 5 * peaks[True]

# %% [markdown]
# A wave. All wait 0.5, then 1, then 2 seconds, in step, and the whole crowd arrives within one twentieth of a second:
# the service, barely up, goes down again. **Jitter**, a wait drawn between 0 and the doubling limit, spreads them out.
# The SDK does it, too: `anthropic.Anthropic(max_retries=2)` retries 408, 409, 429 and 5xx with jittered back-off, and
# it honours `retry-after`. So never wrap it in a retry loop of your own: three tries of three are nine.
#
# ### Caching
#
# The forecast of a city does not change within a minute, and models like to ask twice. Keep answers for a **time to
# live**. One thing must never be kept. **Predict.** `functools.lru_cache` in front of a function that returns `None`
# when the service fails, a service that is down for the first call only: what do the second and third calls give?

# %% tags=["stable"]
state = {"calls": 0}


def flaky_lookup(city: str) -> dict[str, Any] | None:
    """A read from a service that is down at first."""
    state["calls"] += 1
    return None if state["calls"] == 1 else {"city": city, "temperature": 3}


class Cache:
    """Answers kept for `ttl` seconds of `clock`. What raises is not kept."""

    def __init__(self, ttl: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.ttl, self.clock, self.kept = ttl, clock, {}

    def get(self, key: Any, make: Callable[[], Any]) -> Any:
        """What was made for this key, made again when it is too old."""
        made = self.kept.get(key)
        if made is None or self.clock() - made[0] >= self.ttl:
            value = make()  # an exception in make() leaves the cache as it was
            made = self.kept[key] = (self.clock(), value)  # its life begins when it has come, not when it was asked for
        return made[1]


remembered = functools.lru_cache(flaky_lookup)
print("lru_cache:", [remembered("Oslo") for _ in range(3)])

now = [0.0]
cache = Cache(60, clock=lambda: now[0])
asked: list[float] = []
for now[0] in (0, 30, 59, 60, 61):
    cache.get(("Oslo", "celsius"), lambda: asked.append(now[0]))
print("asked the service at", asked)
assert asked == [0, 60]

# %% [markdown]
# `None` for ever: the cache cannot tell a failure from an answer, and serves the outage until the program ends. Raise
# on failure, and return `None` only for *there is no such city*, which is an answer and may be kept. And the key must
# hold everything that the answer depends on: a cache by city alone gives Celsius to whoever asks for Fahrenheit next.
#
# ## 9. The SDK's tool runner <a id="tool-runner"></a>
#
# You have written the loop. The SDK has one as well: `beta_tool` makes a definition from a function, `tool_runner`
# iterates over the turns. Same tool, same script. What does it send that we did not?

# %%
logging.getLogger("anthropic").setLevel(logging.CRITICAL)  # the runner logs every failure with its traceback
weather_tool = anthropic.beta_tool(get_weather)
calls = [ToolUse("get_weather", {"city": city}, id=f"toolu_{city}") for city in ("Oslo", "Narnia")]
calls.append(ToolUse("get_weather", {"town": "Oslo"}, id="toolu_town"))
with scripted(Reply.of(*calls), Reply.of("It is 3 °C in Oslo. I know nothing of Narnia.")) as (client, script):
    runner = client.beta.messages.tool_runner(
        model="scripted",
        max_tokens=200,
        tools=[weather_tool],
        messages=[question],
        thread=False,  # keep the history here; by default this SDK asks the service to hold it
    )
    for message in runner:
        print(message.stop_reason, [block.type for block in message.content])
for theirs, one in zip(script.requests[-1]["messages"][-1]["content"], calls, strict=True):
    mine = run_tool({"get_weather": get_weather}, one)
    print(f"\n{one.input}\n  theirs: {theirs['content']}\n  ours:   {mine['content']}")

# %% [markdown]
# The shape is ours: every call answered in one message, in order, failures as `is_error`. The words are not. A crash
# goes to the model as `repr(exception)`, whatever it holds. A wrong argument becomes *Invalid arguments*, without
# saying which, and the model has to guess. (`anthropic.lib.tools.ToolError` carries words of your own.)
#
# **Predict.** A runner with `max_iterations=2`, a model that goes on calling a tool that writes: two requests are sent.
# How many times does the tool run? And do two calls in one turn run side by side?

# %%
runs: list[float] = []


@anthropic.beta_tool
def order_lamp(count: int) -> str:
    """Order lamps."""
    runs.append(time.perf_counter())
    time.sleep(0.15)
    return "ordered"


again = Reply.of(ToolUse("order_lamp", {"count": 1}), ToolUse("order_lamp", {"count": 2}))
with scripted(again, again, again) as (client, script):
    runner = client.beta.messages.tool_runner(
        model="scripted", max_tokens=99, tools=[order_lamp], messages=[question], max_iterations=2, thread=False
    )
    last = runner.until_done()
print(f"{len(script.requests)} requests, {len(runs)} runs, last stop_reason: {last.stop_reason}")
print(f"the second call began {runs[1] - runs[0]:.2f} s after the first")
assert (len(script.requests), len(runs), last.stop_reason) == (2, 4, "tool_use")
assert runs[1] - runs[0] > 0.14

# %% [markdown]
# Four times, one after the other. The last turn's calls were run, and their results went nowhere: the lamps are
# ordered, and no model knows. Whether a limit should stop before or after running is a decision, and with tools that
# write it should be yours. Use the runner for reading tools and short programs. The capstone writes its own loop
# because it needs what the runner lacks: time-outs, a gate before writes, parallel reads, a budget.
#
# ## 10. The Model Context Protocol <a id="mcp"></a>
#
# So far each program brings its own tools. **MCP** puts them into a server of their own: any program that speaks the
# protocol can list its tools and call them. It sounds large. It is JSON-RPC, a request and a response with the same id,
# over a pipe or over HTTP. Here is a server, and a client made of two lines of JSON.

# %%
SERVER = '''
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

server = MCPServer("weather", log_level="CRITICAL")
DEGREES = {"Oslo": 3, "Rome": 14}

@server.tool()
def get_weather(city: str) -> str:
    """Today's temperature in a city."""
    if city == "Narnia":
        raise ToolError("There is no station in Narnia.")
    return f"{city}: {DEGREES[city]} degrees"

server.run("stdio")
'''
ENVELOPE = {  # each request says which protocol it speaks and what its client can do
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientInfo": {"name": "by-hand", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
process = subprocess.Popen(
    [sys.executable, "-c", SERVER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
)


def rpc(id: int, method: str, **params: Any) -> dict[str, Any]:
    """A line out, a line in."""
    request = {"jsonrpc": "2.0", "id": id, "method": method, "params": {**params, "_meta": ENVELOPE}}
    process.stdin.write(json.dumps(request) + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


listed = rpc(1, "tools/list")["result"]["tools"]
print(json.dumps(listed[0]["inputSchema"]))
results = [
    rpc(i, "tools/call", name="get_weather", arguments={"city": c})["result"]
    for i, c in enumerate(("Oslo", "Narnia", "Paris"), 2)
]
for result in results:
    print(result["isError"], result["content"])
process.stdin.close()
print("ended with", process.wait(10))
assert [result["isError"] for result in results] == [False, True, True]

# %% [markdown]
# That is the protocol. `inputSchema` is our `input_schema`, `isError` is our `is_error`, and a call is a name with
# arguments. Three remarks for production. For *Paris* the server crashed (a `KeyError`), and the client was told
# that something failed, not what: this SDK keeps a crash's text to itself, and only its `ToolError` speaks. A `print`
# in a server over a pipe lands in the middle of the protocol. And a server is somebody else's program: its
# descriptions enter your prompt, its results enter your conversation. L2.08 treats both as untrusted.
#
# Your loop takes tools from MCP without knowing it: list them, rename one key, and dispatch each call over the wire.
# Here with the SDK's client, which needs no process when the server is an object in your program:

# %%
import mcp.client
from mcp.server.mcpserver import MCPServer

server = MCPServer("weather", log_level="CRITICAL")
server.add_tool(get_weather)
call = ToolUse("get_weather", {"city": "Oslo"}, id="toolu_1")
with scripted(Reply.of(call), Reply.of("It is 3 °C and raining: yes.")) as (client, script):
    async with mcp.client.Client(server) as remote:
        listed = (await remote.list_tools()).tools  # noqa: F704  a notebook has an event loop of its own
        offered = [{"name": t.name, "description": t.description, "input_schema": t.input_schema} for t in listed]
        ask = functools.partial(client.messages.create, model="scripted", max_tokens=200, tools=offered)
        answer = ask(messages=[question])
        called = await remote.call_tool(answer.content[0].name, answer.content[0].input)  # noqa: F704
        result = {
            "type": "tool_result",
            "tool_use_id": answer.content[0].id,
            "content": "\n".join(part.text for part in called.content),
            "is_error": called.is_error,
        }
        call_turn = {"role": "assistant", "content": [b.model_dump(exclude_none=True) for b in answer.content]}
        final = ask(messages=[question, call_turn, {"role": "user", "content": [result]}])
print(result["content"], "->", final.content[0].text)
assert script.problems == []

# %% [markdown]
# ## Recap
# - A definition is derived from the signature at start-up; what has no schema is refused then (section 1).
# - Four steps: request, call, dispatch, result. The model runs nothing, the service remembers nothing, and each call
#   gets exactly one result, first thing in the next turn (section 2).
# - A tool choice is a measurement with an interval, of the model and of your definitions together (section 2).
# - Look names up in a table of what was offered; check arguments, and report all problems at once (section 3).
# - Results of parallel calls go back together, in the order of the calls (section 4).
# - A failure is a result in words: what happened, what is not known (section 5).
# - A time limit returns, it does not stop the work; limits belong inside and outside, and they add up (section 6).
# - Retry reads. Give writes a key, and call a write without an answer *unknown* (section 7).
# - Wait longer each time and at random, hear `Retry-After`, keep answers and never failures (section 8).
# - Runner and MCP carry the same messages as your loop. Read what they do with errors and limits (sections 9 and 10).
#
# ## Exercises
# **1. (5 min)** A client has a time-out of 3 s, three retries, and waits of 0.5 s that double. What is the longest
# time, in seconds, that one call of `fetch` may take?

# %%
your_answer_1 = None  # a number of seconds


def exercise_1(answer):
    if answer is None:
        return "Not attempted: how many tries are three retries?"
    expected = 4 * 3 + 0.5 + 1 + 2
    assert abs(answer - expected) < 1e-9, f"Not yet: {answer}. Count the tries, then the waits between them."
    return "Right. A tool that uses it needs a deadline above that, or the last tries are for nothing."


exercise_1(your_answer_1)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# Three retries are four tries, with three waits between them.
#
# </details>
# <details><summary>Approach</summary>
#
# $4 \cdot 3$ seconds of time-outs, plus the waits 0.5, 1 and 2.
#
# </details>
# <details><summary>Worked answer</summary>
#
# $12 + 3.5 = 15.5$ seconds. After the last try nobody waits.
#
# </details>
#
# **2. (10 min)** `definition` reads only one line for each argument. Write `argument_notes(doc)`: from a docstring that
# has been through `inspect.getdoc`, a mapping from argument to description. A description may go on in lines that are
# indented further; join them with one space. `city (str): ...` names `city`. Other sections (`Returns:`) end the list.

# %%
your_answer_2 = None  # a function


def exercise_2(answer):
    if answer is None:
        return "Not attempted: what tells a new argument from a line that goes on?"
    doc = """Plan it.

Args:
    city (str): The name
        of the city: in English.
    days: How many.

Returns:
    text: The plan."""
    want = {"city": "The name of the city: in English.", "days": "How many."}
    got = answer(doc)
    assert got == want, f"Not yet: {got}; it should be {want}."
    assert answer("No arguments.") == {}, "Not yet: without `Args:` there is nothing to say."
    return "Right. Task 2.2 asks for this, with a few more rules, and for the description in front of it."


exercise_2(your_answer_2)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# The indentation of the first line under `Args:` is that of every argument.
#
# </details>
# <details><summary>Approach</summary>
#
# Walk over the lines after `Args:`. Stop at a line that is not indented and not empty. A line with the first
# indentation begins an argument; a deeper one belongs to the argument before it.
#
# </details>
# <details><summary>Worked answer</summary>
#
# ```python
# def argument_notes(doc):
#     notes, name, base = {}, None, None
#     for line in doc.partition("Args:\n")[2].splitlines():
#         if not line.strip():
#             continue
#         indent = len(line) - len(line.lstrip())
#         if indent == 0:
#             break
#         base = indent if base is None else base
#         if indent > base:
#             notes[name] += " " + line.strip()
#         else:
#             head, _, words = line.strip().partition(": ")
#             name = head.partition(" (")[0]
#             notes[name] = words
#     return notes
# ```
#
# </details>
#
# **3. (15 min)** Write `answer_all(blocks, run, limit)`: run the calls `blocks` side by side with `run(name, input)`,
# give up on each after `limit` seconds, and return the user message with one result each, in the order of the calls. A
# call that raises or is too slow becomes an `is_error` result. Nothing may hold the function back.

# %%
your_answer_3 = None  # a function


def exercise_3(answer):
    if answer is None:
        return "Not attempted: `with_daemon` does it for one call."

    def run(name: str, arguments: dict[str, Any]) -> str:
        time.sleep(arguments["seconds"])
        if name == "broken":
            raise ToolError("no station there")
        return f"slept {arguments['seconds']}"

    asked = [("slow", 2.0), ("fine", 0.3), ("broken", 0.0), ("fine", 0.1)]
    blocks = [ToolUse(name, {"seconds": seconds}, id=f"toolu_{i}") for i, (name, seconds) in enumerate(asked)]
    begun = time.perf_counter()
    message = answer(blocks, run, 0.7)
    took = time.perf_counter() - begun
    results = message["content"]
    ids = [result["tool_use_id"] for result in results]
    assert message["role"] == "user", f"Not yet: results go into a user message, not {message['role']!r}."
    assert ids == [block.id for block in blocks], f"Not yet: the results stand in the order {ids}."
    errors = [bool(result.get("is_error")) for result in results]
    assert errors == [True, False, True, False], f"Not yet: is_error is {errors}."
    assert "no station there" in results[2]["content"], "Not yet: the tool's own words are lost."
    assert took < 1.5, f"Not yet: it took {took:.1f} s. Who waits for the slow one?"
    return "Right: side by side, in order, and nobody waits longer than the limit."


exercise_3(your_answer_3)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# A pool that is left by `with` waits for its slowest thread. Daemon threads do not hold anyone.
#
# </details>
# <details><summary>Approach</summary>
#
# Let a pool run `with_daemon` for every call: then the pool's own threads end within the limit. Turn exceptions into
# results inside the function that the pool maps.
#
# </details>
# <details><summary>Worked answer</summary>
#
# ```python
# def answer_all(blocks, run, limit):
#     def one(block):
#         failed = True
#         try:
#             content, failed = with_daemon(lambda: run(block.name, block.input), limit), False
#         except TimeoutError:
#             content = f"{block.name} did not answer within {limit:g} s. What came of it is not known."
#         except Exception as error:
#             content = str(error) or type(error).__name__
#         return {"type": "tool_result", "tool_use_id": block.id, "content": content, "is_error": failed}
#
#     with ThreadPoolExecutor(len(blocks)) as pool:
#         return {"role": "user", "content": list(pool.map(one, blocks))}
# ```
#
# </details>
#
# **4. (10 min)** Against a model that calls again after a time-out, derive the key from the intention: write
# `intention_key(conversation, name, arguments)`, a string that is the same for the same call within one conversation,
# whatever the order of the arguments, and different for anything else.

# %%
your_answer_4 = None  # a function


def exercise_4(answer):
    if answer is None:
        return "Not attempted: a key is a text that two equal calls share and two different ones do not."
    base = answer("c1", "order", {"item": "lamp", "count": 1})
    assert isinstance(base, str), "Not yet: a header's value is a string."
    assert base == answer("c1", "order", {"count": 1, "item": "lamp"}), "Not yet: the order of the arguments is in it."
    others = [
        ("c2", "order", {"item": "lamp", "count": 1}),
        ("c1", "cancel", {"item": "lamp", "count": 1}),
        ("c1", "order", {"item": "lamp", "count": 2}),
        ("c1", "order", {"item": "lamp", "count": "1"}),
        ("c1", "order", {"item": "lamp, count=1"}),
        ("c1", "order", {"item": "lamp"}),
    ]
    for other in others:
        assert answer(*other) != base, f"Not yet: {other} has the same key."
    assert answer("c1", "order", {"a": "1,b=2"}) != answer("c1", "order", {"a": "1", "b": "2"}), (
        "Not yet: a value that holds your separator forges another call."
    )
    return "Right. The price: whoever does want two lamps must say so in one call, or in a new conversation."


exercise_4(your_answer_4)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# You need one writing for each value, in which 1 and "1" differ.
#
# </details>
# <details><summary>Approach</summary>
#
# JSON with sorted keys is such a writing. A hash makes it short, and keeps the arguments out of logs.
#
# </details>
# <details><summary>Worked answer</summary>
#
# ```python
# def intention_key(conversation, name, arguments):
#     written = json.dumps([conversation, name, arguments], sort_keys=True)
#     return hashlib.sha256(written.encode()).hexdigest()
# ```
#
# </details>
#
# ## Quiz
# **1. The model answers with two `tool_use` blocks. The first tool raises. What do you send?**
#
# - (a) the result of the second only
# - (b) two results in one user message, the first with `is_error`
# - (c) the whole request again, in the hope of a better call
#
# <details><summary>Answer</summary>
#
# (b). Not (a): a call without a result is refused (section 2). Not (c): the model cannot learn from a failure that it
# is not told, and the second call would be made twice.
#
# </details>
#
# **2. A tool that transfers money timed out. The result should say**
#
# - (a) that the transfer failed
# - (b) nothing, and try again
# - (c) that it is unknown whether the transfer was made, and how to look
#
# <details><summary>Answer</summary>
#
# (c). Not (a): it may have been made, and the model would make it again (section 7). Not (b): without a key at the
# bank, a second try is a second transfer.
#
# </details>
#
# **3. Which answer may be kept in a cache for a minute?**
#
# - (a) 503, so that the service gets some rest
# - (b) a time-out
# - (c) an empty list of cities
#
# <details><summary>Answer</summary>
#
# (c): there is no such city, and there will be none in a minute. Not (a) and not (b): they say nothing about the city,
# and a cache would turn a second's outage into a minute's.
#
# </details>
#
# **4. On 24 requests, wording A of a description gets 18 calls right and wording B gets 20. You conclude that**
#
# - (a) B is better
# - (b) this does not tell them apart
# - (c) descriptions do not matter
#
# <details><summary>Answer</summary>
#
# (b). Wilson's intervals of 18 and of 20 out of 24 overlap almost entirely. Not (a): two requests are luck. Not (c):
# that a difference was not shown does not show that there is none.
#
# </details>
#
# ## Now build it
# Definitions with `roadmap check 2.2`, the registry with `roadmap check 2.4`, the weather and stock clients with
# `roadmap check 2.5`. The loop around them, `roadmap check 2.6`, is the subject of
# [the next lesson](06_agents.ipynb#the-loop).
#
# ## Further reading
# - Timo Schick and others, *Toolformer: Language Models Can Teach Themselves to Use Tools*, 2023.
# - Shishir Patil and others, *Gorilla: Large Language Model Connected with Massive APIs*, 2023: calls that exist, and
#   calls that are made up; its successor is the Berkeley Function-Calling Leaderboard.
# - Marc Brooker, *Timeouts, retries, and backoff with jitter*, Amazon Builders' Library, 2019.
# - Roy Fielding and others, *RFC 9110: HTTP Semantics*, 2022: sections 9.2.2 (idempotent methods) and 10.2.3
#   (Retry-After).
# - *Model Context Protocol Specification*, version 2026-07-28.
