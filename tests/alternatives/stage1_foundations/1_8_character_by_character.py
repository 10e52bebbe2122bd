"""Stop strings with one automaton state a stop string; generate as an iterator class."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor


def borders(pattern: str) -> list[int]:
    """For each prefix of the pattern, the length of the longest shorter prefix that is also its end."""
    lengths = [0]
    for i in range(1, len(pattern)):
        k = lengths[-1]
        while k and pattern[i] != pattern[k]:
            k = lengths[k - 1]
        lengths.append(k + (pattern[i] == pattern[k]))
    return lengths


class StopStrings:
    def __init__(self, stops: Sequence[str]) -> None:
        if "" in stops:
            raise ValueError("a stop string is empty")
        self.automata = [(stop, borders(stop)) for stop in stops]
        self.matched = [0] * len(stops)
        self.stopped = False
        self.held = ""

    def push(self, text: str) -> str:
        out = []
        for character in text:
            if self.stopped:
                break
            self.held += character
            for index, (stop, fallback) in enumerate(self.automata):
                k = self.matched[index]
                while k and stop[k] != character:
                    k = fallback[k - 1]
                self.matched[index] = k + (stop[k] == character)
            complete = [k for k, (stop, _) in zip(self.matched, self.automata, strict=True) if k == len(stop)]
            if complete:
                self.stopped = True
                out.append(self.held[: len(self.held) - max(complete)])
                self.held = ""
            else:
                free = len(self.held) - max(self.matched, default=0)
                out.append(self.held[:free])
                self.held = self.held[free:]
        return "".join(out)

    def flush(self) -> str:
        rest = self.held
        self.held = ""
        self.matched = [0] * len(self.matched)
        return rest


class Stream:
    def __init__(self, step: Callable, prompt: Sequence[int], limit: int, choose: Callable, ends: set, show: Callable):
        self.step, self.choose, self.ends, self.show = step, choose, ends, show
        self.prompt, self.limit = list(prompt), limit
        self.tokens: list[int] = []
        self.over = limit == 0

    def __iter__(self) -> Stream:
        return self

    def __next__(self):
        if self.over:
            raise StopIteration
        if self.tokens:
            rows = self.step([self.tokens[-1]], len(self.prompt) + len(self.tokens) - 1)
        else:
            rows = self.step(self.prompt, 0)
        scores = rows[len(rows) - 1]
        token = self.choose(scores, self.prompt + self.tokens)
        self.tokens.append(token)
        numbers = scores.numpy().astype(np.float64)
        top = numbers.max()
        logprob = numbers[token] - top - np.log(np.sum(np.exp(numbers - top)))
        self.over = token in self.ends or len(self.tokens) >= self.limit
        text, stopped = self.show(token, token in self.ends, self.over)
        self.over = self.over or stopped
        return Step(token=token, text=text, logprob=float(logprob))


def generate(
    step: Callable[[list[int], int], Tensor],
    prompt: Sequence[int],
    *,
    max_new_tokens: int,
    params=None,
    seed: int = 0,
    stop_tokens: Sequence[int] = (),
    stop_strings: Sequence[str] = (),
    decoder=None,
):
    if len(prompt) == 0:
        raise ValueError("the prompt is empty")
    if max_new_tokens < 0:
        raise ValueError("max_new_tokens is negative")
    if len(stop_strings) > 0 and decoder is None:
        raise ValueError("stop strings need a decoder")
    params = params or SamplingParams()
    generator = torch.Generator()
    generator.manual_seed(seed)
    stops = StopStrings(stop_strings)

    def show(token: int, silent: bool, last: bool) -> tuple[str, bool]:
        if decoder is None:
            return "", False
        text = "" if silent else decoder.push(token)
        text = stops.push(text + (decoder.flush() if last else ""))
        return text + (stops.flush() if last else ""), stops.stopped

    return Stream(
        step,
        prompt,
        max_new_tokens,
        lambda scores, previous: next_token(scores, previous, params, generator),
        set(stop_tokens),
        show,
    )
