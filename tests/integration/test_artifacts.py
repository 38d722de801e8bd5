"""Artifacts that are fetched: an archive unpacked, the files below a prefix, and what is wrong with them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from orchestrator.adapters import artifacts
from orchestrator.core.errors import ArtifactError, NotFoundError
from tests.support.clouds import BUCKET, STANDIN, TestCloud, archive, local_cloud

FILES = {"model.safetensors": b"weights", "code/predict.py": b"pass", "code/src/net.py": b"import torch"}
OWNER = "123456789012"


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCloud]:
    with local_cloud(tmp_path_factory.mktemp("cloud"), STANDIN) as running:
        yield running


@pytest.fixture
def key(tmp_path: Path) -> str:
    return f"artifacts/{tmp_path.name}"


def put(cloud: TestCloud, key: str, content: bytes) -> None:
    cloud.client("s3").put_object(Bucket=BUCKET, Key=key, Body=content)


def fetched(cloud: TestCloud, url: str, into: Path) -> dict[str, bytes]:
    artifacts.fetch(cloud.client, url, str(into))
    found = (path for path in into.rglob("*") if path.is_file())
    return {path.relative_to(into).as_posix(): path.read_bytes() for path in found}


def test_an_archive_and_a_prefix_are_brought_as_the_same_files(
    cloud: TestCloud, key: str, tmp_path: Path
) -> None:
    put(cloud, f"{key}/model.tar.gz", archive(FILES))
    for path, content in FILES.items():
        put(cloud, f"{key}/model/{path}", content)
    assert fetched(cloud, f"s3://{BUCKET}/{key}/model.tar.gz", tmp_path / "one") == FILES
    assert fetched(cloud, f"s3://{BUCKET}/{key}/model/", tmp_path / "two") == FILES


@pytest.mark.parametrize("url", ["nothing/model.tar.gz", "nothing/"])
def test_what_is_not_there_is_not_found_and_leaves_no_folder(
    cloud: TestCloud, url: str, tmp_path: Path
) -> None:
    with pytest.raises(NotFoundError):
        artifacts.fetch(cloud.client, f"s3://{BUCKET}/{url}", str(tmp_path / "into"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["s3://", "s3:///model.tar.gz", f"s3://{BUCKET}", f"s3://{BUCKET}/"])
def test_an_address_without_a_bucket_or_a_key_is_refused(cloud: TestCloud, url: str, tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="names no object and no prefix"):
        artifacts.fetch(cloud.client, url, str(tmp_path / "into"))


@pytest.mark.parametrize("path", ["../x", "a/../../x", "a//b", "\x1b[31mx", "x" * 256])
def test_a_name_that_leads_out_is_refused_before_a_file_is_written(
    cloud: TestCloud, key: str, path: str, tmp_path: Path
) -> None:
    put(cloud, f"{key}/a.txt", b"x")
    put(cloud, f"{key}/{path}", b"x")
    with pytest.raises(ArtifactError, match="unusable member"):
        artifacts.fetch(cloud.client, f"s3://{BUCKET}/{key}/", str(tmp_path / "into"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("end", ["model.tar.gz", "model/"])
def test_a_place_that_cannot_be_written_to_is_an_error_and_leaves_what_was_there(
    cloud: TestCloud, key: str, end: str, tmp_path: Path
) -> None:
    put(cloud, f"{key}/model.tar.gz", archive(FILES))
    put(cloud, f"{key}/model/a.txt", b"x")
    (tmp_path / "into").mkdir()
    (tmp_path / "into" / "mine").write_text("mine")
    with pytest.raises(ArtifactError, match="cannot be written"):
        artifacts.fetch(cloud.client, f"s3://{BUCKET}/{key}/{end}", str(tmp_path / "into"))
    assert [path.name for path in (tmp_path / "into").iterdir()] == ["mine"]


def test_what_breaks_off_leaves_nothing(cloud: TestCloud, key: str, tmp_path: Path) -> None:
    for path in ("a.txt", "b.txt"):
        put(cloud, f"{key}/{path}", b"x")
    # The second file goes between the list and its turn.
    client = cloud.client("s3", config=None)
    gone = [f"{key}/b.txt"]

    def delete(**_: Any) -> None:  # noqa: ANN401 - botocore's
        put_away = gone.pop() if gone else None
        if put_away:
            cloud.client("s3").delete_object(Bucket=BUCKET, Key=put_away)

    client.meta.events.register("after-call.s3.GetObject", delete)
    with pytest.raises(NotFoundError):
        artifacts.fetch(lambda _: client, f"s3://{BUCKET}/{key}/", str(tmp_path / "into"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("end", ["model.tar.gz", "model/"])
def test_every_call_of_a_fetch_names_the_owner(cloud: TestCloud, key: str, end: str, tmp_path: Path) -> None:
    put(cloud, f"{key}/model.tar.gz", archive(FILES))
    put(cloud, f"{key}/model/a.txt", b"x")
    asked: list[object] = []
    client = cloud.client("s3", config=None)

    def remember(params: dict[str, Any], **_: Any) -> None:  # noqa: ANN401 - botocore's
        asked.append(params.get("ExpectedBucketOwner"))

    client.meta.events.register("provide-client-params.s3", remember)
    url = f"s3://{BUCKET}/{key}/{end}"
    artifacts.fetch(lambda _: client, url, str(tmp_path / "into"), owner=OWNER)
    assert set(asked) == {OWNER}
