"""What is imported once for all workers, and when a worker must not have it."""

import shutil
from pathlib import Path

import pytest

from orchestrator.serving.crew.process import ending
from orchestrator.serving.crew.spawning import preload
from orchestrator.serving.worker.spawner import is_shadowed
from tests.support.entrypoints_samples import ECHO, write

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("source", "modules"),
    [
        (ECHO, ()),
        ("import torch", ("torch",)),
        ("from numpy import array\n", ("numpy",)),
        ("def model_fn(d):\n    import numpy, torch.nn as nn\n", ("numpy", "torch")),
        ("torchvision = pytorch = 1", ()),
    ],
)
def test_what_the_sources_name_is_imported_once(
    tmp_path: Path, source: str, modules: tuple[str, ...]
) -> None:
    assert preload(write(tmp_path, source)) == modules


def test_modules_beside_the_entry_point_count_too(tmp_path: Path) -> None:
    write(tmp_path, ECHO)
    write(tmp_path, "import torch", "runtime/loaders.py")
    (tmp_path / "net.py").write_text("import numpy")
    assert preload(tmp_path) == ("numpy", "torch")


@pytest.mark.parametrize(
    "line",
    [
        'os.environ["OMP_NUM_THREADS"] = "1"',
        "os.environ.setdefault('MKL_NUM_THREADS', '1')",
        "environ.update(X='1')",
        "os.environ |= {}",
        "os.putenv('A', 'B')",
        "os.environ[name] = '1'",
        'os.environ[f"OMP_{name}"] = "1"',
    ],
)
def test_nothing_is_imported_before_an_archive_that_sets_variables(tmp_path: Path, line: str) -> None:
    assert preload(write(tmp_path, f"import os\n{line}\nimport torch\n")) == ()


def test_variables_that_no_library_reads_do_no_harm(tmp_path: Path) -> None:
    source = 'import os, torch\nos.environ["APP_MODE"] = "1"\nos.environ.setdefault("APP_HOME", "x")\n'
    assert preload(write(tmp_path, source)) == ("torch",)


def test_what_our_own_runtime_uses_is_imported_before(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "entrypoints", tmp_path / "code" / "orchestrator_runtime")
    assert {"numpy", "torch"} <= set(preload(tmp_path))


@pytest.mark.parametrize("name", ["model.pt", "net.pth"])
def test_the_containers_own_functions_need_torch(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    assert preload(tmp_path) == ("numpy", "torch")


def test_reading_a_variable_does_no_harm(tmp_path: Path) -> None:
    source = 'import os, torch\nif os.environ["A"] == "B" or os.environ.get("C"): pass\n'
    assert preload(write(tmp_path, source)) == ("torch",)


@pytest.mark.parametrize("name", ["code/numpy.py", "torch.py", "code/torch/__init__.py"])
def test_nothing_is_imported_before_an_archive_with_such_a_module_of_its_own(
    tmp_path: Path, name: str
) -> None:
    write(tmp_path, "import torch")
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).touch()
    assert preload(tmp_path) == ()


def test_a_folder_without_a_code_folder_has_no_sources(tmp_path: Path) -> None:
    assert preload(tmp_path) == ()
    assert not is_shadowed([tmp_path / "nowhere"], ["torch"])


@pytest.mark.parametrize(
    ("name", "is_module"),
    [
        ("code/sympy.py", True),
        ("code/sympy/__init__.py", True),
        ("sympy.cpython-311-x86_64-linux-gnu.so", True),
        ("code/sympy/readme.txt", False),
        ("code/sympy.txt", False),
        ("code/other/sympy.py", False),
    ],
)
def test_an_archive_shadows_what_python_would_find_in_it_first(
    tmp_path: Path, name: str, *, is_module: bool
) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).touch()
    assert is_shadowed([tmp_path], ["torch", "sympy.core.add"]) == is_module


def test_a_signal_is_called_by_its_name() -> None:
    assert [ending(code) for code in (0, -15)] == ["exit code 0", "SIGTERM"]
