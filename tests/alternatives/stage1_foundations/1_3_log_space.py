"""Weights from log_softmax, a mask multiplied into the powers, heads cut by indexing."""

import torch


def scaled_dot_product(q, k, v, mask=None):
    scores = torch.matmul(q, k.mT).mul(q.size(-1) ** -0.5)
    if mask is None:
        return torch.matmul(scores.log_softmax(dim=-1).exp(), v)
    if mask.dtype != torch.bool:
        allowed = mask.isfinite()
        scores = scores + torch.where(allowed, mask, torch.zeros_like(mask))
    else:
        allowed = mask
    allowed = allowed.broadcast_to(scores.shape)
    scores = scores.masked_fill(~allowed, -3e38)
    powers = (scores - scores.max(dim=-1, keepdim=True).values).exp() * allowed
    return torch.matmul(powers, v) / powers.sum(dim=-1, keepdim=True).clamp(min=1e-30)


def split_heads(x, heads):
    if x.shape[2] % heads:
        raise ValueError("uneven heads")
    index = torch.arange(x.shape[2]).view(heads, -1)
    return x[:, :, index].movedim(2, 1)


def merge_heads(x):
    return x.movedim(1, 2).reshape(x.shape[0], x.shape[2], -1)


def grouped_attention(q, k, v, mask=None):
    if q.shape[1] % k.shape[1] != 0:
        raise ValueError("uneven groups")
    owner = torch.arange(q.shape[1]) // (q.shape[1] // k.shape[1])
    return scaled_dot_product(q, k.index_select(1, owner), v.index_select(1, owner), mask)
