"""Request bodies in NumPy's formats, made without NumPy."""

import io
import struct
import zipfile


def npy(descr: str, shape: tuple[int, ...], raw: bytes, version: int = 1) -> bytes:
    """Return an array in NumPy's file format; ``descr`` is a type such as ``<f4``."""
    header = repr({"descr": descr, "fortran_order": False, "shape": shape}).encode()
    size, fill = (2, "<H") if version == 1 else (4, "<I")
    padded = header.ljust(-(-(9 + size + len(header)) // 64) * 64 - 9 - size) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack(fill, len(padded)) + padded + raw


def _sparse() -> bytes:
    """Return the 1x3 matrix [[1, 2, 3]] as `scipy.sparse.save_npz` writes it."""
    members = {
        "indices": npy("<i4", (3,), struct.pack("<3i", 0, 1, 2)),
        "indptr": npy("<i4", (2,), struct.pack("<2i", 0, 3)),
        "format": npy("|S3", (), b"csr"),
        "shape": npy("<i8", (2,), struct.pack("<2q", 1, 3)),
        "data": npy("<f4", (3,), struct.pack("<3f", 1, 2, 3)),
    }
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, array in members.items():
            archive.writestr(f"{name}.npy", array)
    return content.getvalue()


F4 = npy("<f4", (1, 3), struct.pack("<3f", 1, 2, 3))
"""The row [[1, 2, 3]] as float32."""

SPARSE = _sparse()
