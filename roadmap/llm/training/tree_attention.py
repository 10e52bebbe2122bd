"""Attention over a tree of tokens: a trunk, and branches that each see it and themselves.

A mask over the whole sequence would do the same at four times the cost: it reckons what each branch would see in every
other, only to hide it, and torch's kernel for attention under a mask is slow in bfloat16 on a CPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from transformers import AttentionInterface

NAME = "tree"


@dataclass(frozen=True)
class Layout:
    """Where in a sequence of T tokens the trunk ends and the branches stand.

    `rows` (B, L) has the places of each branch's tokens; a shorter branch is filled up with its last token, which comes
    later than all of them, so that none sees it. `real` (T - trunk) says which of the B * L are not such.
    """

    trunk: int
    rows: torch.Tensor
    real: torch.Tensor


def layout(trunk: int, branches: list[int]) -> Layout:
    """The layout of a trunk and branches of so many tokens, one after the other."""
    longest, start = max(branches), trunk
    rows: list[list[int]] = []
    real: list[int] = []
    for number, length in enumerate(branches):
        rows.append([start + min(place, length - 1) for place in range(longest)])
        real += range(number * longest, number * longest + length)
        start += length
    return Layout(trunk, torch.tensor(rows), torch.tensor(real))


def attend(
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: None,
    *,
    scaling: float,
    tree: Layout,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """What transformers calls in each layer: query (1, H, T, D), key and value (1, K, T, D) -> (1, T, H, D)."""
    keys, values, end = key[0], value[0], tree.trunk
    count, groups, wide = keys.shape[0], module.num_key_value_groups, keys.shape[-1]
    queries = (query[0] * scaling).unflatten(0, (count, groups))  # K, G, T, D
    trunk_keys, trunk_values = keys[:, :end], values[:, :end]

    scores = (queries[:, :, :end].flatten(1, 2) @ trunk_keys.mT).unflatten(1, (groups, end))
    seen = torch.softmax(scores + _causal(end, scores.dtype), -1)
    trunk = (seen.flatten(1, 2) @ trunk_values).unflatten(1, (groups, end))

    branches, longest = tree.rows.shape
    flat = tree.rows.flatten()
    asked = queries.index_select(2, flat)  # K, G, B * L, D
    own_keys = keys.index_select(1, flat).unflatten(1, (branches, longest))
    own_values = values.index_select(1, flat).unflatten(1, (branches, longest))
    of_trunk = (asked.flatten(1, 2) @ trunk_keys.mT).view(count, groups, branches, longest, end)
    of_own = _by_branch(asked.unflatten(2, (branches, longest))) @ own_keys.mT  # K, B, G * L, L
    of_own = of_own.unflatten(2, (groups, longest)).transpose(1, 2) + _causal(longest, scores.dtype)
    seen = torch.softmax(torch.cat([of_trunk, of_own], -1), -1)
    taken = seen[..., :end].reshape(count, -1, end) @ trunk_values
    taken = taken.view(count, groups, branches, longest, wide)
    own = (_by_branch(seen[..., end:]) @ own_values).unflatten(2, (groups, longest)).transpose(1, 2)
    branch = (taken + own).flatten(2, 3).index_select(2, tree.real)

    return torch.cat([trunk, branch], 2).flatten(0, 1).transpose(0, 1)[None], None


def _by_branch(each: torch.Tensor) -> torch.Tensor:
    """K, G, B, L, X -> K, B, G * L, X."""
    return each.transpose(1, 2).flatten(2, 3)


def _causal(length: int, dtype: torch.dtype) -> torch.Tensor:
    """What is added to scores so that no token sees a later one."""
    return torch.full((length, length), torch.finfo(dtype).min, dtype=dtype).triu(1)


AttentionInterface.register(NAME, attend)
