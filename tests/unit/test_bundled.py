import ast
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.adapters.bundled import runtime, template, versions
from orchestrator.core.archive import Member
from tests.support.pythons import Version, pythons

ALLOWED = {"numpy", "torch", *sys.stdlib_module_names}
VERSIONS = ((3, 10), (3, 11), (3, 12), (3, 13))


def tree(member: Member) -> ast.Module:
    assert isinstance(member.content, bytes)
    return ast.parse(member.content, feature_version=(3, 10))


@pytest.mark.parametrize("member", runtime(), ids=lambda member: member.path)
def test_the_runtime_is_python_310_and_imports_only_what_every_container_has(member: Member) -> None:
    for node in ast.walk(tree(member)):
        if isinstance(node, ast.Import):
            assert {alias.name.partition(".")[0] for alias in node.names} <= ALLOWED
        if isinstance(node, ast.ImportFrom) and node.level == 0:
            assert str(node.module).partition(".")[0] in ALLOWED


def test_the_runtime_lies_in_a_folder_of_its_own() -> None:
    assert {Path(member.path).parent.as_posix() for member in runtime()} == {"code/orchestrator_runtime"}
    assert "code/orchestrator_runtime/__init__.py" in [member.path for member in runtime()]


def test_reading_the_runtime_imports_neither_torch_nor_numpy() -> None:
    program = (
        "import sys; from orchestrator.adapters.bundled import runtime; runtime()\n"
        "print({'torch', 'numpy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "set()\n"


def test_the_templates_and_the_versions_are_there() -> None:
    assert "model_fn" in template("predict.py.j2")
    assert set(dict(versions())) == {"orchestrator", "python", "torch"}


def test_an_error_is_the_toolkits_own_where_the_toolkit_is(tmp_path: Path) -> None:
    (tmp_path / "sagemaker_inference").mkdir()
    (tmp_path / "sagemaker_inference" / "__init__.py").write_text("")
    (tmp_path / "sagemaker_inference" / "errors.py").write_text(
        "class BaseInferenceToolkitError(Exception):\n"
        "    def __init__(self, status_code, message, phrase):\n"
        "        self.status_code, self.message, self.phrase = status_code, message, phrase\n"
        "        super().__init__(status_code, message, phrase)\n"
    )
    for member in runtime():
        (tmp_path / "code" / "orchestrator_runtime").mkdir(parents=True, exist_ok=True)
        assert isinstance(member.content, bytes)
        (tmp_path / member.path).write_bytes(member.content)
    program = (
        f"import sys; sys.path[:0] = [{str(tmp_path)!r}, {str(tmp_path / 'code')!r}]\n"
        "from orchestrator_runtime.errors import InferenceError\n"
        "from sagemaker_inference.errors import BaseInferenceToolkitError as Base\n"
        "error = InferenceError(415, 'no')\n"
        "print(isinstance(error, Base), error.status_code, error.message, error.phrase)"
    )
    done = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True)
    assert done.stdout == "True 415 no Unsupported Media Type\n"


@pytest.mark.parametrize("version", VERSIONS)
def test_the_runtime_compiles_on_every_python_of_the_containers(tmp_path: Path, version: Version) -> None:
    python = pythons().get(version)
    if python is None:
        pytest.skip(f"no Python {version} on this machine; the syntax is checked for 3.10 all the same")
    for member in runtime():
        assert isinstance(member.content, bytes)
        (tmp_path / Path(member.path).name).write_bytes(member.content)
    subprocess.run([python, "-W", "error", "-m", "compileall", "-q", str(tmp_path)], check=True)
