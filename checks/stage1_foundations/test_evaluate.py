"""Task 1.9: cross-entropy, perplexity with a sliding window, AdamW, a training step."""

import math

import numpy as np
import torch

from checks.stage1_foundations import oracles_evaluate as oracles
from checks.stage1_foundations import probes_evaluate as probes
from roadmap.grading import check, expect


def normal(rng, *shape, scale=1.0):
    """Float32 numbers around 0."""
    return torch.from_numpy(rng.normal(scale=scale, size=shape).astype(np.float32))


def tokens(rng, vocab, *shape):
    """Token ids, int64."""
    return torch.from_numpy(rng.integers(0, vocab, size=shape))


def flat(values):
    """Arrays of several shapes as one, so that they are compared together; anything else as it is."""
    arrays = torch.Tensor | np.ndarray
    if isinstance(values, list | tuple) and values and all(isinstance(value, arrays) for value in values):
        return np.concatenate([np.asarray(value).ravel() for value in values])
    return values


@check(
    task="1.9",
    lesson="02_mathematics#cross-entropy",
    seconds=0.05,
    hints=[
        "How surprised is the model by each target? Start with the log-probability of one position.",
        "The loss of a row is `logsumexp(row) - row[target]`; average it over the rows.",
    ],
)
def test_cross_entropy_is_the_mean_surprise(learner, rng):
    """Cross-entropy is the mean of -log p(target), in nats."""
    for n, vocab in [(2, 3), (int(rng.integers(5, 20)), int(rng.integers(10, 40)))]:
        logits, targets = normal(rng, n, vocab, scale=2), tokens(rng, vocab, n)
        want = oracles.cross_entropy(logits, targets)
        expect.close(
            learner.call("evaluate.cross_entropy", logits, targets),
            want,
            what=f"the loss of {n} positions over {vocab} tokens",
            mistakes={
                "cross-entropy-sum": want * n,
                "cross-entropy-base-two": want / math.log(2),
                "cross-entropy-of-probabilities": lambda logits=logits, targets=targets: oracles.cross_entropy(
                    logits.softmax(1), targets
                ),
                "cross-entropy-softmax-over-positions": lambda logits=logits, targets=targets, n=n: (
                    -logits.log_softmax(0)[torch.arange(n), targets].mean()
                ),
            },
        )


@check(
    task="1.9",
    lesson="02_mathematics#cross-entropy",
    seconds=0.02,
    needs=["test_cross_entropy_is_the_mean_surprise"],
    hints=[
        "What should an ignored position add to the sum, and what to the number that you divide by?",
        "Select the rows whose target is not `ignore_index`, then compute the mean of those alone.",
    ],
)
def test_cross_entropy_leaves_ignored_positions_out(learner, rng):
    """Ignored positions count neither in the sum nor in the mean."""
    n, vocab = int(rng.integers(6, 12)), int(rng.integers(10, 30))
    for ignore_index in (-100, int(rng.integers(0, vocab))):
        logits, targets = normal(rng, n, vocab, scale=2), tokens(rng, vocab, n)
        ignored = torch.from_numpy(rng.permutation(n) < n // 2)
        targets = torch.where(targets == ignore_index, (targets + 1) % vocab, targets)
        targets[ignored] = ignore_index
        want = oracles.cross_entropy(logits, targets, ignore_index)
        arguments = {} if ignore_index == -100 else {"ignore_index": ignore_index}
        expect.close(
            learner.call("evaluate.cross_entropy", logits, targets, **arguments),
            want,
            what=f"the loss with ignore_index={ignore_index}",
            mistakes={
                "cross-entropy-counts-ignored": want * int((~ignored).sum()) / n,
                "cross-entropy-scores-ignored": lambda logits=logits, targets=targets: (
                    oracles.losses(logits, targets).mean().astype("float32")
                ),
            },
        )
    nothing = learner.call("evaluate.cross_entropy", logits, torch.full((n,), -100))
    expect.close(
        nothing,
        torch.tensor(0.0),
        what="the loss when every target is ignored",
        mistakes={"cross-entropy-nan-when-empty": torch.tensor(math.nan)},
    )


@check(
    task="1.9",
    lesson="02_mathematics#cross-entropy",
    seconds=0.02,
    needs=["test_cross_entropy_is_the_mean_surprise"],
    hints=[
        "What is exp(10000) in float32? And what is left of 3.14159 in bfloat16?",
        "`torch.logsumexp` does not overflow. Call `.float()` on half-precision logits before anything else.",
    ],
)
def test_cross_entropy_survives_extreme_logits(learner, rng):
    """Large logits, impossible tokens and half precision give the right loss."""
    n, vocab = int(rng.integers(4, 9)), int(rng.integers(10, 30))
    targets = tokens(rng, vocab, n)
    base = normal(rng, n, vocab, scale=2)
    forbidden = base.clone()
    forbidden[torch.arange(n), (targets + 1) % vocab] = -math.inf
    cases = [
        (base + 1e4, "the loss for logits around 10,000"),
        (base - 1e4, "the loss for logits around -10,000"),
        (base * 1e3, "the loss for logits a few thousand apart"),
        (forbidden, "the loss when some other token has a logit of -inf"),
    ]
    for logits, what in cases:
        want = oracles.cross_entropy(logits, targets)
        got = learner.call("evaluate.cross_entropy", logits, targets)
        # 1e-3: float32 numbers around 1e4 lie that far apart.
        expect.close(
            got,
            want,
            rtol=1e-3,
            atol=2e-3,
            what=what,
            mistakes={
                "cross-entropy-overflow": lambda got=got: not_finite(got),
            },
        )
    half = base.bfloat16()
    got = learner.call("evaluate.cross_entropy", half, targets)
    expect.type(got, expect.ARRAY, what="the loss of bfloat16 logits")
    expect.that(
        "float32" in str(got.dtype),
        f"The loss of bfloat16 logits must be float32, not {str(got.dtype).removeprefix('torch.')}.",
        mistake="cross-entropy-in-half-precision",
    )
    expect.close(got, oracles.cross_entropy(half, targets), what="the loss of bfloat16 logits")


def not_finite(got):
    """What came back, if it is a number that is not finite; otherwise something that equals nothing."""
    if isinstance(got, torch.Tensor | np.ndarray) and got.ndim == 0:
        got = got.item()
    return torch.tensor(got) if isinstance(got, float) and not math.isfinite(got) else "finite"


@check(
    task="1.9",
    lesson="02_mathematics#autograd",
    seconds=0.02,
    needs=["test_cross_entropy_is_the_mean_surprise"],
    hints=[
        "The loss must stay connected to the logits: no `.item()`, no NumPy, no changing of what was passed in.",
        "The gradient of a scored row is (softmax - one-hot) / number of scored rows. Check shapes and targets first.",
    ],
)
def test_cross_entropy_has_a_gradient_and_refuses_nonsense(learner, rng):
    """Gradients flow to the logits, the inputs stay as they are, and impossible targets are refused."""
    n, vocab = int(rng.integers(5, 9)), int(rng.integers(6, 12))
    logits, targets = normal(rng, n, vocab), tokens(rng, vocab, n)
    targets[int(rng.integers(n))] = -100
    result = learner.run(probes.cross_entropy_backward, logits=logits, targets=targets)
    own = logits.clone().requires_grad_()
    oracles.cross_entropy(own, targets).backward()
    expect.close(result["gradient"], own.grad, what="the gradient with respect to the logits")
    expect.close(result["logits"], logits, rtol=0, atol=0, what="the logits after the call")
    expect.that(
        np.array_equal(np.asarray(result["targets"]), targets.numpy()),
        "The targets that were passed in must not change.",
        mistake="cross-entropy-changes-targets",
    )
    empty = learner.run(probes.cross_entropy_backward, logits=logits, targets=torch.full((n,), -100))
    expect.close(empty["gradient"], torch.zeros(n, vocab), what="the gradient when every target is ignored")

    for wrong in (vocab, -1):
        impossible = targets.clone()
        impossible[(targets != -100).nonzero()[0]] = wrong
        info = learner.error("evaluate.cross_entropy", logits, impossible)
        expect.error(info, "ValueError", what=f"a target of {wrong} with {vocab} tokens")
    info = learner.error("evaluate.cross_entropy", logits, targets[:-1])
    expect.error(info, "ValueError", what=f"{n} rows of logits with {n - 1} targets")
    info = learner.error("evaluate.cross_entropy", logits[None], targets[None])
    expect.error(info, "ValueError", what=f"logits of shape (1, {n}, {vocab})")


@check(
    task="1.9",
    weight=2,
    lesson="08_positions#perplexity",
    seconds=0.02,
    hints=[
        "Which tokens has no earlier window scored yet? Only those are new.",
        "Keep `start` and `scored_from`; `end = min(start + window, n_tokens)`; stop once all tokens are scored.",
    ],
)
def test_windows_score_every_token_once(learner, rng):
    """Windows overlap, but every token except the first is scored exactly once."""
    window = int(rng.integers(6, 12))
    stride = int(rng.integers(2, window - 2))
    cases = [(10, 6, 3), (9, 6, 3), (5, 6, 3), (6, 6, 3), (7, 6, 3), (2, 2, 1), (3, 2, 1), (1, 4, 2), (0, 4, 2)]
    cases += [(int(n), window, stride) for n in rng.integers(2 * window, 5 * window, size=3)]
    cases += [(int(rng.integers(20, 40)), window, window - 1)]
    for n_tokens, window, stride in cases:
        expect.equal(
            learner.call("evaluate.windows", n_tokens, window, stride),
            oracles.windows(n_tokens, window, stride),
            what=f"windows({n_tokens}, {window}, {stride})",
            mistakes={
                "windows-scored-twice": oracles.windows_scored_twice(n_tokens, window, stride),
                "windows-score-first-token": oracles.windows_first_token_scored(n_tokens, window, stride),
                "windows-tail-dropped": oracles.windows_tail_dropped(n_tokens, window, stride),
                "windows-after-the-end": oracles.windows_to_the_last_start(n_tokens, window, stride),
                "windows-without-overlap": oracles.windows_side_by_side(n_tokens, window, context=0),
            },
        )
    for window, stride in [(4, 4), (4, 5), (4, 0), (4, -1), (1, 1)]:
        info = learner.error("evaluate.windows", 10, window, stride)
        expect.error(info, "ValueError", what=f"windows(10, {window}, {stride})")


@check(
    task="1.9",
    weight=2,
    lesson="08_positions#perplexity",
    seconds=0.02,
    hints=[
        "Which row of the logits predicts the token at position t of the window?",
        "Add up the losses of all scored tokens over all windows, divide once by their number, then exp.",
    ],
)
def test_perplexity_of_a_long_text_weighs_every_token_the_same(learner, rng):
    """Perplexity over windows equals scoring every token by itself, with its window as context."""
    vocab = int(rng.integers(8, 15))
    window = int(rng.integers(8, 12))
    stride = int(rng.integers(3, 6))
    # A last window with few new tokens shows who averages windows.
    n_tokens = window + stride * int(rng.integers(2, 4)) + 1
    ids = [int(token) for token in rng.integers(0, vocab, size=n_tokens)]
    model = oracles.ContextModel(rng, vocab)
    got = learner.call("evaluate.perplexity", model, ids, window, stride)
    calls = list(model.calls)
    want = oracles.perplexity(model, ids, window, stride)
    expect.close(
        got,
        want,
        what=f"the perplexity of {n_tokens} tokens in windows of {window}, stride {stride}",
        mistakes={
            "perplexity-mean-of-windows": lambda: oracles.perplexity_mean_of_windows(model, ids, window, stride),
            "perplexity-overlap-twice": lambda: oracles.perplexity_overlap_twice(model, ids, window, stride),
            "perplexity-not-shifted": lambda: oracles.perplexity_not_shifted(model, ids, window, stride),
            "perplexity-without-exp": math.log(want),
            "perplexity-base-two": 2 ** math.log(want),
            "perplexity-counts-first-token": math.exp(math.log(want) * (n_tokens - 1) / n_tokens),
        },
    )
    expect.equal(
        calls,
        [ids[start:end] for start, end, _ in oracles.windows(n_tokens, window, stride)],
        what="the tokens given to the model, call by call",
    )


@check(
    task="1.9",
    lesson="10_decoding#log-probabilities",
    seconds=0.02,
    needs=["test_perplexity_of_a_long_text_weighs_every_token_the_same"],
    hints=[
        "What is the perplexity of a model that has no idea, and of one that is certain and wrong?",
        "A text of one token has nothing to score: refuse it. exp of an infinite loss is infinite.",
    ],
)
def test_perplexity_at_its_limits(learner, rng):
    """A clueless model has perplexity V, an impossible token makes it infinite, one token cannot be scored."""
    vocab = int(rng.integers(5, 50))
    for n_tokens in (2, 7, int(rng.integers(20, 30))):
        ids = [int(token) for token in rng.integers(0, vocab, size=n_tokens)]
        got = learner.call("evaluate.perplexity", lambda ids: torch.zeros(len(ids), vocab), ids, 8, 4)
        expect.close(got, float(vocab), what=f"the perplexity of {n_tokens} tokens when all {vocab} are equally likely")

    for lowest, what in ((-math.inf, "has probability 0"), (-1e6, "has a logit a million below the others")):

        def hardly_the_last(given, lowest=lowest):
            logits = torch.zeros(len(given), vocab)
            logits[:, ids[-1]] = lowest
            return logits

        got = learner.call("evaluate.perplexity", hardly_the_last, ids, 8, 4)
        expect.close(got, math.inf, what=f"the perplexity when a token of the text {what}")
    for refused in ([], [1]):
        info = learner.error("evaluate.perplexity", lambda ids: torch.zeros(len(ids), vocab), refused, 8, 4)
        expect.error(info, "ValueError", what=f"the perplexity of {len(refused)} tokens")
    info = learner.error("evaluate.perplexity", lambda ids: torch.zeros(len(ids), vocab), ids, 8, 8)
    expect.error(info, "ValueError", what="a stride as long as the window")


ADAMW_MISTAKES = {
    "adamw-no-bias-correction": "no-correction",
    "adamw-decay-in-gradient": "l2",
    "adamw-decay-without-lr": "decay-without-lr",
    "adamw-decay-last": "decay-last",
    "adamw-no-decay": "no-decay",
    "adamw-eps-inside-root": "eps-inside-root",
    "adamw-eps-uncorrected": "eps-uncorrected",
    "adamw-no-root": "no-root",
    "adamw-time-fixed": "time-fixed",
    "adamw-moments-forgotten": "moments-forgotten",
    "adamw-betas-swapped": "betas-swapped",
    "adamw-missing-advances": "missing-advances",
    "adamw-missing-decays": "missing-decays",
    "adamw-lr-fixed": "lr-fixed",
}


def compare_adamw(learner, parameters, gradients, settings, lrs=None, *, what, slugs=tuple(ADAMW_MISTAKES)):
    """Run the learner's AdamW and compare every parameter after the last step; returns what the probe gave."""
    sent = {"parameters": parameters, "gradients": gradients, "lrs": lrs, "settings": settings}
    result = learner.run(probes.adamw_trace, **sent)
    lrs = lrs or [settings.get("lr", 1e-3)] * len(gradients)
    want = flat(oracles.adamw(parameters, gradients, lrs, **settings)[-1])

    def wrong(mistake):
        return lambda: flat(oracles.adamw_wrong(parameters, gradients, lrs, mistake=mistake, **settings)[-1])

    expect.close(
        flat(result["trace"][-1]),
        want,
        rtol=3e-4,
        atol=3e-5,
        what=what,
        mistakes={
            "adamw-not-in-place": flat(parameters),
            **{slug: wrong(ADAMW_MISTAKES[slug]) for slug in slugs},
        },
    )
    return result


@check(
    task="1.9",
    weight=2,
    lesson="03_learning#optimisers",
    seconds=0.02,
    hints=[
        "Work one number through by hand: after one step with no decay, by how much has the parameter moved?",
        "At t = 1 the corrected mean is g and the corrected square is g**2: the step is lr * g / (|g| + eps).",
    ],
)
def test_adamw_makes_one_step(learner, rng):
    """One step: decay, corrected moments, update; the same as PyTorch's."""
    settings = {
        "lr": float(rng.uniform(0.05, 0.2)),
        "betas": (0.9, 0.98),
        "eps": float(rng.uniform(0.02, 0.05)),
        "weight_decay": float(rng.uniform(0.3, 0.6)),
    }
    parameters, gradients = [normal(rng, 3, 4), normal(rng, 5)], [normal(rng, 3, 4), normal(rng, 5)]
    slugs = (
        "adamw-no-bias-correction",
        "adamw-decay-in-gradient",
        "adamw-decay-without-lr",
        "adamw-decay-last",
        "adamw-no-decay",
        "adamw-eps-inside-root",
        "adamw-eps-uncorrected",
        "adamw-no-root",
    )
    result = compare_adamw(
        learner, parameters, [gradients], settings, what="the parameters after one step", slugs=slugs
    )
    expect.close(flat(result["gradients"]), flat(gradients), rtol=0, atol=0, what="the gradients after the step")
    expect.equal(result["trainable"], [True, True], what="whether the parameters can still be trained")


@check(
    task="1.9",
    weight=2,
    lesson="03_learning#optimisers",
    seconds=0.1,
    needs=["test_adamw_makes_one_step"],
    hints=[
        "What must the optimizer remember from one step to the next, for each parameter?",
        "Three things: the mean, the square, and the number of updates t that the corrections use.",
    ],
)
def test_adamw_follows_pytorch_over_many_steps(learner, rng):
    """Over many steps and several settings the parameters stay those of PyTorch's AdamW."""
    cases = [
        ({"lr": 0.05, "betas": (0.6, 0.95), "eps": 1e-3, "weight_decay": 0.1}, 25),
        ({"lr": 0.01, "betas": (0.9, 0.5), "eps": 1e-6, "weight_decay": 0.0}, 12),
        ({"lr": 0.02, "betas": (0.0, 0.99), "weight_decay": 1.0}, 3),
        ({}, 60),
    ]
    slugs = ("adamw-time-fixed", "adamw-moments-forgotten", "adamw-betas-swapped")
    for settings, n_steps in cases:
        parameters = [normal(rng, 4, 3), normal(rng, 2, 2, 2), normal(rng, 1)]
        gradients = [[normal(rng, *p.shape) + 0.5 for p in parameters] for _ in range(n_steps)]
        named = ", ".join(f"{name}={value}" for name, value in settings.items()) or "the defaults"
        compare_adamw(
            learner,
            parameters,
            gradients,
            settings,
            what=f"the parameters after {n_steps} steps with {named}",
            slugs=slugs,
        )


@check(
    task="1.9",
    lesson="03_learning#training-loop",
    seconds=0.02,
    needs=["test_adamw_makes_one_step"],
    hints=[
        "Which parts of a model get no gradient in a step? Think of an expert that no token was sent to.",
        "Skip a parameter whose `.grad` is None before counting, decaying or updating; read `self.lr` in every step.",
    ],
)
def test_adamw_with_missing_gradients_and_a_schedule(learner, rng):
    """Parameters without a gradient wait, and a changed learning rate takes effect at once."""
    settings = {"lr": 0.3, "betas": (0.8, 0.9), "eps": 1e-4, "weight_decay": 0.4}
    parameters = [normal(rng, 3, 2), normal(rng, 4), normal(rng, 2)]
    gradients = [[normal(rng, *p.shape) for p in parameters] for _ in range(6)]
    gradients[0][1] = gradients[1][1] = gradients[3][1] = gradients[4][0] = None
    for step in gradients:
        step[2] = None
    slugs = ("adamw-missing-advances", "adamw-missing-decays")
    compare_adamw(
        learner, parameters, gradients, settings, what="the parameters when some gradients are None", slugs=slugs
    )
    lrs = [settings["lr"], *(float(rate) for rate in rng.uniform(0.01, 0.2, size=5))]
    compare_adamw(
        learner,
        parameters,
        gradients,
        settings,
        lrs,
        what="the parameters when `lr` changes between steps",
        slugs=("adamw-lr-fixed",),
    )


def bigram(rng, scale=1.0):
    """The weights of a small model and two batches for it, the second as narrow as a batch can be."""
    vocab, size = int(rng.integers(6, 10)), 4
    embedding, head = normal(rng, vocab, size, scale=scale), normal(rng, size, vocab)
    return embedding, head, [tokens(rng, vocab, 3, 6), tokens(rng, vocab, 5, 2)]


@check(
    task="1.9",
    weight=2,
    lesson="03_learning#training-loop",
    seconds=0.02,
    needs=["test_cross_entropy_is_the_mean_surprise"],
    hints=[
        "Write down three tokens. Which does the model read, which must it predict, and which gradients are new?",
        "Clear gradients; the loss of model(batch[:, :-1]) against batch[:, 1:]; backward; step; return `.item()`.",
    ],
)
def test_train_step_predicts_the_next_token(learner, rng):
    """A training step uses the gradients of the next-token loss, only those, and returns the loss."""
    embedding, head, batches = bigram(rng)
    sent = {"embedding": embedding, "head": head, "batches": batches, "arguments": {"max_norm": math.inf}}
    result = learner.run(probes.train_bigram, **sent, stale=True)
    first = oracles.bigram_step(embedding, head, batches[0])
    updated = [p - 0.5 * g for p, g in zip([embedding, head], first["gradients"], strict=True)]
    second = oracles.bigram_step(*updated, batches[1])
    unshifted = oracles.bigram_step(embedding, head, batches[0], shift=0)
    expect.equal(len(result["steps"]), 2, what="the number of the optimizer's steps in two training steps")
    expect.that(
        type(result["losses"][0]) is float,
        "A training step must return the loss as a Python number.",
        mistake="train-step-returns-tensor",
    )
    expect.close(
        result["losses"][0],
        first["loss"],
        what="the loss of the first step",
        mistakes={
            "train-step-not-shifted": unshifted["loss"],
            "train-step-loss-after-update": lambda: oracles.bigram_loss(*updated, batches[0]),
        },
    )
    expect.close(
        flat(result["steps"][0]),
        flat(first["gradients"]),
        what="the gradients of the first step",
        mistakes={
            "train-step-keeps-old-gradients": flat(first["gradients"]) + 3.0,
            "train-step-not-shifted": flat(unshifted["gradients"]),
        },
    )
    expect.close(
        flat(result["steps"][1]),
        flat(second["gradients"]),
        what="the gradients of the second step",
        mistakes={
            "train-step-keeps-old-gradients": flat(first["gradients"]) + flat(second["gradients"]),
        },
    )
    expect.close(result["losses"][1], second["loss"], what="the loss of the second step")
    expect.that(
        not any(gradient is None for gradient in result["left"]),
        "After the step the gradients must still be on the parameters.",
        mistake="train-step-clears-gradients",
    )
    expect.close(
        flat(result["left"]),
        flat(second["gradients"]),
        what="the gradients on the parameters after the second step",
        mistakes={"train-step-clears-gradients": 0 * flat(second["gradients"])},
    )
    expect.equal(
        [np.asarray(batch).tolist() for batch in result["batches"]],
        [batch.tolist() for batch in batches],
        what="the batches after the steps",
    )
    for refused in (batches[0][:, :1], batches[0][0]):
        info = learner.run_error(probes.train_bigram, embedding=embedding, head=head, batches=[refused])
        expect.error(info, "ValueError", what=f"a batch of shape {tuple(refused.shape)}")


@check(
    task="1.9",
    weight=2,
    lesson="03_learning#training-loop",
    seconds=0.02,
    needs=["test_train_step_predicts_the_next_token"],
    hints=[
        "The direction of the whole update must survive. What happens to it if each part is scaled by itself?",
        "norm = sqrt of the sum of squares over all gradients; if norm > max_norm, multiply each by max_norm / norm.",
    ],
)
def test_train_step_clips_the_norm_of_all_gradients(learner, rng):
    """Gradients are scaled together, so that their common norm is at most max_norm."""
    embedding, head, batches = bigram(rng)
    before = oracles.bigram_step(embedding, head, batches[0])
    norm, largest = before["norm"], float(np.abs(flat(before["gradients"])).max())
    # The same model with larger embeddings, until the default of 1 has something to clip.
    large = embedding
    while oracles.bigram_step(large, head, batches[0])["norm"] < 2:
        large = 2 * large
    cases = [
        # Below half the largest value, so that clipping each value is not the same as not clipping.
        (embedding, {"max_norm": min(norm / 3, largest / 2)}, "the clipped gradients"),
        (embedding, {"max_norm": norm * 1.5}, "gradients whose norm is below max_norm"),
        (large, {}, "the gradients clipped to the default max_norm"),
    ]
    for weights, arguments, what in cases:
        sent = {"embedding": weights, "head": head, "batches": batches[:1], "arguments": arguments}
        result = learner.run(probes.train_bigram, **sent)
        max_norm = arguments.get("max_norm", 1.0)

        def clipped(how, weights=weights, max_norm=max_norm):
            return lambda: flat(oracles.bigram_step(weights, head, batches[0], max_norm, clip=how)["gradients"])

        expect.close(
            flat(result["steps"][0]) if result["steps"] else None,
            clipped("global")(),
            what=what,
            mistakes={
                "train-step-not-clipped": clipped("none"),
                "train-step-clips-each": clipped("each"),
                "train-step-clips-values": clipped("value"),
                "train-step-clips-always": clipped("always"),
            },
        )


@check(
    task="1.9",
    weight=2,
    lesson="10_decoding#pretraining",
    seconds=1.1,
    limit=10,
    needs=[
        "test_adamw_follows_pytorch_over_many_steps",
        "test_train_step_clips_the_norm_of_all_gradients",
    ],
    hints=[
        "Each part is right by itself. Print the loss of every step: does it fall, jump or stand still?",
        "Thirty steps of `train_step` with AdamW at lr 3e-3 bring the loss of 200 characters from 5 to below 0.1.",
    ],
)
def test_a_million_parameters_learn_a_paragraph_by_heart(learner, rng):
    """A model of a million parameters overfits a paragraph: it can recite it afterwards."""
    rows, length = 4, 48
    while True:
        text = oracles.paragraph(rng, rows * (length + 1))
        batch = torch.tensor(list(text.encode())).reshape(rows, length + 1)
        if len(set(batch[:, 0].tolist())) == rows:  # what follows a first letter that two rows share, nobody can learn
            break
    sent = {"batch": batch, "vocab": 128, "steps": 30, "lr": 3e-3, "seed": int(rng.integers(2**31))}
    result = learner.run(probes.overfit, **sent)
    expect.shape(result["logits"], (rows, length, 128), what="the trained model's logits")
    logits, targets = torch.as_tensor(result["logits"]).float(), batch[:, 1:]
    final = oracles.cross_entropy(logits.flatten(0, 1), targets.flatten()).item()
    expect.that(final < 0.1, f"After 30 steps the loss on the paragraph is {final:.3f}; it should be below 0.1.")
    recited = (logits.argmax(-1) == targets).float().mean().item()
    expect.that(recited > 0.99, f"After 30 steps only {recited:.0%} of the next letters are right; all should be.")
