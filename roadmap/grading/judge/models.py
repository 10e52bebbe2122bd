"""The judge's own models, for oracles: transformers' implementation of what the learner writes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ..sharing import share

_loaded: dict[str, JudgeModel] = {}


class JudgeModel(NamedTuple):
    """A model as transformers runs it."""

    model: Any
    tokenizer: Any


def load(name: str) -> JudgeModel:
    """Load once and keep; in a judge base, before the fork."""
    if name not in _loaded:
        from roadmap import artifacts

        tokenizer, model = artifacts.load_causal_lm(name)
        share(model.parameters())
        _loaded[name] = JudgeModel(model=model, tokenizer=tokenizer)
    return _loaded[name]


class Models(Mapping[str, JudgeModel]):
    """The `models` of a check: loaded at first use."""

    def __getitem__(self, name: str) -> JudgeModel:
        return load(name)

    def __iter__(self) -> Iterator[str]:
        return iter(_loaded)

    def __len__(self) -> int:
        return len(_loaded)
