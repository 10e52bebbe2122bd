"""Masks and fused tensor operations; the state in NumPy."""

import math

import numpy as np
import torch


def cross_entropy(logits, targets, ignore_index=-100):
    """A weight of 0 or 1 for each position."""
    if logits.ndim != 2 or targets.shape != (logits.shape[0],):
        raise ValueError("wrong shapes")
    scored = targets != ignore_index
    safe = torch.where(scored, targets, torch.zeros_like(targets))
    if bool(((safe < 0) | (safe >= logits.shape[1])).any()):
        raise ValueError("wrong target")
    log_probabilities = torch.log_softmax(logits.to(torch.float32), dim=-1)
    losses = -log_probabilities.gather(-1, safe.unsqueeze(-1)).squeeze(-1)
    losses = torch.where(scored, losses, torch.zeros_like(losses))
    return losses.sum() / scored.sum().clamp(min=1)


def windows(n_tokens, window, stride):
    """A generator of starts, cut where the text ends."""
    if not 0 < stride < window:
        raise ValueError("wrong stride")

    def cuts():
        done = 1
        for start in range(0, n_tokens, stride):
            if done >= n_tokens:
                return
            end = min(n_tokens, start + window)
            yield start, end, done
            done = end

    return list(cuts())


def perplexity(logits_of, ids, window, stride):
    """Every loss of the text in one array first."""
    n_tokens = len(ids)
    cuts = windows(n_tokens, window, stride)
    if n_tokens < 2:
        raise ValueError("too short")
    losses = np.zeros(n_tokens)
    for start, end, first in cuts:
        logits = np.asarray(logits_of(list(ids[start:end])), dtype=np.float64)[:-1]
        logits -= logits.max(axis=1, keepdims=True)
        scores = np.log(np.exp(logits).sum(axis=1)) - logits[np.arange(end - start - 1), ids[start + 1 : end]]
        losses[first:end] = scores[first - start - 1 :]
    return float(np.exp(losses[1:].mean()))


class AdamW:
    def step(self):
        """PyTorch's own arrangement: step size and denominator carry the corrections."""
        beta1, beta2 = self.betas
        with torch.no_grad():
            for i, p in enumerate(self.parameters):
                if p.grad is None:
                    continue
                self.steps[i] += 1
                p.mul_(1 - self.lr * self.weight_decay)
                self.means[i].lerp_(p.grad, 1 - beta1)
                self.squares[i].mul_(beta2).addcmul_(p.grad, p.grad, value=1 - beta2)
                root = self.squares[i].sqrt() / math.sqrt(1 - beta2 ** self.steps[i])
                p.addcdiv_(self.means[i], root.add_(self.eps), value=-self.lr / (1 - beta1 ** self.steps[i]))


def train_step(model, batch, optimizer, max_norm=1.0):
    """Gradients by `torch.autograd.grad`, clipped before they are put on the parameters."""
    if batch.ndim != 2 or batch.shape[1] <= 1:
        raise ValueError("wrong batch")
    optimizer.zero_grad()
    logits = model(batch[:, :-1])
    loss = cross_entropy(logits.reshape(-1, logits.shape[-1]), batch[:, 1:].reshape(-1))
    parameters = [p for p in model.parameters() if p.requires_grad]
    gradients = torch.autograd.grad(loss, parameters, allow_unused=True)
    norm = math.sqrt(sum(float((g.double() ** 2).sum()) for g in gradients if g is not None))
    factor = min(1.0, max_norm / (norm + 1e-12))
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = None if gradient is None else gradient * factor
    optimizer.step()
    return loss.item()
