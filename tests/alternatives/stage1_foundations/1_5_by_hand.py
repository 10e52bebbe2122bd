"""Plain matrix products instead of calling the projections, copies instead of the meta device, another head order."""

import torch
from torch import nn


class RMSNorm(nn.Module):
    def forward(self, x):
        wide = x.double()
        root = torch.sqrt((wide * wide).sum(dim=-1, keepdim=True) / x.shape[-1] + self.eps)
        return (wide / root).to(x.dtype) * self.weight


class SwiGLU(nn.Module):
    def forward(self, x):
        gate = x @ self.gate_proj.weight.T
        up = x @ self.up_proj.weight.T
        return (gate * torch.sigmoid(gate) * up) @ self.down_proj.weight.T


class Attention(nn.Module):
    def forward(self, x, cos, sin, mask=None, cache=None, layer=0):
        batch, length, hidden = x.shape
        d = hidden // self.heads

        def turned(y):
            half = d // 2
            return y * cos + torch.cat([-y[..., half:], y[..., :half]], dim=-1) * sin

        q = turned(self.q_proj(x).view(batch, length, self.heads, d).transpose(1, 2))
        k = turned(self.k_proj(x).view(batch, length, self.kv_heads, d).transpose(1, 2))
        v = self.v_proj(x).view(batch, length, self.kv_heads, d).transpose(1, 2)
        if cache is not None:
            k, v = cache.append(layer, k, v)
        owner = torch.arange(self.heads) // (self.heads // self.kv_heads)
        scores = torch.einsum("bhqd,bhkd->bhqk", q, k[:, owner]) / d**0.5
        if mask is not None:
            scores = torch.where(mask, scores, -torch.inf)
        out = torch.einsum("bhqk,bhkd->bqhd", scores.softmax(dim=-1), v[:, owner])
        return self.o_proj(out.reshape(batch, length, hidden))


class Block(nn.Module):
    def forward(self, x, cos, sin, mask=None, cache=None, layer=0):
        residual = x
        attended = self.self_attn(self.input_layernorm(x), cos, sin, mask=mask, cache=cache, layer=layer)
        residual = residual + attended
        return self.mlp(self.post_attention_layernorm(residual)) + residual


class Transformer(nn.Module):
    def forward(self, ids, cache=None):
        past = cache.length if cache is not None else 0
        end = past + ids.shape[-1]
        if end > self.config.max_positions:
            raise ValueError("the text is longer than the model's positions")
        d = self.config.head_dim
        speeds = 1.0 / self.config.rope_theta ** (torch.arange(0, d, 2).float() / d)
        angles = torch.arange(past, end)[:, None] * torch.cat([speeds, speeds])
        mask = torch.ones(end, end, dtype=torch.bool).tril()[past:]
        x = self.model.embed_tokens.weight[ids]
        for n in range(len(self.model.layers)):
            x = self.model.layers[n](x, angles.cos(), angles.sin(), mask=mask, cache=cache, layer=n)
        matrix = self.model.embed_tokens.weight if self.config.tie_embeddings else self.lm_head.weight
        return self.model.norm(x) @ matrix.T

    @classmethod
    def from_weights(cls, weights, config):
        model = cls(config)
        parameters = dict(model.named_parameters())
        for name in weights:
            if name not in parameters and not (config.tie_embeddings and name == "lm_head.weight"):
                raise ValueError(f"this model has no parameter {name}")
        with torch.no_grad():
            for name, parameter in parameters.items():
                if name not in weights:
                    raise ValueError(f"the checkpoint has no {name}")
                if parameter.shape != weights[name].shape:
                    raise ValueError(f"{name}: {list(weights[name].shape)} instead of {list(parameter.shape)}")
                parameter.copy_(weights[name])
        model.eval()
        return model
