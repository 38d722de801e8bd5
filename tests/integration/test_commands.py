"""The commands on the local cloud, from the first deployment to the last trace."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import Shell, change_weights, write_files
from tests.support.servers import has_ended

pytestmark = pytest.mark.slow

BROKEN_IN_THE_CONTAINER = """
import os
import torch
from src.net import Net as Whole

class Net(Whole):
    def __init__(self):
        super().__init__()
        self.scale = float(os.environ["ONLY_ON_MY_MACHINE"])
"""


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shell]:
    made = Shell(tmp_path_factory.mktemp("project"))
    write_files(made.folder)
    yield made
    made.run("local-cloud", "stop")


@pytest.fixture(scope="module")
def deployed(shell: Shell) -> Shell:
    """Deploy two revisions, one after the other."""
    for mark in (0.0, 1.0):
        change_weights(shell.folder, mark)
        done = shell.run("deploy", "--reason", f"mark {mark}", "-o", "json")
        assert done.code == 0, done.err
        assert json.loads(done.out)["golden_cases"] == 1
    return shell


def revisions(shell: Shell) -> list[str]:
    """Return the revisions that were deployed, oldest first."""
    told = json.loads(shell.run("history", "-o", "json").out)["deployments"]
    return [attempt["revision"] for attempt in told if attempt["outcome"] == "deployed"]


def serving(shell: Shell) -> str:
    found = json.loads(shell.run("status", "-o", "json").out)
    assert found["status"] == "InService"
    return str(found["revision"])


def test_status_says_what_serves_and_who_brought_it(deployed: Shell) -> None:
    done = deployed.run("status", "-o", "json")
    told = json.loads(done.out)
    assert told["revision"] == told["deployment"]["revision"]
    assert told["deployment"]["by"].startswith("arn:aws:")
    assert "InService" in deployed.run("status").out


def test_deploying_the_same_again_changes_nothing(deployed: Shell) -> None:
    before = deployed.run("history").out
    done = deployed.run("deploy", "-c", "orchestrator.toml")
    assert (done.code, done.out.split(":")[0]) == (0, "nothing to do")
    assert deployed.run("history").out == before
    assert deployed.run("plan", "--detailed-exitcode").code == 0


def test_a_plan_with_changes_ends_with_6_where_asked_and_changes_nothing(deployed: Shell) -> None:
    before = deployed.run("history").out
    done = deployed.run("plan", "--detailed-exitcode", ORCHESTRATOR_ENDPOINT_INSTANCE_TYPE="ml.m5.xlarge")
    assert done.code == 6
    steps, _, said = done.out.partition("what differs:")
    assert [line.split()[0] for line in steps.splitlines()] == ["+", "~"]
    assert "variants[primary].instance_type: ml.m5.large -> ml.m5.xlarge" in said
    assert "what it means:" in said
    assert deployed.run("history").out == before


def test_a_saved_plan_is_carried_out_exactly_or_not_at_all(deployed: Shell) -> None:
    before, weights = serving(deployed), (deployed.folder / "model.safetensors").read_bytes()
    change_weights(deployed.folder, 3.0)
    assert deployed.run("plan", "--out", "saved.plan").code == 0
    assert serving(deployed) == before
    saved = (deployed.folder / "saved.plan").read_text("utf-8")
    (deployed.folder / "edited.plan").write_text(saved.replace("pets-", "cats-"))
    assert deployed.run("deploy", "--plan", "edited.plan").code == 3
    done = deployed.run("deploy", "--plan", "saved.plan", "--reason", "as planned", "-o", "json")
    assert done.code == 0, done.err
    assert json.loads(done.out)["revision"] == serving(deployed) != before
    stale = deployed.run("deploy", "--plan", "saved.plan")
    assert stale.code == 7, stale.err
    assert deployed.run("rollback", before).code == 0
    # The files are those of the revision that serves again: other tests deploy them once more.
    (deployed.folder / "model.safetensors").write_bytes(weights)


def test_nothing_has_drifted_and_the_journal_is_whole(deployed: Shell) -> None:
    assert json.loads(deployed.run("drift", "-o", "json").out)["drift"] == []
    audited = deployed.run("audit", "verify", "-o", "json")
    assert audited.code == 0, audited.err
    told = json.loads(audited.out)
    assert told["entries"] == told["last"]["number"] > 0
    assert deployed.run("resume").out.startswith("nothing to resume")
    assert deployed.run("alarms").code == 0


def test_a_sweep_says_what_would_go_and_what_stays_and_changes_nothing(deployed: Shell) -> None:
    told = json.loads(deployed.run("sweep", "--dry-run", "-o", "json").out)
    assert f"endpoint config {serving(deployed)}" in [one["name"] for one in told["stays"]]
    assert all(one["why"] for one in (*told["goes"], *told["stays"]))


def test_all_endpoints_of_a_spec_are_deployed_at_once_and_one_that_fails_stops_no_other(
    deployed: Shell,
) -> None:
    spec = (deployed.folder / "orchestrator.toml").read_text("utf-8")
    tables = (
        '[endpoints.cats]\n[endpoints.dogs.endpoint]\ninstance_type = "ml.m7g.nonsense"\n[endpoints.owls]\n'
    )
    (deployed.folder / "many.toml").write_text(spec + tables)
    common = ("-c", "many.toml", "-o", "json")
    told = json.loads(deployed.run("deploy", "--all", "--workers", "2", *common).out)["endpoints"]
    assert [one["endpoint"] for one in told] == ["cats", "dogs", "owls"]
    assert [one["outcome"] for one in told] == ["done", "failed", "done"]
    again = deployed.run("deploy", "--all", *common)
    assert [one["outcome"] for one in json.loads(again.out)["endpoints"]] == [
        "nothing-to-do",
        "failed",
        "nothing-to-do",
    ]
    assert again.code == told[1]["exit_code"] in {2, 3}
    for name in ("cats", "owls"):
        assert deployed.run("destroy", name, "-c", "many.toml", "--yes").code == 0


def test_an_answer_goes_to_stdout_as_it_came(deployed: Shell) -> None:
    (deployed.folder / "request.json").write_text('{"image": [[[9, 0], [0, 0]]]}')
    done = deployed.run("invoke", "--body", "request.json")
    assert json.loads(done.out)["label"] == "cat"
    assert done.code == 0


def test_the_models_refusal_is_an_error_with_its_own_words(deployed: Shell) -> None:
    (deployed.folder / "bad.json").write_text('{"image": "no"}')
    done = deployed.run("invoke", "--body", "bad.json")
    assert done.code == 1
    assert done.out == ""
    assert "answered 400" in done.err


def test_rolling_back_and_forth_returns_the_same_answers(deployed: Shell) -> None:
    (deployed.folder / "request.json").write_text('{"image": [[[9, 0], [0, 0]]]}')
    new, answer = serving(deployed), deployed.run("invoke", "--body", "request.json").out
    assert deployed.run("rollback", "--reason", "to see").code == 0
    assert serving(deployed) != new
    assert deployed.run("rollback", new).code == 0
    assert serving(deployed) == new
    assert deployed.run("invoke", "--body", "request.json").out == answer


def test_a_model_that_only_works_here_is_rolled_back_and_the_reason_is_shown(deployed: Shell) -> None:
    before = serving(deployed)
    (deployed.folder / "src" / "broken.py").write_text(BROKEN_IN_THE_CONTAINER)
    spec = (deployed.folder / "orchestrator.toml").read_text("utf-8")
    included = spec.replace("src/net.py:Net", "src/broken.py:Net") + '\n[package]\ninclude = ["src/net.py"]\n'
    (deployed.folder / "broken.toml").write_text(included)
    done = deployed.run("deploy", "-c", "broken.toml", "-o", "json", ONLY_ON_MY_MACHINE="2")
    assert done.code == 4, done.err
    assert "error[rolled-back]" in done.err
    details = {entry["label"]: entry["fact"] for entry in json.loads(done.out)["error"]["details"]}
    assert details["log"] == "KeyError: 'ONLY_ON_MY_MACHINE'"
    assert "the previous revision serves" in details["state"]
    assert serving(deployed) == before
    assert "KeyError: 'ONLY_ON_MY_MACHINE'" in deployed.run("logs").out
    assert deployed.run("sweep", "--yes").code == 0


def test_a_model_that_fails_its_golden_cases_here_is_refused_before_anything_changes(deployed: Shell) -> None:
    before = deployed.run("history").out
    golden = deployed.folder / "golden" / "owl.json"
    kept = golden.read_text()
    golden.write_text(kept.replace('"owl"', '"dog"'))
    done = deployed.run("deploy")
    golden.write_text(kept)
    assert done.code == 3
    assert "golden/owl.json: body.label is 'owl', not 'dog'" in done.err
    assert deployed.run("history").out == before


def test_an_interrupted_deployment_is_finished_by_the_same_command_too(deployed: Shell) -> None:
    change_weights(deployed.folder, 2.0)
    running = deployed.start("deploy", "--reason", "interrupted")
    assert running.stderr is not None
    for line in running.stderr:
        if "~ endpoint" in line and line.startswith("["):
            break
    running.send_signal(signal.SIGINT)
    said = running.stderr.read()
    assert running.wait(30) == 130
    assert "next   orchestrator resume --endpoint pets " in said
    running.stderr.close()
    if running.stdout is not None:
        running.stdout.close()
    assert json.loads(deployed.run("drift", "--output", "json").out)["unfinished"]["reason"] == "interrupted"
    done = deployed.run("deploy", "--reason", "again")
    assert done.code == 0, done.err
    assert serving(deployed) == revisions(deployed)[-1]


def test_a_destructive_command_is_refused_where_nobody_can_be_asked(deployed: Shell) -> None:
    done = deployed.run("destroy")
    assert done.code == 3
    assert "run it again with --yes" in done.err
    assert serving(deployed)


def test_environments_and_typos_are_told_apart(deployed: Shell) -> None:
    assert deployed.run("status", "--env", "prdo").code == 2
    assert deployed.run("status", "nobody").code == 1
    assert deployed.run("rollback", "ffffff").code == 1


def test_without_credentials_every_other_environment_ends_with_9(shell: Shell) -> None:
    for command in (["deploy"], ["status"], ["plan"], ["rollback"], ["destroy", "--yes"]):
        done = shell.run(*command, "--env", "prod")
        assert done.code == 9, (command, done.err)
        assert done.err.startswith("error[denied]: there are no AWS credentials")


def test_destroying_leaves_the_journal_and_stopping_leaves_no_process(tmp_path: Path) -> None:
    shell = Shell(tmp_path)
    write_files(tmp_path)
    assert shell.run("deploy").code == 0
    cloud = json.loads(shell.run("local-cloud", "status", "-o", "json").out)
    assert shell.run("destroy", "--yes").code == 0
    assert shell.run("status").code == 1
    outcomes = [a["outcome"] for a in json.loads(shell.run("history", "-o", "json").out)["deployments"]]
    assert outcomes == ["deployed", "destroyed"]
    assert shell.run("local-cloud", "stop").code == 0
    assert has_ended(cloud["pid"])
    assert shell.run("status").code == 1
