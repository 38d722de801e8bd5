"""What `invoke` sends, by what is named on its line."""

from pathlib import Path

import click
import pytest

from orchestrator.cli import boundary, main
from orchestrator.cli.invoke import Asked
from orchestrator.core.errors import SpecError
from orchestrator.core.golden import Request


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.json", "application/json"),
        ("a.npy", "application/x-npy"),
        ("A.NPY", "application/x-npy"),
        ("a.csv", "text/csv"),
        ("a.jpeg", "image/jpeg"),
        ("a.wav", "audio/wav"),
        ("a", "application/json"),
        ("a.npy.unknown", "application/json"),
    ],
)
def test_a_files_name_says_what_is_in_it(tmp_path: Path, name: str, kind: str) -> None:
    (tmp_path / name).write_bytes(b"\x00\xff")
    assert Asked(body=str(tmp_path / name)).request() == Request(b"\x00\xff", kind)


def test_what_is_said_about_the_content_counts_more_than_the_name(tmp_path: Path) -> None:
    (tmp_path / "a.npy").write_bytes(b"x")
    asked = Asked(body=str(tmp_path / "a.npy"), content_type="text/csv", accept="text/csv")
    assert asked.request() == Request(b"x", "text/csv", "text/csv")


def test_text_and_json_are_sent_as_they_are_typed() -> None:
    assert Asked(text="schön").request() == Request("schön".encode(), "text/plain")
    assert Asked(json_='{"a": 1}').request() == Request(b'{"a": 1}')
    assert Asked(text="").request().body == b""


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"absent\.json' cannot be read: No such file"):
        Asked(body=str(tmp_path / "absent.json")).request()


@pytest.mark.parametrize(
    "asked",
    [
        Asked(body="a", text="b"),
        Asked(text="a", json_="{}"),
        Asked(stream=True, async_=True),
        Asked(async_=True, variant="b"),
    ],
)
def test_what_contradicts_itself_is_a_wrong_command_line(asked: Asked) -> None:
    with pytest.raises(click.UsageError):
        asked.check()


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (("deploy", "--all", "--endpoint", "cats"), "--all goes with neither"),
        (("deploy", "--workers", "3"), "go with --all"),
        (("deploy", "--fail-fast"), "go with --all"),
        (("deploy", "--all", "--workers", "0"), "0 is not in the range"),
        (("deploy", "--plan", "a.plan", "--rollout", "canary"), "part of the saved plan"),
        (("deploy", "--rollout", "canaries"), "'canaries' is not one of"),
        (("logs", "--since", "yesterday"), "no length of time"),
        (("adopt",), "Missing argument 'ENDPOINT'"),
    ],
)
def test_a_line_that_contradicts_itself_ends_with_2_and_says_why(
    line: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert boundary.run(main.cli, line) == 2
    assert said in capsys.readouterr().err
