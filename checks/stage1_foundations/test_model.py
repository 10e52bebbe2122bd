"""Checks of task 1.5: the parts of the transformer, the whole, its weights, and SmolLM2 itself.

Every right answer comes from transformers: tiny models with random weights, and once the real one.
"""

from __future__ import annotations

import numpy as np
import torch

from checks.stage1_foundations import oracles_model as oracles
from checks.stage1_foundations import probes_model as probes
from roadmap.grading import check, expect

SMOLLM2 = "smollm2-135m-instruct"

# The logits of a model of a few layers differ by up to 1e-4 when float32 sums are taken in another order.
LOOSE = {"rtol": 1e-3, "atol": 1e-3}

SENTENCES = [
    "The ferry leaves at seven, and the last bus that meets it waits for nobody.",
    "A matrix is a table of numbers; multiplying by it turns and stretches a vector.",
    "She planted 24 apple trees in 2019, and three of them bear fruit already.",
    "To boil an egg, bring the water to a simmer first and lower the egg with a spoon.",
    "def area(radius): return 3.14159 * radius ** 2",
    "Il pleut depuis lundi, mais le marché reste ouvert jusqu'à midi.",
    "Why does ice float? Because water expands when it freezes.",
    "The committee met twice, agreed on nothing, and thanked everyone for coming.",
]


def normal(rng, *shape: int) -> torch.Tensor:
    """Random float32 tensor."""
    return torch.from_numpy(rng.normal(size=shape).astype("float32"))


def pair(got, what: str):
    """The two things that a probe returns, if they are two."""
    expect.type(got, list, what=what)
    expect.that(len(got) == 2, f"{what}: the probe's answer was tampered with.")
    return got


def expect_untouched(after, before, what: str) -> None:
    """An input that must be what it was."""
    expect.close(after, before, rtol=0, atol=0, what=f"{what} after the call (it must not change)")


def tables(model: oracles.Tiny, rng, length: int, start: int | None = None):
    """Rotary tables for `length` positions, from a random one unless told."""
    start = int(rng.integers(1, 9)) if start is None else start
    return oracles.rope_tables(model.head_dim, np.arange(start, start + length), 100.0)


def causal(length: int, keys: int | None = None) -> torch.Tensor:
    """A causal mask."""
    keys = length if keys is None else keys
    return torch.from_numpy(np.tri(length, keys, keys - length, dtype=bool))


def random_ids(model: oracles.Tiny, rng, batch: int, length: int) -> torch.Tensor:
    """Token ids."""
    return torch.from_numpy(rng.integers(model.config["vocab_size"], size=(batch, length)))


@check(
    task="1.5",
    weight=2,
    lesson="07_attention#the-block",
    seconds=0.05,
    hints=[
        "The root mean square of (3, 4) is sqrt((9 + 16) / 2). What is left of the vector after dividing by it?",
        "x * rsqrt(mean(x^2 over the last dimension, keepdim) + eps) * weight; eps stands under the root.",
    ],
)
def test_rms_norm(learner, rng):
    """RMSNorm divides by the root mean square, eps under the root, and multiplies by the weight."""
    size, eps = int(rng.integers(5, 12)), float(rng.uniform(0.05, 0.5))
    weight = normal(rng, size)
    # Off-centre vectors, so that subtracting the mean shows; small ones, so that eps shows.
    for shape, scale in (((2, 3), 1.0), ((4,), 0.1), ((), 1.0)):
        x = (normal(rng, *shape, size) + 1) * scale
        got, after = pair(learner.run(probes.rms_norm, x=x, weight=weight, eps=eps), "the normalised x")
        expect.close(
            got,
            torch.nn.functional.rms_norm(x, (size,), weight, eps),
            mistakes={
                "rmsnorm-subtracts-mean": lambda x=x: oracles.rms_norm(x, weight, eps, "mean"),
                "rmsnorm-eps-outside-root": lambda x=x: oracles.rms_norm(x, weight, eps, "eps outside"),
                "rmsnorm-without-weight": lambda x=x: oracles.rms_norm(x, weight, eps, "no weight"),
                "rmsnorm-sums": lambda x=x: oracles.rms_norm(x, weight, eps, "sum"),
            },
            what=f"RMSNorm of x {tuple(x.shape)} with eps {eps:.3f}",
        )
        expect_untouched(after, x, "x")


@check(
    task="1.5",
    weight=2,
    lesson="07_attention#the-block",
    seconds=0.03,
    hints=[
        "Two projections go up to the intermediate size; one passes through silu and gates the other.",
        "down_proj(silu(gate_proj(x)) * up_proj(x)).",
    ],
)
def test_swiglu(learner, rng):
    """SwiGLU is down(silu(gate(x)) * up(x))."""
    model = oracles.tiny(rng, layers=1)
    weights = model.part("model.layers.0.mlp.")
    for shape in ((2, 3), ()):
        x = normal(rng, *shape, model.config["hidden_size"])
        with torch.no_grad():
            want = model.transformers.model.layers[0].mlp(x)
        expect.close(
            learner.run(probes.swiglu, x=x, weights=weights),
            want,
            rtol=1e-3,
            atol=1e-4,
            mistakes={
                "swiglu-gate-and-up-swapped": lambda x=x: oracles.swiglu(x, weights, "swapped"),
                "swiglu-sigmoid-gate": lambda x=x: oracles.swiglu(x, weights, "sigmoid"),
                "swiglu-without-up": lambda x=x: oracles.swiglu(x, weights, "no up"),
            },
            what=f"SwiGLU of x {tuple(x.shape)}",
        )


@check(
    task="1.5",
    weight=3,
    lesson="07_attention#the-block",
    seconds=0.03,
    hints=[
        "Four projections around what tasks 1.3 and 1.4 made. Queries have more heads than keys and values.",
        "Project, split, turn q and k with apply_rope, grouped_attention with the mask, merge_heads, o_proj.",
    ],
)
def test_attention(learner, rng):
    """Attention projects, splits, turns queries and keys, attends, merges and projects."""
    model = oracles.tiny(rng, layers=1)
    length = int(rng.integers(3, 7))
    cos, sin = tables(model, rng, length)
    x = normal(rng, 2, length, model.config["hidden_size"])
    weights = model.part("model.layers.0.self_attn.")
    for mask in (None, causal(length)):
        sent = {"x": x, "cos": cos, "sin": sin, "mask": mask}
        got = learner.run(probes.part, kind="Attention", config=model.config, weights=weights, **sent)
        got, after = pair(got, "the output of Attention")

        def wrong(flaw: str, mask=mask):
            return lambda: oracles.flawed_attention(model, 0, x, cos, sin, mask, flaw)

        expect.close(
            got,
            oracles.attention(model, x, cos, sin, mask),
            rtol=1e-3,
            atol=1e-4,
            mistakes={
                "attention-without-rope": wrong("no rope"),
                "attention-rope-on-values": wrong("rope on values"),
                "attention-keys-not-turned": wrong("keys not turned"),
                "attention-without-output-projection": wrong("no output projection"),
                "attention-ignores-mask": wrong("mask ignored"),
            },
            what=f"Attention of x {tuple(x.shape)} {'without a mask' if mask is None else 'under a causal mask'}",
        )
        expect_untouched(after, x, "x")


@check(
    task="1.5",
    weight=2,
    lesson="10_decoding#kv-cache",
    seconds=0.04,
    hints=[
        "The cache holds what later tokens will need again. What is the same for every later query?",
        "After apply_rope: k, v = cache.append(layer, k, v). Then attend to all the keys that came back.",
    ],
    needs=["test_attention"],
)
def test_attention_with_a_cache(learner, rng):
    """With a cache, Attention appends turned keys and values to its layer and attends to all that the layer holds."""
    model = oracles.tiny(rng, layers=1)
    start, lengths = int(rng.integers(0, 5)), (int(rng.integers(2, 5)), 1, 2)
    total = sum(lengths)
    x = normal(rng, 2, total, model.config["hidden_size"])
    cos, sin = tables(model, rng, total, start)
    layer, steps, first = int(rng.integers(1, 5)), [], 0
    for length in lengths:
        span = slice(first, first + length)
        first += length
        steps.append([x[:, span], cos[span], sin[span], causal(length, first)])
    weights = model.part("model.layers.0.self_attn.")
    for where in (layer, None):
        got = learner.run(
            probes.part_with_cache, kind="Attention", config=model.config, weights=weights, steps=steps, layer=where
        )
        results, appended = pair(got, "what came out of Attention and went into the cache")
        expect.type(appended, list, what="the calls of cache.append")
        expect.that(
            len(appended) == len(lengths),
            f"Attention was called {len(lengths)} times with a cache, and cache.append {len(appended)} times.",
        )
        keys, values = oracles.keys_and_values(model, x, cos, sin)
        unturned = oracles.keys_and_values(model, x, torch.ones_like(cos), torch.zeros_like(sin))[0]
        for number, (entry, length) in enumerate(zip(appended, lengths, strict=True)):
            end = sum(lengths[: number + 1])
            span = slice(end - length, end)
            expect.that(isinstance(entry, list) and len(entry) == 3, "The probe's answer was tampered with.")
            expect.equal(entry[0], 0 if where is None else where, what="the layer given to cache.append")
            mistakes = {"cache-keys-not-turned": unturned[:, :, span]}
            what = f"the keys of call {number + 1} of cache.append"
            expect.close(entry[1], keys[:, :, span], **LOOSE, mistakes=mistakes, what=what)
            what = f"the values of call {number + 1} of cache.append"
            expect.close(entry[2], values[:, :, span], **LOOSE, what=what)
        whole = oracles.attention(model, x, cos, sin, causal(total))
        want = list(whole.split(lengths, dim=1))
        expect.close(results, want, **LOOSE, what="the output of Attention, fed in three steps through a cache")


@check(
    task="1.5",
    weight=2,
    lesson="07_attention#the-block",
    seconds=0.04,
    hints=[
        "The residual stream runs through the block untouched; each half reads a normalised copy and adds to it.",
        "x = x + self_attn(input_layernorm(x), ...), then x + mlp(post_attention_layernorm(x)).",
    ],
    needs=["test_rms_norm", "test_swiglu", "test_attention"],
)
def test_block(learner, rng):
    """A block adds attention of the normalised stream, then the feed-forward part of the normalised stream."""
    model = oracles.tiny(rng, layers=1)
    length = int(rng.integers(3, 7))
    cos, sin = tables(model, rng, length)
    mask = causal(length)
    x = normal(rng, 2, length, model.config["hidden_size"])
    weights = model.part("model.layers.0.")
    sent = {"x": x, "cos": cos, "sin": sin, "mask": mask}
    got = learner.run(probes.part, kind="Block", config=model.config, weights=weights, **sent)
    got, after = pair(got, "the output of Block")

    def wrong(flaw: str):
        return lambda: oracles.flawed_block(model, 0, x, cos, sin, mask, flaw)

    want = oracles.block(model, x, cos, sin, mask)
    expect.close(
        got,
        want,
        **LOOSE,
        mistakes={
            "block-normalises-afterwards": wrong("norm after"),
            "block-without-residual": wrong("no residual"),
            "block-residual-from-norm": wrong("residual from norm"),
            "block-norms-swapped": wrong("norms swapped"),
            "block-halves-in-parallel": wrong("parallel"),
        },
        what=f"the output of Block for x {tuple(x.shape)}",
    )
    expect_untouched(after, x, "x")
    # A mask that is not causal shows that the block hands on its own; steps through a cache show the rest.
    free = learner.run(probes.part, kind="Block", config=model.config, weights=weights, **(sent | {"mask": None}))
    everything = torch.ones(length, length, dtype=torch.bool)
    what = "the output of Block without a mask"
    expect.close(pair(free, what)[0], oracles.block(model, x, cos, sin, everything), **LOOSE, what=what)
    cut = length - 1
    steps = [[x[:, :cut], cos[:cut], sin[:cut], mask[:cut, :cut]], [x[:, cut:], cos[cut:], sin[cut:], mask[cut:]]]
    for layer in (int(rng.integers(1, 5)), None):
        got = learner.run(
            probes.part_with_cache, kind="Block", config=model.config, weights=weights, steps=steps, layer=layer
        )
        results, appended = pair(got, "what came out of Block and went into the cache")
        expect.close(results, list(want.split((cut, 1), dim=1)), **LOOSE, what="the output of Block with a cache")
        expect.type(appended, list, what="the calls of cache.append")
        layers = [entry[0] if isinstance(entry, list) and entry else None for entry in appended]
        expect.equal(layers, [layer or 0] * 2, what="the layers given to cache.append")


@check(
    task="1.5",
    weight=3,
    lesson="09_inside_smollm2#layer-by-layer",
    seconds=0.1,
    hints=[
        "Embedding, layers, norm, output matrix. The tables and the mask are made once and serve every layer.",
        "rope_tables with config.rope_theta, causal_mask, every block in order, model.norm, functional.linear with "
        "lm_head.weight, or with embed_tokens.weight where lm_head is None.",
    ],
    needs=["test_block"],
)
def test_logits_of_a_tiny_model(learner, rng):
    """The transformer's logits are those of transformers, with tied embeddings and without."""
    for tie in (True, False):
        model = oracles.tiny(rng, tie=tie)
        limit = model.config["max_position_embeddings"]
        for ids in (random_ids(model, rng, 2, int(rng.integers(5, 9))), random_ids(model, rng, 1, limit)):
            got = learner.run(probes.logits, config=model.config, weights=model.weights, ids=ids)
            got, after = pair(got, "the logits")

            def wrong(flaw: str, model=model, ids=ids):
                return lambda: oracles.flawed_logits(model, [ids], flaw)

            mistakes = {
                "model-without-final-norm": wrong("no final norm"),
                "model-sees-the-future": wrong("sees the future"),
                "model-ignores-theta": wrong("theta 10000"),
            }
            if not tie:
                mistakes["model-always-tied"] = wrong("other matrix out")
            what = f"the logits of {tuple(ids.shape)} ids, embeddings {'tied' if tie else 'not tied'}"
            expect.close(got, oracles.logits(model, ids), **LOOSE, mistakes=mistakes, what=what)
            expect_untouched(after, ids, "ids")
    long = random_ids(model, rng, 1, limit + 1)
    error = learner.run_error(probes.logits, config=model.config, weights=model.weights, ids=long)
    expect.error(error, "ValueError", what=f"{limit + 1} ids for a model of {limit} positions")


@check(
    task="1.5",
    weight=3,
    lesson="10_decoding#kv-cache",
    seconds=0.1,
    hints=[
        "After 5 cached tokens the next one stands at position 5, not 0, and sees six keys.",
        "Read past = cache.length once, before the layers, since it grows; give layer n the number n.",
    ],
    needs=["test_attention_with_a_cache", "test_logits_of_a_tiny_model"],
)
def test_logits_with_a_cache(learner, rng):
    """Text fed in parts through a cache gives the logits of the whole text."""
    model = oracles.tiny(rng, layers=3)
    limit = model.config["max_position_embeddings"]
    lengths = [int(rng.integers(3, 6)), 1, int(rng.integers(2, 5)), 1]
    ids = random_ids(model, rng, 2, sum(lengths))
    parts = list(ids.split(lengths, dim=1))
    sent = {"config": model.config, "weights": model.weights}
    layers = learner.run(probes.layers_appended_to, ids=parts[0], **sent)
    what = "the layers given to cache.append by a model of three layers"
    expect.equal(layers, [0, 1, 2], mistakes={"cache-one-layer-for-all": [0, 0, 0]}, what=what)

    def restarted():
        return list(np.split(oracles.flawed_logits(model, parts, "positions restart"), np.cumsum(lengths)[:-1], axis=1))

    got = learner.run(probes.logits_in_parts, parts=parts, **sent)
    want = list(oracles.logits(model, ids).split(lengths, dim=1))
    what = f"the logits of parts of {lengths} ids through one cache"
    expect.close(got, want, **LOOSE, mistakes={"cache-positions-restart": restarted}, what=what)
    full = [random_ids(model, rng, 1, limit - 1), random_ids(model, rng, 1, 1)]
    got = learner.run(probes.logits_in_parts, parts=full, **sent)
    want = list(oracles.logits(model, torch.cat(full, dim=1)).split((limit - 1, 1), dim=1))
    what = f"the logits of {limit - 1} ids and one more, for a model of {limit} positions"
    expect.close(got, want, **LOOSE, what=what)
    full[1] = random_ids(model, rng, 1, 2)
    error = learner.run_error(probes.logits_in_parts, parts=full, **sent)
    expect.error(error, "ValueError", what=f"{limit - 1} ids and two more, for a model of {limit} positions")


@check(
    task="1.5",
    weight=2,
    lesson="09_inside_smollm2#weights",
    seconds=0.1,
    hints=[
        "Build the model from the config, put the tensors in by name, and switch to evaluation mode.",
        "Construct on the meta device and load_state_dict(weights, assign=True): no random numbers, no second copy.",
    ],
    needs=["test_logits_of_a_tiny_model"],
)
def test_from_weights_loads_a_state_dict(learner, rng):
    """from_weights builds the model around a checkpoint's tensors, in evaluation mode."""
    tied, untied = oracles.tiny(rng), oracles.tiny(rng, tie=False)
    repeated = tied.weights | {"lm_head.weight": tied.weights["model.embed_tokens.weight"]}
    shuffled = dict(sorted(untied.weights.items(), reverse=True))
    cases = (
        (tied, tied.weights, "tied embeddings"),
        (tied, repeated, "tied embeddings that lm_head.weight repeats"),
        (untied, shuffled, "an output matrix of its own"),
    )
    for model, weights, what in cases:
        ids = random_ids(model, rng, 1, 5)
        got = learner.run(probes.from_weights, config=model.config, weights=weights, ids=ids)
        expect.type(got, list, what="the probe's answer")
        expect.that(len(got) == 3, "The probe's answer was tampered with.")
        logits, training, names_kept = got
        expect.close(logits, oracles.logits(model, ids), **LOOSE, what=f"the logits of a model with {what}")
        expect.that(
            training is False, "The model is still in training mode.", mistake="from-weights-leaves-training-mode"
        )
        expect.that(names_kept is True, "from_weights changed the mapping of weights it was given.")


@check(
    task="1.5",
    weight=1,
    lesson="09_inside_smollm2#weights",
    seconds=0.04,
    hints=[
        "A checkpoint of another model must be refused at once, not give nonsense later.",
        "Compare the names and shapes of the model's state_dict with those given; raise ValueError with the name.",
    ],
    needs=["test_from_weights_loads_a_state_dict"],
)
def test_from_weights_refuses_what_does_not_fit(learner, rng):
    """A missing name, an unknown name and a wrong shape are each a ValueError that has the name."""
    model = oracles.tiny(rng, tie=False)
    names = list(model.weights)
    drawn, shaped = (names[int(i)] for i in rng.choice(len(names), size=2, replace=False))
    square = "model.layers.0.self_attn.k_proj.weight"
    cases = [
        (
            drawn,
            {name: tensor for name, tensor in model.weights.items() if name != drawn},
            f"weights without {drawn}",
            "from-weights-accepts-missing",
        ),
        (
            "model.layers.0.self_attn.rotary.inv_freq",
            model.weights | {"model.layers.0.self_attn.rotary.inv_freq": torch.ones(4)},
            "weights with model.layers.0.self_attn.rotary.inv_freq, which the model does not have",
            "from-weights-accepts-unknown",
        ),
        (
            shaped,
            model.weights | {shaped: torch.cat((model.weights[shaped], model.weights[shaped]))},
            f"weights with twice as many rows in {shaped}",
            "from-weights-accepts-wrong-shape",
        ),
        (
            square,
            model.weights | {square: model.weights[square].T.contiguous()},
            f"weights with {square} transposed",
            "from-weights-accepts-wrong-shape",
        ),
    ]
    for name, weights, what, slug in cases:
        error = learner.run_error(probes.build, config=model.config, weights=weights)
        expect.that(error is not None, f"{what}: expected ValueError, but the model was built.", mistake=slug)
        expect.error(error, "ValueError", what=what, mentions=name)


@check(
    task="1.5",
    weight=3,
    lesson="09_inside_smollm2#layer-by-layer",
    models=[SMOLLM2],
    seconds=0.9,
    limit=15,
    memory_mb=2048,
    hints=[
        "The tiny models pass and the real one does not: what differs? Sizes, theta, eps: read them from the config.",
        "Compare layer by layer with a tiny model first; head_dim is 64, with 9 query heads and 3 key/value heads.",
    ],
    needs=["test_from_weights_loads_a_state_dict"],
)
def test_smollm2_speaks_through_your_model(learner, rng, models):
    """With SmolLM2's weights the logits on real text are those of transformers, within 1e-3."""
    reference = models[SMOLLM2]
    first, second = rng.choice(len(SENTENCES), size=2, replace=False)
    text = f"{SENTENCES[first]} {SENTENCES[second]}"
    ids = torch.tensor([reference.tokenizer(text)["input_ids"][:24]])
    with torch.inference_mode():
        want = reference.model(ids).logits
    got = learner.run(probes.real_logits, name=SMOLLM2, ids=ids)
    expect.close(got, want, rtol=0, atol=1e-3, what=f"SmolLM2's logits for {text[:40]!r}")
