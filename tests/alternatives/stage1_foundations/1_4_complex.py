"""RoPE as multiplication by complex numbers; ALiBi by the paper's recursion."""

import math

import torch


def rope_tables(head_dim, positions, theta=10000.0):
    if head_dim % 2 != 0:
        raise ValueError("an odd number of features cannot be paired")
    pairs = torch.arange(head_dim // 2, dtype=torch.float64)
    angles = positions.double()[:, None] * torch.exp(-2 * pairs / head_dim * math.log(theta))
    numbers = torch.polar(torch.ones_like(angles), angles).repeat(1, 2)
    return numbers.real.float(), numbers.imag.float()


def apply_rope(x, cos, sin):
    half = x.shape[-1] // 2
    numbers = torch.complex(x[..., :half].contiguous(), x[..., half:].contiguous())
    turned = numbers * torch.complex(cos[..., :half].contiguous(), sin[..., :half].contiguous())
    return torch.cat([turned.real, turned.imag], dim=-1)


def alibi_slopes(heads):
    if heads <= 0:
        raise ValueError("no heads, no slopes")
    exponent = math.log2(heads)
    if exponent == int(exponent):
        start = 2 ** -(2 ** -(exponent - 3))
        return torch.tensor([start**step for step in range(1, heads + 1)], dtype=torch.float32)
    below = 2 ** int(exponent)
    return torch.cat([alibi_slopes(below), alibi_slopes(2 * below)[::2][: heads - below]])


def alibi_bias(heads, queries, keys):
    whole = torch.arange(max(queries, keys)).float()
    distance = torch.relu(whole[:, None] - whole[None, :])
    if queries <= keys:
        distance = distance[keys - queries : keys, :keys]
    else:
        blank = torch.zeros(queries - keys, keys)
        distance = torch.cat([blank, distance[:keys, :keys]])
    return torch.stack([-slope * distance for slope in alibi_slopes(heads)])
