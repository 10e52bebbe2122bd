"""Right answers for task 1.3, in NumPy and float64, and the wrong ones that have a name."""

from __future__ import annotations

import math

import numpy as np
import torch


def causal_mask(queries: int, keys: int, *, strict: bool = False, aligned: str = "right") -> np.ndarray:
    """Row by row: which keys each query sees."""
    first = keys - queries if aligned == "right" else 0
    seen = [[key < first + query + (0 if strict else 1) for key in range(keys)] for query in range(queries)]
    return np.array(seen, dtype=bool).reshape(queries, keys)


def padding_mask(lengths: np.ndarray, length: int, side: str, *, extra: int = 0) -> np.ndarray:
    """Real tokens of each row, with `extra` tokens too many."""
    mask = np.zeros((len(lengths), 1, 1, length), dtype=bool)
    for row, real in enumerate(lengths):
        count = int(real) + extra
        span = slice(0, count) if side == "right" else slice(max(length - count, 0), length)
        mask[row, 0, 0, span] = True
    return mask


def attention(q, k, v, mask=None, *, scale: float | None = None, axis: int = -1, flaw: str = "") -> np.ndarray:
    """softmax(q k^T scale) v in float64; rows with no allowed key give zeros.

    `flaw` is one of "mask after softmax" (weights are not normalised again), "bias before scaling",
    "blind rows average" (such a row weighs all keys alike) and "" for none.
    """
    q, k, v = (np.asarray(x, dtype=np.float64) for x in (q, k, v))
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    bias = np.zeros((1, 1))
    allowed = np.ones((1, 1), dtype=bool)
    if mask is not None:
        mask = np.asarray(mask)
        if mask.dtype == bool:
            allowed = mask
        else:
            allowed, bias = ~np.isneginf(mask), np.where(np.isneginf(mask), 0.0, mask)
    scores = q @ np.swapaxes(k, -1, -2)
    scores = (scores + bias) * scale if flaw == "bias before scaling" else scores * scale + bias
    allowed = np.broadcast_to(allowed, scores.shape)
    if flaw == "mask after softmax":
        weights = np.exp(scores - scores.max(axis=axis, keepdims=True))
        weights = weights / weights.sum(axis=axis, keepdims=True) * allowed
    else:
        blind = ~allowed.any(axis=-1, keepdims=True)
        highest = np.where(allowed, scores, -1e300).max(axis=axis, keepdims=True)
        weights = np.exp(np.where(allowed, scores - highest, -np.inf))
        weights = weights / np.where(blind, 1.0, weights.sum(axis=axis, keepdims=True))
        if flaw == "blind rows average":
            weights = np.where(blind, 1 / scores.shape[-1], weights)
    return weights @ v


def attention_and_gradients(q, k, v, mask) -> list[torch.Tensor]:
    """The result for (tokens, features) inputs, and the gradients of its sum of squares by q, k and v.

    Each query is computed alone, from its allowed keys only, so nothing forbidden can leak in.
    """
    q, k, v = (torch.as_tensor(x).double().requires_grad_() for x in (q, k, v))
    rows = []
    for query, allowed in zip(q, torch.as_tensor(mask), strict=True):
        if allowed.any():
            weights = torch.softmax(k[allowed] @ query / math.sqrt(len(query)), dim=0)
            rows.append(weights @ v[allowed])
        else:
            rows.append(torch.zeros(v.shape[-1], dtype=torch.float64))
    result = torch.stack(rows)
    result.square().sum().backward()
    return [result.detach(), q.grad, k.grad, v.grad]


def split_heads(x, heads: int) -> np.ndarray:
    """Head h of each token is its h-th slice of d features."""
    x = np.asarray(x)
    d = x.shape[-1] // heads
    return np.stack([x[..., head * d : (head + 1) * d] for head in range(heads)], axis=1)


def split_heads_without_transpose(x, heads: int) -> np.ndarray:
    """The same numbers in memory order, under the new shape."""
    x = np.asarray(x)
    return x.reshape(x.shape[0], heads, x.shape[1], -1)


def split_heads_interleaved(x, heads: int) -> np.ndarray:
    """Head h takes every heads-th feature."""
    x = np.asarray(x)
    return np.stack([x[..., head::heads] for head in range(heads)], axis=1)


def merge_heads(x) -> np.ndarray:
    """The heads of each token side by side."""
    x = np.asarray(x)
    return np.concatenate([x[:, head] for head in range(x.shape[1])], axis=-1)


def merge_heads_without_transpose(x) -> np.ndarray:
    """The same numbers in memory order, under the new shape."""
    x = np.asarray(x)
    return x.reshape(x.shape[0], x.shape[2], -1)


def merge_heads_interleaved(x) -> np.ndarray:
    """The heads' first features, then their second ones, and so on."""
    x = np.asarray(x)
    return np.stack([x[:, head] for head in range(x.shape[1])], axis=-1).reshape(x.shape[0], x.shape[2], -1)


def grouped_attention(q, k, v, mask=None, *, tiled: bool = False) -> np.ndarray:
    """Head by head; `tiled` deals the key/value heads out in turn instead of in runs."""
    heads, kv_heads = np.shape(q)[1], np.shape(k)[1]
    whose = [head % kv_heads if tiled else head // (heads // kv_heads) for head in range(heads)]
    k, v = np.asarray(k)[:, whose], np.asarray(v)[:, whose]
    return attention(q, k, v, mask)
