"""Choosing the next token: how logits become one token id.

Every function takes logits, the unnormalised log-probabilities of the vocabulary, as float32. A token is ruled out by
the logit -inf, because its probability after softmax is then exactly 0. The functions on logits return a new tensor of
the same shape and never change the one they were given.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class SamplingParams:
    """How the next token is chosen. The defaults are greedy decoding with everything else switched off."""

    temperature: float = 0.0  # 0: greedy
    top_k: int = 0  # 0: off
    top_p: float = 1.0  # 1: off
    min_p: float = 0.0  # 0: off
    repetition_penalty: float = 1.0  # 1: off


def apply_temperature(logits: Tensor, temperature: float) -> Tensor:
    """Divide the logits by the temperature: below 1 sharpens the distribution, above 1 flattens it.

    logits: (..., vocab), may hold -inf. Returns logits (not probabilities) of the same shape.
    Raises ValueError unless temperature > 0: greedy decoding is the caller's business, see `next_token`.
    """
    raise NotImplementedError("task 1.6: apply_temperature")


def top_k_filter(logits: Tensor, k: int) -> Tensor:
    """Keep the k highest logits of each row; the others become -inf.

    logits: (..., vocab); every row along the last dimension is filtered on its own. Returns the same shape; the kept
    logits are unchanged.
    Ties: tokens whose logit equals the k-th highest are all kept. A k of vocab or more keeps everything.
    Raises ValueError if k < 1.
    """
    raise NotImplementedError("task 1.6: top_k_filter")


def top_p_filter(logits: Tensor, p: float) -> Tensor:
    """Keep the smallest set of most probable tokens whose probabilities add up to at least p; the others become -inf.

    Go through the tokens of a row from the most to the least probable: a token is kept while the sum of the
    probabilities before it is below p. So the token that reaches p is kept, and the most probable one always is,
    however small p is.

    logits: (..., vocab), may hold -inf (probability 0); probabilities are the softmax of the row, and every row is
    filtered on its own. Returns the same shape, in the tokens' own order; the kept logits are unchanged.
    Ties: among equal logits the lower token id goes first. p = 1 keeps everything, however the sum is rounded.
    Raises ValueError unless 0 < p <= 1.
    Source: Holtzman et al. 2019, "The Curious Case of Neural Text Degeneration" (nucleus sampling).
    """
    raise NotImplementedError("task 1.6: top_p_filter")


def min_p_filter(logits: Tensor, min_p: float) -> Tensor:
    """Keep the tokens whose probability is at least min_p times that of the row's most probable one.

    The threshold moves with the model's certainty: where one token dominates few survive, where many are close most do.

    logits: (..., vocab), may hold -inf; every row is filtered on its own. The others become -inf, the kept logits are
    unchanged. min_p = 0 keeps everything; min_p = 1 keeps the highest logit and what ties with it.
    Raises ValueError unless 0 <= min_p <= 1.
    Source: Nguyen et al. 2024, "Turning Up the Heat: Min-p Sampling".
    """
    raise NotImplementedError("task 1.6: min_p_filter")


def apply_repetition_penalty(logits: Tensor, previous: Sequence[int], penalty: float) -> Tensor:
    """Make the tokens that occurred before less likely (for a penalty above 1).

    logits: (vocab,), may hold -inf. previous: token ids seen so far, with repeats, possibly empty. The logit of a token
    in `previous` is divided by the penalty where it is above 0, and multiplied by it where it is below, so both move
    down. How often a token occurred makes no difference. Other tokens stay as they are. Returns (vocab,).
    Raises ValueError unless penalty > 0.
    Source: Keskar et al. 2019, "CTRL", section 4.1.
    """
    raise NotImplementedError("task 1.6: apply_repetition_penalty")


def draw(logits: Tensor, generator: torch.Generator) -> int:
    """Draw one token id at random, each with its softmax probability.

    logits: (vocab,); a token at -inf is never drawn. All randomness comes from `generator`, which moves on with every
    draw: the same seed gives the same sequence of draws, and no other source of randomness has a say.
    Returns a Python int. Raises ValueError if every logit is -inf.
    """
    raise NotImplementedError("task 1.6: draw")


def next_token(logits: Tensor, previous: Sequence[int], params: SamplingParams, generator: torch.Generator) -> int:
    """Choose the next token id as `params` say.

    The order is fixed: repetition penalty, temperature, top-k, top-p, min-p, draw. Each step works on what the one
    before it left. A setting that is off (see SamplingParams) is skipped.
    Temperature 0 is greedy: the highest logit after the repetition penalty, the lowest id among equals; nothing is
    drawn, and the filters have no say. A temperature above 0 that is too small to divide by (1e-300, say) is greedy
    too: one with which the highest logit is finite before `apply_temperature` and not after it.

    logits: (vocab,), not changed. previous: the ids of the prompt and of what was generated, for the penalty.
    Returns a Python int. Raises ValueError for a negative temperature, and what the steps raise.
    """
    raise NotImplementedError("task 1.6: next_token")
