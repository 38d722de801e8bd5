"""WAV bodies: integer PCM, which the standard library reads."""

import io
import wave

import numpy as np
import numpy.typing as npt

from .errors import InferenceError

_BAD_REQUEST = 400
_SIGNED_WIDTHS = (2, 3, 4)


def parse(body: bytes, sample_rate: int | None) -> npt.NDArray[np.float32]:
    """Return the samples in ``body``, from -1 to 1, its channels mixed to one.

    Args:
        body: PCM of 8, 16, 24 or 32 bits.
        sample_rate: What the file's has to be, in hertz; ``None`` takes any.

    Raises:
        InferenceError: 400 if it is no such file, incomplete, or of another sample rate.
    """
    try:
        with wave.open(io.BytesIO(body)) as file:
            rate, channels, width, count = file.getframerate(), *_format(file)
            raw = file.readframes(count)
    except (wave.Error, EOFError, ValueError, RuntimeError, ArithmeticError):
        raise _bad("it does not begin as one of integer PCM does") from None
    if sample_rate is not None and rate != sample_rate:
        raise InferenceError(
            _BAD_REQUEST, f"the audio has {rate} samples a second, this model takes {sample_rate}"
        )
    if not raw or len(raw) != count * channels * width:
        raise _bad(f"it has {len(raw)} bytes of samples, its header says {count * channels * width}")
    samples: npt.NDArray[np.float32] = _scaled(raw, width).reshape(-1, channels).mean(axis=1)
    return samples


def _format(file: wave.Wave_read) -> tuple[int, int, int]:
    return file.getnchannels(), file.getsampwidth(), file.getnframes()


def _scaled(raw: bytes, width: int) -> npt.NDArray[np.float32]:
    if width == 1:  # 8 bits are unsigned, more are signed
        return (np.frombuffer(raw, dtype=np.uint8).astype(np.float32) - 128) / np.float32(128)
    if width not in _SIGNED_WIDTHS:
        raise _bad(f"its samples have {8 * width} bits")
    padded = np.zeros((len(raw) // width, 4), dtype=np.uint8)
    padded[:, -width:] = np.frombuffer(raw, dtype=np.uint8).reshape(-1, width)
    return padded.view("<i4")[:, 0].astype(np.float32) / np.float32(2**31)


def _bad(why: str) -> InferenceError:
    return InferenceError(_BAD_REQUEST, f"the body is not a usable WAV file: {why}")
