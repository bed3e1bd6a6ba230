"""Bytes that the weight of a linear layer takes in each quantized format, its scales included.

Everything here is counted, not estimated: tests/knobs/test_quantization.py holds each figure against the real
tensors of torchao, quanto and bitsandbytes. Convolutions, embeddings, norms and biases are left as they are by
all of these formats.
"""

from collections.abc import Callable, Mapping

GROUP = 64
"""Weights that share a scale in "int4_weight_only"; half as many where 64 does not divide the columns."""

_SMALL = ("emb", "norm", "adaln")
_DYNAMIC = ("int8_dynamic", "float8_dynamic", "mxfp8_dynamic", "nvfp4_dynamic")


def is_quantized(value: str, path: str, rows: int, columns: int, *, kind: str = "cuda") -> bool:
    """Whether a value of `quantization` or `quantization_text_encoder` reaches a linear layer.

    Args:
        value: Such as "int8_dynamic"; "none" reaches nothing.
        path: The layer's name in its part, such as "transformer_blocks.0.ff.net.0.proj".
        rows: Its `out_features`.
        columns: Its `in_features`.
        kind: Type of the device: "cpu" or "cuda".

    >>> is_quantized("int8_weight_only", "time_embedding.linear_1", 1280, 320)
    True
    >>> is_quantized("int8_dynamic", "time_embedding.linear_1", 1280, 320)
    False
    """
    if value == "none":
        return False
    if value in _DYNAMIC and (path == "proj_out" or any(word in path for word in _SMALL)):
        return False
    if value == "int8_dynamic":
        return columns % 8 == 0 and rows % 8 == 0
    if value == "int4_weight_only":
        padded = kind != "cpu" and 2 * columns <= _up(columns, 1024)
        return columns % (GROUP // 2) == 0 and rows % 16 == 0 and not padded
    if value == "mxfp8_dynamic":
        return columns % 32 == 0 and rows % 16 == 0
    if value in ("float8_dynamic", "nvfp4_weight_only", "nvfp4_dynamic"):
        return columns % 16 == 0 and rows % 16 == 0
    return True


def linear_bytes(value: str, rows: int, columns: int, *, bytes_each: int, kind: str = "cuda") -> int:
    """Return the bytes of one quantized linear weight and its scales; its bias is not among them.

    Args:
        value: A value of `quantization`, `quantization_text_encoder` or `quantization_at_load`,
            "layerwise_casting" for weights that are stored in 8 bits by that knob, or "none".
        rows: The layer's `out_features`.
        columns: The layer's `in_features`.
        bytes_each: Bytes of a number in the format of `dtype`: 4 or 2.
        kind: Type of the device: "cpu" or "cuda".

    Raises:
        KeyError: The value is none of these, such as the path of a .gguf file.

    >>> linear_bytes("none", 3072, 3072, bytes_each=2), linear_bytes("int8_dynamic", 3072, 3072, bytes_each=2)
    (18874368, 9452544)
    """
    if value == "int4_weight_only" and kind == "cpu":
        value = "int4_weight_only on a CPU"
    return _BYTES[value](rows, columns, bytes_each)


def bytes_per_weight(value: str, *, bytes_each: int) -> float:
    """Return the bytes of one number in a large quantized linear weight, its share of the scales included.

    A lower bound of `linear_bytes` for layers whose shape is not known.

    >>> [bytes_per_weight(value, bytes_each=2) for value in ("none", "int8_dynamic", "int4_weight_only")]
    [2.0, 1.0, 0.5625]
    """
    side = 2**20  # a scale a row weighs nothing in a matrix of this size, a scale a group weighs its share
    return round(linear_bytes(value, side, side, bytes_each=bytes_each) / side**2, 4)


def _up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple


def _int4_groups(columns: int) -> int:
    return columns // (GROUP if columns % GROUP == 0 else GROUP // 2)


def _int4_cuda(rows: int, columns: int, bytes_each: int) -> int:
    """Tiles of 8 × 1024 for tinygemm, a scale and a zero point a group in bfloat16: layers are padded to them."""
    group = columns // _int4_groups(columns)
    wide, high = _up(columns, 1024), _up(rows, 8)
    return high * wide // 2 + high * (wide // group) * 2 * 2


def _nvfp4(rows: int, columns: int, bytes_each: int) -> int:
    """Two numbers a byte, an 8-bit scale for each 16 in tiles of 128 × 4, and one scale for all."""
    return rows * columns // 2 + _up(rows, 128) * _up(columns // 16, 4) + 4


_BYTES: Mapping[str, Callable[[int, int, int], int]] = {
    "none": lambda rows, columns, each: rows * columns * each,
    # A 32-bit scale and an 8-bit zero point for each row, though these formats are symmetric.
    "int8_weight_only": lambda rows, columns, each: rows * columns + 5 * rows,
    "int8_dynamic": lambda rows, columns, each: rows * columns + 5 * rows,
    "float8_weight_only": lambda rows, columns, each: rows * columns + 4 * rows,
    "float8_dynamic": lambda rows, columns, each: rows * columns + 4 * rows,
    "int4_weight_only": _int4_cuda,
    "int4_weight_only on a CPU": lambda rows, columns, each: (
        rows * columns // 2 + rows * _int4_groups(columns) * 2 * each
    ),
    "nvfp4_weight_only": _nvfp4,
    "nvfp4_dynamic": _nvfp4,
    "mxfp8_dynamic": lambda rows, columns, each: rows * columns + _up(rows, 128) * _up(columns // 32, 4),
    "bitsandbytes_int8": lambda rows, columns, each: rows * columns + 4 * rows,
    # A 32-bit scale for each 64 numbers, and the table of the 16 values.
    "bitsandbytes_nf4": lambda rows, columns, each: (
        _up(rows * columns, 2) // 2 + 4 * (_up(rows * columns, 64) // 64) + 64
    ),
    "quanto_int8": lambda rows, columns, each: rows * columns + each * rows,
    "quanto_float8": lambda rows, columns, each: rows * columns + each * rows,
    "layerwise_casting": lambda rows, columns, each: rows * columns,
}
