"""Right answers for task 1.6, in NumPy and float64, and the known wrong ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

ALARM = 1e-8  # the chance at which a random outcome is called impossible, for one distribution
RIGHT_ORDER = ("penalty", "temperature", "top_k", "top_p", "min_p")


def softmax(logits) -> np.ndarray:
    """Softmax over the last dimension, in float64."""
    logits = np.asarray(logits, dtype=np.float64)
    weights = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return weights / weights.sum(axis=-1, keepdims=True)


def by_row(filter_row: Callable[[np.ndarray], np.ndarray], logits) -> np.ndarray:
    """Apply a function that answers which tokens of one row stay; the others become -inf."""
    logits = np.asarray(logits)
    rows = logits.reshape(-1, logits.shape[-1])
    return np.stack([np.where(filter_row(row), row, -np.inf) for row in rows]).reshape(logits.shape)


def keep_top_k(row: np.ndarray, k: int) -> np.ndarray:
    """Which tokens have fewer than k tokens above them."""
    return np.array([(row > x).sum() < k for x in row])


def top_k(logits, k: int) -> np.ndarray:
    """Top-k by counting, for each token, how many are higher."""
    return by_row(lambda row: keep_top_k(row, k), logits)


def keep_top_p(row: np.ndarray, p: float, *, keep_crossing: bool = True) -> np.ndarray:
    """Which tokens top-p keeps, by going through them one at a time."""
    probabilities = softmax(row)
    kept = np.zeros(len(row), dtype=bool)
    total = 0.0
    for token in sorted(range(len(row)), key=lambda token: (-row[token], token)):
        if (total if keep_crossing else total + probabilities[token]) >= p:
            break
        kept[token] = True
        total += probabilities[token]
    return kept


def top_p(logits, p: float, *, keep_crossing: bool = True) -> np.ndarray:
    """Top-p; with keep_crossing=False the token that reaches p goes too."""
    if p == 1:
        return np.asarray(logits).copy()
    return by_row(lambda row: keep_top_p(row, p, keep_crossing=keep_crossing), logits)


def top_p_in_index_order(logits, p: float) -> np.ndarray:
    """Wrong: adds probabilities up in the order of the ids."""

    def keep(row: np.ndarray) -> np.ndarray:
        probabilities = softmax(row)
        return np.array([probabilities[:i].sum() < p for i in range(len(row))])

    return by_row(keep, logits)


def top_p_sorted_mask(logits, p: float) -> np.ndarray:
    """Wrong: keeps as many tokens as it should, but always the lowest ids."""
    return by_row(lambda row: np.arange(len(row)) < keep_top_p(row, p).sum(), logits)


def min_p(logits, share: float) -> np.ndarray:
    """Min-p: at least `share` of the highest probability."""
    return by_row(lambda row: softmax(row) >= share * softmax(row).max(), logits)


def min_p_unscaled(logits, share: float) -> np.ndarray:
    """Wrong: compares probabilities with the bare number."""
    return by_row(lambda row: softmax(row) >= share, logits)


def min_p_on_logits(logits, share: float) -> np.ndarray:
    """Wrong: compares logits, as if they were probabilities."""
    return by_row(lambda row: row >= share * row.max(), logits)


def zero_filled(filtered) -> np.ndarray:
    """Wrong: the filtered tokens at 0 in the place of -inf."""
    return np.where(np.isneginf(filtered), 0.0, filtered)


def min_p_mixing_rows(logits, share: float) -> np.ndarray:
    """Wrong: every row is compared with the highest probability of all rows."""
    probabilities = softmax(logits)
    return np.where(probabilities >= share * probabilities.max(), np.asarray(logits), -np.inf)


def mixing_rows(filter_logits: Callable[..., np.ndarray], logits, *args) -> np.ndarray:
    """Wrong: all rows treated as one long row."""
    logits = np.asarray(logits)
    return filter_logits(logits.reshape(1, -1), *args).reshape(logits.shape)


def penalised(logits, previous: Sequence[int], penalty: float, *, divide=False, every_time=False) -> np.ndarray:
    """Repetition penalty; divide: negative logits are divided too; every_time: once for each occurrence."""
    changed = np.asarray(logits, dtype=np.float64).copy()
    for token in previous if every_time else set(previous):
        shrinks = changed[token] > 0 or divide
        changed[token] = changed[token] / penalty if shrinks else changed[token] * penalty
    return changed


def distribution(logits, previous: Sequence[int], settings: dict, order: Sequence[str] = RIGHT_ORDER) -> np.ndarray:
    """Probabilities of the next token when the steps are taken in the given order; a step that is not named is off."""
    row = np.asarray(logits, dtype=np.float64)
    for step in order:
        if step == "penalty":
            row = penalised(row, previous, settings.get("repetition_penalty", 1.0))
        elif step == "temperature":
            row = row / settings["temperature"]
        elif step == "top_k" and settings.get("top_k", 0):
            row = top_k(row, settings["top_k"])
        elif step == "top_p":
            row = top_p(row, settings.get("top_p", 1.0))
        elif step == "min_p":
            row = min_p(row, settings.get("min_p", 0.0))
    return softmax(row)


def divergence(share: float, probability: float) -> float:
    """Kullback-Leibler divergence of a coin that shows heads `share` of the time from one with that probability."""
    total = 0.0
    for seen, expected in ((share, probability), (1 - share, 1 - probability)):
        if seen > 0:
            total += math.inf if expected <= 0 else seen * math.log(seen / expected)
    return total


def first_unlikely(counts: Sequence[int], probabilities: Sequence[float]) -> int | None:
    """The first token whose count cannot come from independent draws with these probabilities; None if all can.

    Chernoff: a count that far from its mean has a chance of at most exp(-draws * divergence) on either side. With a
    union over tokens and sides the false alarm is at most ALARM, whatever the distribution.
    """
    draws = sum(counts)
    bound = math.log(2 * len(counts) / ALARM)
    for token, (count, probability) in enumerate(zip(counts, probabilities, strict=True)):
        if probability > 1 - 1e-12:
            probability = 1.0
        if draws * divergence(count / draws, float(probability)) > bound:
            return token
    return None


def told_apart(right: np.ndarray, wrong: np.ndarray, draws: int) -> bool:
    """Whether `draws` draws from the wrong distribution will hardly ever pass for the right one."""
    bound = 3 * math.log(2 * len(right) / ALARM)  # three times the alarm's own bound leaves room for chance
    return any(draws * divergence(float(b), float(a)) > bound for a, b in zip(right, wrong, strict=True))
