"""The command line: what it says, where it says it, and what it ends with."""

import json
import os
import sys
from pathlib import Path

import click
import pytest

from orchestrator.cli import boundary, main, render
from orchestrator.cli.options import Options, again, common_options, with_options
from orchestrator.cli.terminal import Terminal
from orchestrator.core import errors
from orchestrator.core.errors import DeniedError, OrchestratorError, RolledBackError, SpecError


def run(*arguments: str) -> int:
    return boundary.run(main.cli, arguments)


def command_that(raises: BaseException | None = None) -> click.Command:
    @click.group()
    @common_options
    def group(**_: object) -> None:
        pass

    @group.command()
    @with_options
    def act(options: Options) -> None:
        if raises is not None:
            raise raises
        click.echo(f"{options.env} {options.output} {options.quiet} {options.yes}")

    return group


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("ORCHESTRATOR_ENV", "ORCHESTRATOR_CONFIG", "NO_COLOR"):
        monkeypatch.delenv(name, raising=False)


def test_help_lists_every_command_with_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--help") == 0
    shown = capsys.readouterr().out
    for name, line in main.COMMANDS.items():
        assert name in shown
        assert line.split(" ", 1)[0] in shown


@pytest.mark.parametrize("group", [(), ("local-cloud",), ("local-cloud", "faults"), ("config",)])
def test_a_group_by_itself_shows_its_help_and_ends_as_wrong_use_does(
    group: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*group) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith(f"Usage: {' '.join(('orchestrator', *group))} [OPTIONS] COMMAND")
    assert "Commands:\n" in said.err


@pytest.mark.parametrize("speed", ["nan", "inf", "0", "-1"])
def test_a_speed_is_a_number_above_0(speed: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("local-cloud", "start", "--speed", speed) == 2
    assert "--speed" in capsys.readouterr().err


@pytest.mark.parametrize("name", main.COMMANDS)
def test_every_commands_help_has_examples(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(name, "--help") == 0
    shown = capsys.readouterr().out
    assert "Examples:" in shown
    assert f"orchestrator {name}" in shown


def test_a_mistyped_command_gets_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("depoly") == 2
    assert "did you mean 'deploy'?" in capsys.readouterr().err


def test_only_rules_that_ask_for_consent_can_be_consented_to(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("deploy", "--accept", "canary-needs-two") == 2
    assert "'no-way-back'" in capsys.readouterr().err


def test_a_mistyped_option_gets_the_nearest_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("deploy", "--reasn", "x") == 2
    assert "--reason" in capsys.readouterr().err


@pytest.mark.parametrize(
    "arguments",
    [
        ("-e", "prod", "-o", "json", "-q", "--yes", "act"),
        ("act", "-e", "prod", "-o", "json", "-q", "--yes"),
        ("-e", "dev", "-q", "act", "--env", "prod", "--output", "json", "--yes"),
    ],
)
@pytest.mark.usefixtures("elsewhere")
def test_common_options_stand_before_the_command_or_after_it_and_the_later_wins(
    arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert boundary.run(command_that(), arguments) == 0
    assert capsys.readouterr().out == "prod json True True\n"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SpecError("x"), 2),
        (RolledBackError("x"), 4),
        (DeniedError("x"), 9),
        (KeyboardInterrupt(), 130),
        (click.Abort(), 130),
        (click.UsageError("x"), 2),
    ],
)
def test_every_kind_of_end_has_its_exit_code(
    error: BaseException, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert boundary.run(command_that(error), ["act"]) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "Traceback" not in shown.err


def test_a_bug_is_reported_in_a_file_and_ends_with_70(capsys: pytest.CaptureFixture[str]) -> None:
    assert boundary.run(command_that(ZeroDivisionError("oops")), ["act"]) == 70
    shown = capsys.readouterr().err
    assert shown.startswith("error[bug]: ZeroDivisionError: oops\n")
    report = Path(next(line for line in shown.splitlines() if "report" in line).split()[-1])
    assert "ZeroDivisionError: oops" in report.read_text("utf-8")
    report.unlink()


def test_an_error_is_the_fact_the_details_and_the_next_command() -> None:
    error = RolledBackError(
        "endpoint 'digits' is InService on 'old', not on 'new'",
        details=[("AWS", "gave no reason"), ("log", "two\nlines")],
        hint="orchestrator history digits\norchestrator sweep digits",
    )
    assert render.error(error) == (
        "error[rolled-back]: endpoint 'digits' is InService on 'old', not on 'new'\n"
        "  AWS    gave no reason\n"
        "  log    two\n"
        "         lines\n"
        "  next   orchestrator history digits\n"
        "         orchestrator sweep digits"
    )


@pytest.mark.parametrize("flag", [("-o", "json"), ("--output=json",), ("--output", "json")])
@pytest.mark.usefixtures("elsewhere")
def test_with_json_an_error_is_one_document_on_stdout(
    flag: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    error = OrchestratorError("no", details=[("state", "nothing has changed")], hint="try again")
    assert boundary.run(command_that(error), ["act", *flag]) == 1
    shown = capsys.readouterr()
    assert json.loads(shown.out) == {
        "error": {
            "code": "error",
            "exit_code": 1,
            "message": "no",
            "details": [{"label": "state", "fact": "nothing has changed"}],
            "hint": "try again",
        }
    }
    assert shown.err.startswith("error[error]: no\n")


@pytest.mark.usefixtures("elsewhere")
def test_a_missing_spec_is_a_spec_error(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("config", "show") == 2
    assert "error[spec]: there is no spec at orchestrator.toml" in capsys.readouterr().err


@pytest.mark.parametrize("place", ["model.pt", "orchestrator.toml", "pipe"])
@pytest.mark.usefixtures("elsewhere")
def test_an_archive_takes_the_place_of_nothing_but_an_archive(
    place: str, capsys: pytest.CaptureFixture[str]
) -> None:
    os.mkfifo("pipe")
    Path("model.pt").write_bytes(b"PK\x03\x04 trained for a week")
    Path("orchestrator.toml").write_text('version = 1\nname = "owl"\nmodel.path = "model.pt"\n', "utf-8")
    assert run("package", "--out", place) == 1
    assert f"'{place}' is no archive, and is not overwritten" in capsys.readouterr().err
    assert Path("model.pt").read_bytes() == b"PK\x03\x04 trained for a week"
    assert Path("pipe").is_fifo()


def test_an_unknown_format_is_a_wrong_command_line_and_no_bug(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("inspect", "model.pt", "--format", "pickle") == 2
    assert "'torchscript'" in capsys.readouterr().err


def test_a_command_can_be_run_with_stdin_and_stderr_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert not Options().interactive
    assert not Terminal(Options()).live


def test_every_error_has_a_slug_of_its_own_and_the_documented_exit_code() -> None:
    kinds = [kind for kind in _all_errors(OrchestratorError) if kind.__module__ == errors.__name__]
    codes = {kind.code: kind.exit_code for kind in kinds}
    assert len(codes) == len(kinds)
    assert {code: codes[code] for code in ("refused", "unhealthy", "conflict", "still-moving")} == {
        "refused": 3,
        "unhealthy": 5,
        "conflict": 7,
        "still-moving": 8,
    }


def _all_errors(kind: type[OrchestratorError]) -> list[type[OrchestratorError]]:
    return [kind, *(inner for child in kind.__subclasses__() for inner in _all_errors(child))]


@pytest.mark.usefixtures("elsewhere")
def test_the_next_command_goes_to_the_environment_and_the_spec_that_the_failed_one_went_to(
    capsys: pytest.CaptureFixture[str],
) -> None:
    hint = "orchestrator history owl          what happened\norchestrator sweep owl            tidy up"
    failing = command_that(RolledBackError("it went back", hint=hint))
    assert boundary.run(failing, ("act", "--env", "prod", "-c", "my spec.toml")) == 4
    shown = capsys.readouterr().err
    assert "orchestrator history owl --config 'my spec.toml' --env prod          what happened\n" in shown
    assert "orchestrator sweep owl --config 'my spec.toml' --env prod            tidy up\n" in shown


@pytest.mark.parametrize(
    "hint",
    [
        "orchestrator deploy --env local      needs no account",
        "orchestrator local-cloud start",
        "run it again with --yes",
        "the orchestrator history of it",
    ],
)
def test_a_next_command_that_is_about_no_environment_stays_as_it_is(hint: str) -> None:
    assert again(hint, Options(env="prod", profile="me")) == hint


def test_a_next_command_in_the_usual_place_is_not_lengthened() -> None:
    assert again("orchestrator status owl", Options()) == "orchestrator status owl"


def test_an_interruption_after_the_beginning_names_the_command_that_finishes_it() -> None:
    hint = boundary.InterruptedByUserError("owl").hint
    assert hint is not None
    assert hint.startswith("orchestrator resume --endpoint owl ")
