import io
import struct
import wave
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from entrypoints.audio import MAX_FRAMES, Audio
from entrypoints.entrypoint import EntryPoint
from entrypoints.errors import InferenceError, ModelError
from entrypoints.schema import Input, Schema
from entrypoints.waves import parse
from tests.support.entrypoints_calls import CSV, NPY, WAV, Caller, Made


def caller(
    root: Path,
    module: torch.nn.Module | None = None,
    schema: Schema | None = None,
    **options: Any,  # noqa: ANN401 - any option of the task
) -> Caller:
    return Caller(root, EntryPoint(Made(module or torch.nn.Identity()), Audio(**options), schema or Schema()))


def wav(samples: bytes, *, rate: int = 16000, width: int = 2, channels: int = 1) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(channels)
        writer.setsampwidth(width)
        writer.setframerate(rate)
        writer.writeframes(samples)
    return file.getvalue()


@pytest.mark.parametrize(
    ("width", "samples"),
    [
        (1, bytes([0, 128, 192])),
        (2, struct.pack("<3h", -(2**15), 0, 2**14)),
        (3, b"\0\0\x80" + b"\0\0\0" + b"\0\0\x40"),
        (4, struct.pack("<3i", -(2**31), 0, 2**30)),
    ],
)
def test_samples_of_every_width_are_from_minus_one_to_one(width: int, samples: bytes) -> None:
    found = parse(wav(samples, width=width), 16000)
    assert found.dtype == np.float32
    assert found.tolist() == [-1, 0, 0.5]


def test_channels_are_mixed_to_one() -> None:
    assert parse(wav(struct.pack("<4h", 2**14, 0, -(2**14), 2**14), channels=2), None).tolist() == [0.25, 0]


@pytest.mark.parametrize("cut", [0, 4, 20, 43, 45, 47])
def test_a_wav_file_that_is_cut_or_empty_gets_400(cut: int) -> None:
    with pytest.raises(InferenceError) as caught:
        parse(wav(b"\0" * 4)[:cut], None)
    assert caught.value.status_code == 400


@pytest.mark.parametrize("position", range(44))
@pytest.mark.parametrize("value", [0, 255])
def test_a_damaged_wav_header_is_read_or_gets_400(position: int, value: int) -> None:
    body = bytearray(wav(b"\0" * 8))
    body[position] = value
    try:
        parse(bytes(body), None)
    except InferenceError as error:
        assert error.status_code == 400  # noqa: PT017 - either outcome will do


def test_another_sample_rate_gets_400_with_both(tmp_path: Path) -> None:
    entry = caller(tmp_path, sample_rate=16000)
    assert entry.refused(wav(b"\0\0", rate=44100), WAV) == (
        "400 the audio has 44100 samples a second, this model takes 16000"
    )


@pytest.mark.parametrize(
    "body", [[1, 2, 3], {"audio": [1, 2, 3]}, {"inputs": [1, 2, 3]}, {"wave": [1, 2, 3]}]
)
def test_a_waveform_is_one_example(tmp_path: Path, body: object) -> None:
    schema = Schema({"wave": Input("float32", (-1,))})
    assert caller(tmp_path, schema=schema).ask(body) == [1, 2, 3]


def test_several_waveforms_are_a_batch(tmp_path: Path) -> None:
    assert caller(tmp_path).ask([[1, 2], [3, 4]]) == {"predictions": [[1, 2], [3, 4]]}


def test_a_wav_body_is_a_waveform(tmp_path: Path) -> None:
    assert caller(tmp_path).ask(wav(struct.pack("<2h", 0, 2**14)), "audio/x-wav") == [0, 0.5]


def test_frames_are_the_models_batch_and_each_has_its_answer(tmp_path: Path) -> None:
    entry = caller(tmp_path, sample_rate=8000, frame_length=4, hop_length=2)
    assert entry.ask([1, 2, 3, 4, 5, 6, 7]) == {
        "frames": [[1, 2, 3, 4], [3, 4, 5, 6]],
        "hop_seconds": 0.00025,
    }
    assert entry.ask([1, 2, 3, 4], accept=CSV) == b"1,2,3,4\n"


def test_centred_frames_have_their_middle_at_their_time(tmp_path: Path) -> None:
    entry = caller(tmp_path, frame_length=4, hop_length=2, center=True)
    assert entry.ask([1, 2, 3]) == {"frames": [[0, 0, 1, 2], [1, 2, 3, 0]]}


def test_labels_describe_every_frame(tmp_path: Path) -> None:
    answer = caller(tmp_path, frame_length=2, sample_rate=2, labels=("a", "b"), probabilities=False).ask(
        [1, 2, 4, 3]
    )
    assert [frame["label"] for frame in answer["frames"]] == ["b", "a"]
    assert answer["hop_seconds"] == 1


def torchcrepe_frames(audio: torch.Tensor, hop: int) -> torch.Tensor:
    """Cut frames as torchcrepe 0.0.24 does (`torchcrepe.core.preprocess`), written after it."""
    padded = torch.nn.functional.pad(audio[None], (512, 512))
    frames = torch.nn.functional.unfold(padded[:, None, None, :], kernel_size=(1, 1024), stride=(1, hop))
    frames = frames.transpose(1, 2).reshape(-1, 1024)
    frames = frames - frames.mean(dim=1, keepdim=True)
    return frames / torch.max(torch.tensor(1e-10), frames.std(dim=1, keepdim=True))


@pytest.mark.parametrize("samples", [1, 512, 1600, 4000])
def test_normalised_frames_are_those_of_torchcrepe(samples: int) -> None:
    audio = torch.sin(torch.arange(samples) * 0.17) + 0.2
    task = Audio(sample_rate=16000, frame_length=1024, hop_length=160, center=True, normalize=True)
    found = task.examples(audio.numpy(), Schema()).tensors["audio"]
    expected = torchcrepe_frames(audio, 160)
    assert found.shape == expected.shape == (1 + samples // 160, 1024)
    assert torch.allclose(found, expected, atol=1e-5)


def test_silence_stays_silent(tmp_path: Path) -> None:
    assert caller(tmp_path, normalize=True).ask([0, 0, 0]) == [0, 0, 0]
    assert caller(tmp_path, normalize=True).ask([5]) == [0]


class Largest(torch.nn.Module):
    """Answers with the largest sample of each frame, and knows how many frames it got."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[int] = []

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        self.seen.append(len(frames))
        return frames.amax(1)


def test_many_frames_reach_the_model_in_parts(tmp_path: Path) -> None:
    module = Largest()
    answer = caller(tmp_path, module, frame_length=2).ask(
        [float(number) for number in range(2 * MAX_FRAMES + 2)]
    )
    assert module.seen == [MAX_FRAMES, 1]
    assert answer["frames"] == [2 * number + 1 for number in range(MAX_FRAMES + 1)]


def test_the_schema_says_what_shape_a_frame_has(tmp_path: Path) -> None:
    schema = Schema({"x": Input("float32", (1, 2))})
    assert caller(tmp_path, schema=schema, frame_length=2).ask([1, 2, 3, 4]) == {
        "frames": [[[1, 2]], [[3, 4]]]
    }


@pytest.mark.parametrize("body", [[], [1], [[1, 2], [3, 4]], [[[1]]], "x", ["1"], {"audio": None}, [1, None]])
def test_what_has_no_frames_gets_400(tmp_path: Path, body: object) -> None:
    entry = caller(tmp_path, frame_length=2)
    assert entry.refused(body if body != "x" else '"x"').startswith("400 ")


def test_postprocess_answers_for_the_frames(tmp_path: Path) -> None:
    task = Audio(frame_length=2, sample_rate=4)
    entry = Caller(
        tmp_path, EntryPoint(Made(torch.nn.Identity()), task, postprocess=lambda output: output.sum(1))
    )
    assert entry.ask([1, 2, 3, 4]) == {"frames": [3, 7], "hop_seconds": 0.5}


def test_an_npy_body_is_a_waveform(tmp_path: Path) -> None:
    file = io.BytesIO()
    np.save(file, np.array([1, 2], dtype=np.int16))
    assert caller(tmp_path).ask(file.getvalue(), NPY) == [1, 2]


def test_options_of_frames_without_frames_are_refused() -> None:
    with pytest.raises(ModelError, match="no effect without frame_length"):
        Audio(hop_length=2)
