"""Unpacking somebody else's archive."""

import io
import tarfile
from pathlib import Path

import pytest

from orchestrator.core.errors import ArtifactError
from orchestrator.localcloud.rules import artifacts
from tests.support.clouds import archive


def special(kind: bytes, name: str = "member", target: str = "model.pt") -> io.BytesIO:
    """Return an archive with a file and one member of another kind."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as opened:
        opened.addfile(tarfile.TarInfo("model.pt"))
        member = tarfile.TarInfo(name)
        member.type, member.linkname = kind, target
        opened.addfile(member)
    made.seek(0)
    return made


def test_files_and_folders_are_unpacked(tmp_path: Path) -> None:
    artifacts.unpack(io.BytesIO(archive({"model.pt": b"w", "code/predict.py": b"p"})), tmp_path)
    files = {str(path.relative_to(tmp_path)): path.read_bytes() for path in tmp_path.rglob("*.p*")}
    assert files == {"model.pt": b"w", "code/predict.py": b"p"}


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_are_refused(tmp_path: Path, kind: bytes) -> None:
    with pytest.raises(ArtifactError, match="'member' is neither a file nor a folder"):
        artifacts.unpack(special(kind), tmp_path)


@pytest.mark.parametrize("name", ["../outside", "a/../../outside"])
def test_a_path_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    with pytest.raises(tarfile.FilterError):
        artifacts.unpack(io.BytesIO(archive({name: b"x"})), folder)
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("cut", [0, 20, -1])
def test_what_is_no_whole_archive_is_refused(tmp_path: Path, cut: int) -> None:
    whole = archive({"model.pt": bytes(range(256)) * 200})
    with pytest.raises((tarfile.TarError, EOFError)):
        artifacts.unpack(io.BytesIO(whole[: cut if cut >= 0 else len(whole) // 2]), tmp_path)


def test_an_archive_larger_than_the_limit_is_refused_before_it_is_written(tmp_path: Path) -> None:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as opened:
        member = tarfile.TarInfo("huge")
        opened.addfile(member)
    header = tarfile.TarInfo("huge")
    header.size = artifacts.MAX_UNPACKED_BYTES + 1
    forged = io.BytesIO()
    with tarfile.open(fileobj=forged, mode="w:gz") as opened:
        assert opened.fileobj is not None
        opened.fileobj.write(header.tobuf())
    with pytest.raises(ArtifactError, match="more than"):
        artifacts.unpack(io.BytesIO(forged.getvalue()), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("path", ["", "a/", "/a", "a//b", ".", "a/./b", "../a", "a/..", "a\0b", "é" * 128])
def test_a_file_whose_name_sagemaker_would_not_take_is_refused(path: str) -> None:
    with pytest.raises(ArtifactError, match="has a name that SageMaker refuses"):
        artifacts.check_files({"model.pt": 1, path: 1})


@pytest.mark.parametrize("inner", ["a/b", "a/b/c/d"])
def test_a_file_that_is_also_a_folder_is_refused(inner: str) -> None:
    with pytest.raises(ArtifactError, match="'a' is a folder as well"):
        artifacts.check_files({"a": 1, inner: 1})


@pytest.mark.parametrize(
    "sizes",
    [
        {"a": artifacts.MAX_UNPACKED_BYTES, "b": 1},
        {str(number): 0 for number in range(artifacts.MAX_MEMBERS + 1)},
    ],
)
def test_more_or_larger_files_than_the_limit_are_refused(sizes: dict[str, int]) -> None:
    with pytest.raises(ArtifactError, match="more than"):
        artifacts.check_files(sizes)


def test_ordinary_files_are_taken() -> None:
    artifacts.check_files({"model.pt": 1, "code/predict.py": 1, "code/a/b.py": 0, "code/a b": 1})
