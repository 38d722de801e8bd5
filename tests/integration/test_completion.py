"""What a shell is offered when TAB is pressed, by Click's protocol and by bash itself."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import click
import pytest

from docs.generate import commands
from orchestrator.cli import completing
from orchestrator.cli.main import COMMANDS, cli
from tests.support.commands import Shell

pytestmark = pytest.mark.slow

SPEC = """
name = "pets"
[env.prod]
[env.preview]
[env."x; exit"]
"""
PLACE = re.compile(r"\b(FILE|DIR|FOLDER)\b")
HEAVY = {"boto3", "botocore", "torch", "pydantic", "jinja2", "starlette", "moto"}


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    (tmp_path / "orchestrator.toml").write_text(SPEC, "utf-8")
    (tmp_path / "many.toml").write_text("[endpoints.eu]\n[endpoints.us]\n[env.qa]\n", "utf-8")
    return Shell(tmp_path)


def asked(shell: Shell, line: str) -> tuple[str, set[str]]:
    """Return what is offered at the end of a line, as bash gets it, and the packages imported for it."""
    words = shlex.split(line)
    at = len(words) if line.endswith(" ") else len(words) - 1
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "orchestrator"],
        cwd=shell.folder,
        env={
            **shell.environment,
            "_ORCHESTRATOR_COMPLETE": "bash_complete",
            "COMP_WORDS": line,
            "COMP_CWORD": str(at),
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    told = done.stderr.splitlines()
    assert [row for row in told if not row.startswith("import time:")] == [], "something is said"
    return done.stdout, {row.rpartition("|")[2].strip().partition(".")[0] for row in told}


def offered(shell: Shell, line: str) -> list[str]:
    return [row.partition(",")[2] for row in asked(shell, line)[0].split()]


def test_command_names_are_offered_without_importing_a_command(shell: Shell) -> None:
    told, imported = asked(shell, "orchestrator ")
    assert told.splitlines() == [f"plain,{name}" for name in COMMANDS]
    assert not imported & HEAVY


def test_the_environments_of_the_spec_are_offered_before_and_after_the_command(shell: Shell) -> None:
    told, imported = asked(shell, "orchestrator --env ")
    assert told.splitlines() == ["plain,local", "plain,prod", "plain,preview"]
    assert not imported & HEAVY
    assert offered(shell, "orchestrator deploy --env p") == ["prod", "preview"]
    assert offered(shell, "orchestrator -c many.toml status -e ") == ["local", "qa"]


def test_the_endpoints_of_the_spec_that_the_line_names_are_offered(shell: Shell) -> None:
    assert offered(shell, "orchestrator status ") == ["pets"]
    assert offered(shell, "orchestrator adopt -c many.toml ") == ["eu", "us"]
    assert offered(shell, "orchestrator deploy --config many.toml --endpoint u") == ["us"]


@pytest.mark.parametrize(
    "line",
    ["orchestrator verify ", "orchestrator invoke --body r", "orchestrator -c ", "orchestrator local-serve "],
)
def test_files_are_left_to_the_shell_where_a_file_is_meant(shell: Shell, line: str) -> None:
    assert asked(shell, line)[0].startswith("file,")


def test_every_option_and_argument_for_a_file_or_an_endpoint_completes(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(shell.folder)
    every = [(context, each) for context, command in commands() for each in command.params]
    meant = [
        (context, each)
        for context, each in every
        if PLACE.search(each.metavar or "")
        or (each.name in {"endpoint", "endpoints"} and each.metavar != "PATTERN")
    ]
    mute = [
        f"{context.command_path} {each.opts[0]}"
        for context, each in meant
        if not each.shell_complete(context, "")
    ]
    assert {each.name for _, each in meant} >= {"endpoint", "archive", "config"}
    assert mute == []


@pytest.mark.parametrize(
    "spec",
    [b"[env.prod", b"\xff", b"env = 1\nname = 2\n", b"[" * 100_000],
    ids=["cut", "binary", "other", "deep"],
)
def test_a_spec_that_cannot_be_read_offers_nothing(spec: bytes, tmp_path: Path) -> None:
    (tmp_path / "orchestrator.toml").write_bytes(spec)
    assert of_spec(tmp_path / "orchestrator.toml") == (["local"], [])


def test_a_spec_that_is_not_there_or_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.toml")
    for name in ("pipe.toml", "none.toml", "."):
        assert of_spec(tmp_path / name) == (["local"], [])


def of_spec(path: Path) -> tuple[list[str], list[str]]:
    """Return which environments and endpoints are offered for a spec."""
    context = click.Context(cli, **cli.context_settings)
    context.params["config"] = str(path)
    offered = (offer(context, cli.params[0], "") for offer in (completing.environments, completing.endpoints))
    environments, endpoints = ([item.value for item in items] for items in offered)
    return environments, endpoints


def test_a_line_that_is_wrong_so_far_is_not_complained_about(shell: Shell) -> None:
    assert "deploy" in offered(shell, "orchestrator deplio ")
    assert offered(shell, "orchestrator local-cloud faults add thr") == ["throttle"]


def test_bash_completes_with_the_script_that_is_printed(shell: Shell) -> None:
    driven = """
        eval "$(orchestrator completion bash)"
        COMP_WORDS=(orchestrator deploy --env pr) COMP_CWORD=3
        _orchestrator_completion orchestrator pr --env
        printf '%s\\n' "${COMPREPLY[@]}"
        complete -p orchestrator
    """
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        ["bash", "--norc", "-c", driven],
        cwd=shell.folder,
        env={**shell.environment, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "prod",
        "preview",
        "complete -o nosort -F _orchestrator_completion orchestrator",
    ]


@pytest.mark.parametrize(
    ("name", "begins"), [("zsh", "#compdef orchestrator"), ("fish", "function _orchestrator")]
)
def test_other_shells_have_scripts_of_their_own(shell: Shell, name: str, begins: str) -> None:
    done = shell.run("completion", name)
    assert (done.code, done.err) == (0, "")
    assert done.out.startswith(begins)
    assert shell.run("completion", "tcsh").code == 2
