# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   lesson:
#     id: L2.07
#     question: Sixteen prompts were tried, and the best one is right 19 times in 24. How good will it be tomorrow?
#     objectives:
#       - declare a task as a DSPy signature, and read what the model is really sent
#       - write an adapter, and measure how much of a result is the adapter's
#       - write a metric for both of its callers, and put an interval and a paired test beside every share
#       - split examples by label with duplicates kept together, and show what leaks otherwise
#       - say what two of DSPy's optimisers do, from their source, and which of their random choices you control
#       - compute how much a best-of-m figure is too high, and report a null result as one
#       - write an optimiser in forty lines
#     minutes: 60
#     prerequisites: [L2.02, L2.04]
#     topics:
#       T2.07: [metrics, splits, validation-overfitting]
#       T2.08: [signatures, adapters, optimisers, own-optimiser]
#     leads_to: ["2.9"]
# ---

# %% [markdown]
# # Prompts compiled, not typed
#
# A city library has four desks and one inbox. *Can I renew my books online?* goes to loans, *I need a quiet place for
# four people tomorrow* to rooms. A prompt sorts the requests, and somebody improves it: changes a word, swaps an
# example, tries it on the twenty requests at hand, keeps what looks better. After a week the prompt is long, nobody
# remembers why a sentence is in it, and the next model starts the game anew.
#
# **DSPy** takes the typing away. You declare *what* goes in and out, and write down how an answer is marked. A
# program finds the prompt: an **optimiser** tries prompts against the mark. That is a search, and a search finds
# things that are not there. So half of this lesson is about the tool, and half about the question of when its figures
# may be believed. We ask it over five seeds, with a baseline, and tell you what we found, which includes nothing.

# %%
import collections
import contextlib
import functools
import io
import itertools
import json
import math
import random
import unicodedata
from typing import Literal

import dspy
import matplotlib.pyplot as plt
import numpy as np
from dspy import lm15

from roadmap import artifacts
from roadmap.lessons import data, style
from roadmap.llm.engine import Engine
from roadmap.llm.local import ARTIFACT
from roadmap.llm.prompting import Turn, encode

style.use()
STAGE = "stage2_prompting_tools"
engine = Engine(artifacts.path(ARTIFACT))  # SmolLM2 in llama.cpp
dspy.configure_cache(enable_disk_cache=False)  # equal calls are answered from memory, and forgotten with the kernel
lines = data.path(STAGE, "07_dspy_requests.jsonl").read_text(encoding="utf-8").splitlines()
EXAMPLES = [dspy.Example(**json.loads(line)).with_inputs("request") for line in lines]  # request, desk
print(len(EXAMPLES), "requests;", dict(collections.Counter(example.desk for example in EXAMPLES)))
print(EXAMPLES[0])

# %% [markdown]
# `with_inputs` says which fields a program may see. The rest, here `desk`, are labels.
#
# DSPy speaks to models through LiteLLM or a client of its own: `dspy.LM("anthropic/...")` with a key. Anything else
# is an **engine**: an object whose `complete` turns one request into one answer. Retries, cache and history stay
# DSPy's business. Ours hands the request to llama.cpp, and so needs no key, no server of its own and no LiteLLM. (Older
# code subclasses `dspy.BaseLM` and overrides `forward`. In 3.4 that warns, and 3.5 is to remove it.)


# %%
tokenize = functools.cache(engine.tokenize)  # demos come again and again


class LocalEngine:
    """SmolLM2 for DSPy. Greedy: equal requests have equal answers."""

    supports_response_schema = True  # DSPy's JSONAdapter sends a schema only to engines that declare both of these
    supported_params = ("response_format",)
    asked = 0  # calls that reached the model

    def complete(self, request: lm15.Request) -> lm15.Response:
        system = request.system or ""
        system = system if isinstance(system, str) else "".join(part.text for part in system)
        turns = [Turn("system", system), *(Turn(message.role, message.text or "") for message in request.messages)]
        prompt = encode([*turns, Turn("assistant", "", closed=False)], tokenize)
        form = request.config.response_format or {}
        schema = form.get("schema") or form.get("json_schema", {}).get("schema")
        *pieces, done = engine.complete(prompt, max_tokens=request.config.max_tokens or 24, schema=schema)
        LocalEngine.asked += 1
        read, wrote = done.prompt_tokens, done.tokens
        return lm15.Response(
            id=None,
            model=request.model,
            message=lm15.Message.assistant([lm15.TextPart("".join(pieces))]),
            finish_reason="length" if done.reason == "limit" else "stop",
            usage=lm15.Usage(input_tokens=read, output_tokens=wrote, total_tokens=read + wrote),
        )


lm = dspy.LM("smollm2", engine=LocalEngine(), max_tokens=24, num_retries=0)
dspy.configure(lm=lm)

# %% [markdown]
# ## 1. A signature is a type, and a sentence <a id="signatures"></a>
#
# A **signature** names inputs and outputs with their types, and carries instructions. It does not say how the model
# is to be asked. Two spellings: a class, whose docstring is the instructions, and a dictionary, for names that are
# known only when the program runs. Ours come from a table of desks, as a router's come from its tools, so it is the
# second:
#
# ```python
# class Triage(dspy.Signature):
#     """Which desk of a city library should answer the request?"""
#
#     request: str = dspy.InputField()
#     desk: Literal["loans", "events", "rooms", "other"] = dspy.OutputField()
# ```


# %% tags=["stable"]
DESKS = {
    "loans": "borrowing, renewing, reserving and returning books and other media, and fines",
    "events": "readings, courses, talks, films, and what is on when",
    "rooms": "booking and using study rooms, the hall and desks",
}


def triage(desks: dict[str, str]) -> type[dspy.Signature]:
    """The signature request -> desk, for any table of desks. What the instructions leave out, the model never reads."""
    lines = [f"- {name}: {about}" for name, about in desks.items()]
    instructions = "\n".join(["Which desk of a city library should answer the request?", *lines, "- other: the rest"])
    output = Literal[(*desks, "other")]
    return dspy.Signature({"request": (str, dspy.InputField()), "desk": (output, dspy.OutputField())}, instructions)


Triage = triage(DESKS)
print(Triage.instructions, "\n")
for name, field in Triage.fields.items():
    print(f"{name}: {field.annotation}")

# %% [markdown]
# `dspy.Predict(Triage)` is the smallest program: one call. It has a list of **demos**, empty so far, which is what
# optimisers fill. Programs are classes with a `forward`, like modules in PyTorch, and optimisers find every `Predict`
# inside.
#
# **Predict.** *How long may I keep a novel?* is eight tokens, the instructions are about sixty. How many tokens does
# the model read when DSPy asks with its default adapter? And what does it do with the answer of a small model that
# does not keep to the form?


# %%
class Router(dspy.Module):
    """Sends a request to a desk."""

    def __init__(self, signature: type[dspy.Signature]):
        super().__init__()
        self.predict = dspy.Predict(signature)

    def forward(self, request: str) -> dspy.Prediction:
        """One question to the model. An answer that cannot be parsed sends the request to nobody."""
        try:
            return self.predict(request=request)
        except dspy.utils.exceptions.AdapterParseError:
            return dspy.Prediction(desk=None)


# %%
router = Router(Triage)
before = LocalEngine.asked
first = router(request=EXAMPLES[0].request)
asked_once = LocalEngine.asked - before
for call in lm.history[:1]:
    print(call["messages"][0]["content"], "\n")
    print(call["messages"][1]["content"], "\n")
print("calls:", asked_once, "| tokens read:", [call["usage"]["prompt_tokens"] for call in lm.history])
for call in lm.history:
    print("answer:", repr(call["outputs"][0]))
print("desk:", first.desk)

# %% [markdown]
# ## 2. The adapter writes the prompt <a id="adapters"></a>
#
# What you see above is the work of an **adapter**: it turns signature, demos and inputs into messages, and an answer
# back into fields. `ChatAdapter`, the default, frames each field with `[[ ## name ## ]]`. When the answer does not
# parse it asks *again*, with `JSONAdapter`, without telling you: count the calls, not the questions. `JSONAdapter`
# asks for an object, and holds the model to a schema
# ([lesson 4](04_structure.ipynb#constrained-decoding)) if the engine declares that it takes one.
#
# An adapter is a choice like any other, and you may write your own. The smallest for one input and one output: the
# instructions are the system message, the request is the user's turn, and the answer is the label, under a schema
# that allows only labels. Demos become earlier turns, as in [lesson 2](02_examples.ipynb#few-shot).


# %%
class PlainAdapter(dspy.Adapter):
    """For signatures with one input and one output, which is a Literal: nothing but the two of them, turn by turn."""

    def __call__(self, lm, lm_kwargs, signature, demos, inputs):
        (field,) = signature.output_fields.values()
        schema = {"type": "string", "enum": list(field.annotation.__args__)}
        wrapped = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
        return super().__call__(lm, {**lm_kwargs, "response_format": wrapped}, signature, demos, inputs)

    def format(self, signature, demos, inputs):
        (given,), (wanted,) = signature.input_fields, signature.output_fields
        messages = [{"role": "system", "content": signature.instructions}]
        for demo in demos:
            messages.append({"role": "user", "content": demo[given]})
            messages.append({"role": "assistant", "content": json.dumps(demo[wanted])})
        return [*messages, {"role": "user", "content": inputs[given]}]

    def parse(self, signature, completion):
        (wanted,) = signature.output_fields
        return {wanted: json.loads(completion)}


ADAPTERS = {
    "chat": dspy.ChatAdapter(use_json_adapter_fallback=False),  # alone, to see what it does by itself
    "JSON": dspy.JSONAdapter(),
    "plain": PlainAdapter(),
}

# %%
dspy.disable_logging()  # it warns that an answer was cut at 24 tokens
rows = []
for name, adapter in ADAPTERS.items():
    with dspy.context(adapter=adapter):
        answered = router(request=EXAMPLES[1].request)  # one that was not asked yet: the cache counts no tokens
    call = lm.history[-1]
    read, wrote = call["usage"]["prompt_tokens"], call["usage"]["completion_tokens"]
    rows.append([name, read, wrote, " ".join(call["outputs"][0].split())[:60], str(answered.desk)])
style.table(
    rows,
    columns=["adapter", "tokens read", "tokens written", "the model's words", "desk"],
    caption="One signature, one request, three adapters. Only the adapter differs.",
)
dspy.enable_logging()
assert max(row[1] for row in rows) > 2 * min(row[1] for row in rows)

# %% [markdown]
# The program is the same to the letter, and the model reads more than twice as much for one adapter as for another.
# One request proves nothing. A script asked 24 (from the validation split of section 4) through each adapter, without
# demos and with eight.
#
# **Predict.** Which moves the share of right answers more: the adapter, or the eight demos?


# %%
def wilson(right: int, total: int, z: float = 1.96) -> tuple[float, float]:
    """A 95% interval for a share, also for small numbers. Source: Wilson, 1927."""
    share, z2 = right / total, z * z
    centre = (share + z2 / (2 * total)) / (1 + z2 / total)
    reach = z / (1 + z2 / total) * math.sqrt(share * (1 - share) / total + z2 / (4 * total * total))
    return max(0.0, centre - reach), min(1.0, centre + reach)


# %%
sweep = json.loads(data.path(STAGE, "07_dspy_sweep.json").read_text(encoding="utf-8"))
figure, axis = plt.subplots(figsize=(6.4, 3.3))
for shift, (demos, colour) in zip((-0.18, 0.18), (("0", style.GREY), ("8", style.BLUE)), strict=True):
    asked = [sweep["adapters"][name][demos] for name in ADAPTERS]
    right = [sum(one["right"] for one in answers) for answers in asked]
    shares = np.array(right) / len(asked[0])
    low, high = zip(*(wilson(hits, len(asked[0])) for hits in right), strict=True)
    places = np.arange(len(asked)) + shift
    axis.bar(places, shares, 0.34, color=colour, label=f"{demos} demos")
    axis.errorbar(places, shares, [shares - low, high - shares], fmt="none", ecolor="#262626", elinewidth=1, capsize=3)
    for place, top, answers in zip(places, high, asked, strict=True):
        axis.text(place, top + 0.03, f"{sum(one['parsed'] for one in answers)} parsed", ha="center", fontsize=8)
axis.axhline(0.25, linestyle="--", linewidth=1, color=style.PURPLE)
axis.set_xticks(range(len(ADAPTERS)), ADAPTERS)
axis.set(ylim=(0, 1.1), ylabel="share right, of 24")
axis.legend(loc="upper left")
style.show(
    figure,
    caption="24 requests, 95% intervals; a guess is right in a quarter (dashed). Above each bar: answers that parsed.",
    alt="Grouped bars for the adapters chat, JSON and plain, without demos and with eight; above each bar the number "
    "of answers that could be parsed.",
)
for name in ADAPTERS:
    for demos in ("0", "8"):
        desks = collections.Counter(str(one["desk"]) for one in sweep["adapters"][name][demos])
        right = sum(one["right"] for one in sweep["adapters"][name][demos])
        print(f"{name:5} {demos} demos: {right:2} right; said", dict(desks))
assert not any(one["parsed"] for one in sweep["adapters"]["chat"]["0"])
assert all(one["parsed"] for one in sweep["adapters"]["chat"]["8"])
for name, demos in (("JSON", "0"), ("plain", "0"), ("JSON", "8"), ("chat", "8")):
    assert {one["desk"] for one in sweep["adapters"][name][demos]} == {"loans"}
assert len({one["desk"] for one in sweep["adapters"]["plain"]["8"]}) == 3

# %% [markdown]
# Neither moves much that matters. With `ChatAdapter` and no demos not one answer parsed. (The limit of 24 tokens is not
# to blame: with demos, the form fits into it every time.) A schema makes every answer parse and none of them better:
# all say *loans*, and seven of these 24 requests happen to be for loans. Only eight demos through the plain adapter got
# other desks named, and three more requests right, well within the intervals.
#
# So print two things beside every share: how many answers parsed, and which labels were said. No answer right can be a
# failure of form, and a quarter right can be a router that routes nothing.
#
# ## 3. The metric has two callers <a id="metrics"></a>
#
# An optimiser knows nothing of libraries. It sees one number for each answer, from the **metric**, and will exploit
# whatever that number rewards. Write it before any prompt, and test it like any function.
#
# DSPy calls a metric in two situations. When it *evaluates*, it passes an example and a prediction, and wants a mark.
# When it *collects demos*, it passes a third argument, the **trace** of the program's calls, and wants to know: is
# this fit to be shown to the model as a model answer? The second is stricter. `"Loans."` is a right answer; as a demo
# it would teach a wrong spelling.


# %% tags=["stable"]
def metric(example: dspy.Example, prediction: dspy.Prediction, trace=None) -> float | bool:
    """Evaluating: 1.0 for the right desk, however it is spelt. Collecting demos: only the very same string will do."""
    said = getattr(prediction, "desk", None)
    if trace is not None:  # and not `if trace`: a trace may be an empty list
        return said == example.desk
    return float(isinstance(said, str) and said.strip(" .\"'").casefold() == example.desk)


def hasty(example: dspy.Example, prediction: dspy.Prediction, trace=None) -> bool:
    """As one finds it everywhere: is the label in the answer?"""
    return example.desk in prediction.desk.lower()


asked = dspy.Example(request="Can I renew my books online?", desk="loans").with_inputs("request")
answers = ["loans", "Loans.", "rooms", "loans, events, rooms or other", None]
rows = []
for answer in answers:
    prediction = dspy.Prediction(desk=answer)
    try:
        quick = str(float(hasty(asked, prediction)))
    except AttributeError:
        quick = "AttributeError"
    rows.append([repr(answer), metric(asked, prediction), str(metric(asked, prediction, trace=[])), quick])
style.table(
    rows,
    columns=["answer", "evaluating", "fit for a demo", "hasty metric"],
    caption="Five answers to a request for loans. The hasty metric rewards a model that names every desk.",
    digits=1,
)
assert [row[1] for row in rows] == [1.0, 1.0, 0.0, 0.0, 0.0]
assert [row[2] for row in rows] == ["True", "False", "False", "False", "False"]

# %% [markdown]
# The fourth row is how metrics are gamed: nobody intends it, a search stumbles on a prompt that makes the model list
# all desks, and the score is perfect. The fifth row is the other danger, an exception. Where does it go?
#
# **Predict.** The model's server is down: every call raises an error. What does `dspy.Evaluate`, DSPy's own loop over
# a data set, return for eight examples?


# %% tags=["stable"]
class DeadEngine:
    """A server that is down."""

    def complete(self, request: lm15.Request) -> lm15.Response:
        raise lm15.ServerError("the model is not there")


evaluate = dspy.Evaluate(
    devset=EXAMPLES[:8], metric=metric, num_threads=1, max_errors=100, display_progress=False, provide_traceback=False
)
dspy.disable_logging()
with dspy.context(lm=dspy.LM("dead", engine=DeadEngine(), num_retries=0), adapter=ADAPTERS["plain"]):
    outcome = evaluate(router)
    try:
        router(request="Is anybody there?")
        raised = ""
    except Exception as error:
        raised = type(error).__name__
dspy.enable_logging()
print("dspy.Evaluate returns", outcome.score, "| one call alone raises", raised)
assert outcome.score == 0
assert raised

# %% [markdown]
# Zero per cent, and no exception: up to `max_errors`, a failed call is a wrong answer. An optimiser that compares
# candidates during an outage compares outages. For figures that decide something, loop yourself and let errors
# through; that is `marks`, below, and also what our `Router` does with everything but parse errors.
#
# A share needs its uncertainty. By hand, for 18 of 24: $p = 0.75$, $z^2 = 3.84$; Wilson's centre is $(0.75 +
# 3.84/48)/(1 + 3.84/24) = 0.83/1.16 = 0.716$, and the reach $1.96/1.16 \cdot \sqrt{0.75 \cdot 0.25/24 +
# 3.84/(4 \cdot 24^2)} = 0.165$. **From 0.55 to 0.88**, on twenty-four requests.
#
# Two programs on the *same* requests are compared request by request. Only those count on which exactly one is right.
# If 7 are won and 1 is lost, and both programs were equally good, each of the 8 would be a fair coin. At most 1 of 8
# on the rarer side, either side: $2 \cdot (1 + 8)/2^8 = 0.07$. Seven to one may still be luck. This is
# **McNemar's test** in its exact form.


# %% tags=["stable"]
def marks(program: dspy.Module, examples: list[dspy.Example]) -> list[float]:
    """The metric of every example, each asked once. Errors of the model propagate."""
    return [float(metric(example, program(**example.inputs()))) for example in examples]


def mcnemar(won: int, lost: int) -> float:
    """How often two equal programs would disagree at least so one-sidedly; exact, two-sided. Source: McNemar, 1947."""
    n, rarer = won + lost, min(won, lost)
    return min(1.0, 2 * sum(math.comb(n, i) for i in range(rarer + 1)) / 2**n)


print("18 of 24:", [round(end, 3) for end in wilson(18, 24)], "| 7 won, 1 lost: p =", round(mcnemar(7, 1), 4))
print("needed for p < 0.05 when none is lost:", next(n for n in range(1, 20) if mcnemar(n, 0) < 0.05))
assert [round(end, 2) for end in wilson(18, 24)] == [0.55, 0.88]
assert round(mcnemar(7, 1), 4) == 0.0703
assert mcnemar(5, 0) > 0.05 > mcnemar(6, 0)

# %% [markdown]
# ## 4. Three splits, one for each kind of decision <a id="splits"></a>
#
# Every choice that is made by looking at a figure makes that figure too high. So each kind of choice gets data of its
# own: **train** supplies the demos, **validation** chooses between candidates, **test** is looked at once, at the
# end, and decides nothing.
#
# Three things go wrong when the splits are drawn.
#
# - **Duplicates.** A log holds *Can I renew my books online?* twice, in two spellings. One goes to train and becomes a
#   demo, the other to test: the answer stands in the prompt. So equal texts stay together, where *equal* is meant
#   after case, white space and Unicode form are taken away.
# - **Proportions.** Of four desks and a small split, chance leaves one almost out. So each label is shared out by
#   itself (a **stratified** split).
# - **Rounding.** Seven texts at one half, one quarter, one quarter: 3.5, 1.75, 1.75. Everybody gets the whole part, 3,
#   1, 1. Two are left, and go to the largest remainders, 0.75 and 0.75: 3, 2, 2. This is the method of the **largest
#   remainder**, and its parts always add up.


# %% tags=["stable"]
def canonical(text: str) -> str:
    """What is left of a text when case, white space and Unicode form are taken away."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def shares(total: int, fractions: tuple[float, ...]) -> list[int]:
    """Whole numbers in the proportion of the fractions that add up to `total`; of equal remainders the earlier wins."""
    exact = [total * fraction for fraction in fractions]
    counts = [math.floor(one + 1e-9) for one in exact]  # 0.3 * 10 is 2.999...
    by_remainder = sorted(
        range(len(exact)), key=lambda i: -round(exact[i] - counts[i], 9)
    )  # sorted keeps ties in order
    for i in by_remainder[: total - sum(counts)]:
        counts[i] += 1
    return counts


def split(examples: list[dspy.Example], seed: int, fractions=(0.4, 0.2, 0.4)) -> tuple[list[dspy.Example], ...]:
    """Train, validation and test: the same proportions of every desk, equal texts together."""
    rng = random.Random(seed)
    copies = collections.defaultdict(list)  # text: its examples
    for example in examples:
        copies[canonical(example.request)].append(example)
    parts = tuple([] for _ in fractions)
    for desk in sorted({example.desk for example in examples}):
        texts = sorted(text for text, group in copies.items() if group[0].desk == desk)  # whatever the file's order
        rng.shuffle(texts)
        ends = list(itertools.accumulate(shares(len(texts), fractions)))
        for part, begin, end in zip(parts, [0, *ends], ends, strict=False):
            part += [example for text in texts[begin:end] for example in copies[text]]
    for part in parts:
        rng.shuffle(part)  # optimisers take the first that will do: not all of one desk
    return parts


def leaks(parts: tuple[list[dspy.Example], ...]) -> int:
    """How many texts of test stand in train."""
    seen = {canonical(example.request) for example in parts[0]}
    return sum(canonical(example.request) in seen for example in parts[-1])


def careless(examples: list[dspy.Example], seed: int) -> tuple[list[dspy.Example], ...]:
    """Shuffle and cut."""
    mixed = random.Random(seed).sample(examples, len(examples))
    return mixed[:48], mixed[48:72], mixed[72:]


fewest = {}
for name, way in {"shuffle and cut": careless, "split": split}.items():
    drawn = [way(EXAMPLES, seed) for seed in range(1000)]
    desks = [collections.Counter(example.desk for example in parts[1]) for parts in drawn]
    fewest[name] = [
        round(sum(leaks(parts) > 0 for parts in drawn) / 1000, 2),
        min(min(count[desk] for desk in [*DESKS, "other"]) for count in desks),
        max(max(count.values()) for count in desks),
    ]
style.table(
    [[name, *row] for name, row in fewest.items()],
    columns=["way", "share of splits that leak", "fewest of a desk in validation", "most"],
    caption="1,000 seeds. Three duplicates among 120 requests are enough to leak into most shuffled test sets.",
)
print("7 at a half and two quarters:", shares(7, (0.5, 0.25, 0.25)))
train, validation, test = split(EXAMPLES, seed=0)
print(len(train), "train,", len(validation), "validation,", len(test), "test")
assert shares(7, (0.5, 0.25, 0.25)) == [3, 2, 2]
assert fewest["shuffle and cut"][0] > 0.5 > 0 == fewest["split"][0]
near = [example.request for example in EXAMPLES if "for a whole day" in example.request]
assert len({canonical(text) for text in near}) == len(near) == 2
print("still apart:", near)

# %% [markdown]
# And the last line is what no normalisation finds: two requests that differ in a question mark. Before a result goes
# out, look for **near** duplicates as well, by shared words or by embedding (exercise 2).

# %% [markdown]
# ## 5. What optimisers do <a id="optimisers"></a>
#
# | optimiser | what it changes | how it decides |
# | --- | --- | --- |
# | `LabeledFewShot(k)` | demos: `k` training examples | at random; the model is not asked |
# | `BootstrapFewShot` | demos: calls that a *teacher* program made on training examples | the metric, with a trace |
# | `BootstrapFewShotWithRandomSearch` | the same, many times | best on `valset`; without one, **on `trainset`** |
# | `MIPROv2`, `GEPA` | the instructions, too, written by a model | search, guided by marks or by written criticism |
#
# The last two need a model that writes good instructions, more than we ask of one with 135 million parameters. We keep
# to demos; for the question of this lesson it makes no difference what is searched.
#
# Both of the first two are a page of source, and worth reading. `LabeledFewShot` draws with `random.Random(0)`,
# always. `BootstrapFewShot` goes through the training set *in order* and takes the first that pass. So neither has a
# seed that you can set: **the order of the training set is the seed**, and shuffling it is your job.
#
# **Predict.** The teacher is our router with eight labelled demos. `BootstrapFewShot` lets it answer training
# examples and keeps eight that pass the metric. Compared with eight random ones: are they easier, harder, or the
# same?

# %%
K = 8  # demos
OPTIMISERS = {
    "labelled": lambda: dspy.LabeledFewShot(k=K),
    "bootstrap": lambda: dspy.BootstrapFewShot(metric=metric, max_bootstrapped_demos=K, max_labeled_demos=K),
}


def compiled(optimiser: dspy.teleprompt.Teleprompter, trainset: list[dspy.Example]) -> Router:
    """A router whose demos the optimiser chose; what DSPy prints meanwhile is kept off the page."""
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        return optimiser.compile(Router(Triage), trainset=list(trainset))


def asks(program: Router) -> list[str]:
    """The requests of its demos, in order."""
    return [demo["request"] for demo in program.predict.demos]


# %%
dspy.configure(adapter=ADAPTERS["plain"])
turned = random.Random(1).sample(train, len(train))
labelled, again, reordered = (compiled(OPTIMISERS["labelled"](), order) for order in (train, train, turned))
print("same order, same demos:", asks(labelled) == asks(again), "| another order:", asks(labelled) == asks(reordered))
assert asks(labelled) == asks(again) != asks(reordered)

before = LocalEngine.asked
bootstrap = compiled(OPTIMISERS["bootstrap"](), train)
tried = LocalEngine.asked - before
programs = {"zero-shot": Router(Triage), "labelled": labelled, "bootstrap": bootstrap}
rows = []
for name, program in programs.items():
    desks = collections.Counter(demo["desk"] for demo in program.predict.demos)
    marked = sweep["seeds"][0]["candidates"][name]["validation"]  # by the script of section 2, on this split
    low, high = wilson(int(sum(marked)), len(marked))
    right = f"{sum(marked):.0f} of {len(marked)}"
    rows.append([name, *(desks[desk] for desk in [*DESKS, "other"]), right, low, high])
style.table(
    rows,
    columns=["program", *DESKS, "other", "right on validation", "from", "to"],
    caption="Demos by desk, and marks on the validation split of seed 0, with 95% intervals.",
    digits=2,
)
print("training examples that the teacher answered until eight passed:", tried)
assert K < tried <= len(train)
assert collections.Counter(sweep["seeds"][0]["candidates"]["bootstrap"]["demos"])["loans"] == 6

# %% [markdown]
# Easier, by construction: whatever the teacher gets wrong is passed over, so the demos show the model what it could do
# already. In the script's run of this seed, six of the eight are for loans, the desk that the teacher likes to name.
# Eight labelled ones come as chance has it.
#
# ## 6. Where a lift is real, and where it is the search <a id="validation-overfitting"></a>
#
# Now the search proper: try many programs on validation, keep the best. By hand, the smallest case. Two programs,
# each right on any request with probability 1/2, and one validation request. The better of the two is right unless
# both are wrong: $1 - 1/4 = 0.75$. Nothing was learned, and the figure rose by 25 points. Tomorrow the winner is right
# half the time.
#
# In general: $m$ equally good programs, right with probability $p$, and $n$ requests. With $F$ the distribution
# function of one program's number of right answers, the best has at most $k$ with probability $F(k)^m$, so its
# expected share is $\frac{1}{n}\sum_{k=0}^{n-1} (1 - F(k)^m)$.
#
# **Predict.** Sixteen equally good programs, each right on 0.6 of all requests, 24 validation requests. What is the
# best one's share, on average? And with 96 requests?


# %% tags=["stable"]
def best_of(m: int, n: int, p: float) -> float:
    """The expected share of the best of m equal programs on n requests, each right with probability p."""
    total, below = 0.0, 0.0  # below: F(k)
    for k in range(n):
        below += math.comb(n, k) * p**k * (1 - p) ** (n - k)
        total += 1 - below**m
    return total / n


rng = np.random.default_rng(7)
drawn = rng.binomial(24, 0.6, size=(200_000, 16)).max(axis=1).mean() / 24  # (searches, programs)
print(f"16 programs, 24 requests: {best_of(16, 24, 0.6):.3f} by the sum, {drawn:.3f} by drawing")
print(f"16 programs, 96 requests: {best_of(16, 96, 0.6):.3f}")
figure, axis = plt.subplots(figsize=(6.2, 3.4))
tries = np.unique(np.geomspace(1, 128, 40).astype(int))
for n, colour in zip((12, 24, 96, 384), (style.ORANGE, style.AMBER, style.SKY, style.BLUE), strict=True):
    heights = [best_of(int(m), n, 0.6) for m in tries]
    axis.plot(tries, heights, color=colour)
    axis.text(136, heights[-1], f"n = {n}", color=colour, va="center", fontsize=9)
axis.axhline(0.6, linestyle="--", linewidth=1, color=style.GREY)
axis.set(xscale="log", xlim=(1, 260), ylim=(0.55, 1.0), xlabel="programs tried", ylabel="share of the best")
axis.set_xticks([1, 2, 4, 8, 16, 32, 64, 128], ["1", "2", "4", "8", "16", "32", "64", "128"])
style.show(
    figure,
    caption="Programs that are all right on 0.6 of requests (dashed). The best one's validation figure rises with "
    "every try, and with nothing else.",
    alt="Four rising curves over the number of programs tried, on a logarithmic axis. The one for 12 requests climbs "
    "above 0.9, the one for 384 stays near 0.66.",
)
assert best_of(2, 1, 0.5) == 0.75
assert abs(best_of(16, 24, 0.6) - drawn) < 0.001
assert round(24 * best_of(16, 24, 0.6), 1) == 18.5
assert best_of(16, 24, 0.6) > 0.75
assert best_of(16, 96, 0.6) < 0.70
assert best_of(128, 12, 0.6) > 0.9

# %% [markdown]
# So the question at the top has an answer: sixteen programs that are right on 0.6 have a best of 18.5 in 24 on average.
# 19 is what sixteen tries at 0.6 look like.
#
# The curves show equal programs: pure selection. A search over programs that *do* differ also finds real differences,
# and the two add up. Only data that had no part in the choice can tell them apart.
#
# So now the experiment. Five seeds; for each a new split, and four candidates: the router without demos, eight
# labelled demos, eight bootstrapped ones, and `climb`, an optimiser that we write in the next section. Everything is
# compiled on train; validation chooses, ties go to the simpler; then test. It is the procedure of task 2.9. To see
# what validation does to figures, the script marked *every* candidate on test, which a real report must not do: here
# it takes no part in any choice.
#
# **Predict.** The best program against the router without demos, on test: on how many of five seeds is it better, and
# on how many significantly? And the best against eight random labelled demos?

# %%
CANDIDATES = list(sweep["seeds"][0]["candidates"])  # from the simplest up


def chosen(candidates: dict) -> str:
    """The best on validation; of equal ones the first, which is the simplest."""
    return max(candidates, key=lambda name: np.mean(candidates[name]["validation"]))


def compared(before: list[float], after: list[float]) -> tuple[int, int, float]:
    """Requests won, requests lost, and McNemar's p."""
    won = sum(b > a for a, b in zip(before, after, strict=True))
    lost = sum(a > b for a, b in zip(before, after, strict=True))
    return won, lost, mcnemar(won, lost)


rows, honest = [], {"zero-shot": [], "labelled": []}
for entry in sweep["seeds"]:
    name = chosen(entry["candidates"])
    best = entry["candidates"][name]
    row = [entry["seed"], name, np.mean(best["validation"]), np.mean(best["test"])]
    for baseline in honest:
        before = entry["candidates"][baseline]["test"]
        won, lost, p = compared(before, best["test"])
        honest[baseline].append((won, lost, p))
        row.append(f"{np.mean(before):.2f}: {won} won, {lost} lost, p = {p:.2g}")
    rows.append(row)
style.table(
    rows,
    columns=["seed", "chosen", "its validation", "its test", "test of zero-shot", "test of labelled"],
    caption="Five searches, reported on test. The last two columns compare the chosen program with two baselines.",
    digits=2,
)

figure, axis = plt.subplots(figsize=(7.4, 3.6))
for place, name in enumerate(CANDIDATES):
    for shift, entry in zip(np.linspace(-0.26, 0.26, len(sweep["seeds"])), sweep["seeds"], strict=True):
        one = entry["candidates"][name]
        colour = style.ORANGE if chosen(entry["candidates"]) == name else style.GREY
        ends = np.mean(one["validation"]), np.mean(one["test"])
        axis.plot([place + shift] * 2, ends, color=colour, linewidth=1.2)
        axis.plot(place + shift, ends[0], "o", markerfacecolor="none", color=colour)
        axis.plot(place + shift, ends[1], "o", color=colour)
for marker, fill, label in (("o", "none", "validation"), ("o", style.GREY, "test")):
    axis.plot([], [], marker, markerfacecolor=fill, color=style.GREY, label=label)
axis.plot([], [], color=style.ORANGE, label="chosen")
axis.axhline(0.25, linestyle="--", linewidth=1, color=style.PURPLE)
axis.set_xticks(range(len(CANDIDATES)), CANDIDATES)
axis.set(ylabel="share right", ylim=(0, 1))
axis.legend(loc="upper left", ncols=3)
style.show(
    figure,
    caption="Four candidates, five seeds each. Demos lift the router off the guessing line (dashed). Validation and "
    "test disagree by as much as the candidates do.",
    alt="For each candidate five vertical lines, from its share on validation (hollow) to its share on test (filled); "
    "the chosen one of each seed is coloured. Zero-shot lies near 0.25; climb lies highest, once at 0.6.",
)
won = {name: sum(w > lost for w, lost, _ in found) for name, found in honest.items()}
clear = {name: sum(p < 0.05 and w > lost for w, lost, p in found) for name, found in honest.items()}
too_high = [row[2] - row[3] for row in rows]  # validation minus test, of the chosen
print("better on test:", won, "| with p < 0.05:", clear)
print("validation too high by:", np.round(too_high, 2), "mean", np.mean(too_high).round(3))
print("expected if the four were equal:", round(best_of(4, 25, 0.33) - 0.33, 3))
assert won == {"zero-shot": 5, "labelled": 4}
assert clear == {"zero-shot": 3, "labelled": 0}
assert rows[3][1] == "labelled"
assert sum(excess > 0 for excess in too_high) == 3
assert 0.02 < np.mean(too_high) < 0.04
assert 0.09 < best_of(4, 25, 0.33) - 0.33 < 0.11

# %% [markdown]
# **Against the router without demos** the chosen program is better on all five seeds, with p below 0.05 on three. That
# lift is real, and section 2 shows why it was easy: without demos the router says *loans*, whatever is asked.
#
# **Against eight demos drawn at random** it is better on four seeds and the same on the fifth, where the random demos
# *are* what was chosen. But p is above 0.05 every time. So: demos help; that searching for them helps is not shown. It
# is a **null result**, and this is how to publish it: *no lift over random demos, five seeds, 45 to 48 test requests
# each*. *Best on four seeds of five* would be true as well, and would be read as more. The five test sets also share
# requests, so they must not be added up as if they were one large one.
#
# And **validation** was too high on three seeds and too low on two, by 0.03 on average. Had the four candidates been
# equal, 0.10 were to be expected. They were not equal, so the best was picked for merit as well as for luck. Neither
# could be told apart without test.

# %% [markdown]
# ## 7. An optimiser of one's own <a id="own-optimiser"></a>
#
# What does an optimiser need? Something to change, a way to propose a change, a metric, and data. That fits into forty
# lines: **hill climbing** over demos. Swap one demo for another; if more requests come out right, keep the swap.
#
# The one question that takes thought is: marked on which requests? Not on those that the demos come from, or the
# answers stand in the prompt. (This is what `BootstrapFewShotWithRandomSearch` does without a `valset`.) Not on
# validation, which is there to compare optimisers with one another. So the training set is cut in two: demos from one
# half, marks from the other. That makes three levels, and each figure is honest about choices made *below* it, never
# about its own: the inner share chooses swaps, validation chooses optimisers, test reports.
#
# **Predict.** Five swaps are tried. The inner share cannot fall. By how much will it rise, on average over five
# seeds? And how much of that arrives on test?


# %%
class Climb(dspy.teleprompt.Teleprompter):
    """Hill climbing over demos: swap one for another, keep the swap if more of the inner examples come out right."""

    def __init__(self, metric, *, k: int = K, steps: int = 5, seed: int = 0):
        super().__init__()
        self.metric, self.k, self.steps, self.seed = metric, k, steps, seed

    def marked(self, program: dspy.Module, examples: list[dspy.Example]) -> float:
        """The share of examples that come out right."""
        return sum(float(self.metric(one, program(**one.inputs()))) for one in examples) / len(examples)

    def compile(self, student: dspy.Module, *, trainset: list[dspy.Example]) -> dspy.Module:
        """The student with the best demos found; `path` keeps every step as (share, kept or not, program)."""
        rng = random.Random(self.seed)
        half = len(trainset) // 2
        pool, inner = trainset[:half], trainset[half:]  # demos come from one half, marks from the other
        best = student.reset_copy()
        (predictor,) = best.predictors()
        predictor.demos = rng.sample(pool, self.k)
        high = self.marked(best, inner)
        self.path = [(high, True, best)]
        for _ in range(self.steps):
            trial = best.deepcopy()
            (predictor,) = trial.predictors()
            shown = [demo.request for demo in predictor.demos]
            unused = [example for example in pool if example.request not in shown]
            predictor.demos[rng.randrange(self.k)] = rng.choice(unused)
            share = self.marked(trial, inner)
            kept = share > high
            self.path.append((share, kept, trial))
            if kept:
                best, high = trial, share
        return best


OPTIMISERS["climb"] = lambda: Climb(metric)

# %%
short = Climb(metric, k=4, steps=2)
climbed = compiled(short, train[:12])
print("inner share at each step:", [round(share, 2) for share, _, _ in short.path])

# %% [markdown]
# That was a short one. Over all five seeds, from the sweep, with all of train, eight demos and five swaps:

# %%
figure, axis = plt.subplots(figsize=(6.4, 3.5))
inner, held = [], []
for entry in sweep["seeds"]:
    inner.append(list(itertools.accumulate((step["inner"] for step in entry["climb"]), max)))
    held.append([np.mean(entry["first"]), np.mean(entry["candidates"]["climb"]["test"])])
swaps = range(len(inner[0]))
for paths, places, colour, label in (
    (inner, swaps, style.ORANGE, "inner half of train"),
    (held, [0, swaps[-1]], style.BLUE, "test, before and after"),
):
    for path in paths:
        axis.plot(places, path, color=colour, alpha=0.5, linewidth=1)
    axis.plot(places, np.mean(paths, axis=0), color=colour, marker="o", label=f"{label}, mean of five")
axis.set(xlabel="swaps tried", ylabel="share right", ylim=(0, 1))
axis.legend(loc="lower right")
style.show(
    figure,
    caption="Hill climbing over five seeds (thin), and the mean (thick). What climbs is the figure that is climbed on; "
    "where a seed begins matters more.",
    alt="Orange step curves of the inner share over the number of swaps, which only rise, and blue lines of the share "
    "on test before and after, some rising, one falling; the seeds begin far apart, from 0.26 to 0.60.",
)
rise = np.array(inner)[:, -1] - np.array(inner)[:, 0]
arrived = np.array(held)[:, -1] - np.array(held)[:, 0]
print("rise of the inner share:", rise.round(2), "mean", rise.mean().round(3))
print("of the same programs on test:", arrived.round(2), "mean", arrived.mean().round(3))
starts = [before for before, _ in held]
print("test before any swap:", np.round(starts, 2))
assert 0.07 < rise.mean() < 0.09
assert 0.02 < arrived.mean() < 0.04
assert (rise[-1], max(starts)) == (0, starts[-1])
assert max(starts) - min(starts) > 10 * arrived.mean()
assert max(np.mean(one["test"]) for entry in sweep["seeds"] for one in entry["candidates"].values()) == max(starts)

# %% [markdown]
# The inner share rose by 0.08 on average, and 0.03 of it arrived on test: on 25 inner examples, a swap that looks
# better often is not.
#
# Now look where the blue lines begin. Five times eight random demos, before any swap, are right on 0.26 to 0.60 of
# test: the draw moves the figure more than ten times as far as the climb. The best program of this lesson had no swap
# kept at all. So before you buy a search, draw a few sets at random and look at the spread; and before you believe the
# best draw, test it on requests that did not choose it.

# %% [markdown]
# ## Recap
# - The adapter writes the prompt. One adapter got no answer parsed; two had all parsed, and one desk named (section 2).
# - A metric is called for marks and for demos; `dspy.Evaluate` returns 0 for a server that is down (section 3).
# - Shuffling and cutting leaked a duplicate into most test sets; a split by text and label into none (section 4).
# - `LabeledFewShot` and `BootstrapFewShot` have no seed to set: the order of the training set is the seed (section 5).
# - The best of sixteen equal programs looks better by more than 0.15 on 24 requests, under 0.10 on 96 (section 6).
# - Five seeds: a real lift over no demos on three, none over random demos on any (section 6).
# - A search of forty lines raised its own figure by 0.08, and the one on test by 0.03 (section 7).
#
# ## Exercises
# **1. (3 min)** Nine texts are shared out at two fifths, one fifth, two fifths by the largest remainder. How many go
# to each split? Give a list of three.

# %%
your_answer_1 = None  # [train, validation, test]


def exercise_1(answer):
    if answer is None:
        return "Not attempted: write down the three exact shares first."
    assert sum(answer) == 9, f"Not yet: {list(answer)} adds up to {sum(answer)}, and every text needs a place."
    assert list(answer) == [4, 2, 3], f"Not yet: {list(answer)}. Two texts are left after the whole parts: who is next?"
    return "Right. A rule for ties has to be written down, or two programs split the same file differently."


exercise_1(your_answer_1)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# 3.6, 1.8 and 3.6.
#
# </details>
# <details><summary>Approach</summary>
#
# Whole parts 3, 1, 3. Two texts are left. Order the remainders 0.6, 0.8, 0.6; of equal ones the earlier comes first.
#
# </details>
# <details><summary>Worked answer</summary>
#
# The first of the two goes to validation (0.8), the second to train (0.6, earlier than test): `[4, 2, 3]`.
#
# </details>
#
# **2. (10 min)** Write `near(texts, least)`: the pairs of texts, as a list of tuples in the order of the list, whose
# word sets have a Jaccard similarity (common words divided by all words) of `least` or more. Words are runs of letters
# and digits, without case.

# %%
your_answer_2 = None  # a function of texts and least


def exercise_2(answer):
    if answer is None:
        return "Not attempted: two loops and two sets."
    cases = [
        (["Is it open?", "is it open", "Who is it?"], 0.9, [("Is it open?", "is it open")]),
        (["a b c d", "a b c", "a b"], 0.75, [("a b c d", "a b c")]),
        (["a b", "b a", "a a b"], 1.0, [("a b", "b a"), ("a b", "a a b"), ("b a", "a a b")]),
        (["one", "two"], 0.1, []),
    ]
    for texts, least, wanted in cases:
        got = [tuple(pair) for pair in answer(texts, least)]
        assert got == wanted, f"Not yet: {texts} at {least} gives {got}, and should give {wanted}."
    found = answer([example.request for example in EXAMPLES], 0.9)
    assert any("whole day" in first for first, _ in found), "Not yet: in the library's inbox one pair is missing."
    return f"Right. In the library's inbox: {len(found)} pairs at 0.9, one of them unknown to `canonical`."


exercise_2(your_answer_2)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# `itertools.combinations` gives the pairs in the right order.
#
# </details>
# <details><summary>Approach</summary>
#
# `set(re.findall(r"\w+", text.casefold()))` for each text; then `len(a & b) / len(a | b)`.
#
# </details>
# <details><summary>Worked answer</summary>
#
# ```python
# import re
#
#
# def near(texts, least):
#     words = {text: set(re.findall(r"\w+", text.casefold())) for text in texts}
#     pairs = itertools.combinations(texts, 2)
#     return [(a, b) for a, b in pairs if len(words[a] & words[b]) / len(words[a] | words[b]) >= least]
# ```
#
# </details>
#
# **3. (8 min)** Forty programs, all right on 0.6 of requests. How many validation requests are needed, at least, for
# the best one's expected share to be no more than 0.05 too high?

# %%
your_answer_3 = None  # a number of requests


def exercise_3(answer):
    if answer is None:
        return "Not attempted: `best_of` is above."
    over = best_of(40, int(answer), 0.6) - 0.6
    assert over <= 0.05, f"Not yet: with {answer} requests the best is {over:.3f} too high."
    fewer = best_of(40, int(answer) - 1, 0.6) - 0.6
    assert fewer > 0.05, f"Not yet: {answer} is enough, but {answer - 1} would be enough, too."
    return "Right. Many times the 25 that we had, and these programs did not even differ."


exercise_3(your_answer_3)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# The excess falls as more requests come in; look for the first number at which it is small enough.
#
# </details>
# <details><summary>Approach</summary>
#
# `next(n for n in range(1, 2000) if ...)`
#
# </details>
# <details><summary>Worked answer</summary>
#
# `next(n for n in range(1, 2000) if best_of(40, n, 0.6) - 0.6 <= 0.05)`
#
# </details>
#
# **4. (12 min)** Write `verdict(before, after)`: two lists of marks (0.0 or 1.0) of the same requests, before and
# after compiling. Return a dict with `won` and `lost` (requests that only the second, only the first got right),
# `p`, and `says`: `"better"` or `"worse"` when p is below 0.05, else `"no lift"`. Lists of different lengths raise
# ValueError.

# %%
your_answer_4 = None  # a function of before and after


def exercise_4(answer):
    if answer is None:
        return "Not attempted: count, then `mcnemar`."
    cases = [
        ([0.0] * 6, [1.0] * 6, 6, 0, "better"),
        ([0.0] * 5, [1.0] * 5, 5, 0, "no lift"),
        ([1.0] * 7, [0.0] * 7, 0, 7, "worse"),
        ([0.0] * 9 + [1.0] * 4, [1.0] * 9 + [0.0] * 4, 9, 4, "no lift"),
        ([1.0, 0.0] * 10, [1.0, 0.0] * 10, 0, 0, "no lift"),
    ]
    for before, after, won, lost, says in cases:
        got = answer(before, after)
        assert (got["won"], got["lost"]) == (won, lost), f"Not yet: {won} won and {lost} lost, you count {got}."
        assert got["says"] == says, f"Not yet: {won} won and {lost} lost is {says!r}, you say {got['says']!r}."
        assert abs(got["p"] - mcnemar(won, lost)) < 1e-9, f"Not yet: p should be {mcnemar(won, lost):.4f}."
    try:
        answer([1.0], [1.0, 0.0])
    except ValueError:
        return "Right. Nine to four looks like a lift, and is none that could be told from chance."
    raise AssertionError("Not yet: lists of different lengths are not the same requests.")


exercise_4(your_answer_4)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# Requests on which both agree do not enter.
#
# </details>
# <details><summary>Approach</summary>
#
# `zip(before, after, strict=True)` raises the ValueError for you.
#
# </details>
# <details><summary>Worked answer</summary>
#
# ```python
# def verdict(before, after):
#     pairs = list(zip(before, after, strict=True))
#     won, lost = sum(b > a for a, b in pairs), sum(a > b for a, b in pairs)
#     p = mcnemar(won, lost)
#     says = "no lift" if p >= 0.05 else "better" if won > lost else "worse"
#     return {"won": won, "lost": lost, "p": p, "says": says}
# ```
#
# </details>
#
# ## Quiz
# **1. The compiled prompt of a colleague reaches 0.83 on validation, where fifty candidates were compared. On test it
# will most likely be**
#
# - (a) 0.83, give or take the noise
# - (b) lower
# - (c) higher, because test was never optimised against
#
# <details><summary>Answer</summary>
#
# (b). Not (a): the winner was picked *because* its noise was favourable, so the noise does not go both ways. Not (c):
# that nothing was fitted to test is what makes its figure honest, not high.
#
# </details>
#
# **2. `BootstrapFewShot` is compiled twice with other seeds for Python's `random`, on the same list. The demos are**
#
# - (a) the same
# - (b) different
# - (c) different, unless the cache is on
#
# <details><summary>Answer</summary>
#
# (a): it draws from generators of its own, with fixed seeds, and takes training examples in order. Not (b): for other
# demos, shuffle the training set yourself. Not (c): the cache answers equal calls, and with a greedy model they would
# have equal answers anyway.
#
# </details>
#
# **3. A metric begins with `if trace:` to be strict while demos are collected. What goes wrong?**
#
# - (a) nothing
# - (b) an empty trace is taken for evaluation, and misspelt answers become demos
# - (c) evaluation becomes strict
#
# <details><summary>Answer</summary>
#
# (b): an empty list is false in Python; ask `trace is not None`. Not (a) for that reason. Not (c): while evaluating,
# the trace is None, and both spellings agree.
#
# </details>
#
# **4. Accuracy jumps from 0.30 to 0.95 when another adapter is used, with the same demos. You conclude that**
#
# - (a) the demos were bad
# - (b) the model did not know the task before
# - (c) most failures before were probably failures of form: look at the raw answers
#
# <details><summary>Answer</summary>
#
# (c). Not (a): they are the same in both. Not (b): neither model nor task changed. Count parse errors apart from wrong
# answers, or one hides in the other.
#
# </details>
#
# ## Now build it
# Task 2.9 is this lesson as a module: the split, the metric, a router over tools, compilation with selection on
# validation, and a report that says *no lift* when there is none. `roadmap check 2.9`. Its checks use a scripted
# model; what your optimiser finds on the real one is yours to report.
#
# ## Further reading
# - Khattab and others, *DSPy: Compiling Declarative Language Model Calls into Self-Improving Pipelines*, 2023.
# - Opsahl-Ong and others, *Optimizing Instructions and Demonstrations for Multi-Stage Language Model Programs*, 2024:
#   MIPRO.
# - Agrawal and others, *GEPA: Reflective Prompt Evolution Can Outperform Reinforcement Learning*, 2025.
# - Cawley and Talbot, *On Over-fitting in Model Selection and Subsequent Selection Bias in Performance Evaluation*,
#   2010.
# - Dwork and others, *The reusable holdout: Preserving validity in adaptive data analysis*, 2015.
# - Wilson, *Probable Inference, the Law of Succession, and Statistical Inference*, 1927.
# - McNemar, *Note on the sampling error of the difference between correlated proportions or percentages*, 1947.
