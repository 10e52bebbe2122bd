"""The key/value cache, and decoding with it.

Keys and values of past positions never change, because attention is causal: computing them once is enough. With a cache
a decode step feeds one token instead of the whole sequence.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn


class KVCache:
    """Keys and values of the positions fed so far, one pair of tensors a layer."""

    def __init__(self, layers: int) -> None:
        self.keys: list[Tensor | None] = [None] * layers
        self.values: list[Tensor | None] = [None] * layers

    @property
    def length(self) -> int:
        """Positions that every layer holds. A forward pass appends layer by layer, and counts once the last has."""
        return min(0 if keys is None else keys.shape[-2] for keys in self.keys)

    def append(self, layer: int, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
        """Add the keys and values of new positions to one layer, and return all that the layer now holds.

        layer: from 0. k: (batch, kv_heads, new, d), v: (batch, kv_heads, new, dv), with new >= 1.
        Returns (all_k, all_v) of shapes (batch, kv_heads, held, d) and (batch, kv_heads, held, dv), oldest position
        first. k and v are not changed, nor are the other layers. The returned tensors are good until the cache next
        changes.
        """
        raise NotImplementedError("task 1.7: KVCache.append")

    def truncate(self, length: int) -> None:
        """Forget every position from `length` on, in every layer: the first `length` positions stay.

        Raises ValueError if length is negative or above `self.length`; the cache then stays as it was.
        """
        raise NotImplementedError("task 1.7: KVCache.truncate")


class CachedModel:
    """A model together with its cache, called as `step(ids, past)`: the form that `greedy` and `generate` drive.

    model: a module called as `model(ids, cache)` with ids (1, length) int64. It answers logits (1, length, vocab),
    places the ids from position `cache.length` on, and appends to the cache; `model.config.layers` is its number of
    layers.
    """

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.cache = KVCache(model.config.layers)

    def __call__(self, ids: list[int], past: int) -> Tensor:
        """Logits of `ids`, given that the first `past` positions of the sequence were fed before.

        ids: the token ids at positions past, past + 1, ... Returns (len(ids), vocab), whose row i scores the token
        after ids[i].
        What the cache holds beyond `past` is dropped first, so a sequence can be continued from any earlier position.
        Only `ids` are fed to the model, in one call; no gradients are recorded.
        Raises ValueError if ids is empty, or if past is negative or more than the cache holds; nothing is fed then.
        """
        raise NotImplementedError("task 1.7: CachedModel.__call__")


def greedy(step: Callable[[list[int], int], Tensor], prompt: Sequence[int], max_new_tokens: int) -> list[int]:
    """Continue the prompt with the most likely token, `max_new_tokens` times. Returns the new token ids only.

    step: called as step(ids, past), ids a list of ints; answers logits (len(ids), vocab), whose row i scores the token
    after ids[i]. `past` is the number of tokens fed before. The whole prompt is fed once, in the first call; every
    later call feeds the one token chosen last. A token whose logits nobody needs is not fed: there are exactly
    max_new_tokens calls, and none if that is 0. Among equal logits the lowest id wins.
    Raises ValueError if the prompt is empty or max_new_tokens is negative. The prompt is not changed.
    """
    raise NotImplementedError("task 1.7: greedy")
