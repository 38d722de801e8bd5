"""The commands that start a local cloud, look at it, empty it and end it."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import boto3
import pytest

from tests.support.commands import Shell

pytestmark = pytest.mark.slow

TOKEN = "a-token-of-ours"  # noqa: S105 - it opens nothing


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    made = Shell(tmp_path)
    yield made
    made.run("local-cloud", "stop")


def exports(text: str) -> Mapping[str, str]:
    lines = [line.removeprefix("export ") for line in text.splitlines() if line.startswith("export ")]
    return {name: value.strip('"') for name, _, value in (line.partition("=") for line in lines)}


def test_what_runs_is_shown_kept_and_emptied_only_if_somebody_says_so(shell: Shell) -> None:
    for command in ("env", "status", "reset"):
        done = shell.run("local-cloud", command)
        assert (done.code, done.out) == (1, "")
        assert "the local cloud is not running" in done.err
        assert "orchestrator local-cloud start" in done.err
    (shell.folder / "token").write_text(f"{TOKEN}\n")
    asked = ("--speed", "60", "--state", "kept", "--token-file", "token")
    started = shell.run("local-cloud", "start", *asked)
    assert started.code == 0, started.err
    assert (
        shell.run("local-cloud", "start").out == shell.run("local-cloud", "start", *asked).out == started.out
    )

    other = shell.run("local-cloud", "start", "--speed", "2", "--port", "1")
    assert other.code == 1
    assert "with other options: --port (" in other.err
    assert "--speed (60.0)" in other.err
    assert "nothing has changed" in other.err

    env = Shell(shell.folder, {"AWS_ENDPOINT_URL_S3": "http://elsewhere"}).run("local-cloud", "env")
    assert env.out == started.out
    assert "AWS_ENDPOINT_URL_S3 is set to http://elsewhere" in env.err
    variables = exports(env.out)
    assert variables["AWS_ACCESS_KEY_ID"] == TOKEN
    status = json.loads(shell.run("local-cloud", "status", "-o", "json").out)
    assert status["options"] == {"speed": 60.0, "state": str(shell.folder / "kept")}

    (shell.folder / "orchestrator.toml").write_text('version = 1\nname = "owl"\nmodel.path = "owl.pt"\n')
    ours = shell.run("status")
    assert "there is no endpoint 'owl'" in ours.err, "our own commands have its token, too"

    s3 = boto3.client(
        "s3",
        endpoint_url=variables["AWS_ENDPOINT_URL"],
        region_name="us-east-1",
        aws_access_key_id=TOKEN,
        aws_secret_access_key="local",  # noqa: S106 - nothing checks it
    )
    s3.create_bucket(Bucket="models")
    refused = shell.run("local-cloud", "reset")
    assert refused.code == 3
    assert "--yes" in refused.err
    assert s3.list_buckets()["Buckets"]
    assert shell.run("local-cloud", "reset", "--yes").code == 0
    assert s3.list_buckets()["Buckets"] == []
    s3.close()


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--host", "0.0.0.0"), "does not listen on 0.0.0.0 without a token"),  # noqa: S104 - that is refused
        (("--token", "short"), "the token must be 8 to 128"),
        (("--token-file", "absent"), "the token file 'absent' cannot be read"),
        (("--token-file", "empty"), "the token must be 8 to 128"),
        (("--state", "empty"), "empty"),
        (("--speed", "0"), "--speed"),
    ],
)
def test_what_cannot_be_is_refused_before_anything_is_started(
    tmp_path: Path, arguments: tuple[str, str], why: str
) -> None:
    (tmp_path / "empty").write_text("")
    done = Shell(tmp_path).run("local-cloud", "start", *arguments)
    assert done.code in {1, 2, 3}
    assert why in done.err
    assert not (tmp_path / "state").exists()
