"""The container's own handler functions, where an entry point lacks them."""

import io
import json
import pickle
import re
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from orchestrator.serving.contract import Fidelity
from orchestrator.serving.worker.defaults import ModelLoadError
from tests.support.archives_in_process import Loading, loading

DOUBLING = "def model_fn(model_dir): return M()\n"
MODEL = """
import torch
class M(torch.nn.Module):
    def forward(self, x): return x * 2
"""
RETURNING = """
def model_fn(model_dir): return None
def input_fn(data, content_type): return data
def predict_fn(data, model):
    import numpy, torch
    return eval(data)
"""


class Evil:
    """Says so in a file if it is unpickled."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self._path,))


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Loading]:
    with loading(tmp_path) as load:
        yield load


def npy(array: object, *, allow_pickle: bool = False) -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.asarray(array), allow_pickle=allow_pickle)
    return stream.getvalue()


def torchscript(path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        torch.jit.save(torch.jit.script(torch.nn.Linear(2, 1)), path)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
@pytest.mark.parametrize("name", ["model.pt", "weights.pth", "a.pt"])
def test_without_an_entry_point_the_only_model_file_is_served(load: Loading, name: str) -> None:
    torchscript(load.root / name)
    archive = load({"code/other.py": ""})
    response = archive.ask("[[1, 2]]", ("Content-Type", "application/json"))

    assert np.asarray(json.loads(response.body)).shape == (1, 1)
    assert [slug for slug, _ in archive.handler.loaded.traps] == [
        "entry-point-missing",
        "default-functions",
        "unsafe-npy",
    ]


@pytest.mark.parametrize("names", [(), ("a.pt", "b.pth"), ("folder.pt/file",)])
def test_no_model_file_or_more_than_one_is_an_error(load: Loading, names: tuple[str, ...]) -> None:
    with pytest.raises(ValueError, match=r"Exactly one .* file is required") as caught:
        load(dict.fromkeys(names, "") | {"code/other.py": ""})

    assert all((name in str(caught.value)) == ("/" not in name) for name in names)


@pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")
def test_weights_that_are_no_torchscript_are_refused_in_the_toolkits_words(load: Loading) -> None:
    torch.save({"weight": torch.zeros(2)}, load.root / "model.pt")
    with pytest.raises(
        ModelLoadError, match=r"Failed to load .*/model/model.pt. Please ensure model is saved"
    ):
        load({"code/other.py": ""})


@pytest.mark.parametrize(
    ("body", "content_type", "answer"),
    [
        (b"[[1, 2]]", "application/json", "[[2.0, 4.0]]"),
        (b"1,2\n3,4\n", "text/csv", "[[2.0, 4.0], [6.0, 8.0]]"),
        (b"1,2", "text/csv", "[2.0, 4.0]"),
        (npy([[1, 2]]), "application/x-npy", "[[2, 4]]"),
    ],
)
def test_bodies_are_decoded_by_exactly_their_type(
    load: Loading, body: bytes, content_type: str, answer: str
) -> None:
    response = load(MODEL + DOUBLING).ask(body, ("Content-Type", content_type))

    assert response.body.decode() == answer


@pytest.mark.parametrize(
    ("content_type", "message"),
    [
        ("application/JSON", "Content type application/JSON is not supported by this framework."),
        (
            "text/csv; charset=utf-8",
            "Content type text/csv; charset=utf-8 is not supported by this framework.",
        ),
        (None, "Content type None is not supported by this framework."),
    ],
)
def test_any_other_type_is_a_500_of_the_toolkit(
    load: Loading, content_type: str | None, message: str
) -> None:
    headers = [] if content_type is None else [("Content-Type", content_type)]
    response = load(MODEL + DOUBLING).ask(b"[1]", *headers)

    assert (response.status, response.body.decode().splitlines()[0]) == (500, message)
    assert response.trace.rstrip().splitlines()[0].startswith("Traceback")
    assert "sagemaker_inference.errors.UnsupportedFormatError: Content type" in response.trace


@pytest.mark.parametrize("fidelity", [Fidelity.HELPFUL, Fidelity.EXACT])
@pytest.mark.parametrize("wrapped", [True, False])
def test_a_pickle_in_an_npy_body_runs_only_where_the_container_is_to_be_followed_exactly(
    load: Loading,
    tmp_path: Path,
    fidelity: Fidelity,
    wrapped: bool,  # noqa: FBT001 - a case of the test
) -> None:
    evil = Evil(tmp_path / "hacked")
    body = npy(np.array([evil], dtype=object), allow_pickle=True) if wrapped else pickle.dumps(evil)
    response = load(MODEL + DOUBLING, fidelity=fidelity).ask(body, ("Content-Type", "application/x-npy"))

    assert (tmp_path / "hacked").exists() == (fidelity is Fidelity.EXACT)
    assert response.status == 500
    assert ("unsafe-npy" in response.traps) == (fidelity is Fidelity.HELPFUL)


def test_what_is_no_npy_file_fails_as_it_does_in_the_container(load: Loading) -> None:
    archive = load(MODEL + DOUBLING)
    garbage, empty = (archive.ask(body, ("Content-Type", "application/x-npy")) for body in (b"garbage", b""))

    assert re.fullmatch(
        "Failed to interpret file <_io.BytesIO object at 0x.*> as a pickle", garbage.reason or ""
    )
    assert empty.reason == "No data left in file"
    assert garbage.traps == ()


def test_a_sparse_matrix_is_decoded_and_then_fails(load: Loading) -> None:
    stream = io.BytesIO()
    np.savez(stream, format=b"csr", shape=[1, 1], data=[1.0], indices=[0], indptr=[0, 1])
    response = load(MODEL + DOUBLING).ask(stream.getvalue(), ("Content-Type", "application/x-npz"))

    assert response.reason == "expected np.ndarray (got csr_matrix)"


@pytest.mark.parametrize(
    ("prediction", "accept", "body"),
    [
        ("torch.tensor([[1.5]])", "application/json", b"[[1.5]]"),
        ("torch.tensor([1.5])", "a/b, text/csv", b"1.5\n"),
        ("(torch.tensor([1]), {'a': torch.tensor(2)})", "application/json", b'[[1], {"a": 2}]'),
        ("torch.tensor(float('nan'))", "application/json", b"NaN"),
        ("numpy.float32([1, 2])", "application/json", b"[1.0, 2.0]"),
    ],
)
def test_predictions_are_encoded_in_the_first_supported_type(
    load: Loading, prediction: str, accept: str, body: bytes
) -> None:
    assert load(RETURNING).csv(prediction, ("Accept", accept)).body == body


def test_float32_comes_back_as_float64(load: Loading) -> None:
    response = load(RETURNING).csv("torch.tensor([1.5])", ("Accept", "application/x-npy"))

    assert np.load(io.BytesIO(response.body)).dtype == np.float64


@pytest.mark.parametrize(
    ("prediction", "accept", "trap"),
    [
        ("[1]", "application/json;q=0.9", "accept-quality"),
        ("{'a': 1}", "application/x-npy", "pickled-answer"),
    ],
)
def test_traps_of_the_own_output_function_are_reported(
    load: Loading, prediction: str, accept: str, trap: str
) -> None:
    assert trap in load(RETURNING).csv(prediction, ("Accept", accept)).traps


@pytest.mark.parametrize(
    ("prediction", "accept"),
    [("b'raw'", "application/json"), ("torch.zeros(1, 1, 1)", "text/csv"), ("[1]", "image/png")],
)
def test_what_cannot_be_encoded_is_a_500(load: Loading, prediction: str, accept: str) -> None:
    assert load(RETURNING).csv(prediction, ("Accept", accept)).status == 500
