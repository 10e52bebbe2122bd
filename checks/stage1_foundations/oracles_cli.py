"""Right answers for task 1.10: tables written out by hand, and transformers' own greedy continuation."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from checks.stage1_foundations.oracles_greedy import greedy

WORDS = [
    "once",
    " upon",
    " a",
    " time",
    ",",
    "\n",
    "",
    " naïve",
    " Zürich",
    ' "yes"',
    "\t",
    " 猫",
    ".",
    " the",
    "  end",
]
END_TOKENS = ("<|endoftext|>", "<|im_end|>")
OPTIONS = (
    "--model",
    "--max-new-tokens",
    "--temperature",
    "--top-p",
    "--seed",
    "--show-tokens",
    "--show-probs",
    "--help",
)

SUBJECTS = ["transformer", "neural network", "computer", "river", "bridge", "library", "telescope", "compiler"]
OPENINGS = ["Explain what a {} is:", "A {} is", "The history of the {} begins", "Here is how a {} works:"]


def script(rng: np.random.Generator, length: int) -> list[list[Any]]:
    """What a scripted model says: [token, text, log-probability] for each step."""
    middle = rng.permutation(["\n", "\t", *rng.choice(WORDS, size=length - 6)])  # texts of white space in every script
    texts = ["once", *middle, " naïve", '"\n', ""]
    ids = rng.integers(0, 50_000, size=length)
    logprobs = -rng.exponential(1.5, size=length)
    # Certain, and hopeless.
    logprobs[0], logprobs[1] = 0.0, -40.0
    return [[int(i), str(text), float(p)] for i, text, p in zip(ids, texts, logprobs, strict=True)]


def table(steps: Sequence[Sequence[Any]], *, tokens: bool, probs: bool, how: str = "") -> list[str]:
    """The lines of --show-tokens and --show-probs; `how` names a known wrong way."""
    lines = []
    for token, text, logprob in steps:
        shown = repr(text) if how == "repr" else json.dumps(text, ensure_ascii=how == "escaped")
        number = logprob if how == "logprob" else math.exp(logprob)
        columns = [str(token)] * tokens + [shown] + [f"{number:.4f}"] * probs
        lines.append("\t".join(columns))
    return lines


def prompt(rng: np.random.Generator) -> str:
    """A prompt that nobody has seen before, or hardly."""
    return str(rng.choice(OPENINGS)).format(str(rng.choice(SUBJECTS)))


def continuation(tokenizer: Any, model: Any, text: str, max_new_tokens: int, draft: str) -> tuple[str, int, float]:
    """transformers' greedy continuation, its number of tokens, and by how much its closest decision was won (logits).

    `draft` is what somebody says it is: whether that is so can be seen in one pass.
    """
    ends = [tokenizer.convert_tokens_to_ids(name) for name in END_TOKENS]
    ids, guess = (tokenizer(part, add_special_tokens=False).input_ids for part in (text, draft))
    found = greedy(model, ids, max_new_tokens, ends, guess)
    chosen = [token for token in found.tokens if token not in ends]
    return tokenizer.decode(chosen, clean_up_tokenization_spaces=False), len(chosen), found.margin
