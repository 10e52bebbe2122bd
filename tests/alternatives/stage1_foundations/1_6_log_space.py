"""Thresholds in log space, ranks by counting, and one pass over ranked tokens in next_token."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor


def top_k_filter(logits: Tensor, k: int) -> Tensor:
    if k < 1:
        raise ValueError("k must be at least 1")
    higher = (logits.unsqueeze(-2) > logits.unsqueeze(-1)).sum(dim=-1)
    return torch.where(higher < k, logits, -math.inf)


def min_p_filter(logits: Tensor, min_p: float) -> Tensor:
    if min_p < 0 or min_p > 1:
        raise ValueError("min_p is a share")
    if min_p == 0:
        return logits + 0
    threshold = logits.max(dim=-1, keepdim=True).values + math.log(min_p)
    return torch.where(logits < threshold, -math.inf, logits)


def apply_repetition_penalty(logits: Tensor, previous: Sequence[int], penalty: float) -> Tensor:
    if penalty <= 0:
        raise ValueError("penalty must be above 0")
    seen = torch.zeros(logits.shape[0], dtype=torch.bool)
    seen[torch.tensor(list(previous), dtype=torch.long)] = True
    lowered = torch.minimum(logits / penalty, logits * penalty)
    raised = torch.maximum(logits / penalty, logits * penalty)
    return torch.where(seen, lowered if penalty >= 1 else raised, logits)


def next_token(logits: Tensor, previous: Sequence[int], params, generator: torch.Generator) -> int:
    if params.temperature < 0:
        raise ValueError("the temperature is negative")
    scores = apply_repetition_penalty(logits, previous, params.repetition_penalty)
    if params.temperature == 0:
        return scores.tolist().index(scores.max().item())
    below = scores.double() - scores.max()  # from 0 down: a tiny temperature sends them to -inf, never to NaN
    ordered, ids = (below / params.temperature).sort(descending=True, stable=True)
    keep = torch.ones_like(ordered, dtype=torch.bool)
    if params.top_k > 0:
        keep &= ordered >= ordered[min(params.top_k, len(ordered)) - 1]
    if params.top_p < 1:
        probabilities = ordered.masked_fill(~keep, -math.inf).softmax(dim=-1)
        keep[1:] &= probabilities.cumsum(dim=-1)[:-1] < params.top_p
    if params.min_p > 0:
        keep &= ordered >= ordered[0] + math.log(params.min_p)
    drawn = torch.multinomial(ordered.masked_fill(~keep, -math.inf).softmax(dim=-1), 1, generator=generator)
    return int(ids[drawn])
