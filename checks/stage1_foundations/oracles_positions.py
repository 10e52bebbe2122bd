"""Right answers for task 1.4 from NumPy in float64 and from transformers, and the wrong ones that have a name."""

from __future__ import annotations

import math

import numpy as np
import torch


def rope_angles(head_dim: int, positions, theta: float, *, exponent: str = "right") -> np.ndarray:
    """(n, head_dim / 2): position times speed of each pair. `exponent`: "right", "rising" or "half as steep"."""
    power = {"right": -2.0, "rising": 2.0, "half as steep": -1.0}[exponent]
    speeds = [theta ** (power * pair / head_dim) for pair in range(head_dim // 2)]
    return np.asarray(positions, dtype=np.float64)[:, None] * np.array(speeds)


def rope_tables(head_dim: int, positions, theta: float, **flaw: str) -> list[np.ndarray]:
    """Cosines and sines, the halves alike."""
    angles = np.tile(rope_angles(head_dim, positions, theta, **flaw), 2)
    return [np.cos(angles), np.sin(angles)]


def rope_tables_interleaved(head_dim: int, positions, theta: float) -> list[np.ndarray]:
    """Each pair's angle at two neighbouring features, as in GPT-J."""
    angles = np.repeat(rope_angles(head_dim, positions, theta), 2, axis=-1)
    return [np.cos(angles), np.sin(angles)]


def apply_rope(x, cos, sin) -> torch.Tensor:
    """transformers' own, for x (..., n, head_dim)."""
    from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

    x, cos, sin = (torch.as_tensor(a).double() for a in (x, cos, sin))
    turned, _ = apply_rotary_pos_emb(
        x.reshape(1, -1, *x.shape[-2:]), torch.zeros(1, 1, *cos.shape), cos[None], sin[None]
    )
    return turned.reshape(x.shape)


def apply_rope_neighbours(x, cos, sin) -> np.ndarray:
    """Features 2i and 2i + 1 taken for the pair, with the tables given."""
    x, cos, sin = (np.asarray(a, dtype=np.float64) for a in (x, cos, sin))
    partner = np.stack([-x[..., 1::2], x[..., ::2]], axis=-1).reshape(x.shape)
    return x * cos + partner * sin


def apply_rope_without_sign(x, cos, sin) -> np.ndarray:
    """The halves swapped, none of them negated."""
    x, cos, sin = (np.asarray(a, dtype=np.float64) for a in (x, cos, sin))
    half = x.shape[-1] // 2
    return x * cos + np.concatenate([x[..., half:], x[..., :half]], axis=-1) * sin


def alibi_slopes(heads: int) -> np.ndarray:
    """Bloom's slopes, read from the bias that transformers builds for a second key."""
    from transformers.models.bloom.modeling_bloom import build_alibi_tensor

    bias = build_alibi_tensor(torch.ones(1, 2), heads, torch.float32)
    return bias[:, 0, 1].numpy()


def alibi_series(heads: int, *, first: int = 1) -> np.ndarray:
    """The geometric series for any number of heads, from its power `first`."""
    return np.array([2.0 ** (-8 * (first + head) / heads) for head in range(heads)])


def alibi_slopes_filled_in_order(heads: int) -> np.ndarray:
    """Filled up with the first slopes of the longer series instead of with every second one."""
    power = 2 ** int(math.log2(heads))
    return np.concatenate([alibi_series(power), alibi_series(2 * power)[: heads - power]])


def alibi_bias(heads: int, queries: int, keys: int, *, sign: int = -1, right: str = "zero", aligned: str = "right"):
    """Slope by slope, query by query, key by key. `right`: what stands right of the diagonal, "zero" or "distance"."""
    bias = np.zeros((heads, queries, keys))
    first = keys - queries if aligned == "right" else 0
    for head, slope in enumerate(alibi_slopes(heads)):
        for query in range(queries):
            for key in range(keys):
                distance = first + query - key
                if distance < 0:
                    distance = -distance if right == "distance" else 0
                bias[head, query, key] = sign * slope * distance
    return bias
