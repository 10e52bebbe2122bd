"""The decode loop: from a prompt to a stream of tokens with their text and log-probabilities."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from .sampling import SamplingParams, next_token


class Decoder(Protocol):
    """Turns token ids into text piece by piece, as `tokens.StreamDecoder` does."""

    def push(self, token_id: int) -> str:
        """The text that this token completes; "" while a character is incomplete."""

    def flush(self) -> str:
        """What is left at the end of the stream."""


@dataclass(frozen=True)
class Step:
    """One decoded token, the text that may be shown now, and the token's natural log-probability."""

    token: int
    text: str
    logprob: float


class StopStrings:
    """Watches a stream of text for stop strings, and lets through what is safe to show."""

    def __init__(self, stops: Sequence[str]) -> None:
        if any(not stop for stop in stops):
            raise ValueError('A stop string is empty. Leave "" out: it would stop everything.')
        self.stops = list(stops)
        self.stopped = False
        self.held = ""

    def push(self, text: str) -> str:
        """Take the next piece of the stream; return the text that can be shown now.

        Stop strings may be spread over any number of pieces; how the stream is cut makes no difference to the whole.
        - When a stop string is complete, `stopped` becomes True. The text in front of it is returned, once; the stop
          string and all that follows are dropped, and every later push returns "".
        - The stop string that is complete first wins; if one character completes several, the one that starts first.
        - Until then what might still become a stop string is held back, and no more than that: the longest end of the
          text so far that is the beginning of a stop string. All before it is returned.
        """
        raise NotImplementedError("task 1.8: StopStrings.push")

    def flush(self) -> str:
        """The stream has ended: return what was held back, since it can no longer become a stop string.

        Nothing is held after that, so a second flush returns ""; so does a flush after a stop. `stopped` stays as it
        is.
        """
        raise NotImplementedError("task 1.8: StopStrings.flush")


def generate(
    step: Callable[[list[int], int], Tensor],
    prompt: Sequence[int],
    *,
    max_new_tokens: int,
    params: SamplingParams = SamplingParams(),
    seed: int = 0,
    stop_tokens: Sequence[int] = (),
    stop_strings: Sequence[str] = (),
    decoder: Decoder | None = None,
) -> Iterator[Step]:
    """Decode one token after the other, and yield a Step for each as soon as it is chosen.

    Feeding. step(ids, past), with ids a list of ints, answers logits (len(ids), vocab); row i scores the token after
    ids[i], past is the number of tokens fed before. The first call feeds the whole prompt, each later one the token
    chosen last. Lazy: a Step is yielded before the next call is made, and a token is fed only when the Step after it is
    asked for. There are as many calls as Steps. The prompt is not changed.

    Choosing. By `next_token` of the sampling module, with `params`, one torch.Generator seeded once with `seed`, and
    the prompt and all tokens chosen so far as `previous`.

    Ending. After max_new_tokens, after a token of `stop_tokens`, or when a stop string is complete. The token that ends
    it has a Step like the others, the last one; the text of a stop token is never shown.

    Text. Each token goes through `decoder`, and its text through StopStrings; Step.text is what may be shown now, so it
    can be "" or cover several tokens. The last Step also holds what decoder and stop strings held back until then,
    unless a stop string was completed: then the text ends in front of it. Without a decoder every text is "".

    Step.logprob is the natural log-probability of the token under the model: the log-softmax of the logits as `step`
    answered them, before penalty, temperature and filters. A Python float.

    Raises ValueError (at the latest when the first Step is asked for, and before any call of `step`) if the prompt is
    empty, max_new_tokens is negative, or stop_strings are given without a decoder.
    """
    raise NotImplementedError("task 1.8: generate")
