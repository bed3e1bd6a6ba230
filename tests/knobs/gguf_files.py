"""GGUF files of tiny denoisers, written with the package that llama.cpp publishes for it."""

from collections.abc import Mapping
from pathlib import Path

import gguf
import torch


def write_gguf(file: Path, tensors: Mapping[str, torch.Tensor], kind: str = "Q8_0") -> Path:
    """Write tensors, the matrices whose rows are made of whole blocks of 32 numbers quantized as `kind`."""
    quantized = gguf.GGMLQuantizationType[kind]
    writer = gguf.GGUFWriter(str(file), "tiny")
    for name, tensor in tensors.items():
        numbers = tensor.detach().float().numpy()
        is_matrix = name.endswith(".weight") and tensor.ndim == 2 and tensor.shape[1] % 32 == 0
        if is_matrix and kind != "F32":
            writer.add_tensor(name, gguf.quants.quantize(numbers, quantized), raw_dtype=quantized)
        else:
            writer.add_tensor(name, numbers)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return file


def original_names(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Return the weights of an SD3 transformer as its makers name and stack them, as shared files do."""
    found: dict[str, torch.Tensor] = {}
    blocks = 1 + max(int(name.split(".")[1]) for name in state if name.startswith("transformer_blocks."))
    swapped = ["norm_out.linear", f"transformer_blocks.{blocks - 1}.norm1_context.linear"]
    for name, tensor in state.items():
        place, _, last = name.rpartition(".")
        # The makers shift before they scale.
        ours = torch.cat(tensor.chunk(2)[::-1]) if place in swapped else tensor
        if not name.startswith("transformer_blocks."):
            found[_OUTSIDE.get(name, f"{_OUTSIDE.get(place, place)}.{last}")] = ours
            continue
        number, inner = place.split(".", 2)[1:]
        if inner in _INSIDE:
            found[f"joint_blocks.{number}.{_INSIDE[inner]}.{last}"] = ours
        elif inner in _STACKED:
            letters = [name.replace(inner, inner.replace("q", letter)) for letter in "qkv"]
            stack = torch.cat([state[letter] for letter in letters])
            found[f"joint_blocks.{number}.{_STACKED[inner]}.attn.qkv.{last}"] = stack
    return found


_STACKED = {"attn.to_q": "x_block", "attn.add_q_proj": "context_block"}
_OUTSIDE = {
    "pos_embed.pos_embed": "pos_embed",
    "pos_embed.proj": "x_embedder.proj",
    "time_text_embed.timestep_embedder.linear_1": "t_embedder.mlp.0",
    "time_text_embed.timestep_embedder.linear_2": "t_embedder.mlp.2",
    "time_text_embed.text_embedder.linear_1": "y_embedder.mlp.0",
    "time_text_embed.text_embedder.linear_2": "y_embedder.mlp.2",
    "norm_out.linear": "final_layer.adaLN_modulation.1",
    "proj_out": "final_layer.linear",
}
_INSIDE = {
    "attn.to_out.0": "x_block.attn.proj",
    "attn.to_add_out": "context_block.attn.proj",
    "attn.norm_q": "x_block.attn.ln_q",
    "attn.norm_k": "x_block.attn.ln_k",
    "attn.norm_added_q": "context_block.attn.ln_q",
    "attn.norm_added_k": "context_block.attn.ln_k",
    "norm1.linear": "x_block.adaLN_modulation.1",
    "norm1_context.linear": "context_block.adaLN_modulation.1",
    "ff.net.0.proj": "x_block.mlp.fc1",
    "ff.net.2": "x_block.mlp.fc2",
    "ff_context.net.0.proj": "context_block.mlp.fc1",
    "ff_context.net.2": "context_block.mlp.fc2",
}
