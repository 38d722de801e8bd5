"""Packaging on a real disk, tried with the real local endpoint."""

import errno
import gzip
import io
import json
import os
import tarfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from safetensors.torch import save_file

from orchestrator.adapters import checkpoints, rendering, sources
from orchestrator.adapters.archives import tarball
from orchestrator.adapters.builds import BuildsFile
from orchestrator.adapters.trial import LocalTrial
from orchestrator.core.archive import Member
from orchestrator.core.errors import ArtifactError, RefusedError
from orchestrator.core.golden import Case, Request, Response, problem
from orchestrator.core.packaging import Served
from orchestrator.core.spec import EntryPointSpec, ModelSpec, Reference, Spec, TensorSpec
from orchestrator.usecases.build import Packaging
from orchestrator.usecases.package import PackagedArchive
from orchestrator.usecases.package import package as watched_package
from orchestrator.usecases.verify import verify
from tests.support.fakes import NoBuilds, SilentTransfer
from tests.support.projects import NET, including, tensors, write_project

PACKAGING = Packaging(
    checkpoints, sources, rendering, tarball, LocalTrial(os.environ), NoBuilds(), today="2026-06-01"
)
IMAGE = [[[0.0, 0.0], [9.0, 0.0]]]
OWL = Case("owl", Request(json.dumps({"image": IMAGE}).encode()), {"label": "owl"})
BATCH = Case("batch", Request(json.dumps([IMAGE, IMAGE]).encode()), {"predictions": [{"label": "owl"}] * 2})
TEXT = Case("text", Request(b"x", "text/plain"), status=415)
RAGGED = Case("ragged", Request(b"[[1], [1, 2]]"), status=400)


class Doubled(torch.nn.Module):
    """A model that has nothing to learn."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * 2


class NoTrial:
    """A trial that is left out, where it is not what a test is about."""

    def run(self, members: Sequence[Member], cases: Sequence[Case]) -> tuple[Response, ...]:
        return ()

    def serving(self, members: Sequence[Member]) -> AbstractContextManager[Served]:
        raise NotImplementedError


UNTRIED = replace(PACKAGING, trial=NoTrial())


def package(spec: Spec, packaging: Packaging, out: str, cases: Sequence[Case] = ()) -> PackagedArchive:
    return watched_package(spec, packaging, out, SilentTransfer(), cases)


def names(path: str) -> list[str]:
    return [file.path for file in tarball.contents(path).files]


def rewritten(
    path: str, change: Callable[[str, bytes], tuple[str, bytes] | None], extra: str | None = None
) -> str:
    """Write a changed copy of an archive, as somebody with other tools might."""
    file = io.BytesIO()
    with tarfile.open(path) as old, tarfile.open(fileobj=file, mode="w", format=tarfile.GNU_FORMAT) as new:
        members = [(header.name, old.extractfile(header)) for header in old]
        changed = [change(name, content.read()) for name, content in members if content is not None]
        for name, content in [*filter(None, changed), *([(extra, b"")] if extra else [])]:
            header = tarfile.TarInfo(name)
            header.size = len(content)
            new.addfile(header, io.BytesIO(content))
    copy = f"{path}.changed"
    Path(copy).write_bytes(gzip.compress(file.getvalue()))
    return copy


def test_a_packaged_model_answers_golden_cases_under_its_own_fingerprint(tmp_path: Path) -> None:
    spec = write_project(tmp_path / "project")
    cases = [OWL, BATCH, TEXT, RAGGED]
    packaged = package(spec, PACKAGING, str(tmp_path / "model.tar.gz"), cases)
    answers = zip(cases, packaged.answers, strict=True)
    assert [problem(case, answer, atol=1e-6) for case, answer in answers] == [""] * len(cases)
    assert packaged.answers[0].fingerprint == packaged.identity[:16]
    assert verify(packaged.path, tarball).identity == packaged.identity


def test_the_archive_holds_weights_entry_point_runtime_and_the_users_files(tmp_path: Path) -> None:
    spec = write_project(tmp_path / "project")
    (tmp_path / "project" / "src" / "labels.txt").write_text("x")
    (tmp_path / "project" / "needs.txt").write_text("pillow\n")
    spec = including(spec, "src/**", requirements="needs.txt")
    packaged = package(spec, UNTRIED, str(tmp_path / "dist" / "model.tar.gz"))
    held = names(packaged.path)
    assert held == sorted(held)
    assert [name for name in held if "runtime" not in name] == [
        "code/inference.py",
        "code/manifest.json",
        "code/predict.py",
        "code/requirements.txt",
        "code/src/labels.txt",
        "code/src/net.py",
        "model.safetensors",
    ]
    assert "code/orchestrator_runtime/__init__.py" in held
    assert "code/orchestrator_runtime/entrypoint.py" in held


def test_packaging_twice_gives_the_same_bytes(tmp_path: Path) -> None:
    spec = write_project(tmp_path / "project")
    first, second = (package(spec, UNTRIED, str(tmp_path / name)) for name in ("one.tar.gz", "two.tar.gz"))
    assert first.identity == second.identity
    assert Path(first.path).read_bytes() == Path(second.path).read_bytes()


def test_weights_of_another_training_give_another_identity(tmp_path: Path) -> None:
    spec = write_project(tmp_path / "project")
    first = package(spec, UNTRIED, str(tmp_path / "model.tar.gz"))
    save_file({**tensors(), "layer.bias": torch.ones(3)}, tmp_path / "project" / "model.safetensors")
    assert package(spec, UNTRIED, str(tmp_path / "model.tar.gz")).identity != first.identity


def test_a_state_dict_and_functions_of_the_user_work_together(tmp_path: Path) -> None:
    spec = write_project(tmp_path / "project")
    torch.save(tensors(), tmp_path / "project" / "model.pt")
    (tmp_path / "project" / "src" / "io.py").write_text(
        "def read(value):\n    return value['pixels']\n\n\n"
        "def write(output):\n    return [{'top': row.argmax()} for row in output]\n"
    )
    asked = EntryPointSpec(
        preprocess=Reference("src/io.py", "read"),
        postprocess=Reference("src/io.py", "write"),
        inputs=(("image", TensorSpec("float32", (4,))),),
    )
    spec = replace(spec, model=replace(spec.model, path="model.pt"), entrypoint=asked)
    case = Case("dog", Request(b'{"pixels": [0, 7, 0, 0]}'), {"top": 1})
    (answer,) = package(spec, PACKAGING, str(tmp_path / "model.tar.gz"), [case]).answers
    assert problem(case, answer, atol=0) == ""


def without_class(spec: Spec) -> Spec:
    return replace(spec, model=replace(spec.model, class_=Reference("src/net.py", "Absent")))


def without_module(spec: Spec) -> Spec:
    (Path(spec.root) / "src" / "net.py").write_text("class Net:\n    pass\n")
    return spec


def with_other_weights(spec: Spec) -> Spec:
    save_file(
        {"layer.weight": torch.zeros(3, 4), "head.bias": torch.zeros(3)},
        Path(spec.root) / "model.safetensors",
    )
    return spec


def with_an_import_left_behind(spec: Spec) -> Spec:
    (Path(spec.root) / "src" / "net.py").write_text(f"from src.layers import x\n{NET}")
    (Path(spec.root) / "src" / "layers.py").write_text("x = 1\n")
    return spec


def with_wrong_arguments(spec: Spec) -> Spec:
    return replace(spec, model=replace(spec.model, init_args=(("hidden", 7),)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("broken", "message", "line"),
    [
        (without_class, "cannot be imported from the archive", "ImportError: cannot import name 'Absent'"),
        (with_an_import_left_behind, "cannot be imported from the archive", "No module named 'src.layers'"),
        (without_module, "does not make a torch.nn.Module", "makes Net, which is no torch.nn.Module"),
        (with_other_weights, "missing layer.bias; unexpected head.bias", "the weights do not fit Net"),
        (with_wrong_arguments, "the model cannot be loaded", "unexpected keyword argument 'hidden'"),
    ],
)
def test_a_model_that_does_not_load_is_found_out_and_the_earlier_archive_stays(
    tmp_path: Path, broken: Callable[[Spec], Spec], message: str, line: str
) -> None:
    out = tmp_path / "model.tar.gz"
    out.write_bytes(b"earlier")
    with pytest.raises(ArtifactError, match=message) as caught:
        package(broken(write_project(tmp_path / "project")), PACKAGING, str(out))
    assert line in dict(caught.value.details)["error"]
    assert out.read_bytes() == b"earlier"
    assert sorted(found.name for found in tmp_path.iterdir()) == ["model.tar.gz", "project"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda spec: replace(spec, model=replace(spec.model, path="absent.pt")), "there is no model file"),
        (lambda spec: replace(spec, model=ModelSpec("model.safetensors", Reference("a.py", "A"))), "'a.py'"),
        (lambda spec: including(spec, "data/*"), r"'data/\*' matches no file"),
        (lambda spec: including(spec, requirements="needs.txt"), "no file 'needs.txt'"),
        (lambda spec: replace(spec, model=replace(spec.model, path="src/net.py")), "not supported"),
    ],
)
def test_a_project_with_something_missing_changes_nothing(
    tmp_path: Path, change: Callable[[Spec], Spec], message: str
) -> None:
    spec = write_project(tmp_path / "project")
    with pytest.raises(ArtifactError, match=message):
        package(change(spec), PACKAGING, str(tmp_path / "model.tar.gz"))
    assert not (tmp_path / "model.tar.gz").exists()


def test_a_file_of_the_user_that_would_hide_a_module_is_refused(tmp_path: Path) -> None:
    spec = write_project(tmp_path / "project")
    (tmp_path / "project" / "random.py").write_text("")
    with pytest.raises(ArtifactError, match=r"'random.py' has a name that Python or the container needs"):
        package(including(spec, "*.py"), PACKAGING, str(tmp_path / "model.tar.gz"))


def test_a_model_that_takes_too_long_to_load_is_given_up(tmp_path: Path) -> None:
    hasty = replace(PACKAGING, trial=LocalTrial(os.environ, load_seconds=0.05))
    with pytest.raises(ArtifactError, match="cannot be loaded") as caught:
        package(write_project(tmp_path / "project"), hasty, str(tmp_path / "model.tar.gz"))
    assert dict(caught.value.details)["error"] == "TimeoutError: it has not loaded within 0.05 seconds"


# A worker's parent starts workers; what has started that is the server.
KILL_SERVER = "os.kill(int(open(f'/proc/{os.getppid()}/stat').read().split()[3]), signal.SIGKILL)"
DEADLY = "\n        import os\n        import signal\n        {call}\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("call", "message", "state"),
    [
        (KILL_SERVER, "the model cannot be loaded", "error"),
        ("os.kill(os.getppid(), signal.SIGKILL)", "the model cannot be loaded", "error"),
        ("os._exit(3)", "the model cannot be loaded", "error"),
    ],
)
def test_a_model_that_takes_its_endpoint_down_while_loading_is_found_out(
    tmp_path: Path, call: str, message: str, state: str
) -> None:
    net = NET.replace("super().__init__()\n", f"super().__init__(){DEADLY.format(call=call)}")
    with pytest.raises(ArtifactError, match=message) as caught:
        package(write_project(tmp_path / "project", net), PACKAGING, str(tmp_path / "model.tar.gz"))
    assert dict(caught.value.details)[state]


def test_an_unchanged_project_is_not_built_again(tmp_path: Path) -> None:
    spec = write_project(tmp_path / "project")
    out = tmp_path / "model.tar.gz"
    remembering = replace(UNTRIED, builds=BuildsFile(tmp_path / "state"))
    assert not package(spec, remembering, str(out)).unchanged
    written = out.stat().st_mtime_ns
    again = package(spec, remembering, str(out))
    assert again.unchanged
    assert out.stat().st_mtime_ns == written
    stricter = replace(spec, golden=replace(spec.golden, atol=0.0))
    assert not package(stricter, remembering, str(out)).unchanged
    out.write_bytes(b"something else")
    assert not package(stricter, remembering, str(out)).unchanged
    assert verify(str(out), tarball).identity == again.identity


@pytest.mark.slow
def test_a_program_without_weights_is_packaged_tried_and_verified(tmp_path: Path) -> None:
    spec = write_project(tmp_path / "project")
    program = torch.export.export(Doubled(), (torch.ones(2, 3),))
    torch.export.save(program, tmp_path / "project" / "model.pt2")
    model = ModelSpec("model.pt2", None, allow_code=True)
    asked = EntryPointSpec(inputs=(("x", TensorSpec("float32", (3,))),))
    case = Case("two", Request(b'{"x": [[1, 2, 3], [4, 5, 6]]}'), [[2, 4, 6], [8, 10, 12]])
    spec = replace(spec, model=model, entrypoint=asked)
    packaged = package(spec, PACKAGING, str(tmp_path / "model.tar.gz"), [case])
    held = names(packaged.path)
    assert "exported.json" in held
    assert "model.safetensors" not in held
    assert verify(packaged.path, tarball).identity == packaged.identity


def test_a_secret_among_the_users_files_is_kept_out(tmp_path: Path) -> None:
    spec = write_project(tmp_path / "project")
    (tmp_path / "project" / "src" / ".env").write_text("TOKEN=1\n")
    with pytest.raises(RefusedError, match=r"'src/.env' is kept out of the archive"):
        package(including(spec, "src/**"), UNTRIED, str(tmp_path / "model.tar.gz"))
    assert not (tmp_path / "model.tar.gz").exists()


def test_an_archive_that_cannot_be_written_is_named_by_the_path_that_was_asked_for(tmp_path: Path) -> None:
    spec = write_project(tmp_path / "project")
    out = tmp_path / "out.tar.gz"

    def full(_: str, chunks: Iterable[bytes]) -> None:
        next(iter(chunks))
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    disk = SimpleNamespace(**{**vars(tarball), "write": full})
    with pytest.raises(ArtifactError, match=rf"'{out}' cannot be written: No space left on device"):
        package(spec, replace(UNTRIED, archives=disk), str(out))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["project"]


@pytest.mark.slow
def test_a_model_that_takes_its_endpoint_down_with_a_golden_case_is_found_out(tmp_path: Path) -> None:
    deadly = DEADLY.format(call=KILL_SERVER)
    net = NET.replace("def forward(self, image):\n", f"def forward(self, image):{deadly}")
    with pytest.raises(ArtifactError, match="no answer to golden case 'owl'"):
        package(write_project(tmp_path / "project", net), PACKAGING, str(tmp_path / "model.tar.gz"), [OWL])


def test_a_model_that_fails_on_a_golden_case_is_told_with_its_error(tmp_path: Path) -> None:
    net = NET.replace("return self.layer(", "return {}['weights'] + self.layer(")
    with pytest.raises(RefusedError, match="the model fails on golden case 'owl'") as caught:
        package(write_project(tmp_path / "project", net), PACKAGING, str(tmp_path / "model.tar.gz"), [OWL])
    assert dict(caught.value.details)["error"] == "KeyError: 'weights'"
    assert not (tmp_path / "model.tar.gz").exists()


def test_the_model_sees_the_developers_environment_without_what_is_awss(tmp_path: Path) -> None:
    spec = write_project(
        tmp_path / "project",
        NET
        + "\nimport os\nassert 'AWS_SECRET_ACCESS_KEY' not in os.environ\nassert os.environ['MINE'] == '1'\n",
    )
    environment = {**os.environ, "AWS_SECRET_ACCESS_KEY": "x", "MINE": "1", "SAGEMAKER_PROGRAM": "other.py"}
    tried = replace(PACKAGING, trial=LocalTrial(environment))
    assert package(spec, tried, str(tmp_path / "model.tar.gz")).path == str(tmp_path / "model.tar.gz")


@pytest.mark.parametrize(
    ("change", "extra", "line"),
    [
        (
            lambda name, content: (name, content + b"#") if name == "code/predict.py" else (name, content),
            None,
            "'code/predict.py' has changed",
        ),
        (
            lambda name, content: None if name == "model.safetensors" else (name, content),
            None,
            "'model.safetensors' is missing",
        ),
        (lambda name, content: (name, content), "code/extra.py", "'code/extra.py' is not in the manifest"),
    ],
)
def test_an_archive_that_was_changed_is_not_verified(
    tmp_path: Path, change: Callable[[str, bytes], tuple[str, bytes] | None], extra: str | None, line: str
) -> None:
    packaged = package(write_project(tmp_path / "project"), UNTRIED, str(tmp_path / "model.tar.gz"))
    with pytest.raises(ArtifactError, match="not what its manifest says") as caught:
        verify(rewritten(packaged.path, change, extra), tarball)
    assert caught.value.details == (("found", line),)


def test_an_archive_without_manifest_is_not_verified(tmp_path: Path) -> None:
    packaged = package(write_project(tmp_path / "project"), UNTRIED, str(tmp_path / "model.tar.gz"))
    copy = rewritten(
        packaged.path, lambda name, content: None if name == "code/manifest.json" else (name, content)
    )
    with pytest.raises(ArtifactError, match=r"has no code/manifest.json"):
        verify(copy, tarball)
