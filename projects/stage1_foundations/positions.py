"""Positions: rotary embedding (RoPE) and linear biases (ALiBi) (task 1.4).

Attention sees a set of tokens, without order. RoPE turns queries and keys by an angle that grows with the position, so
that their dot product depends on the distance between them. ALiBi adds to the scores a penalty that grows with it.

Sources: Su et al. 2021, "RoFormer" (https://arxiv.org/abs/2104.09864); Press et al. 2022, "Train Short, Test Long"
(https://arxiv.org/abs/2108.12409).
"""

from __future__ import annotations

import torch
from torch import Tensor


def rope_tables(head_dim: int, positions: Tensor, theta: float = 10000.0) -> tuple[Tensor, Tensor]:
    """Cosines and sines of the angles by which each position turns each feature.

    Features are turned in pairs. Pair `i`, for `i` from 0 to `head_dim / 2 - 1`, turns by
    `theta ** (-2 * i / head_dim)` radians a token: the first pair fast, the last slowly. As in Llama and SmolLM2, the
    pair is made of feature `i` and feature `i + head_dim / 2`, so each table holds the angles of all pairs twice: its
    second half repeats its first.

    Args:
        head_dim: size of a head, even.
        positions: int (n,), in any order and from any offset: a cache asks for positions that do not start at 0.
        theta: the base of the angles' speeds.

    Returns:
        cos, sin: float32, each (n, head_dim). Row `j` belongs to `positions[j]`.

    Raises:
        ValueError: `head_dim` is odd.
    """
    raise NotImplementedError("task 1.4: rope_tables")


def apply_rope(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn every pair of features of `x` by the angle of its position.

    With `a` the first half of a row's features and `b` its second half, the result is
    `a * cos - b * sin` in the first half and `b * cos + a * sin` in the second.

    Args:
        x: (..., n, head_dim), queries or keys; row `j` of every (n, head_dim) slice stands at the position of row `j`
            of the tables. It is not changed.
        cos, sin: (n, head_dim) from `rope_tables`.

    Returns:
        The shape of `x`. Lengths of rows are kept.
    """
    raise NotImplementedError("task 1.4: apply_rope")


def alibi_slopes(heads: int) -> Tensor:
    """How strongly each head is penalised for one token of distance.

    For a power of two the slopes are a geometric series that starts at `2 ** (-8 / heads)` with that same ratio; for 8
    heads 1/2, 1/4, ... 1/256. For another count, take the slopes of the largest power of two below it, then fill up
    with every second slope (the first, the third, ...) of the series for twice that power.

    Returns:
        float32 (heads,).

    Raises:
        ValueError: `heads` is less than 1.
    """
    raise NotImplementedError("task 1.4: alibi_slopes")


def alibi_bias(heads: int, queries: int, keys: int) -> Tensor:
    """The bias that ALiBi adds to the scores: minus slope times distance.

    The last query stands at the last key, as in `attention.causal_mask`: query `i` is token `keys - queries + i`.

    Returns:
        float32 (heads, queries, keys), to be added to scores (batch, heads, queries, keys). 0 where the key is the
        query's own token, negative to its left, 0 to its right: hiding the future is the mask's work.
    """
    raise NotImplementedError("task 1.4: alibi_bias")
