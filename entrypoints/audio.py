"""Sound in; labels or numbers out, for the whole of it or for each of its frames."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import torch

from . import answers, media, waves
from .answers import Prediction
from .classification import Classification
from .errors import InferenceError, ModelError
from .schema import Examples, Input, Schema, folded

MAX_FRAMES = 512
"""How many frames the model is called with at once: an hour of sound must not need an hour's memory."""

_BAD_REQUEST = 400
_FLOOR = 1e-10
_ANY = Input("float32", (-1,))


@dataclass(frozen=True)
class Audio(Classification):
    """Samples in; where neither labels, top_k nor probabilities are set, the model's numbers out.

    A body may also be a WAV file. With ``frame_length``, the frames of one piece of sound are the model's
    batch, and the answer is ``{"frames": [...], "hop_seconds": 0.01}``, an entry for each frame.

    Attributes:
        sample_rate: In hertz; a WAV file of another one is refused. Numbers are taken as they are.
        frame_length: In samples; ``None`` takes a waveform as one example.
        hop_length: From frame to frame, in samples; as long as a frame if nobody says.
        center: Whether half a frame of silence is put before and after, so that a frame's middle is its time.
        normalize: Whether a frame is brought to mean 0 and standard deviation 1, the deviation being at least
            1e-10, as `torchcrepe` does (``torchcrepe/core.py``, ``preprocess``).
    """

    sample_rate: int | None = None
    frame_length: int | None = None
    hop_length: int | None = None
    center: bool = False
    normalize: bool = False

    also_takes: ClassVar[tuple[str, ...]] = media.WAV

    def __post_init__(self) -> None:
        if self.frame_length is None and (self.center or self.hop_length is not None):
            raise ModelError("entrypoint.hop_length and center have no effect without frame_length")

    def read(self, body: bytes | bytearray, kind: str) -> object:
        """Return the samples of a WAV file, and what `Custom` returns of anything else."""
        if kind in media.WAV:
            return waves.parse(bytes(body), self.sample_rate)
        return super().read(body, kind)

    def examples(self, value: object, schema: Schema) -> Examples:
        """Return waveforms, or the frames of one, as the model takes them.

        Raises:
            InferenceError: 400 if there are no samples, fewer than in a frame, or several waveforms to frame.
        """
        name = next(iter(schema.inputs), "audio")
        found = Schema({name: _ANY}).examples(value)
        waveforms = found.tensors[name]
        if self.frame_length is not None:
            waveforms = self._frames(name, waveforms)
        if self.normalize:
            waveforms = _normalized(waveforms)
        fitted = (schema if schema.inputs else Schema({name: _ANY})).examples(folded(waveforms, schema))
        return Examples(fitted.tensors, single=found.single, stacks=fitted.stacks)

    def _frames(self, name: str, waveforms: torch.Tensor) -> torch.Tensor:
        length = self.frame_length or 1
        if len(waveforms) > 1:
            raise InferenceError(_BAD_REQUEST, f"input '{name}' holds several waveforms; send one at a time")
        around = length // 2 if self.center else 0
        samples = torch.nn.functional.pad(waveforms[0], (around, around))
        if len(samples) < length:
            raise InferenceError(
                _BAD_REQUEST, f"input '{name}' has {len(samples)} samples, fewer than a frame of {length}"
            )
        return samples.unfold(0, length, self.hop_length or length)

    def outputs(self, module: torch.nn.Module, inputs: Mapping[str, torch.Tensor]) -> object:
        """Call the model, with `MAX_FRAMES` at a time."""
        (frames,) = inputs.values()
        if self.frame_length is None or len(frames) <= MAX_FRAMES:
            return super().outputs(module, inputs)
        parts = [module(part) for part in torch.split(frames, MAX_FRAMES)]
        if not all(isinstance(part, torch.Tensor) for part in parts):
            raise TypeError("a model of frames has to return one tensor, with an entry for each frame")
        return torch.cat(parts)

    def answer(self, prediction: Prediction) -> object:
        """Return what there is to say about each frame, or about each waveform."""
        if self.frame_length is None:
            return super().answer(prediction)
        output = prediction.output
        return self.wrap(self.classes.described(output) if self.classifies else output, single=True)

    def wrap(self, answered: object, *, single: bool) -> object:
        """Return ``{"frames": [...], "hop_seconds": ...}``, or what `Classification` does without frames."""
        if self.frame_length is None:
            return super().wrap(answered, single=single)
        if not answers.is_listed(answered):
            return answered
        hop = self.hop_length or self.frame_length
        return (
            {"frames": answered, "hop_seconds": hop / self.sample_rate}
            if self.sample_rate
            else {"frames": answered}
        )


def _normalized(waveforms: torch.Tensor) -> torch.Tensor:
    centred = waveforms - waveforms.mean(dim=1, keepdim=True)
    # Of a single sample there is no deviation, and torch warns about it.
    deviation = centred.std(dim=1, keepdim=True) if centred.shape[1] > 1 else torch.zeros(len(centred), 1)
    return centred / deviation.clamp(min=_FLOOR)
