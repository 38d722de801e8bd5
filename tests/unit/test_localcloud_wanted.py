"""What a local cloud is asked to be, on its way to the process."""

from pathlib import Path

import pytest

from orchestrator.core.errors import RefusedError
from orchestrator.localcloud.__main__ import main
from orchestrator.localcloud.defaults import ACCOUNT, REGION, client_environment, stray_variables
from orchestrator.localcloud.wanted import Wanted

TOKEN = "a-token-of-ours"  # noqa: S105 - it opens nothing
WHOLE = Wanted(0, "0.0.0.0", TOKEN, Path("/kept"), 60.0, 0.0, any_image=True)  # noqa: S104 - refused here


def test_the_command_line_says_everything_but_the_token_which_is_in_the_environment() -> None:
    line = "--port 0 --host 0.0.0.0 --state /kept --speed 60.0 --launch-seconds 0.0 --any-image"
    assert WHOLE.arguments() == line.split()
    assert Wanted().arguments() == []
    given = {"ORCHESTRATOR_LOCAL_CLOUD_TOKEN": "of somebody else", "HOME": "/h"}
    assert WHOLE.environment(given) == {"ORCHESTRATOR_LOCAL_CLOUD_TOKEN": "a-token-of-ours", "HOME": "/h"}
    assert Wanted().environment(given) == {"HOME": "/h"}
    assert "a-token" not in repr(WHOLE)


@pytest.mark.parametrize("wanted", [WHOLE, Wanted(), Wanted(port=4570, speed=2)])
def test_it_is_read_back_as_it_was_written(wanted: Wanted) -> None:
    assert Wanted.written(wanted.content()) == wanted


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.2", "::1", "localhost"])
def test_the_loopback_needs_no_token(host: str) -> None:
    Wanted(host=host).check()


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.2", "some.name", ""])  # noqa: S104 - refused
def test_every_other_address_needs_one(host: str) -> None:
    with pytest.raises(RefusedError, match=r"does not listen on .* without a token"):
        Wanted(host=host).check()
    Wanted(host=host, token=TOKEN).check()


def test_what_runs_differs_only_in_what_was_asked_for() -> None:
    running = Wanted(4570, None, "a-token-of-ours", Path("/kept"), 60.0)
    assert Wanted().otherwise(running) == []
    assert Wanted(port=4570, state=Path("/kept"), speed=60).otherwise(running) == []
    found = Wanted(port=1, token=TOKEN * 2, speed=2.0, any_image=True).otherwise(running)
    assert found == ["--port (4570)", "--token", "--speed (60.0)", "--any-image (none)"]


@pytest.mark.parametrize(
    "option", ["--speed=0", "--speed=-1", "--speed=nan", "--speed=inf", "--launch-seconds=-1"]
)
def test_a_pace_that_is_none_is_refused(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--state-dir", "unused", option])
    assert caught.value.code == 2
    assert "invalid" in capsys.readouterr().err


def test_clients_show_the_token_as_their_access_key() -> None:
    variables = client_environment("http://192.168.1.2:4570", "a-token-of-ours")
    assert variables["AWS_ACCESS_KEY_ID"] == "a-token-of-ours"
    assert variables["NO_PROXY"] == "127.0.0.1,localhost,192.168.1.2"


def test_the_sagemaker_sdk_is_told_its_default_bucket_as_it_would_ask_aws_for_the_account() -> None:
    file = Path(client_environment("http://127.0.0.1:4570")["SAGEMAKER_ADMIN_CONFIG_OVERRIDE"])
    text = file.read_text()
    assert f"DefaultS3Bucket: sagemaker-{REGION}-{ACCOUNT}\n" in text
    assert "TelemetryOptOut: true\n" in text


def test_variables_that_keep_clients_away_are_named() -> None:
    url = "http://127.0.0.1:4570"
    harmless = {
        "AWS_ENDPOINT_URL": "x",
        "AWS_ENDPOINT_URL_S3": url,
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "false",
    }
    assert stray_variables({**harmless, "AWS_ENDPOINT_URL_STS": ""}, url) == []
    found = stray_variables(
        {"AWS_ENDPOINT_URL_SAGEMAKER": "http://other", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "True"}, url
    )
    assert [each.split(" ")[0] for each in found] == [
        "AWS_ENDPOINT_URL_SAGEMAKER",
        "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    ]


@pytest.mark.parametrize(
    "token", ["", "short", "with/slash", "with space", "AKIALOOKSREAL", "x" * 129, "\xe9" * 9]
)
def test_a_token_that_cannot_be_sent_everywhere_is_refused(token: str) -> None:
    with pytest.raises(RefusedError, match="the token must be") as caught:
        Wanted(token=token).check()
    assert not token or token not in str(caught.value)


@pytest.mark.parametrize("token", [TOKEN, "0" * 40, "A.b_c~d-8"])
def test_a_token_that_can_is_taken(token: str) -> None:
    Wanted(token=token).check()
