"""Bytes that the weight of a linear layer takes in each quantized format, its scales included.

Everything here is counted, not estimated: tests/knobs/test_quantization.py holds each figure against the
real tensors of torchao, quanto and bitsandbytes. Convolutions, embeddings, norms and biases are left as they
are by all of these formats.
"""

GROUP = 64
"""Weights that share a scale in "int4_weight_only"; half as many where 64 does not divide the columns."""

_SMALL = ("emb", "norm", "adaln")
_DYNAMIC = ("int8_dynamic", "float8_dynamic", "mxfp8_dynamic", "nvfp4_dynamic")
_FOUR_BITS = ("int4_weight_only", "nvfp4_weight_only", "nvfp4_dynamic")
_TILES = {"mxfp8_dynamic": (16, 32), "float8_dynamic": (16, 16), "int4_weight_only": (16, GROUP // 2)}
_TILES |= {"int8_dynamic": (8, 8), "nvfp4_weight_only": (16, 16), "nvfp4_dynamic": (16, 16)}


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
    # Layers that see one row a picture are too small to gain from quantized activations, and the last one
    # decides about the picture while it weighs nothing.
    is_small = path == "proj_out" or any(word in path for word in _SMALL)
    is_spared = (value in _DYNAMIC and is_small) or (value in _FOUR_BITS and path == "proj_out")
    # Tiles of 1024 columns at 9/16 byte a number: what fills little of them is no smaller than in int8.
    is_narrow = value == "int4_weight_only" and kind != "cpu" and 9 * _up(columns, 1024) >= 16 * columns
    if value == "none" or is_narrow or is_spared:
        return False
    high, wide = _TILES.get(value, (1, 1))
    return rows % high == 0 and columns % wide == 0


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
    count = rows * columns
    match value:
        case "none":
            total = count * bytes_each
        case "layerwise_casting":
            total = count
        case "int8_weight_only" | "int8_dynamic":
            total = count + 5 * rows  # a 32-bit scale and an 8-bit zero point a row, though it is always 0
        case "float8_weight_only" | "float8_dynamic" | "bitsandbytes_int8":
            total = count + 4 * rows
        case "quanto_int8" | "quanto_float8":
            total = count + bytes_each * rows
        case "int4_weight_only":
            total = _int4(rows, columns, bytes_each, is_cpu=kind == "cpu")
        case "nvfp4_weight_only" | "nvfp4_dynamic":
            # An 8-bit scale for each 16 numbers, in tiles of 128 × 4, and one scale for all.
            total = count // 2 + _up(rows, 128) * _up(columns // 16, 4) + 4
        case "mxfp8_dynamic":
            total = count + _up(rows, 128) * _up(columns // 32, 4)
        case "bitsandbytes_nf4":
            # A 32-bit scale for each 64 numbers, and the table of the 16 values.
            total = _up(count, 2) // 2 + 4 * (_up(count, 64) // 64) + 64
        case _:
            raise KeyError(value)
    return total


def bytes_per_weight(value: str, *, bytes_each: int) -> float:
    """Return the bytes of one number in a large quantized linear weight, its share of the scales included.

    A lower bound of `linear_bytes` for layers whose shape is not known.

    >>> [bytes_per_weight(value, bytes_each=2) for value in ("none", "int8_dynamic", "int4_weight_only")]
    [2.0, 1.0, 0.5625]
    """
    side = 2**20  # a scale a row weighs nothing in a matrix of this size, a scale a group weighs its share
    return round(linear_bytes(value, side, side, bytes_each=bytes_each) / side**2, 4)


def _int4(rows: int, columns: int, bytes_each: int, *, is_cpu: bool) -> int:
    """Two numbers a byte, and a scale and a zero point for each group."""
    group = GROUP if columns % GROUP == 0 else GROUP // 2
    if not is_cpu:  # tiles of tinygemm, whose scales are of bfloat16
        rows, columns, bytes_each = _up(rows, 8), _up(columns, 1024), 2
    return rows * columns // 2 + rows * (columns // group) * 2 * bytes_each


def _up(number: int, multiple: int) -> int:
    return -(-number // multiple) * multiple
