"""Keys and values are never repeated: the group is a dimension of the queries. float64 inside; NumPy for masks."""

import math

import numpy as np
import torch


def causal_mask(queries, keys):
    return torch.from_numpy(np.tri(queries, keys, keys - queries, dtype=bool))


def padding_mask(lengths, length, side="right"):
    counts = np.asarray(lengths).reshape(-1, 1, 1, 1)
    index = np.arange(length)
    masks = {"right": index < counts, "left": index[::-1] < counts}
    if side not in masks:
        raise ValueError(side)
    return torch.from_numpy(masks[side])


def scaled_dot_product(q, k, v, mask=None):
    scale = math.sqrt(1 / k.shape[-1])
    scores = torch.einsum("...qd,...kd->...qk", q.double() * scale, k.double())
    if mask is not None:
        if mask.dtype == torch.bool:
            mask = torch.where(mask, 0.0, -math.inf)
        scores = scores + mask
    allowed = scores != -math.inf
    safe = torch.where(allowed, scores, torch.finfo(scores.dtype).min)
    powers = torch.where(allowed, (safe - safe.amax(dim=-1, keepdim=True).detach()).exp(), 0.0)
    total = powers.sum(dim=-1, keepdim=True)
    weights = powers / torch.where(total == 0, 1.0, total)
    return torch.einsum("...qk,...kv->...qv", weights, v.double()).to(q.dtype)


def split_heads(x, heads):
    batch, length, features = x.shape
    d, rest = divmod(features, heads)
    if rest:
        raise ValueError("cannot split evenly")
    return x.reshape(batch, length, heads, d).permute(0, 2, 1, 3).contiguous()


def merge_heads(x):
    batch, heads, length, d = x.shape
    return x.permute(0, 2, 1, 3).reshape(batch, length, heads * d)


def grouped_attention(q, k, v, mask=None):
    batch, heads, queries, d = q.shape
    kv_heads, keys = k.shape[1], k.shape[2]
    if heads % kv_heads != 0:
        raise ValueError("cannot share evenly")
    q = q.reshape(batch, kv_heads, heads // kv_heads, queries, d)
    if mask is not None:
        mask = mask.broadcast_to(batch, heads, queries, keys).reshape(batch, kv_heads, -1, queries, keys)
    return scaled_dot_product(q, k.unsqueeze(2), v.unsqueeze(2), mask).reshape(batch, heads, queries, -1)
