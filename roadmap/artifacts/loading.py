"""Loading artifacts: verified first, ready to use, and never over the network.

Importing this module is cheap; torch and transformers are imported by the functions that need them.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from roadmap.artifacts import registry, store
from roadmap.artifacts.bpe import Bpe
from roadmap.artifacts.errors import ArtifactError, ArtifactMissing, UnknownArtifact

if TYPE_CHECKING:
    import torch
    from transformers import PreTrainedModel, PreTrainedTokenizerBase

DEFAULT_MODEL = "smollm2-135m-instruct"

_OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "TOKENIZERS_PARALLELISM": "false",
}


@dataclass(frozen=True)
class Weights:
    """A language model as plain data.

    Attributes:
        config: config.json; `rope_theta` is always at the top level, wherever the file keeps it.
        weights: float32 tensors by name, in memory of their own. A tied output matrix is not repeated.
        bpe: the tokenizer's tables.

    Objects are shared by everybody in the process who loads the same model: copy before you change anything.
    """

    config: dict[str, Any]
    weights: dict[str, torch.Tensor]
    bpe: Bpe


def path(name: str) -> Path:
    """Where a verified artifact lies: the file of a one-file artifact, the folder of any other.

    Raises:
        UnknownArtifact: the registry has no such name.
        ArtifactMissing: it is not in the cache, or it is damaged.
    """
    artifact = registry.find(name)
    members = store.check(artifact)
    folder = store.location(artifact)
    return folder / members[0].path if artifact.kind == "file" else folder


def is_present(name: str) -> bool:
    """Whether an artifact is in the cache and verified."""
    return store.is_present(registry.find(name))


def sha256_of(name: str) -> str:
    """What identifies an artifact in a report: the sha256 of its weights (its largest file).

    Raises:
        ArtifactMissing: it is not in the cache, or it is damaged.
    """
    return max(store.check(registry.find(name)), key=lambda member: member.size).sha256


def go_offline() -> None:
    """Forbid the hub libraries to use the network. It works only before they are imported."""
    os.environ.update(_OFFLINE)


def load_weights(name_or_folder: str | os.PathLike[str] = DEFAULT_MODEL) -> Weights:
    """A model's configuration, float32 weights and tokenizer tables, without the transformers library.

    Takes an artifact's name or any folder in safetensors layout (one file, or several with an index). The result is
    kept: loading the same model again in this process gives the same object.

    Raises:
        ArtifactMissing: the artifact is not in the cache, or it is damaged.
        ArtifactError: the folder is not a model that this function can read.
    """
    return _load_weights(_model_folder(name_or_folder))


@contextlib.contextmanager
def _no_garbage() -> Iterator[None]:
    """Pause the collector: imports make a million objects that stay, and looking through them takes a quarter more."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


@_no_garbage()
def load_causal_lm(
    name_or_folder: str | os.PathLike[str] = DEFAULT_MODEL,
) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    """A tokenizer and a model of the transformers library, float32, in evaluation mode. A new pair at every call.

    Raises:
        ArtifactMissing: the artifact is not in the cache, or it is damaged.
        ArtifactError: the folder is not a model that transformers can read.
    """
    folder = _model_folder(name_or_folder)
    go_offline()
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedTokenizerFast
    from transformers.utils import logging

    bars = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    # The class named in a folder may rebuild the pre-tokenizer by its own rules (GPT2Tokenizer drops SmolLM's digit
    # rule). tokenizer.json is complete; the generic class takes it as it stands.
    tokenizer_class = PreTrainedTokenizerFast if (folder / "tokenizer.json").is_file() else AutoTokenizer
    try:
        tokenizer = tokenizer_class.from_pretrained(folder, local_files_only=True)
        model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, local_files_only=True)
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ArtifactError(f"{folder} cannot be loaded as a language model. Copy or download it again.") from error
    finally:
        if bars:
            logging.enable_progress_bar()
    config = _read_json(folder / "config.json")
    if config.get("dtype", config.get("torch_dtype")) not in ("bfloat16", "float16"):
        # Weights that were float32 in the file are still pages of it: slower to read, and they change with the file.
        for parameter in model.parameters():
            parameter.data = parameter.data.clone()
    return tokenizer, model.eval()


def _model_folder(name_or_folder: str | os.PathLike[str]) -> Path:
    if isinstance(name_or_folder, str):
        try:
            return path(name_or_folder)
        except UnknownArtifact as error:
            unknown = error
    else:
        unknown = None
    folder = Path(name_or_folder).expanduser().resolve()
    if (folder / "config.json").is_file():
        return folder
    if unknown is not None and not folder.exists():
        raise ArtifactMissing(
            f"{name_or_folder} is neither an artifact of this course nor a folder. Run: roadmap fetch --list"
        ) from unknown
    raise ArtifactMissing(f"{folder} holds no config.json. Name a folder that holds a model in safetensors layout.")


@cache
def _load_weights(folder: Path) -> Weights:
    config = _read_json(folder / "config.json")
    rope = config.get("rope_parameters") or {}
    if "rope_theta" in rope:
        config.setdefault("rope_theta", rope["rope_theta"])
    return Weights(config, _read_tensors(folder), Bpe.from_folder(folder))


def _read_tensors(folder: Path) -> dict[str, torch.Tensor]:
    import torch
    from safetensors import SafetensorError, safe_open

    index = folder / "model.safetensors.index.json"
    if index.is_file():
        # Only the name: an index must not reach outside its folder.
        shards = sorted({folder / Path(str(file)).name for file in _read_json(index).get("weight_map", {}).values()})
    else:
        shards = [folder / "model.safetensors"]
    weights = {}
    for shard in shards:
        try:
            with safe_open(shard, framework="pt") as tensors:
                for name in tensors.keys():  # noqa: SIM118  not a mapping
                    weights[name] = tensors.get_tensor(name).to(torch.float32, copy=True)
        except (OSError, SafetensorError) as error:
            raise ArtifactError(f"{shard} cannot be read as safetensors. Copy or download the file again.") from error
    return weights


def _read_json(file: Path) -> dict[str, Any]:
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(data, dict):
            raise ValueError("not an object")
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{file} cannot be read. Copy or download the file again.") from error
    return data
