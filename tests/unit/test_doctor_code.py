"""What `doctor` tells of the classes that a spec names, from their text alone."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

import pytest

from orchestrator.adapters import sources
from orchestrator.adapters.machine import ThisMachine
from orchestrator.core.containers import DEFAULT_PROFILE
from orchestrator.core.spec import Literal, ModelSpec, Reference, Spec
from orchestrator.core.target import EndpointSpec, Target
from orchestrator.usecases.examining.code import of_code

TARGET = Target("local", None, None, None, EndpointSpec(), 1, DEFAULT_PROFILE)
NET = "class Net(object):\n    def __init__(self, classes, depth=2):\n        pass\n"
NOTHING: Mapping[str, Literal] = MappingProxyType({})


def told(
    folder: Path, text: str, given: Mapping[str, Literal] = NOTHING, *, allow_code: bool = False
) -> list[str]:
    (folder / "net.py").write_text(text)
    model = ModelSpec(
        "m.pt", Reference("net.py", "Net"), init_args=tuple(given.items()), allow_code=allow_code
    )
    return [one.what for one in of_code(Spec("pets", str(folder), model, TARGET), sources, ThisMachine({}))]


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({"classes": 3}, []),
        ({"classes": 3, "depth": 1}, []),
        ({"clases": 3}, ["it takes no 'clases' of model.init_args; it takes classes, depth"]),
        ({}, ["it needs 'classes', which model.init_args does not give"]),
    ],
)
def test_parameters_that_a_class_does_not_take_or_lacks_are_told(
    tmp_path: Path, given: dict[str, Literal], what: list[str]
) -> None:
    assert told(tmp_path, NET, given) == what


@pytest.mark.parametrize(
    "text",
    [
        NET.replace("depth=2", "**more"),
        NET.replace("depth=2", "*more, width=2"),
        NET.replace("class", "@decorated\nclass", 1),
        NET.replace("object", "metaclass=abc"),
        NET.replace("__init__", "forward"),
        "def Net(**given): ...\n",
        f"if True:\n    Net = 1\n{NET}",
    ],
)
def test_of_what_only_running_would_tell_nothing_is_said(tmp_path: Path, text: str) -> None:
    assert told(tmp_path, text, {"classes": 3}) == []


def test_a_class_that_wraps_a_program_is_given_the_program(tmp_path: Path) -> None:
    assert told(tmp_path, NET, allow_code=True) == []


def test_a_module_that_is_nowhere_is_told_unless_the_file_can_do_without(tmp_path: Path) -> None:
    (tmp_path / "near.py").touch()
    (tmp_path / "folder").mkdir()
    lines = "import json, near, torch\nfrom folder import x\nfrom . import y\nfrom nowhere.z import w\n"
    guarded = "try:\n    import elsewhere\nexcept ImportError:\n    pass\n"
    assert told(tmp_path, lines + guarded + NET, {"classes": 1}) == [
        "net.py imports 'nowhere', which is neither in the project nor installed"
    ]


def test_a_file_that_is_nested_too_deeply_for_python_is_told(tmp_path: Path) -> None:
    (what,) = told(tmp_path, "x = " + "-" * 20000 + "1\n")
    assert "nested" in what or "nest" in what
