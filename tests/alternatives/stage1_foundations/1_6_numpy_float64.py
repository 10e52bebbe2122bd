"""NumPy in float64 inside; the draw inverts the cumulative distribution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def softmax(x: np.ndarray) -> np.ndarray:
    weights = np.exp(x - x.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def apply_temperature(logits: Tensor, temperature: float) -> Tensor:
    if temperature <= 0:
        raise ValueError("temperature must be positive")
    return torch.from_numpy(logits.numpy().astype(np.float64) * (1 / temperature))


def top_k_filter(logits: Tensor, k: int) -> Tensor:
    if k <= 0:
        raise ValueError("k must be positive")
    x = logits.numpy().astype(np.float64)
    if k >= x.shape[-1]:
        return torch.from_numpy(x)
    threshold = np.partition(x, -k, axis=-1)[..., -k, None]
    return torch.from_numpy(np.where(x >= threshold, x, -np.inf))


def top_p_filter(logits: Tensor, p: float) -> Tensor:
    if p <= 0 or p > 1:
        raise ValueError("p must be in (0, 1]")
    x = logits.numpy().astype(np.float64)
    if p == 1:
        return torch.from_numpy(x)
    order = np.argsort(-x, axis=-1, kind="stable")
    reached = np.cumsum(np.take_along_axis(softmax(x), order, axis=-1), axis=-1) >= p
    # Shifted by one, so that the token that reaches p stays.
    drop_sorted = np.concatenate([np.zeros_like(reached[..., :1]), reached[..., :-1]], axis=-1)
    drop = np.empty_like(drop_sorted)
    np.put_along_axis(drop, order, drop_sorted, axis=-1)
    x[drop] = -np.inf
    return torch.from_numpy(x)


def min_p_filter(logits: Tensor, min_p: float) -> Tensor:
    if min_p < 0 or min_p > 1:
        raise ValueError("min_p must be in [0, 1]")
    x = logits.numpy().astype(np.float64)
    probabilities = softmax(x)
    return torch.from_numpy(np.where(probabilities >= min_p * probabilities.max(axis=-1, keepdims=True), x, -np.inf))


def apply_repetition_penalty(logits: Tensor, previous: Sequence[int], penalty: float) -> Tensor:
    if penalty <= 0:
        raise ValueError("penalty must be positive")
    x = logits.numpy().astype(np.float64)
    seen = np.zeros(len(x), dtype=bool)
    seen[list(previous)] = True
    x[seen & (x > 0)] /= penalty
    x[seen & (x < 0)] *= penalty
    return torch.from_numpy(x)


def draw(logits: Tensor, generator: torch.Generator) -> int:
    x = logits.numpy().astype(np.float64)
    if np.all(x == -np.inf):
        raise ValueError("no token is left")
    cumulative = np.cumsum(softmax(x))
    where = torch.rand((), generator=generator, dtype=torch.float64).item() * cumulative[-1]
    return int(np.searchsorted(cumulative, where, side="right"))
