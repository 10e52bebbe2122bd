"""Right answers for task 1.9 from PyTorch and brute force, and the known wrong ones."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

Trace = list[list[np.ndarray]]


# Cross-entropy ------------------------------------------------------------------------------------------------------


def cross_entropy(logits: Tensor, targets: Tensor, ignore_index: int = -100) -> Tensor:
    """PyTorch's own, in float32; 0 where it has nothing to average."""
    if bool((targets == ignore_index).all()):
        return torch.tensor(0.0)
    return torch.nn.functional.cross_entropy(logits.float(), targets, ignore_index=ignore_index)


def losses(logits: Tensor, targets: Tensor) -> np.ndarray:
    """The loss of each position in float64; ignored targets score as the index that Python would take for them."""
    rows = logits.double().numpy()
    peak = rows.max(axis=1)
    total = peak + np.log(np.exp(rows - peak[:, None]).sum(axis=1))
    return total - rows[np.arange(len(rows)), targets.numpy() % rows.shape[1]]


# Windows and perplexity ---------------------------------------------------------------------------------------------


def windows(n_tokens: int, window: int, stride: int) -> list[list[int]]:
    """For each token, the first window that reaches it; then the tokens grouped by window."""
    scored: dict[int, list[int]] = {}
    for token in range(1, n_tokens):
        first = next(k for k in range(n_tokens) if k * stride + window > token)
        scored.setdefault(first, []).append(token)
    return [[k * stride, tokens[-1] + 1, tokens[0]] for k, tokens in sorted(scored.items())]


def windows_scored_twice(n_tokens: int, window: int, stride: int) -> list[list[int]]:
    return [[start, end, start + 1] for start, end, _ in windows(n_tokens, window, stride)]


def windows_first_token_scored(n_tokens: int, window: int, stride: int) -> list[list[int]]:
    return [[start, end, scored if start else 0] for start, end, scored in windows(n_tokens, window, stride)]


def windows_side_by_side(n_tokens: int, window: int, context: int = 1) -> list[list[int]]:
    return [
        [start, min(start + window, n_tokens), start + context if start else 1] for start in range(0, n_tokens, window)
    ]


def windows_tail_dropped(n_tokens: int, window: int, stride: int) -> list[list[int]]:
    return [cut for cut in windows(n_tokens, window, stride) if cut[1] - cut[0] == window]


def windows_to_the_last_start(n_tokens: int, window: int, stride: int) -> list[list[int]]:
    cuts, end = [], 1
    for start in range(0, n_tokens, stride):
        cuts.append([start, min(start + window, n_tokens), end])
        end = cuts[-1][1]
    return cuts


class ContextModel:
    """A small model whose prediction depends on every token that it is given, and on nothing else."""

    def __init__(self, rng: np.random.Generator, vocab: int) -> None:
        self.vocab = vocab
        self.embedding = rng.normal(size=(vocab, 8))
        self.head = 0.3 * rng.normal(size=(8, vocab))
        self.calls: list[list[int]] = []

    def logits(self, ids: Sequence[int]) -> np.ndarray:
        """(len(ids), vocab) in float32: a slowly fading sum over the context decides."""
        state, rows = np.zeros(8), []
        for token in ids:
            state = 0.9 * state + self.embedding[token]
            rows.append(state @ self.head)
        return np.array(rows, dtype=np.float32).reshape(len(ids), self.vocab)

    def __call__(self, ids: object) -> Tensor:
        """The callback for the learner: it answers what makes sense and counts the rest as an empty call."""
        if isinstance(ids, Tensor | np.ndarray):
            ids = ids.tolist()
        valid = isinstance(ids, list | tuple) and all(type(i) is int and 0 <= i < self.vocab for i in ids)
        self.calls.append(list(ids) if valid else [])
        return torch.from_numpy(self.logits(self.calls[-1]))

    def loss(self, context: Sequence[int], token: int) -> float:
        """The loss of one token after a context, in float64."""
        row = self.logits(context)[-1].astype(np.float64)
        return float(np.log(np.exp(row - row.max()).sum()) + row.max() - row[token])


def window_losses(model: ContextModel, ids: Sequence[int], window: int, stride: int) -> list[list[float]]:
    """The loss of each scored token, one list a window; each token is scored by a call of its own."""
    cuts = windows(len(ids), window, stride)
    return [[model.loss(ids[start:t], ids[t]) for t in range(scored, end)] for start, end, scored in cuts]


def perplexity(model: ContextModel, ids: Sequence[int], window: int, stride: int) -> float:
    return math.exp(np.mean(np.concatenate(window_losses(model, ids, window, stride))))


def perplexity_mean_of_windows(model: ContextModel, ids: Sequence[int], window: int, stride: int) -> float:
    return math.exp(np.mean([np.mean(losses) for losses in window_losses(model, ids, window, stride)]))


def perplexity_mean_of_perplexities(model: ContextModel, ids: Sequence[int], window: int, stride: int) -> float:
    return float(np.mean([math.exp(np.mean(losses)) for losses in window_losses(model, ids, window, stride)]))


def perplexity_overlap_twice(model: ContextModel, ids: Sequence[int], window: int, stride: int) -> float:
    """Every window scores all that it can."""
    cuts = windows(len(ids), window, stride)
    return math.exp(np.mean([model.loss(ids[s:t], ids[t]) for s, end, _ in cuts for t in range(s + 1, end)]))


def perplexity_not_shifted(model: ContextModel, ids: Sequence[int], window: int, stride: int) -> float:
    """Row i is taken for the prediction of token i, which the model has just read."""
    cuts = windows(len(ids), window, stride)
    return math.exp(np.mean([model.loss(ids[s : t + 1], ids[t]) for s, end, first in cuts for t in range(first, end)]))


# AdamW --------------------------------------------------------------------------------------------------------------


def adamw(
    parameters: list[Tensor], gradients: list[list[Tensor | None]], lrs: list[float], **settings: object
) -> Trace:
    """The parameters after each step, by `torch.optim.AdamW` on the same gradients."""
    own = [torch.nn.Parameter(parameter.clone()) for parameter in parameters]
    optimizer = torch.optim.AdamW(own, foreach=False, **settings)
    trace = []
    for lr, step in zip(lrs, gradients, strict=True):
        optimizer.param_groups[0]["lr"] = lr
        for parameter, gradient in zip(own, step, strict=True):
            parameter.grad = None if gradient is None else gradient.clone()
        optimizer.step()
        trace.append([parameter.detach().clone().numpy() for parameter in own])
    return trace


def adamw_wrong(
    parameters: list[Tensor],
    gradients: list[list[Tensor | None]],
    lrs: list[float],
    *,
    mistake: str,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0.01,
) -> Trace:
    """The parameters after each step, in NumPy, with one named mistake."""
    beta1, beta2 = betas
    own = [parameter.double().numpy().copy() for parameter in parameters]
    means, squares = [np.zeros_like(p) for p in own], [np.zeros_like(p) for p in own]
    times = [0] * len(own)
    trace = []
    if mistake == "betas-swapped":
        beta1, beta2 = beta2, beta1
    for rate, step in zip(lrs, gradients, strict=True):
        rate = lr if mistake == "lr-fixed" else rate
        if mistake == "moments-forgotten":
            means, squares, times = [np.zeros_like(p) for p in own], [np.zeros_like(p) for p in own], [0] * len(own)
        elif mistake == "time-fixed":
            times = [0] * len(own)
        for i, gradient in enumerate(step):
            if gradient is None:
                times[i] += mistake == "missing-advances"
                if mistake == "missing-decays":
                    own[i] = own[i] * (1 - rate * weight_decay)
                continue
            g = gradient.double().numpy()
            times[i] += 1
            if mistake == "l2":
                g = g + weight_decay * own[i]
            elif mistake == "decay-without-lr":
                own[i] = own[i] * (1 - weight_decay)
            elif mistake not in ("decay-last", "no-decay"):
                own[i] = own[i] * (1 - rate * weight_decay)
            means[i] = beta1 * means[i] + (1 - beta1) * g
            squares[i] = beta2 * squares[i] + (1 - beta2) * (g if mistake == "no-square" else g * g)
            correct = mistake != "no-correction"
            mean = means[i] / (1 - beta1 ** times[i]) if correct else means[i]
            square = squares[i] / (1 - beta2 ** times[i]) if correct else squares[i]
            if mistake == "eps-inside-root":
                root = np.sqrt(square + eps)
            elif mistake == "no-root":
                root = square + eps
            elif mistake == "eps-uncorrected":
                root = (np.sqrt(squares[i]) + eps) / math.sqrt(1 - beta2 ** times[i])
            else:
                root = np.sqrt(square) + eps
            own[i] = own[i] - rate * mean / root
            if mistake == "decay-last":
                own[i] = own[i] * (1 - rate * weight_decay)
        trace.append([p.astype(np.float32) for p in own])
    return trace


# Training -----------------------------------------------------------------------------------------------------------


class Bigram(torch.nn.Module):
    """The judge's twin of the model in `probes_evaluate.Bigram`."""

    def __init__(self, embedding: Tensor, head: Tensor) -> None:
        super().__init__()
        self.embedding = torch.nn.Parameter(embedding.clone())
        self.head = torch.nn.Parameter(head.clone())

    def forward(self, ids: Tensor) -> Tensor:
        return self.embedding[ids] @ self.head


def bigram_step(
    embedding: Tensor, head: Tensor, batch: Tensor, max_norm: float = math.inf, *, shift: int = 1, clip: str = "global"
) -> dict[str, object]:
    """Loss, gradients (after clipping) and their norm before it, for one batch."""
    model = Bigram(embedding, head)
    inputs, targets = batch[:, : batch.shape[1] - 1], batch[:, shift : batch.shape[1] - 1 + shift]
    loss = torch.nn.functional.cross_entropy(model(inputs).flatten(0, 1), targets.flatten())
    loss.backward()
    parameters = [model.embedding, model.head]
    norm = float(torch.stack([p.grad.norm() for p in parameters]).norm())
    if clip == "global":
        torch.nn.utils.clip_grad_norm_(parameters, max_norm)
    elif clip == "each":
        for p in parameters:
            torch.nn.utils.clip_grad_norm_([p], max_norm)
    elif clip == "value":
        torch.nn.utils.clip_grad_value_(parameters, max_norm)
    elif clip == "always":
        for p in parameters:
            p.grad.mul_(max_norm / norm)
    return {"loss": loss.item(), "norm": norm, "gradients": [p.grad.clone() for p in parameters]}


def bigram_loss(embedding: Tensor, head: Tensor, batch: Tensor) -> float:
    """The loss of a batch, nothing else."""
    logits = embedding[batch[:, :-1]] @ head
    return torch.nn.functional.cross_entropy(logits.flatten(0, 1), batch[:, 1:].flatten()).item()


WORDS = (
    "attention model token vector gradient layer weight river stone winter garden letter morning engine "
    "language memory reads writes learns forgets answers predicts every small quiet old bright second last"
).split()


def paragraph(rng: np.random.Generator, length: int) -> str:
    """A paragraph of exactly `length` ASCII letters that nobody has seen before."""
    text = ""
    while len(text) < length:
        words = rng.choice(WORDS, size=int(rng.integers(4, 9)))
        text += " ".join(words).capitalize() + ". "
    return text[:length]
