"""What transformers' own greedy `generate` says on SmolLM2, and the drafts that make finding it cheap.

python -m checks.stage1_foundations.oracles_greedy     # writes drafts.json
"""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch

COMMAND = "python -m checks.stage1_foundations.oracles_greedy"
COUNT = 40
CANDIDATES = (
    "rainbow", "steam engine", "telescope", "honey bee", "lighthouse", "bicycle", "volcano", "printing press",
    "compass", "glacier", "windmill", "piano", "magnet", "sundial", "suspension bridge", "thermometer",
)  # fmt: skip
# A nearer tie may fall either way in another order of float32 operations.
MARGIN = 0.01
_DRAFTS = Path(__file__).with_name("drafts.json")


class Greedy(NamedTuple):
    """A greedy continuation: its tokens, an end token included, and the logits after each token of the text but the
    last, (len(prompt) + len(tokens) - 1, vocab).
    """

    tokens: list[int]
    logits: torch.Tensor

    @property
    def margin(self) -> float:
        """By how much the closest decision was won, in logits."""
        best = self.logits[-len(self.tokens) :].topk(2).values
        return float((best[:, 0] - best[:, 1]).min())


@torch.no_grad()
def greedy(model: Any, prompt: Sequence[int], count: int, ends: Sequence[int], draft: Sequence[int] = ()) -> Greedy:
    """What `model.generate` says: up to `count` tokens, fewer where one of `ends` comes.

    Token by token that costs one pass over all weights each. A draft, whoever made it, is read in one pass: where each
    of its tokens is the likeliest after those before it, it is the greedy continuation (the idea of speculative
    decoding, Leviathan et al. 2023, https://arxiv.org/abs/2211.17192). Where it is not, `generate` has the word.
    """
    start = len(prompt)
    if draft and (len(draft) == count or (len(draft) < count and draft[-1] in ends)):
        logits = model(torch.tensor([[*prompt, *draft[:-1]]])).logits[0]
        if logits[start - 1 :].argmax(dim=-1).tolist() == list(draft):
            return Greedy(list(draft), logits)
    ids = torch.tensor([list(prompt)])
    answer = model.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=count,
        do_sample=False,
        eos_token_id=list(ends),
        pad_token_id=ends[0],
        return_dict_in_generate=True,
        output_logits=True,
    )
    logits = torch.cat([model(ids).logits[0, :-1], *answer.logits])
    return Greedy(answer.sequences[0, start:].tolist(), logits)


def question(thing: str) -> str:
    """What a chat about a thing begins with."""
    return f"Explain in detail how a {thing} works."


def chat(tokenizer: Any, thing: str) -> list[int]:
    """The ids of that question, up to where the assistant speaks."""
    messages = [{"role": "user", "content": question(thing)}]
    text = tokenizer.apply_chat_template(messages, tokenize=False, add_generation_prompt=True)
    return list(tokenizer(text, add_special_tokens=False).input_ids)


@functools.cache
def drafts() -> dict[str, list[int]]:
    """What each thing was explained with where the file was written: the things of `CANDIDATES` without a near tie."""
    return dict(json.loads(_DRAFTS.read_text(encoding="utf-8"))["drafts"])


def _write() -> None:
    from roadmap import artifacts

    tokenizer, model = artifacts.load_causal_lm("smollm2-135m-instruct")
    lines = []
    for thing in CANDIDATES:
        answer = greedy(model, chat(tokenizer, thing), COUNT, [tokenizer.eos_token_id])
        print(f"{answer.margin:.3f}  {thing}: {tokenizer.decode(answer.tokens)!r}")
        if answer.margin > MARGIN:
            lines.append(f"  {json.dumps(thing)}: {json.dumps(answer.tokens)}")
    text = ",\n".join(lines)
    _DRAFTS.write_text(f'{{"written by": "{COMMAND}", "drafts": {{\n{text}\n}}}}\n', encoding="utf-8")


if __name__ == "__main__":
    _write()
