"""A trained adapter as a GGUF file that llama.cpp loads beside the model it belongs to.

Source: the GGUF specification, and llama.cpp's tensor names for adapters (`blk.N.attn_q.weight.lora_a`).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

_NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
}
_PLACE = re.compile(r"layers\.(\d+)\.(\w+\.\w+)\.lora_([AB])")


def write(model: Any, path: Path, *, alpha: float, name: str) -> int:
    """Write the adapter of a PEFT model in 16-bit floats. Returns the file's size in bytes."""
    import gguf

    config = model.get_base_model().config
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_type("adapter")
    writer.add_string("adapter.type", "lora")
    writer.add_float32("adapter.lora.alpha", alpha)
    writer.add_name(name)
    for key, tensor in model.state_dict().items():
        match = _PLACE.search(key)
        if match is None:
            continue
        layer, part, side = match.groups()
        values = tensor.detach().numpy()
        if side == "B" and part in ("self_attn.q_proj", "self_attn.k_proj"):
            heads = config.num_attention_heads if part.endswith("q_proj") else config.num_key_value_heads
            values = permuted(values, heads)
        writer.add_tensor(f"blk.{layer}.{_NAMES[part]}.weight.lora_{side.lower()}", values.astype(np.float16))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path.stat().st_size


def permuted(rows: np.ndarray, heads: int) -> np.ndarray:
    """Rows (heads * d, r) in the order of llama.cpp's rotary embedding: pairs side by side, not half a head apart."""
    count, rank = rows.shape
    return rows.reshape(heads, 2, count // heads // 2, rank).swapaxes(1, 2).reshape(count, rank)
