"""SmolLM2 from a GGUF file to a folder in safetensors layout, the form in which the course reads every model.

Run as a program (`python -m roadmap.artifacts.converting FILE FOLDER`): it prints its progress as `done/total` lines.

The weights are unpacked by the `gguf` package and rounded to bf16, the type in which they were trained. The tokenizer
is rebuilt from the file's own metadata. The `transformers` library can read this file too, with the same weights to the
bit, but it does not know the pre-tokenizer `smollm` and silently falls back to GPT-2's: then digits are not cut off
first, and "1.\\n\\n2." becomes other tokens than those the model was trained on.

Sources: the GGUF specification (ggml project), the `smollm` pre-tokenizer of llama.cpp, and the configuration published
with SmolLM2-135M-Instruct.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

CONTROL_TOKEN = 3
"""GGUF's token type for a token that stands for an instruction rather than text."""

TENSORS = {
    "token_embd": "model.embed_tokens",
    "output_norm": "model.norm",
    "output": "lm_head",
    "attn_norm": "input_layernorm",
    "attn_q": "self_attn.q_proj",
    "attn_k": "self_attn.k_proj",
    "attn_v": "self_attn.v_proj",
    "attn_output": "self_attn.o_proj",
    "ffn_norm": "post_attention_layernorm",
    "ffn_gate": "mlp.gate_proj",
    "ffn_up": "mlp.up_proj",
    "ffn_down": "mlp.down_proj",
}


class ConversionError(Exception):
    """The file holds something else than a Llama model with a byte-level BPE tokenizer."""


def convert(file: Path, folder: Path, progress: Callable[[int, int], None] = lambda done, total: None) -> None:
    """Write config.json, generation_config.json, the tokenizer files and model.safetensors (bf16) into `folder`.

    Tied weights are written once. The result depends on the file alone, so its hashes are the same on every machine.

    Raises:
        ConversionError: the file is not one that this function understands.
    """
    import gguf

    try:
        reader = gguf.GGUFReader(file)
    except (ValueError, OSError) as error:
        raise ConversionError(f"{file.name} cannot be read as GGUF") from error
    metadata = Metadata(reader)
    if metadata["general.architecture"] != "llama":
        raise ConversionError(f"{file.name} is a model of the family {metadata['general.architecture']}, not llama")
    if (metadata["tokenizer.ggml.model"], metadata["tokenizer.ggml.pre"]) != ("gpt2", "smollm"):
        raise ConversionError(f"{file.name} has another tokenizer than SmolLM's")
    config = model_config(metadata, tied=all(tensor.name != "output.weight" for tensor in reader.tensors))
    write_weights(reader.tensors, config, folder / "model.safetensors", progress)
    write_json(folder / "config.json", config)
    special = {name: config[name] for name in ("bos_token_id", "eos_token_id", "pad_token_id")}
    write_json(folder / "generation_config.json", special)
    write_tokenizer(metadata, config, folder)


class Metadata:
    """The key-value part of a GGUF file, by key."""

    def __init__(self, reader: Any) -> None:
        self._fields = reader.fields

    def __getitem__(self, key: str) -> Any:
        if key not in self._fields:
            raise ConversionError(f"the file has no {key}")
        return self._fields[key].contents()

    def real(self, key: str) -> float:
        """A float32 value as the shortest decimal that rounds to it: 1e-05 rather than 9.999999747378752e-06."""
        import numpy

        return float(str(numpy.float32(self[key])))


# ---- configuration


def model_config(metadata: Metadata, *, tied: bool) -> dict[str, Any]:
    """The contents of config.json, with the names that the Llama family uses there."""
    heads = metadata["llama.attention.head_count"]
    return {
        "architectures": ["LlamaForCausalLM"],
        "model_type": "llama",
        "vocab_size": len(metadata["tokenizer.ggml.tokens"]),
        "hidden_size": metadata["llama.embedding_length"],
        "intermediate_size": metadata["llama.feed_forward_length"],
        "num_hidden_layers": metadata["llama.block_count"],
        "num_attention_heads": heads,
        "num_key_value_heads": metadata["llama.attention.head_count_kv"],
        "head_dim": metadata["llama.embedding_length"] // heads,
        "hidden_act": "silu",
        "rms_norm_eps": metadata.real("llama.attention.layer_norm_rms_epsilon"),
        "rope_theta": metadata.real("llama.rope.freq_base"),
        "max_position_embeddings": metadata["llama.context_length"],
        "attention_bias": False,
        "mlp_bias": False,
        "tie_word_embeddings": tied,
        "bos_token_id": metadata["tokenizer.ggml.bos_token_id"],
        "eos_token_id": metadata["tokenizer.ggml.eos_token_id"],
        "pad_token_id": metadata["tokenizer.ggml.padding_token_id"],
        "torch_dtype": "bfloat16",
        "use_cache": True,
    }


# ---- weights


def tensor_name(name: str) -> str:
    """GGUF's weight name as the Llama family's: `blk.3.attn_q.weight` to `model.layers.3.self_attn.q_proj.weight`."""
    stem = name.removesuffix(".weight")
    prefix = ""
    if stem.startswith("blk."):
        _, layer, stem = stem.split(".", 2)
        prefix = f"model.layers.{layer}."
    if stem not in TENSORS or not name.endswith(".weight"):
        raise ConversionError(f"the file has a weight called {name}")
    return f"{prefix}{TENSORS[stem]}.weight"


def unpermute(weight: Any, heads: int) -> Any:
    """Undo llama.cpp's order of the rows of W_q and W_k, (heads * d, hidden).

    llama.cpp rotates neighbouring pairs of a head's dimensions, transformers rotates dimension i with i + d/2. The GGUF
    writer therefore interleaves the two halves of each head.
    """
    rows, hidden = weight.shape
    return weight.reshape(heads, rows // heads // 2, 2, hidden).swapaxes(1, 2).reshape(rows, hidden)


def write_weights(tensors: list[Any], config: dict[str, Any], file: Path, progress: Callable[[int, int], None]) -> None:
    """Unpack every tensor of a GGUF file and write all of them as bf16."""
    import gguf
    import torch
    from safetensors.torch import save_file

    heads = {"attn_q.weight": config["num_attention_heads"], "attn_k.weight": config["num_key_value_heads"]}
    weights = {}
    for number, tensor in enumerate(tensors, 1):
        values = gguf.dequantize(tensor.data, tensor.tensor_type)
        for ending, count in heads.items():
            if tensor.name.endswith(ending):
                values = unpermute(values, count)
        weights[tensor_name(tensor.name)] = torch.tensor(values).to(torch.bfloat16)
        progress(number, len(tensors) + 1)
    # transformers refuses a safetensors file that does not say which framework wrote it.
    save_file(weights, file, metadata={"format": "pt"})
    progress(len(tensors) + 1, len(tensors) + 1)


# ---- tokenizer


def write_tokenizer(metadata: Metadata, config: dict[str, Any], folder: Path) -> None:
    """Write tokenizer.json, tokenizer_config.json and chat_template.jinja, and prove that what was written is right."""
    from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

    tokens, kinds = metadata["tokenizer.ggml.tokens"], metadata["tokenizer.ggml.token_type"]
    merges = [tuple(merge.split(" ")) for merge in metadata["tokenizer.ggml.merges"]]
    tokenizer = Tokenizer(models.BPE(vocab={token: number for number, token in enumerate(tokens)}, merges=merges))
    # Every digit stands alone, and is cut off before GPT-2's pattern sees the text. In the opposite order the white
    # space in front of a number would be cut differently.
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = [token for token, kind in zip(tokens, kinds, strict=True) if kind == CONTROL_TOKEN]
    tokenizer.add_special_tokens([AddedToken(token, normalized=False, special=True) for token in special])
    tokenizer.save(str(folder / "tokenizer.json"))
    settings = {
        # The class that takes tokenizer.json as it stands; GPT2Tokenizer would put its own pre-tokenizer in.
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": tokens[config["bos_token_id"]],
        "eos_token": tokens[config["eos_token_id"]],
        "pad_token": tokens[config["pad_token_id"]],
        "unk_token": tokens[metadata["tokenizer.ggml.unknown_token_id"]],
        "additional_special_tokens": special,
        "clean_up_tokenization_spaces": False,
        "model_max_length": config["max_position_embeddings"],
    }
    write_json(folder / "tokenizer_config.json", settings)
    (folder / "chat_template.jinja").write_text(metadata["tokenizer.chat_template"], encoding="utf-8", newline="")
    _prove_tokenizer(folder / "tokenizer.json", tokens, merges, special)


def _prove_tokenizer(file: Path, tokens: list[str], merges: list[tuple[str, ...]], special: list[str]) -> None:
    from tokenizers import Tokenizer

    written = json.loads(file.read_text(encoding="utf-8"))["model"]
    tokenizer = Tokenizer.from_file(str(file))
    sample = "Für 12 Euro:\n\n 3 cafés"
    facts = {
        "the vocabulary": written["vocab"] == {token: number for number, token in enumerate(tokens)},
        "the merges": [tuple(merge) for merge in written["merges"]] == merges,
        "a special token": all(tokenizer.encode(token).ids == [tokens.index(token)] for token in special),
        "a number": len(tokenizer.encode("2024").ids) == 4,
        "a text": tokenizer.decode(tokenizer.encode(sample).ids) == sample,
    }
    wrong = [what for what, right in facts.items() if not right]
    if wrong:
        raise ConversionError(f"the tokenizer that was written gets {wrong[0]} wrong")


def write_json(file: Path, data: dict[str, Any]) -> None:
    """Write JSON the same way on every system."""
    file.write_text(json.dumps(data, indent=2, ensure_ascii=False) + "\n", encoding="utf-8", newline="")


def main(arguments: list[str]) -> int:
    """The program: a GGUF file and a folder; exit code 1 and one line on standard error if it cannot be done."""
    file, folder = map(Path, arguments)
    try:
        convert(file, folder, lambda done, total: print(f"{done}/{total}", flush=True))
    except (ConversionError, ImportError, MemoryError, OSError) as error:
        print(error or type(error).__name__, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
