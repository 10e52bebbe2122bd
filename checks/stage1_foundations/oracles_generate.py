"""Right answers for task 1.8, found by looking at all of the text so far, and wrong ways of decoding."""

from __future__ import annotations

import codecs
from collections.abc import Sequence

import numpy as np
import torch

from checks.stage1_foundations import oracles_greedy
from checks.stage1_foundations.oracles_cache import Feed, Language, feeding, feeding_everything
from roadmap.grading import expect

__all__ = ["Feed", "Language", "Scripted", "TransformersGreedy", "feeding", "feeding_everything"]


class Scripted(Language):
    """A language in which the most likely continuation of one prompt is a given list of tokens."""

    def __init__(self, rng: np.random.Generator, vocab: int, prompt: Sequence[int], script: Sequence[int]):
        super().__init__(rng, vocab)
        self._script = {(*prompt, *script[:i]): token for i, token in enumerate(script)}

    def logits(self, prefix: Sequence[int]) -> np.ndarray:
        """As in Language, with the script's next token on top."""
        logits = super().logits(prefix)
        if (token := self._script.get(tuple(prefix))) is not None:
            logits[token] = logits.max() + 1
        return logits


def log_softmax(logits: np.ndarray) -> np.ndarray:
    """Log-softmax of (vocab,), in float64."""
    logits = np.asarray(logits, dtype=np.float64)
    return logits - logits.max() - np.log(np.exp(logits - logits.max()).sum())


def penalised(logits: np.ndarray, previous: Sequence[int], penalty: float) -> np.ndarray:
    """Repetition penalty, one token at a time."""
    changed = np.asarray(logits, dtype=np.float64).copy()
    for token in set(previous):
        changed[token] = changed[token] / penalty if changed[token] > 0 else changed[token] * penalty
    return changed


def greedy(
    language: Language, prompt: Sequence[int], count: int, penalty: float, *, old: bool = True, new: bool = True
) -> tuple[list[int], float]:
    """Greedy tokens under a repetition penalty, and by how much the closest of them won.

    old, new: whether the tokens of the prompt, and those that were generated, count as previous.
    """
    tokens: list[int] = []
    margin = np.inf
    for _ in range(count):
        previous = [*(prompt if old else ()), *(tokens if new else ())]
        scores = penalised(language.logits([*prompt, *tokens]), previous, penalty)
        margin = min(margin, float(np.diff(np.sort(scores)[-2:])[0]))
        tokens.append(int(np.argmax(scores)))
    return tokens, margin


def logprobs(language: Language, prompt: Sequence[int], tokens: Sequence[int], temperature: float = 1.0) -> list[float]:
    """Log-probability of each token, given the prompt and the tokens before it."""
    return [
        float(log_softmax(language.logits([*prompt, *tokens[:i]]) / temperature)[token])
        for i, token in enumerate(tokens)
    ]


def shown(text: str, stops: Sequence[str], *, ended: bool = False) -> tuple[str, bool]:
    """What of the text so far may be shown, and whether a stop string is complete; by trying every piece of it."""
    for end in range(len(text) + 1):
        for start in range(end):
            if text[start:end] in stops:
                return text[:start], True
    if not ended:
        for start in range(len(text)):
            if any(stop.startswith(text[start:]) for stop in stops):
                return text[:start], False
    return text, False


def pushes(pieces: Sequence[str], stops: Sequence[str]) -> tuple[list[list], str]:
    """What each push answers, as [text, stopped], and what the flush after them answers."""
    answers, released = [], ""
    for count in range(1, len(pieces) + 1):
        text, stopped = shown("".join(pieces[:count]), stops)
        answers.append([text[len(released) :], stopped])
        released = text
    return answers, shown("".join(pieces), stops, ended=True)[0][len(released) :]


def texts(pieces: Sequence[bytes], stops: Sequence[str], *, stop_token_last: bool = False) -> list[str]:
    """Step.text of each token, for tokens that stand for these bytes; the last ends the decoding.

    stop_token_last: the last is a stop token, whose bytes do not count. Cut short where a stop string is complete.
    """
    answers, released = [], ""
    for count in range(1, len(pieces) + 1):
        ended = count == len(pieces)
        data = b"".join(pieces[: count - 1] if ended and stop_token_last else pieces[:count])
        decoded = codecs.getincrementaldecoder("utf-8")("replace").decode(data, final=ended)
        text, stopped = shown(decoded, stops, ended=ended)
        answers.append(text[len(released) :])
        released = text
        if stopped:
            break
    return answers


class TransformersGreedy:
    """What transformers' own greedy `generate` does with a prompt, and `step` answered with the logits that it saw.

    tokens, logprobs: what it generates, the end token included. sizes: how many tokens each call of step fed.
    """

    def __init__(self, model, prompt: Sequence[int], count: int, end: int, draft: Sequence[int] = ()):
        self._model = model
        self._prompt = list(prompt)
        self._fed: list[int] = []
        self.sizes: list[int] = []
        self.tokens, self._logits = oracles_greedy.greedy(model, prompt, count, [end], draft)
        rows = self._logits[len(prompt) - 1 :].double().log_softmax(dim=-1)
        self.logprobs = [float(row[token]) for row, token in zip(rows, self.tokens, strict=True)]

    def __call__(self, ids, past) -> torch.Tensor:
        """Logits (len(ids), vocab): from the record for what generate fed too, computed for anything else."""
        expect.type(ids, list, what="the ids that step was called with")
        expect.type(past, int, what="the past that step was called with")
        if not ids or not all(type(token) is int and 0 <= token < self._model.config.vocab_size for token in ids):
            raise ValueError("step was called with something other than the ids of some tokens")
        if not 0 <= past <= len(self._fed):
            raise ValueError(f"step was called with past = {past}, but {len(self._fed)} tokens had been fed")
        self._fed = self._fed[:past] + ids
        self.sizes.append(len(ids))
        if self._fed == [*self._prompt, *self.tokens[:-1]][: len(self._fed)]:
            return self._logits[past : len(self._fed)].clone()
        with torch.no_grad():
            return self._model(torch.tensor([self._fed])).logits[0, past:].clone()
