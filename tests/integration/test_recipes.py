"""The recipes for CI: right as files, and the scripts behind them right in what they do."""

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml  # type: ignore[import-untyped]  # its types are a package of their own

from orchestrator.adapters import scaffold
from orchestrator.cli.main import cli
from orchestrator.core.projects import RECIPES, Draft
from orchestrator.core.tasks import OPTIONS
from tests.support.roles import Stack

WORKFLOW = ".github/workflows/deploy.yml"
PINNED = re.compile(r"[\w.-]+/[\w.-]+@[0-9a-f]{40}")
# Writes down what it was called with, and ends with what the test says; so does `python -m pip`.
PROGRAM = """#!/bin/sh
echo "$(basename "$0") $*" >>"$CALLS"
case "$*" in "$FAILING"*) exit "$CODE" ;; esac
"""


def drafts() -> dict[str, Draft]:
    """Return every file of every project and recipe."""
    made = [draft for task in OPTIONS for draft in scaffold.project(task, "demo")]
    return {
        draft.path: draft for draft in [*made, *(one for name in RECIPES for one in scaffold.recipe(name))]
    }


DRAFTS = drafts()
SCRIPTS = sorted(path for path in DRAFTS if path.endswith(".sh"))
RECIPE_FILES = sorted(path for path in DRAFTS if path.endswith(".yml"))


def parsed(path: str) -> Any:  # noqa: ANN401 - whatever YAML holds
    return yaml.safe_load(DRAFTS[path].content)


def scalars(value: object) -> Iterator[str]:
    """Yield every text in what YAML holds."""
    match value:
        case dict():
            for inner in value.values():
                yield from scalars(inner)
        case list():
            for inner in value:
                yield from scalars(inner)
        case str():
            yield value


def shell(path: str) -> list[str]:
    """Return the pieces of shell in a file."""
    if path.endswith(".sh"):
        return [DRAFTS[path].content.decode()]
    if path == WORKFLOW:
        return [
            step["run"] for job in parsed(path)["jobs"].values() for step in job["steps"] if "run" in step
        ]
    return [
        text
        for text in scalars(parsed(path))
        if text.startswith(("sh ", "export ", "python ", "printf ", "set "))
    ]


def commands() -> list[str]:
    """Return every line of the templates in which the orchestrator is called, or which names such a call."""
    found: set[str] = set()
    for path, draft in DRAFTS.items():
        if not path.endswith((".safetensors", ".json", ".csv")):
            text = draft.content.decode()
            found |= set(
                re.findall(
                    r"(?:^|[\s`$:(])orchestrator ((?:init|[a-z]+(?:-[a-z]+)*)(?: [^\n`#>;&|]*)?)", text
                )
            )
    return sorted(found - {one for one in found if one.startswith(("plan -->", "plan --env %s"))})


@pytest.mark.parametrize("line", commands())
def test_every_command_in_the_templates_is_one_with_these_options(line: str) -> None:
    try:
        words = shlex.split(line)
    except ValueError:  # a single quotation mark is that of a text around the command
        words = line.replace('"', "").replace("'", "").split()
    # Click keeps a command's help option from its first context: it has to be that of the program.
    context = click.Context(cli, **cli.context_settings)
    command = cli.get_command(context, words[0])
    assert command is not None
    arguments = words[1:]
    if isinstance(command, click.Group):
        command, arguments = command.get_command(context, words[1]), words[2:]
        assert command is not None
    command.make_context(words[0], arguments, parent=context, resilient_parsing=False)


def test_the_commands_of_the_templates_are_really_found() -> None:
    assert {"local-cloud stop", "package"} <= {
        line.strip().partition(" ||")[0].strip() for line in commands()
    }
    assert any(
        line.startswith("deploy --env $environment --plan")
        for line in (c.replace('"', "") for c in commands())
    )


@pytest.mark.parametrize("path", [*SCRIPTS, *RECIPE_FILES])
@pytest.mark.parametrize("program", ["sh", "bash"])
def test_shell_is_shell(path: str, program: str) -> None:
    for piece in shell(path):
        done = subprocess.run(
            [program, "-n"], input=piece, capture_output=True, text=True, timeout=60, check=False
        )
        assert (done.returncode, done.stderr) == (0, "")
    assert shell(path)


def test_actions_are_pinned_by_commit() -> None:
    used = [
        step["uses"] for job in parsed(WORKFLOW)["jobs"].values() for step in job["steps"] if "uses" in step
    ]
    assert used
    assert [one for one in used if not PINNED.fullmatch(one)] == []


def test_each_job_has_the_least_permissions_and_only_the_comment_may_write() -> None:
    workflow = parsed(WORKFLOW)
    assert workflow["permissions"] == {}
    assert {name: job["permissions"] for name, job in workflow["jobs"].items()} == {
        "check": {"contents": "read"},
        "plan": {"contents": "read", "id-token": "write"},
        "comment": {"pull-requests": "write"},
        "deploy": {"contents": "read", "id-token": "write"},
    }


def test_what_may_comment_runs_nothing_of_the_proposed_change() -> None:
    steps = parsed(WORKFLOW)["jobs"]["comment"]["steps"]
    assert not any("checkout" in step.get("uses", "") for step in steps)
    assert not any("ci/" in step.get("run", "") for step in steps)


def test_no_recipe_has_keys_and_no_expression_is_put_into_shell() -> None:
    for path in RECIPE_FILES:
        text = DRAFTS[path].content.decode()
        assert not re.search(r"secrets\.|ACCESS_KEY|pull_request_target", text)
        assert not any("${{" in piece for piece in shell(path))


def test_a_release_is_planned_approved_and_carried_out_in_this_order() -> None:
    jobs = parsed(WORKFLOW)["jobs"]
    assert jobs["deploy"]["needs"] == ["check", "plan"]
    assert (jobs["deploy"]["if"], jobs["deploy"]["environment"]) == (
        "github.event_name == 'push'",
        "production",
    )
    gitlab = parsed(".gitlab-ci.yml")
    assert gitlab["stages"] == ["check", "plan", "deploy"]
    assert gitlab["deploy"]["rules"][0]["when"] == "manual"


def test_a_deployment_may_take_two_hours_and_so_do_its_credentials() -> None:
    """GitHub's credentials end when they end; GitLab's token lasts as long as the job, and is used again."""
    job = parsed(WORKFLOW)["jobs"]["deploy"]
    login = next(step for step in job["steps"] if "configure-aws-credentials" in step.get("uses", ""))
    longest = Stack().resolved().properties("DeployerRole")["MaxSessionDuration"]
    assert job["timeout-minutes"] * 60 == login["with"]["role-duration-seconds"] == longest
    assert parsed(".gitlab-ci.yml")["deploy"]["timeout"] == "2 hours"


def test_gitlabs_tokens_are_for_the_audience_that_the_deployer_role_asks_for() -> None:
    _, trusted = Stack(parameters={"GitLabSubject": "project_path:acme/pets:ref_type:branch:ref:main"}).trust(
        "DeployerRole"
    )["Statement"]
    audience = trusted["Condition"]["StringEquals"]["gitlab.com:aud"]
    gitlab = parsed(".gitlab-ci.yml")
    assert {gitlab[job]["id_tokens"]["AWS_TOKEN"]["aud"] for job in ("plan", "deploy")} == {audience}


def test_plans_are_not_made_as_the_deployer_that_the_spec_names() -> None:
    """Planning runs the proposed change: its role need not, and may not, take on the deployer's."""
    steps = parsed(WORKFLOW)["jobs"]["plan"]["steps"]
    asked = next(step for step in steps if "ci/plan.sh" in step.get("run", ""))
    assert asked["env"] == {"ORCHESTRATOR_ASSUME_ROLE_ARN": "${{ vars.AWS_PLAN_ROLE_ARN }}"}
    gitlab = parsed(".gitlab-ci.yml")
    said = 'ORCHESTRATOR_ASSUME_ROLE_ARN="$AWS_PLAN_ROLE_ARN"'
    assert [any(said in line for line in gitlab[job]["script"]) for job in ("plan", "deploy")] == [
        True,
        False,
    ]


def run_script(
    folder: Path, script: str, *arguments: str, failing: str = "nothing", code: int = 0
) -> tuple[int, str, list[str]]:
    """Run a script of the recipes with programs that only write down how they were called.

    Returns:
        What it ended with, what it said on stderr, and the calls.
    """
    for name in (f"ci/{path}" for path in ("check.sh", "plan.sh", "deploy.sh")):
        place = folder / name
        place.parent.mkdir(exist_ok=True)
        place.write_bytes(DRAFTS[name].content)
    programs = folder / "programs"
    programs.mkdir(exist_ok=True)
    for name in ("orchestrator", "python"):
        (programs / name).write_text(PROGRAM)
        (programs / name).chmod(0o700)
    calls = folder / "calls"
    calls.touch()
    environment = {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "TMPDIR": str(folder),
        "CALLS": str(calls),
        "FAILING": failing,
        "CODE": str(code),
    }
    command = ["sh", str(folder / "ci" / script), *arguments]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)
    return done.returncode, done.stderr, calls.read_text().splitlines()


def test_the_check_stops_its_local_cloud_and_leaves_no_state_behind(tmp_path: Path) -> None:
    code, _, calls = run_script(tmp_path, "check.sh")
    assert code == 0
    assert calls[-1] == "orchestrator local-cloud stop"
    assert not list(tmp_path.glob("tmp.*"))


@pytest.mark.parametrize("failing", ["package", "test --archive", "-m pytest", "deploy", "test --remote"])
def test_a_check_that_fails_says_so_and_stops_its_local_cloud(failing: str, tmp_path: Path) -> None:
    code, _, calls = run_script(tmp_path, "check.sh", failing=failing, code=3)
    assert code == 3
    assert calls[-1] == "orchestrator local-cloud stop"
    assert not list(tmp_path.glob("tmp.*"))


def test_a_plan_that_is_refused_is_shown_and_fails(tmp_path: Path) -> None:
    code, _, calls = run_script(tmp_path, "plan.sh", "prod", failing="plan", code=3)
    assert (code, calls) == (3, ["orchestrator plan --env prod --out release.plan"])
    assert (tmp_path / "reports" / "plan.txt").exists()


def test_a_deployment_carries_out_the_saved_plan_and_asks_the_endpoint(tmp_path: Path) -> None:
    code, _, calls = run_script(tmp_path, "deploy.sh", "prod", "abc by owl")
    assert code == 0
    assert calls == [
        "orchestrator deploy --env prod --plan release.plan --reason abc by owl --yes",
        "orchestrator test --remote --env prod --junit reports/endpoint.xml",
    ]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (1, "exit code 1"),
        (3, "exit code 3"),
        (4, "the previous revision serves"),
        (5, "NOT HEALTHY"),
        (7, "somebody else"),
        (8, "orchestrator resume --env prod"),
        (9, "permission"),
        (9, "orchestrator resume --env prod"),
        (10, "SIDE BY SIDE"),
        (11, "no such machine"),
        (12, "no such machine"),
        (130, "orchestrator resume --env prod"),
    ],
)
def test_a_deployment_that_fails_says_what_serves_and_keeps_the_exit_code(
    code: int, said: str, tmp_path: Path
) -> None:
    ended, told, calls = run_script(tmp_path, "deploy.sh", "prod", failing="deploy", code=code)
    assert ended == code
    assert said in told
    assert len(calls) == 1


@pytest.mark.parametrize("script", ["plan.sh", "deploy.sh"])
def test_a_script_without_an_environment_does_nothing(script: str, tmp_path: Path) -> None:
    code, told, calls = run_script(tmp_path, script)
    assert code != 0
    assert "ENVIRONMENT" in told
    assert calls == []
