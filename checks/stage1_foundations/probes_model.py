"""What runs beside the learner's code for task 1.5."""

import torch


class Ledger:
    """A cache that holds nothing: it notes which layers append, and gives back what it gets."""

    length = 0

    def __init__(self):
        self.layers = []

    def append(self, layer, k, v):
        self.layers.append(layer)
        return k, v


class Cache:
    """The smallest thing that fulfils the cache's contract, and remembers what was put into it."""

    def __init__(self):
        self.stored = {}
        self.appended = []

    @property
    def length(self):
        return max((k.shape[2] for k, _ in self.stored.values()), default=0)

    def append(self, layer, k, v):
        self.appended.append([layer, k.detach().clone(), v.detach().clone()])
        if layer in self.stored:
            old_k, old_v = self.stored[layer]
            k, v = torch.cat((old_k, k), dim=2), torch.cat((old_v, v), dim=2)
        self.stored[layer] = (k, v)
        return k, v


def _config(learner, config):
    return learner.model.Config.from_dict(config)


def _transformer(learner, config, weights):
    model = learner.model.Transformer(_config(learner, config))
    model.load_state_dict(weights)
    return model.eval()


@torch.no_grad()
def rms_norm(learner, *, x, weight, eps):
    """The normalised x, and x as it is afterwards."""
    norm = learner.model.RMSNorm(len(weight), eps)
    norm.load_state_dict({"weight": weight})
    return [norm(x), x]


@torch.no_grad()
def swiglu(learner, *, x, weights):
    """The feed-forward part of x."""
    intermediate, hidden = weights["gate_proj.weight"].shape
    module = learner.model.SwiGLU(hidden, intermediate)
    module.load_state_dict(weights)
    return module(x)


def _part(learner, kind, config, weights):
    part = getattr(learner.model, kind)(_config(learner, config))
    part.load_state_dict(weights)
    return part


@torch.no_grad()
def part(learner, *, kind, config, weights, x, cos, sin, mask):
    """An Attention or a Block without a cache, and x as it is afterwards."""
    module = _part(learner, kind, config, weights)
    return [module(x, cos, sin) if mask is None else module(x, cos, sin, mask), x]


@torch.no_grad()
def part_with_cache(learner, *, kind, config, weights, steps, layer):
    """An Attention or a Block fed step by step ([x, cos, sin, mask]); what came out, and what went into the cache."""
    module = _part(learner, kind, config, weights)
    cache = Cache()
    where = {} if layer is None else {"layer": layer}
    results = [module(x, cos, sin, mask=mask, cache=cache, **where) for x, cos, sin, mask in steps]
    return [results, cache.appended]


@torch.no_grad()
def logits(learner, *, config, weights, ids):
    """Logits of a model built by its constructor, and the ids as they are afterwards."""
    return [_transformer(learner, config, weights)(ids), ids]


@torch.no_grad()
def layers_appended_to(learner, *, config, weights, ids):
    """The layer numbers with which a model appends to a cache, in order."""
    ledger = Ledger()
    _transformer(learner, config, weights)(ids, cache=ledger)
    return ledger.layers


@torch.no_grad()
def logits_in_parts(learner, *, config, weights, parts):
    """Logits of each part of a text fed through one cache."""
    model = _transformer(learner, config, weights)
    cache = Cache()
    return [model(ids, cache) for ids in parts]


@torch.no_grad()
def from_weights(learner, *, config, weights, ids):
    """Logits of a model built from weights, whether it trains, and the names left in the mapping."""
    names = list(weights)
    model = learner.model.Transformer.from_weights(weights, _config(learner, config))
    return [model(ids), bool(model.training), list(weights) == names]


def build(learner, *, config, weights):
    """Builds a model from weights and returns nothing; for what it raises."""
    learner.model.Transformer.from_weights(weights, _config(learner, config))


def real_logits(learner, models, *, name, ids):
    """Logits of the real model."""
    artifact = models[name]
    model = learner.model.Transformer.from_weights(artifact.weights, _config(learner, artifact.config))
    with torch.inference_mode():
        return model(ids)
