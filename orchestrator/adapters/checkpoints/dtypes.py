"""The element types of tensors: PyTorch's names for them, and the safetensors format's.

Served are those that PyTorch has since 2.4, the oldest version that the runtime runs on, and that the format
has a word for (``safetensors/src/tensor.rs``, enum ``Dtype``).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DType:
    """An element type.

    Attributes:
        name: As PyTorch spells it, without ``torch.``.
        item_bytes: How many bytes one element has.
        code: The safetensors format's word for it; empty if tensors of it cannot be packaged.
    """

    name: str
    item_bytes: int
    code: str = ""


_ALL = (
    DType("bool", 1, "BOOL"),
    DType("uint8", 1, "U8"),
    DType("int8", 1, "I8"),
    DType("uint16", 2, "U16"),
    DType("int16", 2, "I16"),
    DType("uint32", 4, "U32"),
    DType("int32", 4, "I32"),
    DType("uint64", 8, "U64"),
    DType("int64", 8, "I64"),
    DType("float8_e4m3fn", 1, "F8_E4M3"),
    DType("float8_e5m2", 1, "F8_E5M2"),
    DType("float16", 2, "F16"),
    DType("bfloat16", 2, "BF16"),
    DType("float32", 4, "F32"),
    DType("float64", 8, "F64"),
    DType("qint8", 1),
    DType("quint8", 1),
    DType("qint32", 4),
    DType("complex32", 4),
    DType("complex64", 8),
    DType("complex128", 16),
    DType("float8_e4m3fnuz", 1),
    DType("float8_e5m2fnuz", 1),
    DType("float8_e8m0fnu", 1),
)

BY_NAME = {dtype.name: dtype for dtype in _ALL}
BY_CODE = {dtype.code: dtype for dtype in _ALL if dtype.code}
BY_STORAGE = {
    f"{word}Storage": BY_NAME[name]
    for word, name in {
        "Bool": "bool",
        "Byte": "uint8",
        "Char": "int8",
        "Short": "int16",
        "Int": "int32",
        "Long": "int64",
        "Half": "float16",
        "BFloat16": "bfloat16",
        "Float": "float32",
        "Double": "float64",
        "QInt8": "qint8",
        "QUInt8": "quint8",
        "QInt32": "qint32",
        "ComplexFloat": "complex64",
        "ComplexDouble": "complex128",
    }.items()
} | {"UntypedStorage": BY_NAME["uint8"]}
"""By the name of the storage class that ``torch.save`` writes for it."""
