"""Models that live with the judge, for tasks 1.7 and 1.8, and right and wrong ways of decoding with them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from roadmap.grading import expect


class Language:
    """A made-up language: the logits after a prefix are random, and another prefix has others.

    Whoever feeds a wrong token, or a right one at a wrong place, gets logits that lead elsewhere. Nothing is computed
    from them but comparisons, so there is no rounding.
    """

    def __init__(self, rng: np.random.Generator, vocab: int, *, levels: int = 0):
        """With `levels` the logits are whole numbers below it, so that ties are frequent."""
        self.vocab = vocab
        self._levels = levels
        self._salt = int(rng.integers(2**31))

    def logits(self, prefix: Sequence[int]) -> np.ndarray:
        """(vocab,) float32, for the token after a prefix."""
        rng = np.random.default_rng([self._salt, len(prefix), *prefix])
        if self._levels:
            return rng.integers(self._levels, size=self.vocab).astype("float32")
        return (rng.normal(size=self.vocab) * 2).astype("float32")

    def prompt(self, rng: np.random.Generator, length: int) -> list[int]:
        """A random prompt."""
        return [int(token) for token in rng.integers(self.vocab, size=length)]

    def greedy(self, prompt: Sequence[int], count: int) -> list[int]:
        """The `count` tokens that are most likely, one after the other."""
        sequence = list(prompt)
        for _ in range(count):
            sequence.append(int(np.argmax(self.logits(sequence))))
        return sequence[len(prompt) :]

    def greedy_from_the_first_row(self, prompt: Sequence[int], count: int) -> list[int]:
        """Wrong: the first new token is chosen by the logits after the prompt's first token."""
        first = int(np.argmax(self.logits(prompt[:1])))
        return [first, *self.greedy([*prompt, first], count - 1)]


class Feed:
    """Answers `step` for a language, and keeps what was fed: `calls` is a list of [ids, past]."""

    def __init__(self, language: Language, *, past_mistake: str | None = None):
        """past_mistake: the mistake to name when a token is fed at a position other than the next."""
        self.language = language
        self.calls: list[list] = []
        self.fed: list[int] = []
        self._past_mistake = past_mistake

    def __call__(self, ids, past) -> torch.Tensor:
        """Logits (len(ids), vocab) of ids at positions past, past + 1, ...; ValueError for what no cache can answer."""
        expect.type(ids, list, what="the ids that step was called with")
        for token in ids:
            expect.type(token, int, what="a token id that step was called with")
            if not 0 <= token < self.language.vocab:
                raise ValueError(f"there is no token {token} in a vocabulary of {self.language.vocab}")
        expect.type(past, int, what="the past that step was called with")
        if self._past_mistake is not None:
            expect.that(
                past == len(self.fed) or (past == 0 and len(ids) > 1),  # feeding all again is another mistake
                f"step was called with past = {past} when {len(self.fed)} tokens had been fed.",
                mistake=self._past_mistake,
            )
        self.calls.append([ids, past])
        if not ids:
            raise ValueError("step was called without a token")
        if not 0 <= past <= len(self.fed):
            raise ValueError(f"step was called with past = {past}, but {len(self.fed)} tokens had been fed")
        self.fed = self.fed[:past] + ids
        ends = range(past + 1, len(self.fed) + 1)
        return torch.from_numpy(np.stack([self.language.logits(self.fed[:end]) for end in ends]))


def feeding(prompt: Sequence[int], new_tokens: Sequence[int]) -> list[list]:
    """The calls [ids, past] of a decoder that feeds each token once, and the last not at all."""
    calls = [[list(prompt), 0]] if new_tokens else []
    return calls + [[[token], len(prompt) + i] for i, token in enumerate(new_tokens[:-1])]


def feeding_everything(prompt: Sequence[int], new_tokens: Sequence[int]) -> list[list]:
    """Wrong: the whole sequence in every call."""
    return [[[*prompt, *new_tokens[:i]], 0] for i in range(len(new_tokens))]


def feeding_the_last(prompt: Sequence[int], new_tokens: Sequence[int]) -> list[list]:
    """Wrong: one call more, for logits that nobody reads."""
    return feeding(prompt, [*new_tokens, 0])


class Attention:
    """A small causal attention model whose weights never leave the judge.

    The candidate holds the cache and mixes values, but has to ask for the embedding, the queries, keys and values of
    every token that it feeds: what is asked is what was fed. `fed` is a list of [ids, start].
    """

    layers, heads, vocab, positions = 2, 2, 24, 64
    d, dv = 4, 3

    def __init__(self, rng: np.random.Generator):
        hidden = self.heads * self.dv

        def weights(*shape: int) -> np.ndarray:
            return rng.normal(size=shape) / np.sqrt(shape[-2])

        self.tokens = rng.normal(size=(self.vocab, hidden))
        self.places = rng.normal(size=(self.positions, hidden))
        widths = (self.d, self.d, self.dv)
        self.projections = [[2 * weights(self.heads, hidden, width) for width in widths] for _ in range(self.layers)]
        self.out = 3 * weights(hidden, self.vocab)
        self.fed: list[list] = []

    def embed(self, ids, start) -> torch.Tensor:
        """Embeddings (len(ids), hidden) of ids that start at a position. The call is recorded."""
        expect.type(ids, list, what="the ids that the model was fed")
        expect.type(start, int, what="the number of positions in the cache")
        if not all(type(token) is int and 0 <= token < self.vocab for token in ids):
            raise ValueError(f"the model was fed something other than token ids below {self.vocab}")
        if not 0 <= start <= self.positions - len(ids):
            raise ValueError(f"the model has {self.positions} positions; {len(ids)} tokens do not fit from {start} on")
        self.fed.append([ids, start])
        return torch.from_numpy((self.tokens[ids] + self.places[start : start + len(ids)]).astype("float32"))

    def project(self, layer, x) -> list[torch.Tensor]:
        """Queries, keys and values (heads, n, width) of x (n, hidden) in a layer."""
        expect.shape(x, (len(x), self.heads * self.dv), what="the input of a layer")
        x = np.asarray(x, dtype=np.float64)
        return [torch.from_numpy((x @ weight).astype("float32")) for weight in self.projections[layer]]

    def logits(self, ids: Sequence[int]) -> np.ndarray:
        """(len(ids), vocab) in float64, all at once and without a cache."""
        x = self.tokens[list(ids)] + self.places[: len(ids)]
        allowed = np.tril(np.ones((len(ids), len(ids)), dtype=bool))
        for projections in self.projections:
            q, k, v = (x @ weight for weight in projections)
            scores = np.where(allowed, q @ k.transpose(0, 2, 1) / np.sqrt(self.d), -np.inf)
            shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
            mixed = shares / shares.sum(axis=-1, keepdims=True) @ v
            x = x + mixed.transpose(1, 0, 2).reshape(len(ids), -1)
        return x @ self.out

    def greedy(self, prompt: Sequence[int], count: int) -> tuple[list[int], float]:
        """The most likely tokens, and by how much the closest of them won."""
        sequence, margin = list(prompt), np.inf
        for _ in range(count):
            last = self.logits(sequence)[-1]
            second, first = np.sort(last)[-2:]
            margin = min(margin, float(first - second))
            sequence.append(int(np.argmax(last)))
        return sequence[len(prompt) :], margin
