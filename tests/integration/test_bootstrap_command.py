"""`orchestrator bootstrap` on the local cloud: as a rehearsal, and as an account that variables point to."""

import json
import resource
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from orchestrator.api import bootstrapping
from orchestrator.api.selection import Selection
from orchestrator.cli import boundary, main
from orchestrator.core import groundwork
from orchestrator.core.errors import OrchestratorError
from orchestrator.core.stacks import Stack
from orchestrator.localcloud.defaults import ACCOUNT
from tests.support.clouds import STANDIN, TestCloud, local_cloud

pytestmark = pytest.mark.slow

SPEC = """\
version = 1
name = "pets" # ours

[model]
path = "model.safetensors"

[defaults]
tags = { team = "ml" }

# not live yet
[env.prod]
keep_revisions = 9 # many
"""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCloud]:
    folder = tmp_path_factory.mktemp("cloud") / "local-cloud"
    with local_cloud(folder, STANDIN, ["--speed", "100"]) as running:
        yield running


@dataclass
class Project:
    """A folder with a spec, and a region of the cloud for itself: account stacks are one for a region."""

    folder: Path
    cloud: TestCloud
    region: str
    capsys: pytest.CaptureFixture[str]

    @property
    def spec(self) -> str:
        return (self.folder / "orchestrator.toml").read_text("utf-8")

    def change(self, before: str, after: str) -> None:
        assert before in self.spec
        (self.folder / "orchestrator.toml").write_text(self.spec.replace(before, after), "utf-8")

    def run(self, *arguments: str) -> tuple[int, dict[str, Any], str]:
        """Run the command for ``prod`` in the region, and return its code, document and talk."""
        self.capsys.readouterr()
        common = ("--env", "prod", "--region", self.region, "-o", "json")
        code = boundary.run(main.cli, ["bootstrap", *common, *arguments])
        said = self.capsys.readouterr()
        return code, json.loads(said.out), said.err

    def api(self, service: str) -> Any:  # noqa: ANN401 - boto3 has no types
        return self.cloud.client(service, region_name=self.region)

    def statuses(self) -> dict[str, str]:
        found = self.api("cloudformation").describe_stacks()["Stacks"]
        return {stack["StackName"]: stack["StackStatus"] for stack in found}


@pytest.fixture
def project(
    request: pytest.FixtureRequest,
    cloud: TestCloud,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Project:
    (tmp_path / "orchestrator.toml").write_text(SPEC, "utf-8")
    monkeypatch.chdir(tmp_path)
    for name, value in cloud.environment.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    return Project(tmp_path, cloud, request.param, capsys)


def in_region(name: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("project", [name], indirect=True)


@in_region("eu-central-1")
def test_an_account_is_set_up_written_into_the_spec_and_then_has_nothing_to_do(project: Project) -> None:
    code, document, _ = project.run("--yes")
    assert code == 0
    assert [(one["name"], one["outcome"]) for one in document["stacks"]] == [
        ("orchestrator-account", "created"),
        ("orchestrator-endpoint-pets", "created"),
    ]
    outputs = document["stacks"][0]["outputs"]
    written = project.spec.partition("[env.prod]\n")[2].splitlines()
    assert written == [
        "keep_revisions = 9 # many",
        'region = "eu-central-1"',
        f'bucket = "{outputs["ArtifactBucket"]}"',
        f'bucket_owner = "{ACCOUNT}"',
        f'role_arn = "{outputs["ExecutionRoleArn"]}"',
        f'assume_role_arn = "{outputs["DeployerRoleArn"]}"',
        f'kms_key = "{outputs["KeyArn"]}"',
    ]
    assert project.spec.startswith(SPEC.rstrip("\n"))
    found = project.api("cloudformation").describe_stacks(StackName="orchestrator-endpoint-pets")["Stacks"][0]
    assert found["EnableTerminationProtection"]
    assert {tag["Key"]: tag["Value"] for tag in found["Tags"]} == {
        "team": "ml",
        "orchestrator:stack": "endpoint",
    }
    topic = next(p["ParameterValue"] for p in found["Parameters"] if p["ParameterKey"] == "TopicArn")
    assert topic == outputs["TopicArn"]

    before = project.spec
    code, document, _ = project.run()
    assert (code, [one["outcome"] for one in document["stacks"]]) == (0, ["nothing-to-do"] * 2)
    assert document["spec"]["why"] == "says it already"
    assert project.spec == before

    project.change("keep_revisions = 9", 'kms_key = "alias/ours"\nkeep_revisions = 9')
    lines = project.spec.splitlines(keepends=True)
    (project.folder / "orchestrator.toml").write_text("".join(lines[:-1]), "utf-8")
    code, document, _ = project.run("--yes")
    assert (code, document["error"]["code"]) == (3, "refused")
    assert "alias/ours" in project.spec
    code, _, told = project.run("--yes", "--overwrite")
    assert code == 0
    assert '-kms_key = "alias/ours"' in told
    assert "alias/ours" not in project.spec


@in_region("us-east-2")
def test_a_preview_and_a_refusal_leave_nothing(project: Project) -> None:
    code, document, told = project.run("--dry-run")
    assert code == 0
    assert document["stacks"][0]["outcome"] == "would-change"
    assert document["unknown"] == ["orchestrator-endpoint-pets"]
    assert "+ Bucket" in told
    code, document, _ = project.run()
    assert (code, document["error"]["hint"].split(" --env")[0]) == (3, "orchestrator bootstrap --yes")
    assert project.statuses() == {}
    assert project.spec == SPEC


@in_region("us-west-2")
def test_a_failure_is_told_with_its_cause_and_made_good_by_the_same_command(project: Project) -> None:
    # The template's log group is not to be kept, so that CloudFormation does not take this one over.
    project.api("logs").create_log_group(logGroupName="/aws/events/orchestrator-account")
    code, document, _ = project.run("--yes", "--account-only")
    details = {one["label"]: one["fact"] for one in document["error"]["details"]}
    assert (code, document["error"]["code"]) == (4, "rolled-back")
    assert details["failed"].startswith("EventLog (AWS::Logs::LogGroup): ")
    assert project.statuses() == {"orchestrator-account": "ROLLBACK_COMPLETE"}
    assert project.spec == SPEC
    project.api("logs").delete_log_group(logGroupName="/aws/events/orchestrator-account")
    code, document, told = project.run("--yes", "--account-only")
    assert (code, document["stacks"][0]["outcome"]) == (0, "created")
    assert "EventLog (AWS::Logs::LogGroup): " in told


@in_region("ap-southeast-1")
def test_a_log_that_sagemaker_made_first_is_taken_over_with_what_is_in_it(project: Project) -> None:
    logs, group = project.api("logs"), "/aws/sagemaker/Endpoints/pets"
    logs.create_log_group(logGroupName=group)
    logs.create_log_stream(logGroupName=group, logStreamName="primary/i-0")
    code, document, told = project.run("--yes", "--no-write")
    account, endpoint = document["stacks"]
    assert (code, endpoint["outcome"]) == (0, "created")
    assert "> Log" in told
    (found,) = logs.describe_log_groups(logGroupNamePrefix=group)["logGroups"]
    assert (found["retentionInDays"], found["kmsKeyId"]) == (90, account["outputs"]["KeyArn"])
    assert len(logs.describe_log_streams(logGroupName=group)["logStreams"]) == 1
    code, document, _ = project.run("--no-write")
    assert (code, [one["outcome"] for one in document["stacks"]]) == (0, ["nothing-to-do"] * 2)


@in_region("ap-south-1")
def test_parameters_are_changed_kept_and_checked(project: Project) -> None:
    project.run("--yes", "--no-write", "--parameter", "LogDays=30")
    assert project.spec == SPEC
    code, document, _ = project.run("--yes", "--no-write", "--parameter", "RetentionDays=30")
    account, endpoint = document["stacks"]
    assert (code, account["outcome"], endpoint["outcome"]) == (0, "nothing-to-do", "changed")
    assert [(one["action"], one["resource"]) for one in endpoint["changes"]] == [("modify", "Log")]
    code, document, _ = project.run("--yes", "--parameter", "LogDay=30")
    assert (code, "'LogDays'" in json.dumps(document)) == (2, True)
    code, document, _ = project.run("--yes", "--parameter", "LogDays=of the year")
    assert (code, document["error"]["code"]) == (3, "refused")


@in_region("sa-east-1")
def test_an_environment_that_the_spec_does_not_know_is_added(project: Project) -> None:
    project.change("# not live yet\n[env.prod]\nkeep_revisions = 9 # many\n", "[env.stage]\nregion = 'x'\n")
    before = project.spec
    code, _, told = project.run("--yes", "--account-only", "--parameter", "BucketName=acme-of-sa-east-1")
    assert code == 0
    assert "says nothing about [env.prod] yet" in told
    assert project.spec.startswith(f"{before}\n[env.prod]\n")
    assert 'bucket = "acme-of-sa-east-1"' in project.spec


@in_region("eu-west-3")
def test_what_stands_above_the_environment_is_warned_of(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_BUCKET", "another")
    code, _, told = project.run("--yes", "--account-only")
    assert code == 0
    assert "warning: 'bucket' of endpoint 'pets' is 'another', not what [env.prod] says" in told


@in_region("eu-north-1")
def test_settings_of_another_account_stop_it_before_anything_happens(project: Project) -> None:
    project.change("keep_revisions", 'role_arn = "arn:aws:iam::222222222222:role/x"\nkeep_revisions')
    code, document, _ = project.run("--yes")
    assert (code, document["error"]["code"]) == (3, "refused")
    assert project.statuses() == {}


@in_region("eu-west-1")
def test_a_rehearsal_writes_nothing_and_asks_nobody(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_STATE_DIR", str(project.cloud.state_dir.parent))
    project.capsys.readouterr()
    assert boundary.run(main.cli, ["bootstrap", "-o", "json"]) == 0
    document = json.loads(project.capsys.readouterr().out)
    assert [one["outcome"] for one in document["stacks"]] == ["created", "created"]
    assert document["spec"]["written"] is False
    assert project.spec == SPEC


def test_templates_are_emitted_without_spec_account_or_network(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    assert boundary.run(main.cli, ["bootstrap", "--emit", "made/here"]) == 0
    assert sorted(entry.name for entry in (tmp_path / "made" / "here").iterdir()) == [
        "account.parameters.json",
        "account.yaml",
        "endpoint.yaml",
    ]
    capsys.readouterr()
    assert boundary.run(main.cli, ["bootstrap", "--emit"]) == 0
    shown = capsys.readouterr().out
    assert shown.count("\nAWSTemplateFormatVersion") == shown.count("\n---\n") + 1 == 2


def test_a_spec_that_was_named_and_is_not_there_is_no_reason_to_emit_without_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert boundary.run(main.cli, ["bootstrap", "--emit", "made", "-c", "missing.toml"]) == 2
    assert "there is no spec at missing.toml" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_emitted_files_that_somebody_has_changed_are_not_replaced_unasked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = ["bootstrap", "--emit", "made"]
    assert [boundary.run(main.cli, asked), boundary.run(main.cli, asked)] == [0, 0]
    (tmp_path / "made" / "account.yaml").write_text("# ours\n")
    assert boundary.run(main.cli, [*asked, "--parameter", "LogDays=30"]) == 3
    assert (tmp_path / "made" / "account.yaml").read_text() == "# ours\n"
    assert json.loads((tmp_path / "made" / "account.parameters.json").read_text()) == []
    assert boundary.run(main.cli, [*asked, "--overwrite"]) == 0
    assert "Resources:" in (tmp_path / "made" / "account.yaml").read_text()


def test_a_spec_that_cannot_be_written_is_told_with_what_it_was_to_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = tmp_path / "orchestrator.toml"
    spec.write_text(SPEC, "utf-8")
    boot = bootstrapping.Bootstrap(Selection(str(spec), "prod"))
    made = Stack("acme", "stack/acme/1", "CREATE_COMPLETE", outputs=(("ArtifactBucket", "acme-models"),))
    monkeypatch.setenv("AWS_REGION", "eu-west-1")
    rewrite = bootstrapping.Rewrite(SPEC, f'{SPEC}bucket = "acme-models"\n', groundwork.settings_of(made), {})
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        with pytest.raises(OrchestratorError) as caught:
            boot.write(rewrite)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert dict(caught.value.details)["write"] == '[env.prod]\nbucket = "acme-models"'
    assert spec.read_text("utf-8") == SPEC


@in_region("ca-central-1")
def test_what_may_not_be_meant_is_said_before_anything_is_made(project: Project) -> None:
    project.change(
        "# many\n", "# many\n[defaults.endpoint.variants]\nlarge = { weight = 1 }\nsmall = { weight = 1 }\n"
    )
    project.change("[env.prod]", '[env.prodd]\nregion = "x"')
    _, _, told = project.run("--dry-run")
    assert "warning: the spec has an environment 'prodd': see that 'prod' is meant" in told
    assert "has alarms for one variant, and none for small" in told
    _, _, told = project.run("--dry-run", "--parameter", "VariantName=small")
    assert "has alarms for one variant, and none for large" in told
    project.change("[env.prodd]", "[env.prod]")
    code, document, _ = project.run("--yes")
    assert (code, "this would set up ca-central-1" in document["error"]["message"]) == (3, True)
    assert project.statuses() == {}


def test_parameters_are_emitted_for_each_endpoint_of_the_spec(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "orchestrator.toml").write_text(f"{SPEC}[endpoints.cats]\n[endpoints.dogs]\n", "utf-8")
    asked = ["bootstrap", "--emit", ".", "--parameter", "LogDays=30", "--parameter", "DiskPercent=50"]
    assert boundary.run(main.cli, asked) == 0
    found = {
        name: json.loads((tmp_path / f"{name}.parameters.json").read_text())
        for name in ("account", "endpoint-cats", "endpoint-dogs")
    }
    assert found["account"] == [{"ParameterKey": "LogDays", "ParameterValue": "30"}]
    assert {"ParameterKey": "EndpointName", "ParameterValue": "dogs"} in found["endpoint-dogs"]
    assert {"ParameterKey": "DiskPercent", "ParameterValue": "50"} in found["endpoint-cats"]
