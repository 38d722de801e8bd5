import importlib
import io
import sys
from typing import Any

import numpy as np
import pytest
import torch

from entrypoints.entrypoint import EntryPoint
from entrypoints.errors import InferenceError
from entrypoints.image_classification import ImageClassification
from entrypoints.loaders import FromClass
from entrypoints.schema import Input, Schema


def entry(dtype: str = "float32", shape: tuple[int, ...] = (1, 2, 3), **changes: Any) -> EntryPoint:  # noqa: ANN401 - any field
    schema = Schema({"image": Input(dtype, shape)})
    return EntryPoint(
        loader=FromClass(torch.nn.Identity), task=ImageClassification(), schema=schema, **changes
    )


def encoded(mode: str = "L", size: tuple[int, int] = (3, 2), kind: str = "PNG") -> bytes:
    image = importlib.import_module("PIL.Image").new(mode, size, 255 if mode == "L" else (255, 0, 51))
    file = io.BytesIO()
    image.save(file, kind)
    return file.getvalue()


def status(entry_point: EntryPoint, body: bytes, kind: str = "image/png") -> int:
    with pytest.raises(InferenceError) as caught:
        entry_point.decode(body, kind)
    code: int = caught.value.status_code
    return code


def test_without_pillow_a_picture_gets_415(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "PIL", None)
    assert status(entry(), b"\x89PNG") == 415


def test_a_picture_becomes_planes_of_numbers_from_0_to_1() -> None:
    pytest.importorskip("PIL")
    gray = entry().decode(encoded(), "image/png")
    assert gray.single
    assert torch.equal(gray.tensors["image"], torch.ones(1, 1, 2, 3))
    colour = entry(shape=(3, -1, -1)).decode(encoded("RGB"), "Image/PNG").tensors["image"]
    assert colour.shape == (1, 3, 2, 3)
    assert colour[0, :, 0, 0].tolist() == pytest.approx([1, 0, 0.2])


def test_an_integer_input_gets_the_pixels_as_they_are() -> None:
    pytest.importorskip("PIL")
    pixels = entry("uint8").decode(encoded(kind="JPEG"), "image/jpeg").tensors["image"]
    assert pixels.tolist() == [[[[255] * 3] * 2]]


def test_preprocess_gets_the_picture_itself() -> None:
    pytest.importorskip("PIL")
    seen = entry(shape=(2,), preprocess=lambda picture: list(map(float, picture.size)))
    assert seen.decode(encoded(), "image/png").tensors["image"].tolist() == [[3.0, 2.0]]


def test_a_picture_of_another_size_or_a_broken_one_gets_400() -> None:
    pytest.importorskip("PIL")
    assert status(entry(), encoded(size=(4, 2))) == 400
    assert status(entry(), encoded()[:-30]) == 400
    assert status(entry(), b"GIF89a") == 400
    assert status(entry(shape=(7,)), encoded()) == 415


def test_sixteen_bits_of_grey_get_400_and_not_white() -> None:
    pytest.importorskip("PIL")
    image = importlib.import_module("PIL.Image").new("I;16", (3, 2), 300)
    file = io.BytesIO()
    image.save(file, "PNG")
    assert status(entry(), file.getvalue()) == 400
    own = entry(preprocess=lambda picture: np.asarray(picture)[None] / 65535)
    assert own.decode(file.getvalue(), "image/png").tensors["image"].max() == pytest.approx(300 / 65535)


def test_a_picture_of_too_many_pixels_is_refused_before_it_is_decoded() -> None:
    pytest.importorskip("PIL")
    bomb = bytearray(encoded())
    bomb[16:24] = (40_000).to_bytes(4, "big") * 2
    crc = importlib.import_module("zlib").crc32(bomb[12:29])
    bomb[29:33] = crc.to_bytes(4, "big")
    assert status(entry(), bytes(bomb)) == 400
