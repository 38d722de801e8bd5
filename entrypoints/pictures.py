"""PNG and JPEG bodies, where the container has Pillow (the AWS image has it)."""

import importlib
import importlib.util
import io
import sys
from typing import Any

import numpy as np
import numpy.typing as npt

from .errors import InferenceError
from .schema import Input

MAX_PIXELS = 64 * 1024 * 1024

_BAD_REQUEST, _UNSUPPORTED = 400, 415
_MODES = {1: "L", 3: "RGB", 4: "RGBA"}
_CHANNELS_FIRST = 3


def parse(body: bytes) -> Any:  # noqa: ANN401 - a PIL.Image.Image, which need not be installed
    """Return ``body`` as a `PIL.Image.Image`, decoded.

    Raises:
        InferenceError: 415 if Pillow is not installed, 400 if the body is no PNG or JPEG of at most
            `MAX_PIXELS`.
    """
    if importlib.util.find_spec("PIL") is None:
        raise InferenceError(_UNSUPPORTED, "images as PNG or JPEG need Pillow, which this container lacks")
    opener = importlib.import_module("PIL.Image")
    try:
        picture = opener.open(io.BytesIO(body), formats=["PNG", "JPEG"])
        if picture.width * picture.height > MAX_PIXELS:  # known before anything is decoded
            raise InferenceError(_BAD_REQUEST, f"the image has more than {MAX_PIXELS} pixels")
        picture.load()
    except (OSError, ValueError, SyntaxError, opener.DecompressionBombError):
        raise InferenceError(_BAD_REQUEST, "the body is not a complete PNG or JPEG image") from None
    return picture


def is_picture(value: object) -> bool:
    """Tell whether ``value`` is a `PIL.Image.Image`; without importing Pillow, which nobody may have done."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(value, module.Image)


def pixels(picture: Any, wanted: Input | None) -> npt.NDArray[np.generic]:  # noqa: ANN401 - see parse
    """Return ``picture`` as the input ``wanted``, of shape (channels, height, width).

    Values are from 0 to 1 where the input's dtype is a floating one, else from 0 to 255. The picture is not
    resized: how to do that is the model's business, and ``preprocess`` can.

    Raises:
        InferenceError: 415 if the schema has no such input, 400 if the size is another one, or if a pixel has
            16 bits: Pillow would make white of everything above 255.
    """
    shape = (wanted.shape or ()) if wanted else ()
    if wanted is None or len(shape) != _CHANNELS_FIRST or shape[0] not in _MODES:
        raise InferenceError(
            _UNSUPPORTED, "this model takes images only if its schema says (channels, height, width)"
        )
    channels, height, width = shape
    if height not in {-1, picture.height} or width not in {-1, picture.width}:
        raise InferenceError(
            _BAD_REQUEST,
            f"the image is {picture.height} pixels high and {picture.width} wide, not {height}, {width}",
        )
    if picture.mode.startswith("I"):
        raise InferenceError(_BAD_REQUEST, "the image has 16 bits of grey, this model takes 8")
    values = np.asarray(picture.convert(_MODES[channels]))
    planes = values[np.newaxis] if values.ndim < _CHANNELS_FIRST else values.transpose(2, 0, 1)
    return planes / np.float32(255) if wanted.is_floating else planes
