"""Malicious model files: each is refused or said to carry code, and nothing of any is run."""

import json
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.nn.utils.rnn import pack_sequence

from orchestrator.core.errors import ArtifactError
from tests.security.corpus import files, runnable, tricks
from tests.security.judging import code_in

# What somebody does who trusts a file: load it, whatever comes of it.
LOADER = """
import contextlib, io, pathlib, pickle, sys
for file in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    with contextlib.suppress(BaseException), contextlib.redirect_stdout(io.StringIO()):
        pickle.loads(file.read_bytes())
"""
READER = """
import contextlib, io, pickle, sys
file = io.BytesIO(open(sys.argv[2], "rb").read())
unpickler = getattr(pickle, sys.argv[1])(file)
unpickler.load()
unpickler.load()
"""
TITLES = tuple(runnable("x"))
FILES = tuple(files("x"))


def run(program: str, *arguments: str, folder: Path) -> None:
    # A payload's own complaints are of no interest, and of its exit code there is nothing to learn.
    subprocess.run(
        [sys.executable, "-c", program, *arguments], cwd=folder, check=False, capture_output=True, timeout=60
    )


def test_the_payloads_do_run_when_somebody_unpickles_them(tmp_path: Path) -> None:
    (tmp_path / "pickles").mkdir()
    for number, title in enumerate(TITLES):
        (tmp_path / "pickles" / f"{number:03}").write_bytes(runnable(str(tmp_path / f"ran {number}"))[title])

    run(LOADER, str(tmp_path / "pickles"), folder=tmp_path)

    idle = [title for number, title in enumerate(TITLES) if not (tmp_path / f"ran {number}").exists()]
    assert not idle


@pytest.mark.parametrize(
    ("title", "unpickler"), [("memo-of-the-first.pt", "Unpickler"), ("beyond-the-frame.pt", "_Unpickler")]
)
def test_a_second_pickle_does_run_in_an_unpickler_used_twice(
    tmp_path: Path, title: str, unpickler: str
) -> None:
    marker = tmp_path / "ran"
    whole = tricks(str(marker))[title]
    start, end = whole.index(b"\x80"), whole.index(b"PK\3\4", 4)
    (tmp_path / "stream").write_bytes(whole[start:end])

    run(READER, unpickler, str(tmp_path / "stream"), folder=tmp_path)

    assert marker.exists()


def test_the_corpus_is_no_smaller_than_it_was() -> None:
    assert len(FILES) >= 250
    assert len(TITLES) >= 50


@pytest.mark.parametrize("title", FILES)
def test_a_malicious_file_is_refused_or_said_to_carry_code(tmp_path: Path, title: str) -> None:
    marker = tmp_path / "ran"
    path = tmp_path / title.replace("/", "-")
    path.write_bytes(files(str(marker))[title])

    try:
        code = code_in(path)
    except ArtifactError as error:
        code = (str(error),)

    assert code
    assert all(what.isprintable() for what in code)
    assert not marker.exists()
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("title", "what"),
    [
        ("twice.pt", "names a member twice"),
        ("both-cases.pt", "names a member twice"),
        ("encrypted.pt", "encrypted"),
        ("case.pt", "DATA.PKL"),
        ("nested.pt", "archive/data/model.pt"),
        ("two-names.pt", "in two ways"),
        ("damaged.pt", "damaged member"),
        ("appended.pt", "cut off, or has something appended"),
        ("comment.pt", "bytes that belong to no member"),
        ("prefixed-zip.pt", "something before the first"),
        ("library.pt2", "native library inside"),
        ("named.safetensors", "a file of torch.save or another pickle"),
        ("bare.pt", "a pickle that torch.save did not write"),
        ("forest.joblib", "a pickle of joblib"),
        ("forest.pkl", "a pickle of sklearn"),
        ("array-0.pt", "a NumPy array"),
        ("legacy-in-tar.pt", "a tar archive"),
    ],
)
def test_a_refusal_says_what_is_wrong(tmp_path: Path, title: str, what: str) -> None:
    path = tmp_path / title
    path.write_bytes(files(str(tmp_path / "ran"))[title])

    with pytest.raises(ArtifactError, match=what):
        code_in(path)


@pytest.mark.parametrize(
    ("title", "what"),
    [
        ("second-pickle.pt", "calls posix.system"),
        ("memo-of-the-first.pt", "calls posix.system"),
        ("beyond-the-frame.pt", "has a frame that does not end where its opcodes end"),
        ("extension.pt", "calls number 1 of the extension registry"),
        ("POP, POP in a zip.pt", "unresolved STACK_GLOBAL"),
        ("legacy-third.pt", "calls posix.system"),
        ("program.pt2", "is exported"),
        ("script.pt", "is torchscript"),
        ("subprocess.Popen in a zip.pt", "builds subprocess.Popen"),
    ],
)
def test_code_is_named_where_it_can_be(tmp_path: Path, title: str, what: str) -> None:
    path = tmp_path / title
    path.write_bytes(files(str(tmp_path / "ran"))[title])

    assert what in code_in(path)


def net() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.BatchNorm1d(4), torch.nn.Linear(4, 2))


def training() -> dict[str, object]:
    model = net()
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(2, 3)).sum().backward()
    optimizer.step()
    return {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "epoch": 3,
        "best": 0.5,
        "name": "x",
    }


def tied() -> dict[str, torch.Tensor]:
    weight = torch.arange(6.0).reshape(2, 3)
    return {"a": weight, "b": weight, "c": weight.t(), "d": weight[1:]}


OF_MANY_TYPES = [
    *(torch.float64, torch.float16, torch.bfloat16, torch.float8_e4m3fn, torch.float8_e5m2, torch.complex64),
    *(torch.int64, torch.int32, torch.int16, torch.int8, torch.uint8, torch.uint16, torch.bool),
]
PLAIN: dict[str, Callable[[], object]] = {
    "state dict": lambda: net().state_dict(),
    "plain dict": lambda: dict(net().state_dict()),
    "training checkpoint": training,
    "nested": lambda: {
        "epoch": 1,
        "state_dict": {"module.a": torch.ones(2)},
        "hyper_parameters": {"lr": 1e-3},
    },
    "many types": lambda: {str(dtype): torch.zeros(3).to(dtype) for dtype in OF_MANY_TYPES},
    "tied and strided": tied,
    "empty and scalar": lambda: {"empty": torch.zeros(0, 3), "scalar": torch.tensor(1.5)},
    "parameters": lambda: {
        "p": torch.nn.Parameter(torch.ones(2)),
        "f": torch.nn.Parameter(torch.ones(2), requires_grad=False),
    },
    "quantized": lambda: {"q": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8)},
    "sizes, devices, types": lambda: {"s": torch.Size([1]), "d": torch.device("cpu"), "t": torch.float16},
    "plain values": lambda: {
        "set": {1},
        "complex": 1j,
        "bytes": b"x" * 300,
        "text": "\u00e9" * 70_000,
        "big": 2**80,
    },
    "one tensor": lambda: torch.ones(2, 2),
    "many tensors": lambda: {f"layer.{number}": torch.ones(1) for number in range(2000)},
}


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
@pytest.mark.parametrize("is_zip", [True, False])
@pytest.mark.parametrize("title", PLAIN)
def test_a_file_of_weights_is_clean(tmp_path: Path, title: str, *, is_zip: bool, protocol: int) -> None:
    path = tmp_path / "model.pt"
    with warnings.catch_warnings(action="ignore"):  # about storages and quantization that will go away
        torch.save(PLAIN[title](), path, _use_new_zipfile_serialization=is_zip, pickle_protocol=protocol)

    assert code_in(path) == ()


def test_safetensors_in_a_file_or_a_folder_are_clean(tmp_path: Path) -> None:
    save_file(net().state_dict(), tmp_path / "model.safetensors")
    assert code_in(tmp_path / "model.safetensors") == ()
    assert code_in(tmp_path) == ()

    (tmp_path / "config.json").write_text(json.dumps({"architectures": ["X"]}))
    assert code_in(tmp_path) == ()


@pytest.mark.parametrize(
    ("made", "what"),
    [
        (net, "builds torch.nn.modules.container.Sequential"),
        (lambda: pack_sequence([torch.ones(2)]), "builds torch.nn.utils.rnn.PackedSequence"),
        (lambda: {"path": Path("x"), "lr": 1}, "builds pathlib.PosixPath"),
    ],
)
def test_harmless_objects_are_said_to_carry_code_too(
    tmp_path: Path, made: Callable[[], object], what: str
) -> None:
    torch.save(made(), tmp_path / "model.pt")

    assert what in code_in(tmp_path / "model.pt")


def test_programs_are_said_to_be_programs(tmp_path: Path) -> None:
    with warnings.catch_warnings(action="ignore"):  # TorchScript is deprecated; people have such files still
        torch.jit.save(torch.jit.script(net()), tmp_path / "model.pt")
        exported = torch.export.export(net().eval(), (torch.ones(2, 3),))
        torch.export.save(exported, tmp_path / "model.pt2")

    assert code_in(tmp_path / "model.pt") == ("is torchscript",)
    assert code_in(tmp_path / "model.pt2") == ("is exported",)


def test_a_pickle_of_a_state_dict_that_torch_did_not_save_is_refused(tmp_path: Path) -> None:
    (tmp_path / "model.pkl").write_bytes(pickle.dumps({"weight": [1.0]}))

    with pytest.raises(ArtifactError, match=r"a pickle that torch\.save did not write"):
        code_in(tmp_path / "model.pkl")
