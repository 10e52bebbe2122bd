"""Plain loops over rows and tokens; the draw adds Gumbel noise and takes the highest."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def each_row(change: Callable[[list[float]], list[float]], logits: Tensor) -> Tensor:
    rows = [change(row) for row in logits.reshape(-1, logits.shape[-1]).tolist()]
    return torch.tensor(rows, dtype=logits.dtype).reshape(logits.shape)


def weights(row: list[float]) -> list[float]:
    top = max(row)
    return [math.exp(x - top) for x in row]


def top_k_filter(logits: Tensor, k: int) -> Tensor:
    if k < 1:
        raise ValueError("k must be at least 1")

    def change(row: list[float]) -> list[float]:
        threshold = sorted(row, reverse=True)[:k][-1]
        return [x if x >= threshold else -math.inf for x in row]

    return each_row(change, logits)


def top_p_filter(logits: Tensor, p: float) -> Tensor:
    if not 0 < p <= 1:
        raise ValueError("p must be above 0 and at most 1")

    def change(row: list[float]) -> list[float]:
        mass = weights(row)
        kept, total = [-math.inf] * len(row), 0.0
        for token in sorted(range(len(row)), key=lambda t: -row[t]):
            kept[token] = row[token]
            total += mass[token]
            if total >= p * sum(mass) and p < 1:
                break
        return kept

    return each_row(change, logits)


def min_p_filter(logits: Tensor, min_p: float) -> Tensor:
    if not 0 <= min_p <= 1:
        raise ValueError("min_p must be between 0 and 1")

    # Relative to the highest, whose weight is 1.
    def change(row: list[float]) -> list[float]:
        return [x if weight >= min_p else -math.inf for x, weight in zip(row, weights(row), strict=True)]

    return each_row(change, logits)


def apply_repetition_penalty(logits: Tensor, previous: Sequence[int], penalty: float) -> Tensor:
    if penalty <= 0:
        raise ValueError("penalty must be above 0")
    seen = set(previous)
    values = [
        (x if token not in seen else x / penalty if x > 0 else x * penalty) for token, x in enumerate(logits.tolist())
    ]
    return torch.tensor(values)


def draw(logits: Tensor, generator: torch.Generator) -> int:
    if logits.max().item() == -math.inf:
        raise ValueError("nothing to draw from")
    uniform = torch.rand(logits.shape, generator=generator, dtype=torch.float64).clamp_min(1e-300)
    return (logits.double() - torch.log(-torch.log(uniform))).argmax().item()
