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
        # >>> solution
        if self.keys[layer] is not None:
            k = torch.cat((self.keys[layer], k), dim=-2)
            v = torch.cat((self.values[layer], v), dim=-2)
        self.keys[layer], self.values[layer] = k, v
        return k, v
        # <<< solution

    def truncate(self, length: int) -> None:
        """Forget every position from `length` on, in every layer: the first `length` positions stay.

        Raises ValueError if length is negative or above `self.length`; the cache then stays as it was.
        """
        # >>> solution
        if not 0 <= length <= self.length:
            raise ValueError(f"The cache holds {self.length} positions and cannot be cut to {length}. Feed them first.")
        self.keys = [None if keys is None else keys[..., :length, :] for keys in self.keys]
        self.values = [None if values is None else values[..., :length, :] for values in self.values]
        # <<< solution


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
        # >>> solution
        if not ids:
            raise ValueError("No token ids were given. Feed at least one.")
        self.cache.truncate(past)
        with torch.no_grad():
            return self.model(torch.tensor([ids]), self.cache)[0]
        # <<< solution


def greedy(step: Callable[[list[int], int], Tensor], prompt: Sequence[int], max_new_tokens: int) -> list[int]:
    """Continue the prompt with the most likely token, `max_new_tokens` times. Returns the new token ids only.

    step: called as step(ids, past), ids a list of ints; answers logits (len(ids), vocab), whose row i scores the token
    after ids[i]. `past` is the number of tokens fed before. The whole prompt is fed once, in the first call; every
    later call feeds the one token chosen last. A token whose logits nobody needs is not fed: there are exactly
    max_new_tokens calls, and none if that is 0. Among equal logits the lowest id wins.
    Raises ValueError if the prompt is empty or max_new_tokens is negative. The prompt is not changed.
    """
    # >>> solution
    if not prompt or max_new_tokens < 0:
        raise ValueError("Greedy decoding needs a prompt of at least one token and a max_new_tokens of 0 or more.")
    ids, past, new_tokens = list(prompt), 0, []
    while len(new_tokens) < max_new_tokens:
        logits = step(ids, past)
        past += len(ids)
        ids = [int(logits[-1].argmax())]
        new_tokens += ids
    return new_tokens
    # <<< solution
