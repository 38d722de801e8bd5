"""What files are that people take for a PyTorch model, told by their first bytes."""

import re
import tarfile

HEAD_BYTES = 512
ZIP_HEAD = b"PK\3\4"

_SAVE = "in your training code: torch.save(model.state_dict(), 'model.pt')"
_UNPACK = "unpack it, and name the model file inside"
_PULL = "git lfs pull"
_EXPORT = "save the PyTorch model that it was made from"
# `.zlib` has no magic number, but four usual beginnings (RFC 1950, section 2.2); ONNX starts with the field
# ir_version of its ModelProto.
_HEADS: tuple[tuple[bytes, str, str], ...] = (
    (rb"\Z", "it is empty", "copy or download it again"),
    (rb"version https://git-lfs", "it is a Git LFS pointer, not the model", _PULL),
    (rb"\x1f\x8b", "it is compressed with gzip", _UNPACK),
    (rb"BZh[1-9]", "it is compressed with bzip2", _UNPACK),
    (rb"\xfd7zXZ\0", "it is compressed with xz", _UNPACK),
    (rb"\x28\xb5\x2f\xfd", "it is compressed with zstd", _UNPACK),
    (rb"\x78[\x01\x5e\x9c\xda]", "it is compressed with zlib, as joblib does", _UNPACK),
    (rb"7z\xbc\xaf\x27\x1c", "it is a 7z archive", _UNPACK),
    (rb"Rar!", "it is a RAR archive", _UNPACK),
    (rb"PK\x05\x06", "it is an empty zip file", _SAVE),
    (rb"\x89HDF\r\n\x1a\n", "it is an HDF5 file, as Keras writes", _EXPORT),
    (rb"\x93NUMPY", "it is a NumPy array", _SAVE),
    (rb"GGUF", "it is a GGUF file, as llama.cpp reads", _EXPORT),
    (rb"....TFL3", "it is a TensorFlow Lite model", _EXPORT),
    (rb"\x7fELF", "it is a native program or library", _SAVE),
    (
        rb"\s*<(?i:!doctype|html|\?xml|head)",
        "it is a web page, such as a download's error or login page",
        _SAVE,
    ),
    (rb"\x08[\x01-\x20][\x12\x1a\x22\x2a\x32\x3a]", "it looks like an ONNX model", _EXPORT),
)


def foreign(head: bytes) -> tuple[str, str] | None:
    """Return what a file that begins with ``head`` is, and the next step; ``None`` if it may be a model.

    Args:
        head: Its first `HEAD_BYTES`, or all of it.
    """
    for pattern, what, step in _HEADS:
        if re.match(pattern, head, re.DOTALL):
            return what, step
    return ("it is a tar archive", _UNPACK) if _is_tar(head) else None


def looks_like_safetensors(head: bytes) -> bool:
    """Whether the length of a header, and a header, could be what comes first."""
    return head[8:9] == b"{" and int.from_bytes(head[:8], "little") < 1 << 40


def looks_like_pickle(head: bytes) -> bool:
    """Whether this begins as pickles of protocol 2 to 5 do; earlier ones have no mark."""
    return re.match(rb"\x80[\x02-\x05]", head) is not None


def looks_like_legacy(head: bytes) -> bool:
    """Whether this begins as files of ``torch.save`` do that are no zip: with a magic number, pickled."""
    number = rb"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19\."
    return (
        re.match(
            rb"(\x80[\x02-\x05])?(\x95.{8})?" + number + rb"|(\x80.)?L119547037146038801333356L\n\.",
            head,
            re.DOTALL,
        )
        is not None
    )


def _is_tar(head: bytes) -> bool:
    # By the rules of the very module with which torch.load looks for a tar archive before anything else.
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except (tarfile.TarError, ValueError):
        return False
    return True
