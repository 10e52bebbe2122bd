"""NumPy and loops inside."""

import numpy as np
import torch


def rope_tables(head_dim, positions, theta=10000.0):
    if head_dim % 2:
        raise ValueError("head_dim has to be even")
    cos = np.empty((len(positions), head_dim), dtype=np.float32)
    sin = np.empty_like(cos)
    for row, position in enumerate(positions.tolist()):
        for feature in range(head_dim):
            angle = position / theta ** (2 * (feature % (head_dim // 2)) / head_dim)
            cos[row, feature], sin[row, feature] = np.cos(angle), np.sin(angle)
    return torch.from_numpy(cos), torch.from_numpy(sin)


def apply_rope(x, cos, sin):
    half = x.shape[-1] // 2
    first, second = x[..., :half], x[..., half:]
    out = torch.empty_like(x)
    out[..., :half] = first * cos[:, :half] - second * sin[:, :half]
    out[..., half:] = second * cos[:, half:] + first * sin[:, half:]
    return out


def alibi_slopes(heads):
    if heads < 1:
        raise ValueError("at least one head")
    power = 1
    while 2 * power <= heads:
        power *= 2
    steps = [2 * step for step in range(1, power + 1)] + list(range(1, 2 * (heads - power), 2))
    return torch.from_numpy(np.exp2(-4.0 * np.array(steps) / power).astype(np.float32))


def alibi_bias(heads, queries, keys):
    slopes = alibi_slopes(heads).numpy()
    bias = np.zeros((heads, queries, keys), dtype=np.float32)
    for query in range(queries):
        here = keys - queries + query
        for key in range(max(here, 0)):
            bias[:, query, key] = slopes * (key - here)
    return torch.from_numpy(bias)
