"""What stands in for the toolkit is there for archives that import it, and gives way to a real one."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.serving.worker.importing import STAND_INS
from tests.support.archives_in_process import Loading, loading
from tests.support.entrypoints_samples import ECHO

StandIn = Callable[[str], Any]

MODULES = sorted(
    ".".join(path.relative_to(STAND_INS).with_suffix("").parts).removesuffix(".__init__")
    for path in STAND_INS.glob("*/**/*.py")
)


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Loading]:
    with loading(tmp_path) as load:
        yield load


@pytest.fixture
def stand_in(load: Loading) -> StandIn:
    load(ECHO)
    return importlib.import_module


@pytest.mark.parametrize("name", MODULES)
def test_every_module_can_be_imported_by_the_name_that_archives_use(stand_in: StandIn, name: str) -> None:
    assert stand_in(name).__name__ == name


def test_importing_what_stands_in_does_not_import_torch(stand_in: StandIn) -> None:
    before = "torch" in sys.modules
    for name in MODULES:
        stand_in(name)

    assert ("torch" in sys.modules) == before


def test_a_toolkit_that_is_installed_is_the_one_that_is_imported(load: Loading, tmp_path: Path) -> None:
    installed = tmp_path / "site" / "sagemaker_inference"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("REAL = True")
    sys.path.insert(0, str(installed.parent))
    load(ECHO)

    assert importlib.import_module("sagemaker_inference").REAL


def test_the_toolkits_errors_are_what_the_container_has(stand_in: StandIn) -> None:
    errors = stand_in("sagemaker_inference.errors")
    generic = errors.GenericInferenceToolkitError(400)

    assert isinstance(generic, errors.BaseInferenceToolkitError)
    assert (generic.status_code, generic.message, generic.phrase) == (
        400,
        "Invalid Request",
        "Invalid Request",
    )
    assert generic.args == (400, "Invalid Request", "Invalid Request")
    assert "Content type x/y is not supported" in str(errors.UnsupportedFormatError("x/y"))


def test_content_types_and_their_helpers_are_the_toolkits(stand_in: StandIn) -> None:
    utils, types = stand_in("sagemaker_inference.utils"), stand_in("sagemaker_inference.content_types")

    assert types.UTF8_TYPES == [types.JSON, types.CSV]
    assert utils.parse_accept("text/csv, a/b;q=1") == ["text/csv", "a/b;q=1"]
    assert utils.retrieve_content_type_header({"X": "1", "ContentType": "a/b"}) == "a/b"
    assert utils.remove_crlf("a\r\nb") == "a  b"


def test_files_are_read_and_written(stand_in: StandIn, tmp_path: Path) -> None:
    utils, path = stand_in("sagemaker_inference.utils"), str(tmp_path / "file")
    utils.write_file(path, "text")

    assert (utils.read_file(path), utils.read_file(path, "rb")) == ("text", b"text")


def test_the_base_of_default_handlers_decodes_and_encodes_and_refuses_the_rest(stand_in: StandIn) -> None:
    handler = stand_in("sagemaker_inference.default_inference_handler").DefaultInferenceHandler()

    assert handler.default_output_fn([1], "a/b,application/json") == ("[1]", "application/json")
    assert handler.default_input_fn("[1, 2]", "application/json").tolist() == [1, 2]
    with pytest.raises(NotImplementedError, match="Please provide a model_fn"):
        handler.default_model_fn("/m")
    with pytest.raises(NotImplementedError, match="Please provide a predict_fn"):
        handler.default_predict_fn(1, 2)


def test_the_context_is_known_by_the_name_that_annotations_use(stand_in: StandIn) -> None:
    context = stand_in("ts.context").Context("/model")

    assert (type(context).__module__, type(context).__name__) == ("ts.context", "Context")


def test_torchserves_prediction_error_has_a_message_and_a_code(stand_in: StandIn) -> None:
    error = stand_in("ts.utils.util").PredictionException("no", 418)

    assert (error.message, error.error_code, str(error)) == ("no", 418, "no : 418")


def test_labels_are_read_and_given_to_probabilities(stand_in: StandIn, tmp_path: Path) -> None:
    util, path = stand_in("ts.utils.util"), tmp_path / "index_to_name.json"
    path.write_text('{"0": ["n01", "cat"], "1": "dog"}')
    mapping = util.load_label_mapping(str(path))

    assert mapping == {"0": "cat", "1": "dog"}
    assert util.map_class_to_label([[0.9, 0.1]], mapping, [[1, 0]]) == [{"dog": 0.9, "cat": 0.1}]
    assert util.load_label_mapping(str(tmp_path / "nothing")) is None


def test_the_toolkits_start_is_not_to_be_had(stand_in: StandIn) -> None:
    with pytest.raises(RuntimeError, match="starts TorchServe"):
        stand_in("serving").main()
