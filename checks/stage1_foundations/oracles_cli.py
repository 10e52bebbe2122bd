"""Right answers for task 1.10: tables written out by hand, and transformers' own greedy continuation."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

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


def greedy(tokenizer: Any, model: Any, text: str, max_new_tokens: int) -> tuple[str, int, float]:
    """The greedy continuation, its number of tokens, and by how much its closest decision was won (in logits)."""
    ids = tokenizer(text, return_tensors="pt")["input_ids"]
    ends = {tokenizer.convert_tokens_to_ids(name) for name in END_TOKENS}
    start, closest, cache = ids.shape[1], math.inf, None
    with torch.no_grad():
        for _ in range(max_new_tokens):
            answer = model(ids if cache is None else ids[:, -1:], past_key_values=cache, use_cache=True)
            cache = answer.past_key_values
            best, second = answer.logits[0, -1].topk(2).values.tolist()
            closest = min(closest, best - second)
            token = int(answer.logits[0, -1].argmax())
            ids = torch.cat([ids, torch.tensor([[token]])], dim=1)
            if token in ends:
                break
    chosen = [token for token in ids[0, start:].tolist() if token not in ends]
    return tokenizer.decode(chosen, clean_up_tokenization_spaces=False), len(chosen), closest
