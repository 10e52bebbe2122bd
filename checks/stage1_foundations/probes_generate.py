"""What runs beside the learner's code in the checks of task 1.8."""

from __future__ import annotations

import codecs
import contextlib

import torch


def next_token(logits, previous, params, generator):
    """A next_token of our own: what the learner's does is judged in task 1.6, and once is enough."""
    scores = logits.double().clone()
    for token in set(previous):
        scores[token] = (
            scores[token] / params.repetition_penalty
            if scores[token] > 0
            else (scores[token] * params.repetition_penalty)
        )
    if params.temperature == 0:
        return int(scores.argmax())
    scores, order = torch.sort(scores / params.temperature, descending=True, stable=True)
    if params.top_k:
        scores[params.top_k :] = float("-inf")
    probabilities = scores.softmax(dim=-1)
    if params.top_p < 1:
        scores[1:][probabilities.cumsum(dim=-1)[:-1] >= params.top_p] = float("-inf")
    scores[probabilities < params.min_p * probabilities[0]] = float("-inf")
    return int(order[torch.multinomial(scores.softmax(dim=-1), 1, generator=generator)])


@contextlib.contextmanager
def own_sampling(learner):
    """While it lasts, the learner's modules find the next_token above under that name."""
    modules = [module for module in (learner.sampling, learner.generate) if hasattr(module, "next_token")]
    originals = [module.next_token for module in modules]
    try:
        for module in modules:
            module.next_token = next_token
        yield
    finally:
        for module, original in zip(modules, originals, strict=True):
            module.next_token = original


class Decoder:
    """Bytes of each token id to text; an incomplete character is held back."""

    def __init__(self, vocabulary):
        self.vocabulary = vocabulary
        self.decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def push(self, token_id):
        """Text that this token completes."""
        return self.decoder.decode(self.vocabulary[token_id])

    def flush(self):
        """What is left."""
        return self.decoder.decode(b"", final=True)


def stop_strings(learner, *, stops, pieces, flushes):
    """Push the pieces and flush some times: [[text, stopped], ...] for each."""
    watcher = learner.generate.StopStrings(stops)
    answers = [[watcher.push(piece), watcher.stopped] for piece in pieces]
    return answers + [[watcher.flush(), watcher.stopped] for _ in range(flushes)]


def generated(learner, *, step, prompt, params=None, vocabulary=None, seen=None, take=None, **options):
    """The Steps as [token, text, logprob]. seen: told each token as it comes; take: how many to ask for."""
    if params is not None:
        options["params"] = learner.sampling.SamplingParams(**params)
    if vocabulary is not None:
        options["decoder"] = Decoder(vocabulary)
    steps = []
    with own_sampling(learner):
        for made in learner.generate.generate(step, prompt, **options):
            steps.append([made.token, made.text, made.logprob])
            if seen is not None:
                seen(made.token)
            if take is not None and len(steps) == take:
                break
    return steps


def prompt_after(learner, *, step, prompt, count):
    """The prompt, as it is after decoding."""
    with own_sampling(learner):
        list(learner.generate.generate(step, prompt, max_new_tokens=count))
    return prompt


def sampled(learner, *, logits, seeds, count, params):
    """The tokens for each seed, under a model whose logits are always the same. A seed of None is not passed on."""
    params = learner.sampling.SamplingParams(**params)
    tokens = []
    with own_sampling(learner):
        for seed in seeds:
            options = {} if seed is None else {"seed": seed}
            steps = learner.generate.generate(
                lambda ids, past: logits.expand(len(ids), -1), [0], max_new_tokens=count, params=params, **options
            )
            tokens.append([made.token for made in steps])
    return tokens
