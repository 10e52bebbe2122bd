"""The rotation as a matrix product, with a matrix that swaps and negates the halves; tables by stepping on a sine."""

import torch


def rope_tables(head_dim, positions, theta=10000.0):
    if head_dim & 1:
        raise ValueError(f"{head_dim} features make no pairs")
    speeds = 1.0 / torch.pow(theta, torch.arange(0, head_dim, 2, dtype=torch.float64) / head_dim)
    angles = torch.einsum("n,f->nf", positions.double(), torch.cat((speeds, speeds)))
    return torch.sin(angles + torch.pi / 2).float(), torch.sin(angles).float()


def apply_rope(x, cos, sin):
    size = x.shape[-1]
    swap = torch.zeros(size, size, dtype=x.dtype)
    for i in range(size // 2):
        swap[i + size // 2, i] = -1.0
        swap[i, i + size // 2] = 1.0
    return torch.addcmul(x * cos, x @ swap, sin)


def alibi_bias(heads, queries, keys):
    distance = torch.tensor(
        [[max(keys - queries + query - key, 0) for key in range(keys)] for query in range(queries)], dtype=torch.float32
    )
    return torch.einsum("h,qk->hqk", alibi_slopes(heads).neg(), distance)  # noqa: F821 (the reference's)
