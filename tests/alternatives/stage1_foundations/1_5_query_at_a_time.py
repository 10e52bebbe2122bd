"""Attention one query and one head at a time; tables and a mask for every layer; errors from strict loading."""

import torch
from torch import nn


class RMSNorm(nn.Module):
    def forward(self, x):
        return x * self.weight * (x.pow(2).mean(-1, keepdim=True) + self.eps) ** -0.5


class SwiGLU(nn.Module):
    def forward(self, x):
        both = x @ torch.cat([self.gate_proj.weight, self.up_proj.weight]).mT
        gate, up = both.split(self.gate_proj.out_features, dim=-1)
        return self.down_proj(gate / (1 + torch.exp(-gate)) * up)


class Attention(nn.Module):
    def forward(self, x, cos, sin, mask=None, cache=None, layer=0):
        q = apply_rope(split_heads(self.q_proj(x), self.heads), cos, sin)  # noqa: F821 (the reference's)
        k = apply_rope(split_heads(self.k_proj(x), self.kv_heads), cos, sin)  # noqa: F821
        v = split_heads(self.v_proj(x), self.kv_heads)  # noqa: F821
        if cache is not None:
            k, v = cache.append(layer, k, v)
        batch, heads, length, d = q.shape
        if mask is not None:
            mask = mask.broadcast_to(batch, heads, length, k.shape[2])
        out = torch.zeros(batch, length, heads, d)
        for b in range(batch):
            for h in range(heads):
                shared = h // (heads // self.kv_heads)
                for t in range(length):
                    scores = k[b, shared] @ q[b, h, t] / d**0.5
                    if mask is not None:
                        scores = scores.masked_fill(~mask[b, h, t], float("-inf"))
                    out[b, t, h] = scores.softmax(0) @ v[b, shared]
        return self.o_proj(out.flatten(2))


class Transformer(nn.Module):
    def forward(self, ids, cache=None):
        batch, length = ids.shape
        past = 0 if cache is None else int(cache.length)
        if length > self.config.max_positions - past:
            raise ValueError("no positions left")
        hidden = self.model.embed_tokens(ids)
        steps = torch.arange(past, past + length)
        for n, layer in enumerate(self.model.layers):
            cos, sin = rope_tables(self.config.head_dim, steps, theta=self.config.rope_theta)  # noqa: F821
            seen = torch.arange(past + length)[None, :] <= steps[:, None]
            hidden = layer(hidden, cos, sin, seen.expand(batch, 1, length, past + length), cache, n)
        hidden = self.model.norm(hidden)
        if self.lm_head is not None:
            return self.lm_head(hidden)
        return torch.einsum("bth,vh->btv", hidden, self.model.embed_tokens.weight)

    @classmethod
    def from_weights(cls, weights, config):
        with torch.device("meta"):
            model = cls(config)
        kept = {k: v for k, v in weights.items() if k != "lm_head.weight" or not config.tie_embeddings}
        try:
            model.load_state_dict(kept, strict=True, assign=True)
        except RuntimeError as error:
            raise ValueError(str(error)) from error
        model.train(False)
        return model
