"""Right answers for task 1.5 from transformers, and wrong ones that have a name from a small NumPy model.

The right answer is always a `LlamaForCausalLM` (or a part of one) with random weights. The NumPy model repeats it with
one flaw at a time, so that a failure can be named; without a flaw it agrees with transformers.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class Tiny:
    """A random model of two or three layers: `config` as in a config.json, `weights` by the names of a state dict."""

    config: dict[str, Any]
    weights: dict[str, torch.Tensor]

    @cached_property
    def transformers(self):
        """The same model in transformers."""
        from transformers import LlamaConfig, LlamaForCausalLM

        model = LlamaForCausalLM(LlamaConfig(**self.config, attn_implementation="eager")).eval()
        model.load_state_dict(self.weights, strict=not self.config["tie_word_embeddings"])
        return model

    @property
    def head_dim(self) -> int:
        """Features of a head."""
        return self.config["hidden_size"] // self.config["num_attention_heads"]

    def part(self, prefix: str) -> dict[str, torch.Tensor]:
        """The weights below `prefix`, by their names there."""
        return {name.removeprefix(prefix): w for name, w in self.weights.items() if name.startswith(prefix)}


def tiny(rng: np.random.Generator, *, tie: bool = True, layers: int = 2) -> Tiny:
    """Random sizes and weights; every number is far enough from its default to matter."""
    kv_heads = int(rng.integers(2, 4))
    heads = kv_heads * int(rng.integers(2, 4))
    hidden = heads * 2 * int(rng.integers(2, 4))
    intermediate = hidden + int(rng.integers(3, 20))
    vocab = int(rng.integers(30, 60))
    config = {
        "vocab_size": vocab,
        "hidden_size": hidden,
        "intermediate_size": intermediate,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": kv_heads,
        "rms_norm_eps": float(rng.uniform(0.02, 0.1)),
        "rope_parameters": {"rope_type": "default", "rope_theta": float(rng.uniform(20, 200))},
        "max_position_embeddings": int(rng.integers(24, 32)),
        "tie_word_embeddings": tie,
    }

    def matrix(rows: int, columns: int, gain: float = 1.5) -> torch.Tensor:
        return torch.from_numpy((rng.normal(size=(rows, columns)) * gain / columns**0.5).astype("float32"))

    def norm() -> torch.Tensor:
        return torch.from_numpy((1 + 0.4 * rng.normal(size=hidden)).astype("float32"))

    kv = hidden // heads * kv_heads
    weights = {"model.embed_tokens.weight": matrix(vocab, hidden, gain=hidden**0.5)}
    for layer in range(layers):
        weights |= {
            f"model.layers.{layer}.{name}": tensor
            for name, tensor in {
                "self_attn.q_proj.weight": matrix(hidden, hidden),
                "self_attn.k_proj.weight": matrix(kv, hidden),
                "self_attn.v_proj.weight": matrix(kv, hidden),
                "self_attn.o_proj.weight": matrix(hidden, hidden),
                "mlp.gate_proj.weight": matrix(intermediate, hidden),
                "mlp.up_proj.weight": matrix(intermediate, hidden),
                "mlp.down_proj.weight": matrix(hidden, intermediate),
                "input_layernorm.weight": norm(),
                "post_attention_layernorm.weight": norm(),
            }.items()
        }
    weights["model.norm.weight"] = norm()
    if not tie:
        weights["lm_head.weight"] = matrix(vocab, hidden)
    return Tiny(config, weights)


def rope_tables(head_dim: int, positions, theta: float) -> tuple[torch.Tensor, torch.Tensor]:
    """Rotary tables in Llama's layout."""
    speeds = theta ** (-np.arange(0, head_dim, 2) / head_dim)
    angles = np.tile(np.outer(positions, speeds), 2)
    return torch.from_numpy(np.cos(angles).astype("float32")), torch.from_numpy(np.sin(angles).astype("float32"))


def additive(mask: torch.Tensor | None) -> torch.Tensor | None:
    """A bool mask as transformers wants it."""
    return None if mask is None else torch.zeros(mask.shape).masked_fill(~mask, torch.finfo(torch.float32).min)


@torch.no_grad()
def attention(model: Tiny, x, cos, sin, mask) -> torch.Tensor:
    """The first layer's attention, in transformers."""
    module = model.transformers.model.layers[0].self_attn
    mask = None if mask is None else additive(mask)[None, None]
    return module(x, position_embeddings=(cos[None], sin[None]), attention_mask=mask)[0]


@torch.no_grad()
def keys_and_values(model: Tiny, x, cos, sin) -> list[torch.Tensor]:
    """What the first layer's attention stores in transformers' cache: keys and values, (batch, kv_heads, length, d)."""
    from transformers import DynamicCache

    cache = DynamicCache(config=model.transformers.config)
    module = model.transformers.model.layers[0].self_attn
    module(x, position_embeddings=(cos[None], sin[None]), attention_mask=None, past_key_values=cache)
    return [cache.layers[0].keys, cache.layers[0].values]


@torch.no_grad()
def block(model: Tiny, x, cos, sin, mask) -> torch.Tensor:
    """The first layer, in transformers."""
    module = model.transformers.model.layers[0]
    return module(x, position_embeddings=(cos[None], sin[None]), attention_mask=additive(mask)[None, None])


@torch.no_grad()
def logits(model: Tiny, ids) -> torch.Tensor:
    """Logits (batch, length, vocab), in transformers."""
    return model.transformers(torch.as_tensor(ids)).logits


def rms_norm(x, weight, eps: float, flaw: str = "") -> np.ndarray:
    """Root mean square normalisation; flaws: "mean", "eps outside", "no weight", "sum"."""
    x, weight = np.asarray(x, dtype=np.float64), np.asarray(weight, dtype=np.float64)
    if flaw == "mean":
        x = x - x.mean(axis=-1, keepdims=True)
    square = (x**2).sum(axis=-1, keepdims=True) if flaw == "sum" else (x**2).mean(axis=-1, keepdims=True)
    root = np.sqrt(square) + eps if flaw == "eps outside" else np.sqrt(square + eps)
    return x / root if flaw == "no weight" else x / root * weight


def swiglu(x, weights: dict, flaw: str = "") -> np.ndarray:
    """The feed-forward part; flaws: "swapped", "sigmoid", "no up"."""
    gate, up, down = (np.asarray(weights[f"{name}_proj.weight"], dtype=np.float64) for name in ("gate", "up", "down"))
    if flaw == "swapped":
        gate, up = up, gate
    gated = np.asarray(x, dtype=np.float64) @ gate.T
    gated = (1 if flaw == "sigmoid" else gated) / (1 + np.exp(-gated))
    return (gated if flaw == "no up" else gated * (np.asarray(x) @ up.T)) @ down.T


def _turn(x: np.ndarray, cos: np.ndarray, sin: np.ndarray) -> np.ndarray:
    half = x.shape[-1] // 2
    return x * cos + np.concatenate([-x[..., half:], x[..., :half]], axis=-1) * sin


def _heads(x: np.ndarray, heads: int) -> np.ndarray:
    return np.moveaxis(x.reshape(*x.shape[:-1], heads, -1), -2, -3)


def flawed_attention(model: Tiny, layer: int, x, cos, sin, mask, flaw: str = "", cache: dict | None = None):
    """Attention of one layer; flaws: "no rope", "rope on values", "keys not turned", "mask ignored", "no output
    projection"."""
    weights = {k: v.numpy().astype(np.float64) for k, v in model.part(f"model.layers.{layer}.self_attn.").items()}
    x, cos, sin = (np.asarray(a, dtype=np.float64) for a in (x, cos, sin))
    heads, kv_heads = model.config["num_attention_heads"], model.config["num_key_value_heads"]
    q = _heads(x @ weights["q_proj.weight"].T, heads)
    k = _heads(x @ weights["k_proj.weight"].T, kv_heads)
    v = _heads(x @ weights["v_proj.weight"].T, kv_heads)
    if flaw != "no rope":
        q = _turn(q, cos, sin)
        k = k if flaw == "keys not turned" else _turn(k, cos, sin)
        v = _turn(v, cos, sin) if flaw == "rope on values" else v
    if cache is not None:
        if layer in cache:
            k, v = (np.concatenate([old, new], axis=-2) for old, new in zip(cache[layer], (k, v), strict=True))
        cache[layer] = (k, v)
    k, v = (np.repeat(a, heads // kv_heads, axis=-3) for a in (k, v))
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1])
    if mask is not None and flaw != "mask ignored":
        scores = np.where(np.asarray(mask), scores, -1e30)
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    result = np.moveaxis(shares / shares.sum(axis=-1, keepdims=True) @ v, -3, -2).reshape(x.shape)
    return result if flaw == "no output projection" else result @ weights["o_proj.weight"].T


def flawed_block(model: Tiny, layer: int, x, cos, sin, mask, flaw: str = "", cache: dict | None = None) -> np.ndarray:
    """One layer; flaws: "norm after", "no residual", "attention residual missing", "residual from norm",
    "norms swapped", "parallel"."""
    prefix = f"model.layers.{layer}."
    eps = model.config["rms_norm_eps"]
    x = np.asarray(x, dtype=np.float64)

    def first(y):
        name = "post_attention_layernorm" if flaw == "norms swapped" else "input_layernorm"
        return rms_norm(y, model.weights[f"{prefix}{name}.weight"], eps)

    def second(y):
        name = "input_layernorm" if flaw == "norms swapped" else "post_attention_layernorm"
        return rms_norm(y, model.weights[f"{prefix}{name}.weight"], eps)

    def attend(y):
        return flawed_attention(model, layer, y, cos, sin, mask, cache=cache)

    def feed(y):
        return swiglu(y, model.part(f"{prefix}mlp."))

    if flaw == "norm after":
        x = first(x + attend(x))
        return second(x + feed(x))
    if flaw == "no residual":
        return feed(second(attend(first(x))))
    if flaw == "parallel":
        return x + attend(first(x)) + feed(second(x))
    if flaw == "residual from norm":
        x = first(x)
        x = second(x + attend(x))
        return x + feed(x)
    x = x + attend(first(x))
    return x + feed(second(x))


def flawed_logits(model: Tiny, parts: list, flaw: str = "") -> np.ndarray:
    """Logits of parts of a text fed one after another; flaws: "no final norm", "sees the future", "positions restart",
    "theta 10000", "other matrix out" (the embedding matrix although there is a head)."""
    weights, cache, past, out = model.weights, {}, 0, []
    theta = 10000.0 if flaw == "theta 10000" else model.config["rope_parameters"]["rope_theta"]
    embedding = weights["model.embed_tokens.weight"].numpy().astype(np.float64)
    for ids in parts:
        ids = np.asarray(ids)
        length = ids.shape[1]
        start = 0 if flaw == "positions restart" else past
        cos, sin = rope_tables(model.head_dim, np.arange(start, start + length), theta)
        mask = np.tri(length, past + length, past, dtype=bool) | (flaw == "sees the future")
        x = embedding[ids]
        for layer in range(model.config["num_hidden_layers"]):
            x = flawed_block(model, layer, x, cos, sin, mask, cache=cache)
        if flaw != "no final norm":
            x = rms_norm(x, weights["model.norm.weight"], model.config["rms_norm_eps"])
        head = embedding if flaw == "other matrix out" else weights.get("lm_head.weight", embedding)
        out.append(x @ np.asarray(head, dtype=np.float64).T)
        past += length
    return np.concatenate(out, axis=1)
