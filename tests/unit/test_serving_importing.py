"""A worker finds modules in the container's order, and the entry point by the container's rules."""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.serving.contract import Fidelity
from orchestrator.serving.traps import TrapError
from orchestrator.serving.worker.importing import IMPORTED_AT_START, SHADOWED, STAND_INS
from tests.support.archives_in_process import Loading, loading
from tests.support.entrypoints_samples import ECHO

ASKING = """
import importlib
def model_fn(model_dir): return None
def transform_fn(model, data, content_type, accept):
    return str(getattr(importlib.import_module(data), "WHOSE", "not the archive's"))
"""


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Loading]:
    with loading(tmp_path) as load:
        yield load


def test_the_toolkits_folder_comes_first_then_code_the_model_folder_and_the_link(load: Loading) -> None:
    load(ECHO)

    toolkit, *rest = sys.path[:4]
    assert Path(toolkit).name == "sagemaker_pytorch_serving_container"
    assert rest == [str(load.root / "code"), str(load.root), str(load.link.parent)]
    assert sys.path[-1] == str(STAND_INS)


def test_child_processes_get_the_same_order_after_the_links_code_folder(load: Loading) -> None:
    load(ECHO)

    linked, *rest = os.environ["PYTHONPATH"].split(os.pathsep)
    assert linked == f"{load.link}/code"
    assert rest[:4] == sys.path[:4]


def test_of_several_models_the_code_folder_comes_last_by_way_of_the_link(load: Loading) -> None:
    load(ECHO, multi_model=True)

    assert str(load.root / "code") not in sys.path
    assert sys.path[-2:] == [f"{load.link}/code", str(STAND_INS)]


def test_the_working_folder_is_the_real_model_folder(load: Loading) -> None:
    load(ECHO)

    assert Path.cwd() == load.root.resolve()


def test_an_entry_point_that_parses_arguments_when_imported_ends_as_in_the_container(load: Loading) -> None:
    parsing = (
        "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--epochs', default=1)\n"
    )

    with pytest.raises(SystemExit, match="2"):
        load(f"{parsing}parser.parse_args()\n{ECHO}")


def test_arguments_are_those_of_the_containers_worker(load: Loading) -> None:
    load(ECHO)

    program, *arguments = sys.argv
    assert Path(program).name == "model_service_worker.py"
    assert arguments[:-1] == ["--sock-type", "unix", "--sock-name", "/tmp/.ts.sock.9000", "--metrics-config"]  # noqa: S108 - a word, and no file


@pytest.mark.parametrize(
    ("files", "module"),
    [
        ({"code/inference.py": ECHO, "inference.py": "raise RuntimeError('the wrong one')"}, "inference"),
        ({"inference.py": ECHO}, "inference"),
        ({"code/src/__init__.py": "", "code/src/predict.py": ECHO}, "src.predict"),
        ({"code/src/predict.py": ECHO}, "src.predict"),
    ],
)
def test_the_entry_point_is_a_module_in_code_or_beside_it(
    load: Loading, files: dict[str, str], module: str
) -> None:
    assert load(files, module=module).csv().status == 200


def test_an_entry_point_imports_what_lies_beside_it(load: Loading) -> None:
    files = {
        "code/inference.py": ASKING.replace("import importlib", "import importlib, beside, pkg.mod"),
        "code/beside.py": "WHOSE = 1",
        "code/pkg/__init__.py": "",
        "code/pkg/mod.py": "WHOSE = 41",
    }
    archive = load(files)

    assert [archive.csv(name).body for name in ("beside", "pkg.mod")] == [b"1", b"41"]


@pytest.mark.parametrize("name", ["orchestrator", "colorsys", "six", "tests", "yaml"])
def test_a_module_of_the_archive_goes_before_one_that_this_process_knows(load: Loading, name: str) -> None:
    archive = load({"code/inference.py": ASKING, f"code/{name}.py": "WHOSE = 'mine'"})

    assert archive.csv(name).body == b"mine"


@pytest.mark.parametrize("name", ["os", "sys", "abc"])
def test_a_file_that_cannot_precede_a_module_does_no_harm(load: Loading, name: str) -> None:
    module = sys.modules[name]
    archive = load({"code/inference.py": ASKING, f"code/{name}.py": "WHOSE = 'mine'"})

    assert archive.csv(name).body == b"not the archive's"
    assert sys.modules[name] is module


def test_the_archives_own_orchestrator_leaves_what_stands_in_alone(load: Loading) -> None:
    archive = load({"code/inference.py": ASKING, "code/orchestrator.py": "WHOSE = 'mine'"})

    assert archive.csv("sagemaker_inference.decoder").body == b"not the archive's"


@pytest.mark.parametrize("name", sorted(SHADOWED))
def test_the_toolkits_own_modules_precede_those_of_the_archive(load: Loading, name: str) -> None:
    archive = load({"code/inference.py": ASKING, f"code/{name}.py": "WHOSE = 'mine'"})

    assert archive.csv(name).body == b"not the archive's"
    assert ("shadowed-module", f"'{name}'") in archive.handler.loaded.traps


@pytest.mark.parametrize("path", ["code/random.py", "random.py", "code/json/__init__.py"])
@pytest.mark.parametrize("fidelity", Fidelity)
def test_a_file_named_like_a_module_that_the_container_starts_with_does_not_load(
    load: Loading, path: str, fidelity: Fidelity
) -> None:
    with pytest.raises(TrapError, match=r"'(random|json)' in the archive: .* does not start"):
        load({"code/inference.py": ECHO, path: ""}, fidelity=fidelity)


def test_only_modules_that_a_file_can_precede_keep_the_container_from_starting() -> None:
    assert {"random", "json", "typing"} <= IMPORTED_AT_START <= sys.stdlib_module_names
    assert not IMPORTED_AT_START & {"os", "sys", "io", "abc", "time", "colorsys"}


def test_a_package_that_is_missing_before_a_dot_is_an_error(load: Loading) -> None:
    with pytest.raises(ModuleNotFoundError, match="No module named 'nowhere'"):
        load(ECHO, module="nowhere.predict")


@pytest.mark.parametrize("stage", ["input_fn", "predict_fn", "output_fn"])
def test_transform_fn_beside_a_stage_it_replaces_is_a_conflict(load: Loading, stage: str) -> None:
    with pytest.raises(ValueError, match="Cannot use transform_fn implementation in conjunction with"):
        load(f"def model_fn(d): ...\ndef transform_fn(m, d, c, a): ...\ndef {stage}(a, b): ...")


def test_functions_count_only_if_they_are_true(load: Loading) -> None:
    archive = load(f"{ECHO}\ntransform_fn = None")

    assert json.loads(archive.csv("x").body)["input"][0] == "str"
