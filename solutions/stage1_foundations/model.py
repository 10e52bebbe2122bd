"""The transformer: its parts, and the model that holds SmolLM2's weights (task 1.5).

A Llama-style decoder: token embeddings; layers of attention and SwiGLU, each normalised before and added back to what
went in; a last normalisation; logits through the embedding matrix. The constructors are given, so that the parameters
have the names of SmolLM2's own state dict (`model.layers.0.self_attn.q_proj.weight`, ...). No layer has a bias.

Sources: Zhang and Sennrich 2019, "Root Mean Square Layer Normalization" (https://arxiv.org/abs/1910.07467); Shazeer
2020, "GLU Variants Improve Transformer" (https://arxiv.org/abs/2002.05202); Touvron et al. 2023, "LLaMA"
(https://arxiv.org/abs/2302.13971).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from .attention import causal_mask, grouped_attention, merge_heads, split_heads
from .positions import apply_rope, rope_tables

if TYPE_CHECKING:
    from .cache import KVCache
    from .tokens import Tokenizer


@dataclass(frozen=True)
class Config:
    """The numbers that make a model of this family."""

    vocab_size: int
    hidden_size: int
    intermediate_size: int
    layers: int
    heads: int
    kv_heads: int
    norm_eps: float
    rope_theta: float
    max_positions: int
    tie_embeddings: bool

    @property
    def head_dim(self) -> int:
        """Features of one head."""
        return self.hidden_size // self.heads

    @classmethod
    def from_dict(cls, config: Mapping[str, Any]) -> Config:
        """Read a checkpoint's `config.json`; newer files keep theta in `rope_parameters`, older ones beside it."""
        rope = config.get("rope_parameters") or config
        return cls(
            vocab_size=config["vocab_size"],
            hidden_size=config["hidden_size"],
            intermediate_size=config["intermediate_size"],
            layers=config["num_hidden_layers"],
            heads=config["num_attention_heads"],
            kv_heads=config.get("num_key_value_heads") or config["num_attention_heads"],
            norm_eps=config["rms_norm_eps"],
            rope_theta=rope.get("rope_theta", 10000.0),
            max_positions=config["max_position_embeddings"],
            tie_embeddings=config.get("tie_word_embeddings", False),
        )


class RMSNorm(nn.Module):
    """Root mean square normalisation with a learned gain for each feature."""

    def __init__(self, size: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """Divide each vector by its root mean square, then multiply by the weight.

        The root mean square is sqrt(mean(x^2) + eps), the mean taken over the last dimension. Unlike layer
        normalisation it subtracts no mean and adds no bias.

        Args:
            x: (..., size). It is not changed.

        Returns:
            (..., size).
        """
        # >>> solution
        mean_square = x.square().mean(dim=-1, keepdim=True)
        return self.weight * (x * torch.rsqrt(mean_square + self.eps))
        # <<< solution


class SwiGLU(nn.Module):
    """The feed-forward part: two projections up, one of them the other's gate, and one down."""

    def __init__(self, hidden: int, intermediate: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(hidden, intermediate, bias=False)
        self.up_proj = nn.Linear(hidden, intermediate, bias=False)
        self.down_proj = nn.Linear(intermediate, hidden, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """down(silu(gate(x)) * up(x)), with silu(z) = z * sigmoid(z).

        Args:
            x: (..., hidden).

        Returns:
            (..., hidden).
        """
        # >>> solution
        return self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))
        # <<< solution


class Attention(nn.Module):
    """Grouped attention with rotary positions and its four projections."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.heads = config.heads
        self.kv_heads = config.kv_heads
        kv_size = config.kv_heads * config.head_dim
        self.q_proj = nn.Linear(config.hidden_size, config.hidden_size, bias=False)
        self.k_proj = nn.Linear(config.hidden_size, kv_size, bias=False)
        self.v_proj = nn.Linear(config.hidden_size, kv_size, bias=False)
        self.o_proj = nn.Linear(config.hidden_size, config.hidden_size, bias=False)

    def forward(
        self,
        x: Tensor,
        cos: Tensor,
        sin: Tensor,
        mask: Tensor | None = None,
        cache: KVCache | None = None,
        layer: int = 0,
    ) -> Tensor:
        """Let the tokens of `x` read one another, and the tokens in the cache.

        Project to queries, keys and values; split into heads; turn queries and keys (not values) by their positions;
        put keys and values into the cache and go on with all that it holds; attend; merge the heads; project.

        Args:
            x: (batch, length, hidden).
            cos, sin: (length, head_dim), the rotary tables of the positions of `x`.
            mask: None (every query sees every key), or as in `attention.scaled_dot_product`, broadcastable to
                (batch, heads, length, keys), where keys = tokens in the cache + length.
            cache: None, or an object whose `append(layer, k, v)` stores k and v, each (batch, kv_heads, length,
                head_dim), k already turned, and returns all keys and values of that layer, earliest first.
            layer: which layer of the cache is this one's.

        Returns:
            (batch, length, hidden).
        """
        # >>> solution
        q = apply_rope(split_heads(self.q_proj(x), self.heads), cos, sin)
        k = apply_rope(split_heads(self.k_proj(x), self.kv_heads), cos, sin)
        v = split_heads(self.v_proj(x), self.kv_heads)
        if cache is not None:
            k, v = cache.append(layer, k, v)
        return self.o_proj(merge_heads(grouped_attention(q, k, v, mask)))
        # <<< solution


class Block(nn.Module):
    """One layer: attention and feed-forward, each normalised before and added to the residual stream."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.input_layernorm = RMSNorm(config.hidden_size, config.norm_eps)
        self.self_attn = Attention(config)
        self.post_attention_layernorm = RMSNorm(config.hidden_size, config.norm_eps)
        self.mlp = SwiGLU(config.hidden_size, config.intermediate_size)

    def forward(
        self,
        x: Tensor,
        cos: Tensor,
        sin: Tensor,
        mask: Tensor | None = None,
        cache: KVCache | None = None,
        layer: int = 0,
    ) -> Tensor:
        """x + attention(norm(x)), then the same again with the feed-forward part and the second norm.

        Args:
            x: (batch, length, hidden), the residual stream. It is not changed.
            cos, sin, mask, cache, layer: as in `Attention.forward`.

        Returns:
            (batch, length, hidden).
        """
        # >>> solution
        x = x + self.self_attn(self.input_layernorm(x), cos, sin, mask, cache, layer)
        return x + self.mlp(self.post_attention_layernorm(x))
        # <<< solution


class Decoder(nn.Module):
    """What stands under the name `model` in the state dict: everything but the output head."""

    def __init__(self, config: Config) -> None:
        super().__init__()
        # Small: with tied embeddings, nn.Embedding's own unit variance would make an untrained model's logits huge.
        start = nn.init.uniform_(torch.empty(config.vocab_size, config.hidden_size), -0.03, 0.03)
        self.embed_tokens = nn.Embedding.from_pretrained(start, freeze=False)
        self.layers = nn.ModuleList(Block(config) for _ in range(config.layers))
        self.norm = RMSNorm(config.hidden_size, config.norm_eps)


class Transformer(nn.Module):
    """A language model: token ids in, logits for the next token at every position out.

    `lm_head` is None when `config.tie_embeddings`: the embedding matrix is then the output matrix too.
    """

    def __init__(self, config: Config) -> None:
        super().__init__()
        self.config = config
        self.model = Decoder(config)
        self.lm_head = None if config.tie_embeddings else nn.Linear(config.hidden_size, config.vocab_size, bias=False)

    def forward(self, ids: Tensor, cache: KVCache | None = None) -> Tensor:
        """Logits of the token that follows each token.

        Embed the ids; run the layers in order, causally masked; normalise; multiply by the output matrix. With a cache
        of `past = cache.length` tokens, the ids are tokens `past`, `past + 1`, ... of their text: the rotary tables
        start there, and every id sees the cached tokens too. Layer `n` uses layer `n` of the cache.

        Args:
            ids: int (batch, length).
            cache: None, or a `cache.KVCache`: `append(layer, k, v)` as in `Attention.forward`, and `length`, the number
                of tokens it holds. Read it once, before the layers: it grows when the last of them has appended.

        Returns:
            (batch, length, vocab).

        Raises:
            ValueError: past + length is more than `config.max_positions`.
        """
        # >>> solution
        length = ids.shape[1]
        past = 0 if cache is None else cache.length
        if past + length > self.config.max_positions:
            raise ValueError(f"{past + length} tokens do not fit into {self.config.max_positions} positions")
        positions = torch.arange(past, past + length)
        cos, sin = rope_tables(self.config.head_dim, positions, self.config.rope_theta)
        mask = causal_mask(length, past + length)
        x = self.model.embed_tokens(ids)
        for number, block in enumerate(self.model.layers):
            x = block(x, cos, sin, mask, cache, number)
        x = self.model.norm(x)
        output = self.model.embed_tokens if self.lm_head is None else self.lm_head
        return functional.linear(x, output.weight)
        # <<< solution

    @classmethod
    def from_weights(cls, weights: Mapping[str, Tensor], config: Config) -> Transformer:
        """Build a model around the tensors of a checkpoint.

        The tensors need not be copied: a real model fills most of a small machine, so a second set of weights is worth
        avoiding. Training the model may then change the tensors in `weights`; the mapping itself stays as it is. With
        tied embeddings `lm_head.weight` may be among the weights, since some checkpoints repeat the embedding matrix
        under that name; it is not used.

        Args:
            weights: parameter name to tensor, as in the checkpoint's state dict.
            config: the sizes.

        Returns:
            The model, in evaluation mode.

        Raises:
            ValueError: a name is missing, a name is unknown, or a shape is wrong. The message has the parameter's name.
        """
        # >>> solution
        # On the meta device a parameter has a shape and no memory, so nothing is filled with random numbers first.
        with torch.device("meta"):
            model = cls(config)
        expected = {name: tensor.shape for name, tensor in model.state_dict().items()}
        given = dict(weights)
        if config.tie_embeddings:
            given.pop("lm_head.weight", None)
        problems = [f"{name} is missing" for name in expected if name not in given]
        problems += [f"{name} is unknown" for name in given if name not in expected]
        problems += [
            f"{name} has shape {tuple(given[name].shape)}, not {tuple(shape)}"
            for name, shape in expected.items()
            if name in given and given[name].shape != shape
        ]
        if problems:
            raise ValueError("the weights do not fit the model: " + "; ".join(problems))
        model.load_state_dict(given, assign=True)
        return model.eval()
        # <<< solution


def load(name_or_folder: str = "smollm2-135m-instruct") -> tuple[Transformer, Tokenizer]:
    """A model and its tokenizer from the course's artifacts, or from a folder in safetensors layout.

    Raises:
        roadmap.artifacts.ArtifactMissing: nothing of that name has been fetched. The message says what to do.
    """
    # Imported here, so that the classes above can be studied and tested without the kit and without a tokenizer.
    from roadmap.artifacts import load_weights

    from .tokens import Tokenizer

    artifact = load_weights(name_or_folder)
    model = Transformer.from_weights(artifact.weights, Config.from_dict(artifact.config))
    return model, Tokenizer.from_pretrained(artifact.bpe)
