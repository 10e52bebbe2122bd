"""Stop strings found from the left in the whole text; generate as three nested generators."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor


class StopStrings:
    def __init__(self, stops: Sequence[str]) -> None:
        if not all(stops):
            raise ValueError("a stop string is empty")
        self.stops = sorted(stops, key=len)
        self.text = ""
        self.shown = 0
        self.stopped = False

    def push(self, text: str) -> str:
        if self.stopped:
            return ""
        self.text += text
        found = [match for stop in self.stops if (match := re.search(re.escape(stop), self.text))]
        if found:
            self.stopped = True
            first_end = min(match.end() for match in found)
            upto = min(match.start() for match in found if match.end() == first_end)
            self.text = self.text[:upto]
        else:
            beginnings = {stop[:size] for stop in self.stops for size in range(1, len(stop))}
            held = max((len(part) for part in beginnings if self.text.endswith(part)), default=0)
            # What a flush has shown stays shown.
            upto = max(len(self.text) - held, self.shown)
        ready, self.shown = self.text[self.shown : upto], upto
        return ready

    def flush(self) -> str:
        rest, self.shown = self.text[self.shown :], len(self.text)
        return rest


def choices(step: Callable, prompt: list[int], choose: Callable) -> Iterator[tuple[int, Tensor]]:
    """Tokens and the logits that they were chosen from, without end."""
    sequence = list(prompt)
    fed = 0
    while True:
        logits = step(sequence[fed:], fed)[-1]
        fed = len(sequence)
        sequence.append(choose(logits, list(sequence)))
        yield sequence[-1], logits


def upto_a_stop(pairs: Iterator[tuple[int, Tensor]], stop_tokens: set[int], limit: int) -> Iterator[tuple]:
    """The same, with whether the token is a stop token and whether it is the last."""
    for count, (token, logits) in enumerate(itertools.islice(pairs, limit), start=1):
        stops = token in stop_tokens
        yield token, logits, stops, stops or count == limit
        if stops:
            return


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
    if not prompt or max_new_tokens < 0:
        raise ValueError("nothing to do")
    if stop_strings and decoder is None:
        raise ValueError("no decoder")
    params = SamplingParams() if params is None else params
    source = torch.Generator().manual_seed(seed)
    watcher = StopStrings(stop_strings)
    pairs = choices(step, list(prompt), lambda logits, previous: next_token(logits, previous, params, source))
    for token, logits, silent, last in upto_a_stop(pairs, set(stop_tokens), max_new_tokens):
        text = ""
        if decoder is not None:
            pieces = ([] if silent else [decoder.push(token)]) + ([decoder.flush()] if last else [])
            text = "".join([watcher.push(piece) for piece in pieces])
            if last and not watcher.stopped:
                text += watcher.flush()
        logprob = logits[token].double() - torch.logsumexp(logits.double(), dim=0)
        yield Step(token, text, logprob.item())
        if watcher.stopped:
            break
