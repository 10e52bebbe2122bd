"""Attention: masks, the scaled dot product, heads, and key/value heads shared by groups of query heads (task 1.3).

Shapes are written in the order of the dimensions. `queries` and `keys` are numbers of tokens; they differ when a cache
holds keys of earlier tokens. In a boolean mask True means "may attend".

Sources: Vaswani et al. 2017, "Attention Is All You Need" (https://arxiv.org/abs/1706.03762); Ainslie et al. 2023, "GQA"
(https://arxiv.org/abs/2305.13245).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def causal_mask(queries: int, keys: int) -> Tensor:
    """Which keys each query may see when no token may look ahead.

    The last query stands at the last key: with `past = keys - queries` tokens already in a cache, query `i` is token
    `past + i`, and it sees keys `0` to `past + i`, itself included. With more queries than keys the first
    `queries - keys` rows see nothing.

    Returns:
        bool (queries, keys), True where the query may attend.
    """
    raise NotImplementedError("task 1.3: causal_mask")


def padding_mask(lengths: Tensor, length: int, side: str = "right") -> Tensor:
    """Which positions of a padded batch hold real tokens.

    Args:
        lengths: int (batch,), the number of real tokens of each sequence, 0 to `length`.
        length: the padded length of every sequence.
        side: where the padding stands. "right": real tokens first. "left": real tokens last.

    Returns:
        bool (batch, 1, 1, length), True at a real token. The two ones are for heads and queries, so that it combines
        with a causal mask by `&`.

    Raises:
        ValueError: `side` is neither "right" nor "left".
    """
    raise NotImplementedError("task 1.3: padding_mask")


def scaled_dot_product(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Attention proper: softmax(q k^T / sqrt(d)) v, the softmax taken over the keys.

    Args:
        q: (..., queries, d).
        k: (..., keys, d).
        v: (..., keys, dv).
        mask: None, or broadcastable to the scores (..., queries, keys). A bool mask allows the keys where it is True.
            A float mask is added to the scores after scaling; -inf forbids.

    Returns:
        (..., queries, dv). A query with no allowed key gets zeros, never NaN, and NaN reaches no gradient through it.
        A forbidden key (of finite numbers) has no influence at all on the result. Scores as large as 1e4 do no harm.
        Differentiable in q, k and v; changes none of its arguments.
    """
    raise NotImplementedError("task 1.3: scaled_dot_product")


def split_heads(x: Tensor, heads: int) -> Tensor:
    """Cut the last dimension into heads: head `h` gets features `h * d` to `(h + 1) * d`.

    Args:
        x: (batch, length, heads * d).
        heads: number of heads.

    Returns:
        (batch, heads, length, d).

    Raises:
        ValueError: the last dimension is not a multiple of `heads`.
    """
    raise NotImplementedError("task 1.3: split_heads")


def merge_heads(x: Tensor) -> Tensor:
    """Put the heads side by side again: the inverse of `split_heads`.

    Args:
        x: (batch, heads, length, d).

    Returns:
        (batch, length, heads * d).
    """
    raise NotImplementedError("task 1.3: merge_heads")


def grouped_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None) -> Tensor:
    """Attention where several query heads share one key/value head.

    Query head `h` reads key/value head `h // (heads // kv_heads)`: neighbours share. With `kv_heads == heads` this is
    multi-head attention, with `kv_heads == 1` multi-query attention.

    Args:
        q: (batch, heads, queries, d).
        k: (batch, kv_heads, keys, d).
        v: (batch, kv_heads, keys, d).
        mask: as in `scaled_dot_product`, broadcastable to (batch, heads, queries, keys).

    Returns:
        (batch, heads, queries, d).

    Raises:
        ValueError: `heads` is not a multiple of `kv_heads`.
    """
    raise NotImplementedError("task 1.3: grouped_attention")
