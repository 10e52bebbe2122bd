"""One head, one query at a time, with the softmax written out."""

import torch


def causal_mask(queries, keys):
    mask = torch.zeros(queries, keys, dtype=torch.bool)
    for query in range(queries):
        mask[query, : max(0, keys - queries + query + 1)] = True
    return mask


def padding_mask(lengths, length, side="right"):
    if side not in ("left", "right"):
        raise ValueError("the side of the padding is left or right")
    mask = torch.zeros(len(lengths), 1, 1, length, dtype=torch.bool)
    for row, real in enumerate(lengths.tolist()):
        first = 0 if side == "right" else length - real
        mask[row, 0, 0, first : first + real] = True
    return mask


def scaled_dot_product(q, k, v, mask=None):
    leading = torch.broadcast_shapes(q.shape[:-2], k.shape[:-2], v.shape[:-2])
    queries, keys = q.shape[-2], k.shape[-2]
    if mask is None:
        mask = torch.zeros(())
    if mask.dtype == torch.bool:
        mask = torch.zeros(mask.shape).masked_fill(~mask, float("-inf"))
    mask = mask.expand(*leading, queries, keys).reshape(-1, queries, keys)
    q = q.expand(*leading, *q.shape[-2:]).reshape(-1, queries, q.shape[-1])
    k = k.expand(*leading, *k.shape[-2:]).reshape(-1, keys, k.shape[-1])
    v = v.expand(*leading, *v.shape[-2:]).reshape(-1, keys, v.shape[-1])
    slices = []
    for one_q, one_k, one_v, bias in zip(q, k, v, mask, strict=True):
        rows = []
        for query, row in zip(one_q, bias, strict=True):
            allowed = row > float("-inf")
            if not allowed.any():
                rows.append(torch.zeros(v.shape[-1]))
                continue
            scores = one_k[allowed] @ query * query.shape[-1] ** -0.5 + row[allowed]
            powers = torch.exp(scores - scores.max())
            rows.append(powers @ one_v[allowed] / powers.sum())
        slices.append(torch.stack(rows))
    return torch.stack(slices).reshape(*leading, queries, v.shape[-1])


def split_heads(x, heads):
    features = x.shape[-1]
    if features % heads != 0:
        raise ValueError(f"{features} is no multiple of {heads}")
    return torch.stack(x.chunk(heads, dim=-1), dim=1)


def merge_heads(x):
    return torch.cat(list(x.unbind(dim=1)), dim=-1)


def grouped_attention(q, k, v, mask=None):
    heads, kv_heads = q.shape[1], k.shape[1]
    if heads % kv_heads:
        raise ValueError("heads must be a multiple of kv_heads")
    if mask is not None:
        mask = mask.expand(q.shape[0], heads, q.shape[2], k.shape[2])
    results = []
    for head in range(heads):
        shared = head * kv_heads // heads
        one = None if mask is None else mask[:, head]
        results.append(scaled_dot_product(q[:, head], k[:, shared], v[:, shared], one))
    return torch.stack(results, dim=1)
