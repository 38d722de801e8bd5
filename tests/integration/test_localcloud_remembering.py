"""What moto holds outlives the local cloud that it was made in, if it is to be kept."""

import contextlib
import os
import signal
from pathlib import Path
from typing import Any

import pytest

from orchestrator.core.errors import OrchestratorError
from orchestrator.localcloud.testing import Cloud, local_cloud

pytestmark = pytest.mark.slow

BUCKET, PART_BYTES = "kept", 5 * 2**20


def read(s3: Any, **request: str) -> bytes:  # noqa: ANN401 - boto3 has no types
    with contextlib.closing(s3.get_object(Bucket=BUCKET, **request)["Body"]) as body:
        found: bytes = body.read()
    return found


def fill(cloud: Cloud) -> str:
    """Make something of several services, and return the id of an upload that is under way."""
    s3 = cloud.client("s3")
    s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name})
    s3.put_bucket_versioning(Bucket=BUCKET, VersioningConfiguration={"Status": "Enabled"})
    for number in range(3):
        s3.put_object(Bucket=BUCKET, Key="versions", Body=b"%d" % number)
    s3.delete_object(Bucket=BUCKET, Key="versions")
    upload: str = s3.create_multipart_upload(Bucket=BUCKET, Key="parts")["UploadId"]
    s3.upload_part(Bucket=BUCKET, Key="parts", UploadId=upload, PartNumber=1, Body=bytes(PART_BYTES))
    cloud.client("kms").create_key(KeyUsage="SIGN_VERIFY", KeySpec="ECC_NIST_P256")
    cloud.client("ssm").put_parameter(Name="/kept", Value="yes", Type="String")
    cloud.client("sqs").create_queue(QueueName="kept")
    return upload


def check(cloud: Cloud, upload: str) -> None:
    s3 = cloud.client("s3")
    listed = s3.list_object_versions(Bucket=BUCKET, Prefix="versions")
    found = {read(s3, Key="versions", VersionId=each["VersionId"]) for each in listed["Versions"]}
    assert (found, len(listed["DeleteMarkers"])) == ({b"0", b"1", b"2"}, 1)
    parts = s3.list_parts(Bucket=BUCKET, Key="parts", UploadId=upload)["Parts"]
    assert [part["Size"] for part in parts] == [PART_BYTES]
    assert len(cloud.client("kms").list_keys()["Keys"]) == 1
    assert cloud.client("ssm").get_parameter(Name="/kept")["Parameter"]["Value"] == "yes"
    assert len(cloud.client("sqs").list_queues()["QueueUrls"]) == 1


def test_what_was_made_is_there_after_a_stop_and_not_after_a_reset(tmp_path: Path) -> None:
    with local_cloud(state=tmp_path / "state") as cloud:
        upload = fill(cloud)
    with local_cloud(state=tmp_path / "state") as cloud:
        check(cloud, upload)
        cloud.reset()
        assert cloud.client("s3").list_buckets()["Buckets"] == []
    assert not any((tmp_path / "state" / "objects").glob("*"))


@pytest.mark.parametrize("content", [b'{"format": 1, "moto": "0.0.1"}\n', b"nonsense", b""])
def test_what_another_version_has_written_is_refused_by_name(tmp_path: Path, content: bytes) -> None:
    kept = tmp_path / "state" / "moto"
    kept.mkdir(parents=True)
    (kept / "sqs.pickle").write_bytes(content)
    with pytest.raises(OrchestratorError, match="another version"), local_cloud(state=tmp_path / "state"):
        pass


def test_what_is_no_class_of_a_backend_is_not_made(tmp_path: Path) -> None:
    import moto  # noqa: PLC0415 - it changes boto3 when it is imported

    kept = tmp_path / "state" / "moto"
    kept.mkdir(parents=True)
    header = b'{"format": 1, "moto": "%s"}\n' % moto.__version__.encode()
    (kept / "sqs.pickle").write_bytes(header + b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(OrchestratorError, match="system"), local_cloud(state=tmp_path / "state"):
        pass


def test_what_was_saved_is_there_after_a_kill(tmp_path: Path) -> None:
    saved = tmp_path / "state" / "moto" / "sqs.pickle"
    with contextlib.suppress(OrchestratorError), local_cloud(state=tmp_path / "state") as cloud:
        upload = fill(cloud)
        while not (saved.exists() and b"kept" in saved.read_bytes()):
            cloud.client("sqs").list_queues()
        os.kill(cloud.pid, signal.SIGKILL)
    with local_cloud(state=tmp_path / "state") as cloud:
        check(cloud, upload)


def test_a_folder_that_has_lost_an_object_is_refused_by_name_with_what_to_do(tmp_path: Path) -> None:
    with local_cloud(state=tmp_path / "state") as cloud:
        s3 = cloud.client("s3")
        s3.create_bucket(Bucket=BUCKET, CreateBucketConfiguration={"LocationConstraint": s3.meta.region_name})
        s3.put_object(Bucket=BUCKET, Key="lost", Body=b"something")
    (file,) = (tmp_path / "state" / "objects").iterdir()
    file.unlink()
    with (
        pytest.raises(OrchestratorError, match=r"state/objects' 1 are missing \(next: orchestrator"),
        local_cloud(state=tmp_path / "state"),
    ):
        pass
