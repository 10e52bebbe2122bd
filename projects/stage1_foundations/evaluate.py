"""Task 1.9: measure a language model and train one: cross-entropy, perplexity, AdamW and a training step."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

import torch
from torch import Tensor, nn


def cross_entropy(logits: Tensor, targets: Tensor, ignore_index: int = -100) -> Tensor:
    """The mean negative log-probability, in nats, that `logits` give to `targets`.

    The loss of one position is `log(sum(exp(logits[i]))) - logits[i, targets[i]]`.

    Args:
        logits: (n, vocab), floating point. Scores of 1e4 must not overflow. `-inf` marks a token that cannot come.
            They are converted to float32 before anything is computed: half precision keeps only two or three digits.
        targets: (n,), integer. A position whose target equals `ignore_index` counts neither in the sum nor in the
            number that the sum is divided by.
        ignore_index: the target that means "do not score this position".

    Returns:
        A scalar float32 tensor, through which gradients flow to `logits`. It is 0, not NaN, when no position is scored,
        so that an empty batch leaves a model as it was. The inputs are not changed.

    Raises:
        ValueError: the shapes are not (n, vocab) and (n,), or a scored target is not in `0 .. vocab - 1`.

    Source: Goodfellow, Bengio and Courville, Deep Learning (2016), sections 3.13 and 6.2.1.1.
    """
    raise NotImplementedError("task 1.9: cross_entropy")


def windows(n_tokens: int, window: int, stride: int) -> list[tuple[int, int, int]]:
    """Where to cut a long text so that every token but the first is scored exactly once.

    Each entry is `(start, end, scored_from)`: the model reads the tokens `start .. end - 1`, and the tokens
    `scored_from .. end - 1` are scored, each with the tokens from `start` up to itself as context.

    - Windows start at 0, `stride`, `2 * stride`, ... and hold `window` tokens; the last one may be shorter.
    - The first window scores from 1: token 0 has nothing before it. Every other window scores from the end of the one
      before it.
    - The window that reaches the end of the text is the last. A text of fewer than two tokens has none.

    For example `windows(9, 6, 2)` is `[(0, 6, 1), (2, 8, 6), (4, 9, 8)]`.

    Raises:
        ValueError: not `1 <= stride < window`. With `stride == window` a window's first token would have no context.

    Source: "Perplexity of fixed-length models", documentation of Hugging Face transformers.
    """
    raise NotImplementedError("task 1.9: windows")


def perplexity(logits_of: Callable[[list[int]], Tensor], ids: Sequence[int], window: int, stride: int) -> float:
    """The perplexity of a text that may be longer than the model's window: exp of the mean loss per scored token.

    Every token but the first counts once and counts the same, whichever window scores it (see `windows`).

    Args:
        logits_of: the model. Given a list of n token ids it returns logits (n, vocab); row i scores the token after the
            i-th. It is called once per window, with `ids[start:end]`.
        ids: the text, at least two tokens. Not changed.
        window, stride: as in `windows`.

    Returns:
        At least 1. A model that gives every one of V tokens the same probability has perplexity V. `inf` if a scored
        token has probability 0, or one so small that the result is beyond a float (a mean loss of 1,000, say).

    Raises:
        ValueError: fewer than two tokens, or a window and stride that `windows` refuses.

    Source: Jelinek, Mercer, Bahl and Baker, "Perplexity: a measure of the difficulty of speech recognition tasks"
    (1977).
    """
    raise NotImplementedError("task 1.9: perplexity")


class AdamW:
    """Adam with bias correction and decoupled weight decay.

    Source: Loshchilov and Hutter, "Decoupled Weight Decay Regularization" (2019), algorithm 2. The defaults are
    PyTorch's.
    """

    def __init__(
        self,
        parameters: Iterable[Tensor],
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ) -> None:
        """Remember the parameters and start their moments at zero. `lr` may be changed between steps (a schedule)."""
        self.parameters = list(parameters)
        self.lr = lr
        self.betas = betas
        self.eps = eps
        self.weight_decay = weight_decay
        self.steps = [0] * len(self.parameters)
        self.means = [torch.zeros_like(parameter) for parameter in self.parameters]
        self.squares = [torch.zeros_like(parameter) for parameter in self.parameters]

    def step(self) -> None:
        """Update every parameter in place from its `.grad`.

        With g the parameter's gradient and t the number of its updates so far, this one included:

            parameter <- parameter - lr * weight_decay * parameter       (decay first; never added to the gradient)
            mean      <- beta1 * mean + (1 - beta1) * g
            square    <- beta2 * square + (1 - beta2) * g**2
            parameter <- parameter - lr * (mean / (1 - beta1**t)) / (sqrt(square / (1 - beta2**t)) + eps)

        `lr`, `betas`, `eps` and `weight_decay` are read from `self` at every step. A parameter whose gradient is None
        is left as it is: no decay, and its t does not advance. Gradients are not changed, and no graph is recorded.
        """
        raise NotImplementedError("task 1.9: AdamW.step")

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None


def train_step(model: nn.Module, batch: Tensor, optimizer: AdamW, max_norm: float = 1.0) -> float:
    """One step of next-token training; returns the loss on `batch` before the update, in nats per token.

    1. The model reads every column of `batch` but the last and predicts every column but the first.
    2. The loss is the mean cross-entropy over all rows and positions.
    3. Gradients left from earlier do not count; those of this loss are computed.
    4. If the norm of all the model's gradients together (one norm over all parameters) exceeds `max_norm`, all of them
       are scaled by the same factor, so that the norm becomes `max_norm`. Smaller ones stay as they are.
    5. The optimizer makes one step. The gradients that it used stay on the parameters, for whoever wants to log them.

    Args:
        model: maps ids (batch, length) to logits (batch, length, vocab). Parameters without a gradient are allowed.
        batch: integer token ids (batch, length + 1). Not changed.
        optimizer: anything with `step()` and `zero_grad()`.
        max_norm: `math.inf` switches clipping off.

    Raises:
        ValueError: `batch` is not two-dimensional or has fewer than two columns.

    Source: Pascanu, Mikolov and Bengio, "On the difficulty of training recurrent neural networks" (2013), algorithm 1.
    """
    raise NotImplementedError("task 1.9: train_step")
