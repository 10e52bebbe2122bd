# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   lesson:
#     id: L2.04
#     question: A program needs JSON and a model writes text. What turns one into the other, and what stays open?
#     objectives:
#       - read a JSON schema as a set of values, and find what it lets through by mistake
#       - take the first complete JSON value out of any answer, braces in strings included
#       - write a validator for a subset of JSON Schema, and test it against the library on random cases
#       - bound a repair loop, and measure it against drawing again
#       - build a token mask from an automaton, and check it against llguidance token by token
#       - say with numbers what constrained decoding guarantees, and what it does not
#     minutes: 60
#     prerequisites: [L1.06, L1.10]
#     topics:
#       T2.06: [json-schema, parsing, validation, repair, token-mask, constrained-decoding, sdk]
#     leads_to: ["2.2", "2.3"]
# ---

# %% [markdown]
# # Output you can parse
#
# A shop sells mugs, lamps, chairs and rugs. Orders arrive as sentences: *URGENT: 40 chairs to Madrid!* The warehouse
# wants `{"item": "chair", "count": 40, "city": "Madrid", "express": true}`, and its program stops at the first
# missing comma.
#
# Between the two stands a language model, which writes whatever comes to it. There are three ways to deal with that.
# **Check afterwards**: parse, validate, ask again (sections 2 to 4). **Prevent**: forbid every token that would leave
# the language (sections 5 and 6). **Let a service prevent it** (section 7). All three end in a valid order. Whether
# it is the order that the customer gave is another question, and we measure it on 48 messages whose answers we know.

# %%
import itertools
import json
import math
import random
import re
import time
import zlib
from collections import defaultdict
from typing import Literal

import anthropic
import jsonschema
import llguidance.hf
import llguidance.numpy
import matplotlib.pyplot as plt
import numpy as np
import pydantic
import torch
from llguidance import LLMatcher

from roadmap import artifacts
from roadmap.lessons import data, style
from roadmap.llm.engine import Engine, Sampling
from roadmap.llm.local import ARTIFACT, MODEL, LocalModel
from roadmap.llm.messages.app import application
from roadmap.llm.prompting import Turn, encode
from roadmap.llm.serving import serve

style.use()
STAGE = "stage2_prompting_tools"
engine = Engine(artifacts.path(ARTIFACT))  # SmolLM2 in llama.cpp
lines = data.path(STAGE, "04_structure_orders.jsonl").read_text(encoding="utf-8").splitlines()
orders = [json.loads(line) for line in lines]  # 48 of {"message": ..., "order": ...}
print(len(orders), "messages; the first:", orders[1]["message"])

# %% [markdown]
# ## 1. A schema is a set of values <a id="json-schema"></a>
#
# **JSON Schema** describes which JSON values are acceptable. It is itself JSON, and every keyword in it *forbids*
# something:
#
# | keyword | forbids |
# | --- | --- |
# | `type` | values of another type |
# | `enum`, `const` | all values but those listed |
# | `minimum`, `maximum` | numbers outside |
# | `minLength`, `pattern` | strings that are shorter; strings in which the pattern occurs nowhere |
# | `required` | objects that lack one of these keys |
# | `properties` | wrong values *under these keys* |
# | `additionalProperties: false` | objects with any other key |
# | `items`, `minItems` | lists with a wrong item; shorter lists |
# | `anyOf` | values that fit none of the schemas listed |
#
# The empty schema `{}` forbids nothing. So a schema is a set, and you can count it. By hand, for the schema below: 4
# items, 99 counts, 2 values of `express`. If there were 10 cities, it would hold $4 \cdot 99 \cdot 10 \cdot 2 =
# 7{,}920$ values, out of infinitely many.

# %% tags=["stable"]
ORDER = {
    "type": "object",
    "properties": {
        "item": {"enum": ["mug", "lamp", "chair", "rug"]},
        "count": {"type": "integer", "minimum": 1, "maximum": 99},
        "city": {"type": "string", "minLength": 1},
        "express": {"type": "boolean"},
    },
    "required": ["item", "count", "city", "express"],
    "additionalProperties": False,
}
library = jsonschema.Draft202012Validator(ORDER)
assert all(library.is_valid(entry["order"]) for entry in orders)

# %% [markdown]
# **Predict.** A colleague writes the schema `{"properties": {"count": {"type": "integer"}}}` and expects objects with
# a whole number under `count`. Which of these six values does it accept?
#
# `{"count": 3}`, `{"count": "3"}`, `{}`, `{"cuont": "x"}`, `"three mugs"`, `[1, 2]`

# %% tags=["stable"]
loose = {"properties": {"count": {"type": "integer"}}}
strict = {**loose, "type": "object", "required": ["count"], "additionalProperties": False}
values = [{"count": 3}, {"count": "3"}, {}, {"cuont": "x"}, "three mugs", [1, 2]]
accepts = [[jsonschema.Draft202012Validator(s).is_valid(value) for s in (loose, strict)] for value in values]
style.table(
    [
        [json.dumps(v), *("accepts" if ok else "refuses" for ok in both)]
        for v, both in zip(values, accepts, strict=True)
    ],
    columns=["value", "as written", "with type, required, additionalProperties"],
    caption="The colleague's schema accepts five of six. Three more keywords make it say what was meant.",
)
assert [first for first, _ in accepts] == [True, False, True, True, True, True]
assert [second for _, second in accepts] == [True, False, False, False, False, False]

# %% [markdown]
# Five. `properties` speaks of objects and of nothing else, so a string or a list passes. It does not ask for the key,
# and says nothing of other keys. Every object in a schema that a model is held to needs all three: `type`,
# `required`, `additionalProperties: false`. The tool schemas of task 2.2 are made that way.
#
# ## 2. Parsing: the first complete value <a id="parsing"></a>
#
# Now ask the model. `say` takes a conversation in the form of the Messages API. We describe the task in words, first
# without an example, then with two.
#
# **Predict.** The instruction names the format and the four keys. For what share of messages does the whole answer
# parse as JSON: with no example, with two?


# %%
SYSTEM = "Read the customer's message and answer with a JSON object with the keys item, count, city and express."
SHOWN = [
    ("I'd like to order a dozen mugs. The address is in Bergen. Take your time.", ["mug", 12, "Bergen", False]),
    ("We need 14 chairs in Lyon by tomorrow morning, please rush this.", ["chair", 14, "Lyon", True]),
]


def conversation(message: str, examples: int = 2) -> list[dict]:
    """The examples as earlier turns, then the message."""
    turns = []
    for said, parts in SHOWN[:examples]:
        answer = json.dumps(dict(zip(ORDER["required"], parts, strict=True)))
        turns += [{"role": "user", "content": said}, {"role": "assistant", "content": answer}]
    return [*turns, {"role": "user", "content": message}]


def say(messages: list[dict], *, temperature=0.0, seed=0, schema=None, max_tokens=48) -> str:
    """SmolLM2's answer to a conversation; under a schema, if one is given."""
    turns = [Turn("system", SYSTEM), *(Turn(m["role"], m["content"]) for m in messages), Turn("assistant", "", False)]
    sampling = Sampling(temperature=temperature, seed=seed)
    prompt = encode(turns, engine.tokenize)
    *pieces, _ = engine.complete(prompt, max_tokens=max_tokens, sampling=sampling, schema=schema)
    return "".join(pieces)


live = orders[:8]
bare = [say(conversation(entry["message"], 0), max_tokens=32) for entry in live[:3]]
free = [say(conversation(entry["message"])) for entry in live]
for name, answers in (("no example", bare), ("two examples", free)):
    print(f"{name}:", *(repr(text[:110]) for text in answers[:3]), sep="\n   ")


# %%
def parses(text: str) -> bool:
    """Whether the whole text is JSON."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


print("whole answer is JSON: ", sum(map(parses, bare)), "of 3 without,", sum(map(parses, free)), "of 8 with examples")
assert sum(map(parses, bare)) == 0
assert sum(map(parses, free)) >= 5

# %% [markdown]
# Without an example, this model talks. Examples do more for the form than any wording. (Larger models need fewer; all
# of them sometimes add a sentence, or a fence of three backticks.)
#
# So a parser must find the value *inside* a text. The usual first attempt is a regular expression, `\{.*\}`. A brace
# in a string, a second object, or braces in the prose break it. What we want is the **first complete value**: start
# at an opening bracket, and count.
#
# By hand, on `{"c": "}"} ok}`. Brackets count only outside strings:
#
# | read | `{` | `"c"` | `:` | `"}"` | `}` |
# | --- | --- | --- | --- | --- | --- |
# | depth | 1 | 1 | 1 | 1 | **0: complete** |
#
# Inside a string a backslash takes the next character along, so `\"` does not end it. When a candidate does not parse
# (*in {curly} form*), go on to the next opening bracket.


# %%
def closing(text: str, start: int) -> int | None:
    """The place after the bracket that closes the one at `start`; None when the text ends first."""
    depth, inside, i = 0, False, start
    while i < len(text):
        character = text[i]
        if inside:
            i += character == "\\"  # what follows a backslash is not looked at
            inside = character != '"'
        elif character == '"':
            inside = True
        elif character in "{[":
            depth += 1
        elif character in "}]":
            depth -= 1
            if depth == 0:
                return i + 1
        i += 1
    return None


def refuse(word: str):
    raise ValueError(f"{word} is not JSON")


def load(text: str):
    """Like json.loads, without NaN and Infinity, which Python reads and JSON does not have."""
    return json.loads(text, parse_constant=refuse)


def first_value(text: str):
    """The first complete object or list in a text. Raises ValueError."""
    for start in (match.start() for match in re.finditer(r"[{\[]", text)):
        end = closing(text, start)
        try:
            return load(text[start:end])
        except ValueError:
            continue
    raise ValueError("There is no JSON object or list in the text.")


def by_library(text: str):
    """The same with the decoder of the standard library, which stops where a value ends."""
    decoder = json.JSONDecoder(parse_constant=refuse)
    for match in re.finditer(r"[{\[]", text):
        try:
            return decoder.raw_decode(text, match.start())[0]
        except ValueError:
            continue
    raise ValueError("There is no JSON object or list in the text.")


def outcome(call, text: str) -> str:
    try:
        return json.dumps(call(text))
    except ValueError:
        return "nothing"


def widest(text: str):
    """From the first opening brace to the last closing one: the regular expression that everybody tries first."""
    match = re.search(r"\{.*\}", text, re.DOTALL)
    return load(match[0] if match else "")


texts = [
    '{"count": 2}',
    'Here you are:\n```json\n{"count": 2}\n```',
    'Sure: {"city": "a}b", "count": 2}. Anything else?',
    'First {"count": 2}, then {"count": 3}.',
    'In {curly} form: {"count": 2}',
    '{"count": 2, "city": "Os',
    "We have 3 orders.",
]
greedy = [outcome(widest, text) for text in texts]
ours = [outcome(first_value, text) for text in texts]
style.table(
    [[text.replace("\n", "⏎"), a, b] for text, a, b in zip(texts, greedy, ours, strict=True)],
    columns=["answer", "widest match of { ... }", "first complete value"],
    caption="Seven answers. A cut-off object has no complete value: that is a finding, not a reason to guess.",
)
assert ours == ['{"count": 2}', '{"count": 2}', '{"city": "a}b", "count": 2}', *['{"count": 2}'] * 2, *["nothing"] * 2]

rng = random.Random(4)
scraps = ["{", "}", "[", "]", '"', "\\", ":", ",", " ", "a", "1", '"a"', "{}", '{"a": 1}', "null", "NaN", "```"]
soups = ["".join(rng.choices(scraps, k=12)) for _ in range(4000)]
both = [(outcome(first_value, soup), outcome(by_library, soup)) for soup in soups]
print(f"{len(soups):,} random texts: {sum(a != 'nothing' for a, _ in both):,} hold a value, and the two agree on all")
assert all(a == b for a, b in both)

# %% [markdown]
# Two more traps in the standard library. `json.loads` reads `NaN`, which no other program will take from you. Of two
# equal keys it keeps the last, silently: `{"count": 1, "count": 9}` is 9.
#
# The order of a robust parser: the whole text; then what stands inside a fence; then the first complete value in the
# prose. Only objects and lists count there, or *We have 3 orders* would be the number 3.
#
# ## 3. Validation: every problem, with its place <a id="validation"></a>
#
# Parsed is not valid. A validator answers with a list: for each problem the place, as a path, and a sentence. All
# problems and not the first, because a repair that mends one a time costs a call a time.
#
# **Predict.** According to JSON Schema: is `true` an integer? Is `1.0`? Does `{"enum": [1]}` accept `true`? Does the
# pattern `sl` accept `"Oslo"`?

# %% tags=["stable"]
TYPES = {
    "object": lambda v: isinstance(v, dict),
    "array": lambda v: isinstance(v, list),
    "string": lambda v: isinstance(v, str),
    "boolean": lambda v: isinstance(v, bool),
    "null": lambda v: v is None,
    "number": lambda v: isinstance(v, int | float) and not isinstance(v, bool),
    "integer": lambda v: isinstance(v, int | float) and not isinstance(v, bool) and v == int(v),
}


def same(a, b) -> bool:
    """Equality of JSON: 1 is 1.0, but true is not 1, at any depth."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return a == b


def problems(value, schema: dict, path: str = "") -> list[str]:
    """Every problem as 'path: sentence'. A subset of JSON Schema, Draft 2020-12."""
    found = []
    if "type" in schema and not TYPES[schema["type"]](value):
        return [f"{path or '/'}: must be of type {schema['type']}"]  # what follows would only confuse
    if "enum" in schema and not any(same(value, one) for one in schema["enum"]):
        found.append(f"{path or '/'}: must be one of {json.dumps(schema['enum'])}")
    if TYPES["number"](value) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        found.append(f"{path or '/'}: must be from {schema.get('minimum')} to {schema.get('maximum')}")
    if isinstance(value, str):
        if len(value) < schema.get("minLength", 0):
            found.append(f"{path or '/'}: must have {schema['minLength']} characters or more")
        if not re.search(schema.get("pattern", ""), value):
            found.append(f"{path or '/'}: must match {schema['pattern']}")
    if isinstance(value, dict):
        known = schema.get("properties", {})
        found += [f"{path}/{key}: is missing" for key in schema.get("required", ()) if key not in value]
        for key, inner in value.items():
            if key in known:
                found += problems(inner, known[key], f"{path}/{key}")
            elif schema.get("additionalProperties") is False:
                found.append(f"{path}/{key}: is not allowed")
    if isinstance(value, list):
        for place, inner in enumerate(value):
            found += problems(inner, schema.get("items", {}), f"{path}/{place}")
    if "anyOf" in schema and all(problems(value, choice, path) for choice in schema["anyOf"]):
        found.append(f"{path or '/'}: fits none of the alternatives")
    return found


for value, schema in [(True, {"type": "integer"}), (1.0, {"type": "integer"}), (True, {"enum": [1]})]:
    print(json.dumps(value), json.dumps(schema), "->", problems(value, schema) or "valid")
print('"Oslo"', "pattern sl", "->", problems("Oslo", {"pattern": "sl"}) or "valid")
print(problems({"item": "sofa", "count": 0, "cty": "Oslo", "express": "no"}, ORDER))

# %% [markdown]
# No, yes, no, yes. JSON knows numbers and not their storage, so `1.0` is a whole number. In Python `True` *is* an
# `int` and equals 1, so `isinstance` and `in` both lie. A pattern is searched for, and has to bring its own `^` and
# `$`.
#
# How do we know that forty lines agree with a standard? Draw random schemas and values, and compare with the library.
# This is **differential testing**, and it finds what examples miss. The same test, on the obvious version with
# `isinstance(v, int)` and `in`:

# %% tags=["stable"]
rng = random.Random(11)
ATOMS = [None, True, False, 0, 1, 2, 1.0, 1.5, 0.0, "", "a", "ab", [], {}, [1], [True], {"a": 1}, {"a": "x", "b": None}]


def any_value(depth: int = 2):
    if depth and rng.random() < 0.5:
        inner = [any_value(depth - 1) for _ in range(rng.randint(0, 3))]
        return inner if rng.random() < 0.5 else dict(zip("abc", inner, strict=False))
    return rng.choice(ATOMS)


def any_schema(depth: int = 2) -> dict:
    possible = {
        "type": lambda: rng.choice(list(TYPES)),
        "enum": lambda: rng.sample(ATOMS, 3),
        "minimum": lambda: rng.choice([0, 1, 1.5]),
        "minLength": lambda: rng.randint(0, 2),
        "pattern": lambda: rng.choice(["a", "^a$", "b"]),
        "required": lambda: rng.sample("abc", rng.randint(1, 2)),
        "additionalProperties": lambda: False,
        "properties": lambda: {key: any_schema(depth - 1) for key in rng.sample("abc", 2)} if depth else {},
        "items": lambda: any_schema(depth - 1) if depth else {},
        "anyOf": lambda: [any_schema(depth - 1) for _ in range(2)] if depth else [{}],
    }
    return {key: possible[key]() for key in rng.sample(list(possible), rng.randint(1, 3))}


cases = [(any_value(), any_schema()) for _ in range(4000)]
truth = [jsonschema.Draft202012Validator(schema).is_valid(value) for value, schema in cases]
careful = [not problems(value, schema) for value, schema in cases]
kept = TYPES["integer"], same
TYPES["integer"], same = lambda v: isinstance(v, int), lambda a, b: a == b
obvious = [not problems(value, schema) for value, schema in cases]
TYPES["integer"], same = kept
wrong = [sum(a != b for a, b in zip(answers, truth, strict=True)) for answers in (careful, obvious)]
print(
    f"{len(cases):,} cases, {sum(truth):,} valid. Disagreements: {wrong[0]} of ours, {wrong[1]} of the obvious version"
)
assert wrong[0] == 0
assert wrong[1] > 20

# %% [markdown]
# The `validate` of task 2.3 is this function with more order in it. The path of the whole value is the empty string, as
# JSON Pointer has it. Each broken keyword is a problem of its own: `minimum` and `maximum` are two. An `anyOf` that
# fails comes before what is wrong inside. And it knows `const`, the upper limits, a list of types, a schema under
# `additionalProperties`, and `True` and `False` as schemas.

# %% [markdown]
# ## 4. Repair, or draw again <a id="repair"></a>
#
# An invalid answer is not lost. Send it back with the problems, and ask for a corrected one. Such a **repair loop**
# has a bound: without one, a model that cannot do it costs you for ever. When the bound is reached, raise an error
# that carries the last problems.
#
# A schema cannot say everything. *The city must stand in the message* depends on the input; so validation is the
# schema plus a few lines of Python. What does this find in the eight answers?


# %%
def faults(text: str, message: str) -> list[str]:
    """What is wrong with an answer, in sentences that a model can act on."""
    try:
        value = first_value(text)
    except ValueError as error:
        return [str(error)]
    found = problems(value, ORDER)
    if not found and value["city"] not in message:
        found = [f"/city: {value['city']} does not stand in the message"]
    return found


def seed_of(message: str, answers: list[str]) -> int:
    """Another seed for each message and each call."""
    return zlib.crc32(message.encode()) % 10_000 + len(answers)


def repaired(message: str, answer: str, retries: int, temperature: float = 0.0) -> list[str]:
    """The answers of a repair loop, the first one included. Stops at a valid one or after `retries` more."""
    answers, messages = [answer], conversation(message)
    while (found := faults(answers[-1], message)) and len(answers) <= retries:
        complaint = "That is wrong. " + "; ".join(found) + ". Answer again with the corrected JSON only."
        messages = [*messages, {"role": "assistant", "content": answers[-1]}, {"role": "user", "content": complaint}]
        answers.append(say(messages, temperature=temperature, seed=seed_of(message, answers)))
    return answers


def drawn_again(message: str, answer: str, retries: int, temperature: float = 0.5) -> list[str]:
    """The baseline: the same question again, with another seed, and nothing said of the failure."""
    answers = [answer]
    while faults(answers[-1], message) and len(answers) <= retries:
        answers.append(say(conversation(message), temperature=temperature, seed=seed_of(message, answers)))
    return answers


for entry, answer in zip(live, free, strict=True):
    print(f"{entry['order']['city']:8}", faults(answer, entry["message"]) or "valid")

# %% [markdown]
# *Lyon* comes from our second example. The model copies the example where it should read the message: form and
# content of an example are learned together.
#
# **Predict.** We tell the model what is wrong and ask again. Baseline: ask the first question again at temperature
# 0.5 and say nothing. Which mends more, for this model?

# %%
broken = [(entry, answer) for entry, answer in zip(live, free, strict=True) if faults(answer, entry["message"])][:2]
for entry, answer in broken:
    print("message", entry["message"])
    print("first  ", answer[:110])
    print("repair ", repaired(entry["message"], answer, 1)[-1][:110])
    print("again  ", drawn_again(entry["message"], answer, 1)[-1][:110], "\n")

# %% [markdown]
# The repair copies the mistake. [Lesson 10 of stage 1](../stage1_foundations/10_decoding.ipynb#repetition) showed
# why: what stands in the context becomes more likely, and a repair loop puts the wrong answer there. Two messages
# prove nothing, so a script ran the cells above on all 48, and stored what came.

# %%
sweep = json.loads(data.path(STAGE, "04_structure_sweep.json").read_text(encoding="utf-8"))
loops = sweep["loops"]  # name: for each message, the call that was valid first (0 is the first), None if none was
colours = {"repair, T 0": style.GREY, "repair, T 0.5": style.ORANGE, "draw again, T 0.5": style.BLUE}


def wilson(hits: int, n: int, z: float = 1.96) -> tuple[float, float]:
    """A 95% interval of a share, also for small n. Source: Wilson, 1927."""
    middle, spread = hits + z * z / 2, z * (hits * (n - hits) / n + z * z / 4) ** 0.5
    return (middle - spread) / (n + z * z), (middle + spread) / (n + z * z)


figure, axis = plt.subplots(figsize=(6.2, 3.5))
valid_after = {}
for shift, (name, when) in zip((-0.06, 0, 0.06), loops.items(), strict=True):
    hits = [sum(first is not None and first <= calls for first in when) for calls in range(4)]
    valid_after[name] = hits
    low, high = zip(*(wilson(hit, len(when)) for hit in hits), strict=True)
    shares = np.array(hits) / len(when)
    spread = [shares - low, high - shares]
    axis.errorbar(np.arange(4) + shift, shares, spread, color=colours[name], marker="o", capsize=3, label=name)
axis.set(xticks=range(4), xlabel="further calls", ylabel="share valid", ylim=(0, 1))
axis.legend(loc="upper left")
style.show(
    figure,
    caption="48 messages, 95% intervals. Telling the model what is wrong mends less than asking again in silence.",
    alt="Three lines of valid share against further calls, 0 to 3. Drawing again climbs far above both repair lines.",
)
print(valid_after, "of", len(orders), "; first repairs at T 0 that copy the answer:", sweep["repairs_that_copy"])
assert valid_after["draw again, T 0.5"][3] > valid_after["repair, T 0.5"][3] >= valid_after["repair, T 0"][3]

# %% [markdown]
# For a model of this size, the repair is worth less than a second throw. Larger models do read the complaint; the
# figure is how you find out whether yours does. *Draw again* is the baseline that any repair loop has to beat, at
# equal calls.
#
# Note what the retries multiply: cost, waiting time, and the chance that a *wrong* answer passes because it happens
# to be valid. And one kind of failure is not worth a repair as it stands: an answer that was cut off (`stop_reason`
# is `max_tokens`) needs room, not criticism. Tell them apart.
#
# ## 5. Prevent: a mask over the vocabulary <a id="token-mask"></a>
#
# The model proposes a score for every token, and we choose. Then we may choose only tokens that keep the text inside
# the language. **Constrained decoding** sets the logits of all others to $-\infty$.
#
# By hand: the language is `true` and `false`, the vocabulary has nine tokens. An **automaton** reads characters; here
# a state is what has been read. A token is allowed when *all* its characters lead somewhere.
#
# | read so far | `t` | `tr` | `true` | `ue` | `f` | `fal` | `se` | `falsely` | end |
# | --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |
# | nothing | yes | yes | yes | | yes | yes | | **no** | |
# | `tr` | | | | yes | | | | | |
# | `fal` | | | | | | | yes | | |
# | `true` | | | | | | | | | **yes** |
#
# Tokens do not respect the borders of the grammar: `tr` ends inside a word, and a real vocabulary has `{"`, which is
# two symbols of JSON at once. Walking through the characters handles all of that. The end of the text is a token too,
# allowed only where the language may end.
#
# Now for real: an automaton of bytes for our orders, and SmolLM2's 49,152 tokens.


# %%
class Automaton:
    """States are numbers; `edges[state][byte]` is the next one."""

    def __init__(self) -> None:
        self.edges: defaultdict[int, dict[int, int]] = defaultdict(dict)
        self.fresh = itertools.count(1)

    def word(self, state: int, text: str, end: int | None = None) -> int:
        """Read a fixed text from `state`; its last byte leads to `end`, if given. Equal beginnings share states."""
        for place, byte in enumerate(text.encode()):
            last = place == len(text) - 1 and end is not None
            state = self.edges[state].setdefault(byte, end if last else next(self.fresh))
        return state

    def loop(self, state: int, characters: str, to: int | None = None) -> None:
        """Each of these characters leads to `to`, or back to `state`."""
        for byte in characters.encode():
            self.edges[state][byte] = state if to is None else to

    def walk(self, state: int, token: bytes) -> int | None:
        """The state after a token; None when it leaves the language."""
        for byte in token:
            state = self.edges[state].get(byte)
            if state is None:
                return None
        return state


LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz -"
machine = Automaton()
begin, item, digit, city, END = machine.word(0, '{"item": '), *(next(machine.fresh) for _ in range(4))
for name in ORDER["properties"]["item"]["enum"]:
    machine.word(begin, f'"{name}"', item)
counting = machine.word(item, ', "count": ')
machine.loop(counting, "123456789", digit)
second = next(machine.fresh)
machine.loop(digit, "0123456789", second)
machine.word(digit, ', "city": "', naming := next(machine.fresh))
machine.edges[second][ord(",")] = machine.edges[digit][ord(",")]
machine.loop(naming, LETTERS, city)
machine.loop(city, LETTERS)
saying = machine.word(city, '", "express": ')
for truth_value in ("true", "false"):
    machine.word(saying, truth_value + "}", END)

tokenizer, model = artifacts.load_causal_lm("smollm2-135m-instruct")
model.requires_grad_(False)
bpe = artifacts.Bpe.from_folder(artifacts.path("smollm2-135m-instruct"))
EOS = tokenizer.eos_token_id
ordinary = {number: token for number, token in bpe.vocab.items() if number not in bpe.special_tokens.values()}
masks: dict[int, torch.Tensor] = {}


def mask_of(state: int) -> torch.Tensor:
    """Which tokens are allowed in a state: (vocabulary,) of bool. Each state is worked out once."""
    if state not in masks:
        allowed = [number for number, token in ordinary.items() if machine.walk(state, token) is not None]
        masks[state] = torch.zeros(model.config.vocab_size, dtype=torch.bool)
        masks[state][allowed + [EOS] * (state == END)] = True
    return masks[state]


started = time.perf_counter()
places = {"at the start": 0, "after count:": counting, "in the city": city, "after }": END}
allowed_at = {place: mask_of(state).nonzero()[:, 0].tolist() for place, state in places.items()}
taken = (time.perf_counter() - started) / len(places)
style.table(
    [[place, len(ids), "  ".join(bpe.vocab[i].decode() for i in ids[:9])] for place, ids in allowed_at.items()],
    columns=["where", "tokens allowed", "the first of them"],
    caption=f"Masks of four states, out of 49,152 tokens; {taken * 1000:.0f} ms for each on this machine.",
)
assert [len(ids) for ids in allowed_at.values()][:2] == [2, 9]
assert len(allowed_at["in the city"]) > 40_000
assert allowed_at["after }"] == [EOS]

# %% [markdown]
# Two tokens may begin an order: `{`, and `{"`. Inside the city nearly the whole vocabulary fits, because most tokens
# are letters. Now decode: mask, take the best, walk on. We also record the **allowed mass**: how much probability the
# model itself had given to the allowed tokens, before the rest was masked.


# %%
def decode(message: str, examples: int) -> tuple[str, list[tuple[str, float]]]:
    """Greedy decoding under the automaton: the text, and for each token the allowed mass before masking."""
    turns = [Turn("system", SYSTEM), *(Turn(m["role"], m["content"]) for m in conversation(message, examples))]
    ids, cache = encode([*turns, Turn("assistant", "", False)], engine.tokenize), None
    state, steps, text = 0, [], b""
    while len(steps) < 40:
        out = model(torch.tensor([ids]), past_key_values=cache, use_cache=True)
        logits, cache = out.logits[0, -1], out.past_key_values  # (vocabulary,)
        allowed = mask_of(state)
        mass = float(logits.softmax(-1)[allowed].sum())
        token = int(logits.masked_fill(~allowed, -torch.inf).argmax())
        steps.append((bpe.vocab[token].decode() if token != EOS else "end", mass))
        if token == EOS:
            break
        state, text, ids = machine.walk(state, bpe.vocab[token]), text + bpe.vocab[token], [token]
    return text.decode(), steps


runs = {examples: decode(live[0]["message"], examples) for examples in (0, 2)}
figure, axes = plt.subplots(2, 1, figsize=(8.2, 5.2))
for axis, (examples, (text, steps)) in zip(axes, runs.items(), strict=True):
    axis.bar(range(len(steps)), [mass for _, mass in steps], color=style.BLUE if examples else style.ORANGE)
    axis.set_xticks(range(len(steps)), [repr(piece)[1:-1] for piece, _ in steps], rotation=60, fontsize=8)
    axis.set(ylim=(0, 1.02), ylabel="allowed mass", title=f"{examples} examples")
    together = np.prod([mass for _, mass in steps])
    print(f"{examples} examples: {text}   product of the allowed masses {together:.1e}")
    assert not problems(json.loads(text), ORDER)
style.show(
    figure,
    caption="How much of the model's probability the mask left, token by token. Low bars are where it was overruled.",
    alt="Two bar charts over the tokens of an order. Without examples several bars are near zero; with two, almost all "
    "are near one.",
)
products = [float(np.prod([mass for _, mass in steps])) for _, steps in runs.values()]
assert products[0] < 1e-3 < 0.05 < products[1]

# %% [markdown]
# Both texts are valid. With examples, the mask had little to do. Without, the first bars are near zero: the model
# wanted to talk about Norway. The product of the bars says by how much the mask raised the probability of the text
# that came out. **A mask guarantees form, and where the bars are low, that is all it does**: the model is led through
# a text that it would not have written. So prompt for the format as if there were no mask, and then mask.
#
# ## 6. Constrained decoding for real <a id="constrained-decoding"></a>
#
# Our automaton took a page for one schema, it cannot nest, and it looks at every token for every state. Libraries
# compile any schema, and walk a tree of the vocabulary in which common beginnings are shared. **llguidance** is one;
# vLLM, SGLang and llama.cpp use it or something like it. First hold it against ours: the same language, written as a
# regular expression.
#
# **Predict.** At each step of the order above, is its set of allowed tokens the same as ours, smaller, or larger?


# %%
reader = llguidance.hf.from_tokenizer(tokenizer, n_vocab=model.config.vocab_size)
bitmask = llguidance.numpy.allocate_token_bitmask(1, reader.vocab_size)


def allowed_by(matcher: LLMatcher) -> set[int]:
    """The ids that llguidance allows now: one bit a token."""
    llguidance.numpy.fill_next_token_bitmask(matcher, bitmask)
    return set(
        np.flatnonzero(np.unpackbits(bitmask[0].view(np.uint8), bitorder="little")[: reader.vocab_size]).tolist()
    )


regex = r'\{"item": "(mug|lamp|chair|rug)", "count": [1-9][0-9]?, "city": "[A-Za-z \-]+", "express": (true|false)\}'
matcher = LLMatcher(reader, LLMatcher.grammar_from_regex(regex))
assert not matcher.get_error()  # the constructor does not raise: ask
state, compared, seconds = 0, [], []
for token in reader.tokenize_str(runs[2][0]):
    started = time.perf_counter()
    theirs = allowed_by(matcher)
    seconds.append(time.perf_counter() - started)
    mine = set(mask_of(state).nonzero()[:, 0].tolist())
    compared.append((bpe.vocab[token].decode(), len(mine), len(theirs), len(matcher.compute_ff_tokens())))
    assert theirs <= mine
    assert theirs == mine or len(theirs) == 1
    assert matcher.consume_token(token)
    state = machine.walk(state, bpe.vocab[token])
assert allowed_by(matcher) == {EOS} == set(mask_of(state).nonzero()[:, 0].tolist())
style.table(
    compared[:14],
    columns=["next token", "allowed by ours", "allowed by llguidance", "tokens forced from here"],
    caption="The first fourteen steps of one order. The sets are equal, except where the text is forced.",
)
forced = sum(theirs == 1 for _, _, theirs, _ in compared)
print(f"{np.median(seconds) * 1e6:.0f} microseconds a mask; {forced} of {len(compared)} tokens have no alternative")
assert forced > len(compared) / 2

# %% [markdown]
# Equal where the model has a choice. Where the text is forced, ours allows `{` and `{"`, and llguidance only the
# **canonical** token, the one that the tokenizer itself would write. The model has read `{"` as one token a million
# times. The upper plot above shows what ours did without examples: it began with `{`, then `"`, a spelling that the
# model hardly knows.
#
# And a surprise about cost: more than half of the tokens are **forced**. `compute_ff_tokens` returns them in one go,
# and they can be fed as a prompt is, many at a time. Constrained output can be *faster* than free text.
#
# llama.cpp, behind our `say`, compiles schemas too. So we can measure. Three ways, two examples each:
#
# - **free**: take what comes, parse and validate;
# - **schema**: constrained by `ORDER`;
# - **schema and spans**: the same, but `city` must be one of the capitalised words of *this* message.


# %%
def with_spans(message: str) -> dict:
    """The schema of one request: the city is one of the message's own words."""
    words = list(dict.fromkeys(re.findall(r"\b[A-Z][a-z]+\b", message)))
    return {**ORDER, "properties": {**ORDER["properties"], "city": {"enum": words}}}


WAYS = {"free": lambda message: None, "schema": lambda message: ORDER, "schema and spans": with_spans}


def marked(answer: str, order: dict) -> dict[str, bool]:
    """Is it JSON, is it valid, is each field right, is all of it right?"""
    try:
        value = first_value(answer)
    except ValueError:
        value = None
    fields = value if isinstance(value, dict) else {}
    right = {key: key in fields and same(fields[key], order[key]) for key in order}
    return {"JSON": value is not None, "valid": not problems(value, ORDER), **right, "all": same(value, order)}


results = {way: [] for way in WAYS}
for entry, first in zip(live, free, strict=True):
    for way, schema in WAYS.items():
        answer = first if way == "free" else say(conversation(entry["message"]), schema=schema(entry["message"]))
        results[way].append(marked(answer, entry["order"]))
style.table(
    [{"way": way, **{key: sum(row[key] for row in rows) for key in rows[0]}} for way, rows in results.items()],
    caption="Right answers on the eight live messages.",
)
assert all(row["valid"] for row in results["schema"] + results["schema and spans"])

# %% [markdown]
# **Predict.** On all 48: which columns does the schema lift, compared with *free*? Which do the spans lift? Is
# `express`, yes or no, better than a coin?

# %%
stored = sweep["ways"]  # way: for each message, the marks
keys = ["JSON", "valid", "item", "count", "city", "express", "all"]
figure, axis = plt.subplots(figsize=(8.2, 3.6))
hits = {way: {key: sum(row[key] for row in rows) for key in keys} for way, rows in stored.items()}
for number, (way, colour) in enumerate(zip(stored, (style.GREY, style.ORANGE, style.BLUE), strict=True)):
    shares = np.array([hits[way][key] for key in keys]) / len(orders)
    low, high = zip(*(wilson(hits[way][key], len(orders)) for key in keys), strict=True)
    places = np.arange(len(keys)) + 0.27 * (number - 1)
    axis.bar(places, shares, 0.26, color=colour, label=way)
    axis.errorbar(places, shares, [shares - low, high - shares], fmt="none", ecolor="#262626", elinewidth=1)
axis.axhline(0.5, linestyle="--", linewidth=1, color=style.PURPLE)
axis.set_xticks(range(len(keys)), keys)
axis.set(ylim=(0, 1.05), ylabel="share of 48 messages")
axis.legend(loc="upper center", bbox_to_anchor=(0.5, 1.17), ncols=3)
style.show(
    figure,
    caption="Form is perfect under a schema. Truth is not: the yes-or-no field stays near a coin's 0.5 (dashed).",
    alt="Grouped bars for three ways and seven marks. JSON and valid reach 1.0 with a schema; city rises with spans; "
    "express stays near one half in all three; all four fields right is far below one.",
)
style.table(
    [{"way": way, **hits[way]} for way in stored],
    caption="The same, counted: right answers of 48.",
)
gains = {}
for way in ("schema", "schema and spans"):
    pairs = [(a["all"], b["all"]) for a, b in zip(stored["free"], stored[way], strict=True)]
    won, lost = sum(b > a for a, b in pairs), sum(a > b for a, b in pairs)
    # Exact sign test: how often would a fair coin part the messages that differ at least so unevenly?
    chance = min(1.0, 2 * sum(math.comb(won + lost, k) for k in range(min(won, lost) + 1)) / 2 ** (won + lost))
    gains[way] = chance
    print(f"all four right, {way} against free: {won} messages won, {lost} lost, p = {chance:.4f}")
assert hits["schema"]["valid"] == hits["schema and spans"]["valid"] == len(orders)
assert gains["schema"] > 0.05 > gains["schema and spans"]
assert hits["schema and spans"]["city"] == len(orders) > hits["schema"]["city"] + 15
for way in WAYS:
    assert wilson(hits[way]["express"], len(orders))[0] < 0.5
assert wilson(hits["schema and spans"]["express"], len(orders))[1] > 0.5

# %% [markdown]
# The schema lifts *JSON* and *valid* to certainty. *All four right* moves by less than chance could explain. The
# spans make *city* right every time, because they put the message into the grammar: a constraint helps with truth
# exactly as far as it depends on the input. Nothing lifts `express`. Its answer is no word of the message but a
# judgement, and in no way is it better than a coin.
#
# Without a schema, *Madrid* under `express` was an alarm. Now `true` stands there, and no alarm will ring. **What you
# no longer notice as a parse error, you must measure on an evaluation set.**
#
# One more thing that a mask cannot do is refuse. What if a customer orders something that we do not sell?

# %%
absent = [
    "Two sofas to Rome, please.",
    "I need a bed in Paris by tonight.",
    "One desk, Warsaw.",
]
items = ORDER["properties"]["item"]["enum"]
roomy = {**ORDER, "properties": {**ORDER["properties"], "item": {"enum": [*items, "other"]}}}
named = [[json.loads(say(conversation(m), schema=s))["item"] for s in (ORDER, roomy)] for m in absent]
style.table(
    [[message, *pair] for message, pair in zip(absent, named, strict=True)],
    columns=["message", "four items", "four items and other"],
    caption="Orders for what the shop does not sell. Under four items, every answer has to be a lie.",
)
assert all(first in items for first, _ in named)
assert "other" not in [second for _, second in named]

# %% [markdown]
# With an enum of four, one of four it is. Give every enum a way out (`other`, `null`), *and* show an example that
# takes it: without one, this model does not use it, as the last column shows.
#
# ## 7. Structured output in the SDK <a id="sdk"></a>
#
# Hosted models offer the same. In the Messages API it is `output_config`: a format of type `json_schema`, and the
# service holds the answer to it. The course's local endpoint speaks that API, so the real SDK works against it. Three
# calls: the plain one; `messages.parse`, which makes the schema from a Pydantic model and returns an object; and one
# that is cut off.


# %%
class Order(pydantic.BaseModel):
    """An order that a warehouse can pack in one day."""

    item: Literal["mug", "lamp", "chair", "rug"]
    count: int = pydantic.Field(ge=1, le=30)
    city: str
    express: bool


with serve(application(LocalModel(engine))) as url:
    client = anthropic.Anthropic(base_url=url, api_key="local", max_retries=0, timeout=120)

    def request(message: str, **more) -> dict:
        return {"model": MODEL, "max_tokens": 60, "system": SYSTEM, "messages": conversation(message), **more}

    small, large = orders[3]["message"], orders[1]["message"]  # 2 mugs; 40 chairs
    output = {"format": {"type": "json_schema", "schema": ORDER}}
    plain = client.messages.create(**request(small, output_config=output))
    parsed = client.messages.parse(**request(small), output_format=Order)
    cut = client.messages.create(**request(small, output_config=output, max_tokens=9))
    print(plain.stop_reason, plain.content[0].text)
    print(parsed.stop_reason, repr(parsed.parsed_output))
    print(cut.stop_reason, cut.content[0].text, "-> JSON:", parses(cut.content[0].text))
    try:
        refused = client.messages.parse(**request(large), output_format=Order)
    except pydantic.ValidationError as error:
        refused = None
        print("40 chairs:", error.errors()[0]["loc"], error.errors()[0]["msg"])

print("sent for count:", anthropic.transform_schema(Order)["properties"]["count"])
assert isinstance(parsed.parsed_output, Order)
assert cut.stop_reason == "max_tokens"
assert not parses(cut.content[0].text)
assert "maximum" not in anthropic.transform_schema(Order)["properties"]["count"]
assert refused is None

# %% [markdown]
# Two things to take along. A constrained answer that hits `max_tokens` is a valid *beginning*: look at `stop_reason`
# before you parse. And read the last line. The hosted service's grammar does not take `minimum` and `maximum`; the
# SDK moves them into the **description**, where the model may or may not heed them. The promise you wrote with
# `le=30` is kept only by the validation afterwards, which is why `parse` raised an error for 40 chairs. Constrained
# decoding replaces the parser's worries. It never replaces the validator.
#
# ## Recap
# - A schema is a set; every keyword forbids, and only for its own type (section 1).
# - Take the first complete value: count brackets outside strings, go on when a candidate fails (section 2).
# - `true` is not 1, `1.0` is; random cases against the library find what examples miss (section 3).
# - A repair loop needs a bound and a baseline. Here, drawing again beat it (section 4).
# - A mask is an automaton walked by each token's bytes. The allowed mass says how far the model was overruled
#   (section 5).
# - llguidance allows the same tokens, canonical ones where the text is forced, in microseconds (section 6).
# - Constrained output was valid 48 times in 48, and right in a minority; a grammar built from the message repaired
#   one field (section 6).
# - Look at `stop_reason`, and validate after the service as well (section 7).
#
# ## Exercises
# **1. (3 min)** How many values has the schema `{"type": "object", "properties": {"a": {"type": "boolean"}, "b":
# {"enum": [1, 2, 3]}}, "required": ["a"], "additionalProperties": false}`?

# %%
your_answer_1 = None  # a number


def exercise_1(answer):
    if answer is None:
        return "Not attempted: which key may be absent?"
    assert answer == 8, f"Not yet: {answer}. The key b has three values, and may also be missing."
    return "Right. Optional keys multiply: ten of them make a thousand shapes for the program behind."


exercise_1(your_answer_1)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# Only `a` is required.
#
# </details>
# <details><summary>Approach</summary>
#
# Multiply the possibilities of `a` by those of `b`, *absent* among them.
#
# </details>
# <details><summary>Worked answer</summary>
#
# $2 \cdot (3 + 1) = 8$
#
# </details>
#
# **2. (10 min)** Write `extract(text)`: the whole text if it is JSON of any kind; else the content of the first fence
# (three backticks, with or without a language) that is JSON; else the first complete object or list. It raises
# ValueError when there is none.

# %%
your_answer_2 = None  # a function of text
FENCE = "`" * 3


def exercise_2(answer):
    if answer is None:
        return "Not attempted: `load` and `first_value` do two thirds of it."
    wanted = [
        (" 3 ", 3),
        ('"yes"', "yes"),
        (f"See [1]:\n{FENCE}json\n" + '{"a": 1}\n' + FENCE, {"a": 1}),
        (f"{FENCE}\n[1, 2]\n{FENCE}", [1, 2]),
        ('I say {x} and {"a": "}{"} and more', {"a": "}{"}),
        (f"{FENCE}python\nprint()\n{FENCE}\nthen [3]", [3]),
    ]
    for text, want in wanted:
        try:
            got = answer(text)
        except ValueError:
            raise AssertionError(f"Not yet: {text!r} holds {want!r}, and you found nothing.") from None
        assert got == want, f"Not yet: {text!r} gives {got!r}, and should give {want!r}."
    for text in ("no order", "NaN", '{"a": 1', "We have 3 orders."):
        try:
            got = answer(text)
        except ValueError:
            continue
        raise AssertionError(f"Not yet: {text!r} gives {got!r}; it should raise ValueError.")
    return "Right. Note 'See [1]': prose comes before the fence and must wait for it."


exercise_2(your_answer_2)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# Three attempts in a row; each may fail with ValueError and pass on to the next.
#
# </details>
# <details><summary>Approach</summary>
#
# `re.findall` with three backticks, an optional word, a line break, then as little as possible up to three backticks,
# and `re.DOTALL`.
#
# </details>
# <details><summary>Worked answer</summary>
#
# ```python
# def extract(text):
#     fenced = re.findall(FENCE + r"\w*\n(.*?)" + FENCE, text, re.DOTALL)
#     for candidate in [text, *fenced]:
#         try:
#             return load(candidate)
#         except ValueError:
#             continue
#     return first_value(text)
# ```
#
# </details>
#
# **3. (5 min)** The vocabulary is `1`, `2`, `12`, `123`, `3,`, `,`. The language: numbers from 1 to 20 followed by a
# comma. Which tokens may come first? Give a set of strings.

# %%
your_answer_3 = None  # a set of strings


def exercise_3(answer):
    if answer is None:
        return "Not attempted: for each token, is there any text of the language that begins with it?"
    wanted = {"1", "2", "12", "3,"}
    assert set(answer) == wanted, f"Not yet: {sorted(answer)}. Some tokens end inside a number, some after the comma."
    return "Right. '123' leaves the language at its third character; '3,' is a whole text of it."


exercise_3(your_answer_3)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# A token need not be a whole number, and may be more than one.
#
# </details>
# <details><summary>Approach</summary>
#
# Walk each token's characters: after `1` anything from 0 to 9 or a comma may follow, after `2` only 0 or a comma,
# after `3` only a comma.
#
# </details>
# <details><summary>Worked answer</summary>
#
# `{"1", "2", "12", "3,"}`. `,` fails because a number has to come before it.
#
# </details>
#
# **4. (15 min)** The model gives `A` 0.9 and `B` 0.1. After `A` it gives `x` 0.01 and `z` 0.99; after `B` it gives
# `x` 1. The language allows only `Ax` and `Bx`. With what probability does *masked sampling* write `Bx`? And with
# what probability does the model write `Bx`, *given that* its unmasked text is in the language? Give both, three
# decimals.

# %%
your_answer_4 = None  # (masked, conditional)


def exercise_4(answer):
    if answer is None:
        return "Not attempted: the mask only sees one step."
    masked, conditional = answer
    assert abs(masked - 0.1) < 6e-4, f"Not yet: {masked}. At the first step both A and B are allowed."
    assert abs(conditional - 0.1 / 0.109) < 6e-4, f"Not yet: {conditional}. Divide P(Bx) by P(Ax) + P(Bx)."
    return "Right. The mask asks what is legal now, not where the model would have ended well."


exercise_4(your_answer_4)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# The mask renormalises at each step. Conditioning renormalises once, over whole texts.
#
# </details>
# <details><summary>Approach</summary>
#
# Masked: the first step is unchanged, and after either letter `x` is forced. Conditional: $P(Ax) = 0.9 \cdot 0.01$,
# $P(Bx) = 0.1 \cdot 1$.
#
# </details>
# <details><summary>Worked answer</summary>
#
# Masked 0.100. Conditional $0.1 / (0.009 + 0.1) = 0.917$. The mask led nine of ten texts into a continuation that the
# model thought almost impossible.
#
# </details>
#
# ## Quiz
# **1. A constrained answer is valid JSON of your schema if**
#
# - (a) the model is large enough
# - (b) decoding ended because the language was complete
# - (c) the prompt contains the schema
#
# <details><summary>Answer</summary>
#
# (b). Not (a): our small model was valid 48 times in 48. Not (c): the mask works whatever the prompt says, though the
# content gets worse without one. What breaks it is `max_tokens`.
#
# </details>
#
# **2. Parse errors fell from 20% to 0 when constrained decoding was switched on. The share of right answers**
#
# - (a) rose by 20 points
# - (b) is unknown until it is measured
# - (c) fell, since the model was overruled
#
# <details><summary>Answer</summary>
#
# (b). Not (a): an answer that used to fail may now be a valid wrong one, as for `express`. Not (c): often nothing was
# overruled, as the bars with two examples show.
#
# </details>
#
# **3. Your repair loop mends 70% of the failures within two retries. Before you keep it, you**
#
# - (a) compare it with asking the first question again, two times
# - (b) raise the number of retries
# - (c) shorten the complaint
#
# <details><summary>Answer</summary>
#
# (a). Not (b): more calls improve any loop, a useless one too. Not (c): it may help, but you would not know what you
# are improving on.
#
# </details>
#
# **4. `additionalProperties: false` is missing from a schema. The worst that follows is**
#
# - (a) a validator that raises an error
# - (b) a misspelt optional key that is accepted and ignored
# - (c) a slower mask
#
# <details><summary>Answer</summary>
#
# (b): the object is valid, and what the customer wanted is lost. Not (a): extra keys are allowed then. Not (c): speed
# is no matter here.
#
# </details>
#
# ## Now build it
# Task 2.3 is sections 2 to 4: `roadmap check 2.3`. Task 2.2 writes the schemas of section 1 from Python functions:
# `roadmap check 2.2`. Its other half is [lesson 5](05_tools.ipynb).
#
# ## Further reading
# - Wright, Andrews, Hutton and Dennis, *JSON Schema: A Media Type for Describing JSON Documents*, Draft 2020-12,
#   2022.
# - Bray, *The JavaScript Object Notation (JSON) Data Interchange Format*, RFC 8259, 2017.
# - Willard and Louf, *Efficient Guided Generation for Large Language Models*, 2023: automata over a vocabulary.
# - Park and others, *Grammar-Aligned Decoding*, 2024: what masking does to the distribution (exercise 4).
# - Beurer-Kellner, Fischer and Vechev, *Guiding LLMs The Right Way: Fast, Non-Invasive Constrained Generation*, 2024:
#   why splits of tokens matter.
# - Claessen and Hughes, *QuickCheck: A Lightweight Tool for Random Testing of Haskell Programs*, 2000.
