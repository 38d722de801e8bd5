"""Conditional writes to the local cloud's S3 are atomic, as they are on AWS."""

import json
import os
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.support.clouds import BUCKET, STANDIN, TestCloud, local_cloud

WRITERS, ROUNDS = 8, 25


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCloud]:
    with local_cloud(tmp_path_factory.mktemp("conditional") / "state", STANDIN) as running:
        yield running


def status_of(cloud: TestCloud, key: str, start: threading.Barrier, **condition: str) -> int:
    start.wait()
    try:
        answer = cloud.client("s3").put_object(Bucket=BUCKET, Key=key, Body=b"mine", **condition)
    except ClientError as error:
        answer = error.response
    return int(answer["ResponseMetadata"]["HTTPStatusCode"])


def statuses(cloud: TestCloud, key: str, threads: ThreadPoolExecutor, **condition: str) -> Counter[int]:
    start = threading.Barrier(WRITERS)
    writing = [threads.submit(status_of, cloud, key, start, **condition) for _ in range(WRITERS)]
    return Counter(each.result() for each in writing)


def test_of_all_that_write_what_is_not_there_exactly_one_succeeds(cloud: TestCloud) -> None:
    cloud.client("s3")
    with ThreadPoolExecutor(WRITERS) as threads:
        for number in range(ROUNDS):
            found = statuses(cloud, f"new/{number}", threads, IfNoneMatch="*")
            assert found == {200: 1, 412: WRITERS - 1}


def test_of_all_that_replace_one_version_exactly_one_succeeds(cloud: TestCloud) -> None:
    with ThreadPoolExecutor(WRITERS) as threads:
        for number in range(ROUNDS):
            made = cloud.client("s3").put_object(Bucket=BUCKET, Key="one", Body=b"%d" % number)
            assert statuses(cloud, "one", threads, IfMatch=made["ETag"]) == {200: 1, 412: WRITERS - 1}


def race(header: str) -> dict[str, Any]:
    """Return what two clients got that write at once to a store that looks first and writes then."""
    ran = subprocess.run(
        [sys.executable, "-m", "tests.support.conditional", header],
        check=True,
        capture_output=True,
        text=True,
        timeout=60,
        # moto reads it when it is imported.
        env={**os.environ, "MOTO_DISABLE_GLOBAL_CORS": "true"},
    )
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


@pytest.mark.parametrize("header", ["if-match", "if-none-match"])
def test_nobody_looks_between_the_look_and_the_write_of_somebody_else(header: str) -> None:
    assert race(header) == {"statuses": [200, 412], "kept": ["mine"]}


def test_what_has_no_condition_waits_for_nobody() -> None:
    assert race("x-amz-acl")["statuses"] == [200, 200]
