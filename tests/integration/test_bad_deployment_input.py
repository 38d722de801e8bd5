"""Bad input to `plan` and to the command line: refused, in words that a terminal survives."""

import json
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.adapters import apimodel
from orchestrator.adapters.spec import reading
from orchestrator.adapters.store.s3 import S3Store
from orchestrator.cli import boundary, main
from orchestrator.core import savedplan
from orchestrator.core.errors import DeniedError, NotFoundError, OrchestratorError, RefusedError
from orchestrator.core.savedplan import SavedPlan
from orchestrator.localcloud.defaults import ACCOUNT
from orchestrator.usecases.plan import prepare, revision_of
from orchestrator.usecases.prepare import NO_INTENT, wish_of
from tests.support.clouds import BUCKET, TestCloud, local_cloud
from tests.support.edges import HastyClock, made_clients
from tests.support.fakes import fake_edge

SPEC = """
version = 1
name = "{name}"
model.path = "x"
container.image = "{image}"

[env.prod]
region = "eu-west-1"
bucket = "bucket"
role_arn = "arn:aws:iam::123456789012:role/sagemaker"
tags = {tags}
"""


def planned(
    folder: Path,
    lines: str = "",
    *,
    name: str = "digits",
    tags: str = "{}",
    image: str = "registry/pytorch-inference:1",
) -> None:
    """Plan the deployment of a spec, as `orchestrator plan` does once the archive is built."""
    path = folder / "orchestrator.toml"
    path.write_text(SPEC.format(name=name, tags=tags, image=image) + lines, "utf-8")
    spec = reading.read(path, "prod", flags={}, environ={}).spec
    world = replace(fake_edge(spec.name).edge(), limits=apimodel)
    revision = revision_of(spec, "a" * 64, (), world)
    prepare(wish_of(revision, spec, (), NO_INTENT), world)


def said(error: OrchestratorError) -> list[str]:
    return [str(error), *(fact for _, fact in error.details)]


TYPES = ("ml.m5.large", "ml.m5.xlarge", "ml.m5.2xlarge", "ml.c5.large", "ml.c5.xlarge", "ml.c5.2xlarge")
CAPTURE = "capture = {{ destination = 's3://b/x', percent = 1, {} }}"
ASYNC = "mode = 'async'\nasync = {{ output = 's3://b/x', {} }}"
LONG = "x" * 3000


def several(count: int) -> str:
    return str([f"x{number}" for number in range(count)])


def pairs(count: int, value: str = "x") -> str:
    return "{ " + ", ".join(f"K{number} = '{value}'" for number in range(count)) + " }"


def endpoint(lines: str) -> str:
    return f"[env.prod.endpoint]\n{lines}\n"


def rollout(lines: str, count: int = 4) -> str:
    return f"[env.prod.endpoint]\ninstance_count = {count}\n[env.prod.rollout]\n{lines}\n"


def scaling(lines: str) -> str:
    return f"[env.prod.endpoint]\ninstance_count = 2\n[env.prod.autoscaling]\n{lines}\n"


CANARY = "type = 'canary'\nalarms = ['a']\n"
OVER = [
    # 2.1, names, and 2.5, models
    ("endpoint.kms_key", endpoint("kms_key = 'a%b'")),
    ("endpoint.environment", endpoint(f"environment = {pairs(101)}")),
    ("endpoint.environment", endpoint(f"environment = {{ K = '{'x' * 1025}' }}")),
    ("endpoint.environment", endpoint(f"environment = {{ {'K' * 1025} = 'x' }}")),
    ("endpoint.environment", endpoint(f"environment = {pairs(34, 'x' * 1000)}")),
    ("endpoint.vpc.subnets", endpoint(f"vpc = {{ subnets = {several(17)}, security_groups = ['x'] }}")),
    ("endpoint.vpc.security_groups", endpoint(f"vpc = {{ subnets = ['x'], security_groups = {several(6)} }}")),  # noqa: E501 - a case a line
    # 2.4, variants
    ("endpoint.variants", endpoint("".join(f"variants.v{i}.weight = 1\n" for i in range(11)))),
    ("endpoint.variants.a.weight", endpoint("variants.a.weight = 0\nvariants.b.weight = 0")),
    ("endpoint.instance_type", endpoint("instance_type = 'ml.m7g.large'")),
    ("endpoint.pools", endpoint(f"pools = {list(TYPES)}")),
    ("endpoint.pools", endpoint("pools = ['ml.m5.large', 'ml.m5.large']")),
    *(
        (f"endpoint.{key}", endpoint(f"{key} = {value}"))
        for key, value in (
            *(("volume_gb", 0), ("volume_gb", 513)),
            *(("download_timeout_seconds", 59), ("download_timeout_seconds", 3601)),
            *(("startup_timeout_seconds", 59), ("startup_timeout_seconds", 3601)),
            *(("provision_timeout_seconds", 299), ("provision_timeout_seconds", 3601)),
            *(("ami", "'al2'"), ("routing", "'random'")),
        )
    ),
    *(
        (f"endpoint.serverless.{key}", endpoint(f"mode = 'serverless'\nserverless = {{ {key} = {value} }}"))
        for key, value in (
            *(("memory_mb", 7168), ("memory_mb", 1025), ("memory_mb", 1023)),
            *(("max_concurrency", 0), ("max_concurrency", 201), ("provisioned_concurrency", 6)),
        )
    ),
    # 11 and 12, asynchronous inference and data capture
    ("endpoint.async.max_concurrent", endpoint(ASYNC.format("max_concurrent = 1001"))),
    ("endpoint.async.output", endpoint(f"mode = 'async'\nasync = {{ output = 's3://{LONG}' }}")),
    ("endpoint.async.success_topic", endpoint(ASYNC.format("success_topic = 'nobody'"))),
    ("endpoint.capture.percent", endpoint("capture = { destination = 's3://b/x', percent = 101 }")),
    ("endpoint.capture.percent", endpoint("capture = { destination = 's3://b/x', percent = -1 }")),
    ("endpoint.capture.destination", endpoint(f"capture = {{ destination = 's3://{LONG}', percent = 1 }}")),
    ("endpoint.capture.csv_types", endpoint(CAPTURE.format(f"csv_types = {several(11)}"))),
    ("endpoint.capture.json_types", endpoint(CAPTURE.format(f"json_types = {several(11)}"))),
    # 2.3, deployments, and C1 to C9 of 3
    ("rollout.bake_seconds", rollout(f"{CANARY}bake_seconds = 3601")),
    ("rollout.bake_seconds", rollout(f"{CANARY}bake_seconds = -1")),
    ("rollout.final_bake_seconds", rollout("alarms = ['a']\nfinal_bake_seconds = 3601")),
    ("rollout.timeout_seconds", rollout(f"{CANARY}timeout_seconds = 599")),
    ("rollout.timeout_seconds", rollout(f"{CANARY}timeout_seconds = 28801")),
    ("rollout.timeout_seconds", rollout(f"{CANARY}bake_seconds = 600\ntimeout_seconds = 600")),
    ("rollout.size_percent", rollout(f"{CANARY}size_percent = 51")),
    ("rollout.size_percent", rollout("type = 'linear'\nalarms = ['a']\nsize_percent = 9")),
    ("rollout.size_percent", rollout("type = 'linear'\nalarms = ['a']\nsize_percent = 51")),
    ("rollout.size_percent", rollout("type = 'rolling'\nalarms = ['a']\nsize_percent = 4")),
    ("rollout.size_percent", rollout("type = 'rolling'\nalarms = ['a']\nsize_percent = 51")),
    ("rollout.size_instances", rollout(f"{CANARY}size_instances = 3")),
    ("rollout.rollback_percent", rollout("type = 'rolling'\nalarms = ['a']\nrollback_percent = 101")),
    ("rollout.alarms", rollout("type = 'canary'")),
    ("rollout.alarms", rollout(f"type = 'canary'\nalarms = {several(11)}")),
    ("rollout.alarms", rollout(f"type = 'canary'\nalarms = ['{'x' * 256}']")),
    ("rollout.alarms", rollout("type = 'canary'\nalarms = [' ']")),
    ("endpoint.instance_count", rollout(CANARY, count=1)),
    ("rollout.type", endpoint("variants.a.weight = 1\nvariants.b.weight = 1\ninstance_count = 4")
     + "[env.prod.rollout]\ntype = 'rolling'\nalarms = ['a']\n"),
    ("rollout.type", endpoint("mode = 'serverless'") + f"[env.prod.rollout]\n{CANARY}"),
    # 10, autoscaling
    ("autoscaling.min", scaling("min = 0\nmax = 2")),
    ("autoscaling.schedules", scaling("min = 1\nmax = 2\nschedules = [{ name = 'x', expression = 'rate(1 day)', min = 0 }]")),  # noqa: E501 - a case a line
    ("endpoint.instance_type", endpoint("instance_type = 'ml.t2.medium'") + "[env.prod.autoscaling]\nmin = 1\nmax = 2\n"),  # noqa: E501 - a case a line
]  # fmt: skip


@pytest.mark.parametrize(("key", "lines"), OVER, ids=[f"{n}-{key}" for n, (key, _) in enumerate(OVER)])
def test_what_is_just_over_a_limit_is_refused_by_plan_with_key_rule_and_source(
    tmp_path: Path, key: str, lines: str
) -> None:
    with pytest.raises(OrchestratorError) as caught:
        planned(tmp_path, lines)
    error = caught.value
    assert isinstance(error, RefusedError), error
    found = [fact for fact in said(error) if fact.startswith((f"{key}: ", f"{key}."))]
    assert found, said(error)
    assert re.search(r" \((.*(service model|Guide|Reference|issue).*)\)$", found[0]), found


@pytest.mark.parametrize(
    ("key", "given"),
    [
        ("tags", {"tags": pairs(49)}),
        ("tags", {"tags": f"{{ {'k' * 129} = 'x' }}"}),
        ("tags", {"tags": f"{{ k = '{'x' * 257}' }}"}),
        ("tags", {"tags": "{ k = 'x%' }"}),
        ("container.image", {"image": "x" * 256}),
    ],
)
def test_tags_and_images_over_a_limit_are_refused_by_plan_with_its_source(
    tmp_path: Path, key: str, given: dict[str, str]
) -> None:
    with pytest.raises(RefusedError) as caught:
        planned(tmp_path, **given)
    assert any(fact.startswith(f"{key}: ") and "service model" in fact for fact in said(caught.value))


@pytest.mark.parametrize("name", ["x" * 64, "x" * 10_000, "a_b", "-a", "a\\u001b[31m", "a\\nb"])
@pytest.mark.parametrize("where", ["name", "endpoints", "variants", "tags", "alarms", "env"])
def test_a_name_that_no_resource_can_have_is_refused_before_anything_is_asked(
    tmp_path: Path, where: str, name: str
) -> None:
    lines = {
        "endpoints": f'[endpoints."{name}"]\nregion = "eu-west-1"\n',
        "variants": endpoint(f'variants."{name}".weight = 1\nvariants.b.weight = 1'),
        "alarms": rollout(f'type = "canary"\nalarms = ["{name * 5}"]'),
        "env": f'[env."{name}"]\nregion = "eu-west-1 "\nnonsense = 1\n',
    }
    given = (
        {"name": name}
        if where == "name"
        else {"tags": f'{{ "{name * 3}%" = "x" }}'}
        if where == "tags"
        else {}
    )
    with pytest.raises(OrchestratorError) as caught:
        planned(tmp_path, lines.get(where, ""), **given)
    assert caught.value.exit_code in {2, 3}
    for line in said(caught.value):
        assert all(mark.isprintable() for mark in line), line
        assert len(line) < 500, line


@pytest.fixture
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Run commands in a folder with a spec; nothing of it can be connected to."""
    (tmp_path / "orchestrator.toml").write_text(
        SPEC.format(name="digits", tags="{}", image="image:1"), "utf-8"
    )
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "absent"))
    monkeypatch.setenv("ORCHESTRATOR_STATE_DIR", str(tmp_path / "state"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


HOSTILE = ("a\x1b[31mb", "a\nerror[forged]: b", "x" * 10_000, "a\u202eb", "a\x07b", "a\udc80b")
NAMING = (
    *(("deploy", "--endpoint"), ("plan", "--endpoint"), ("resume", "--endpoint"), ("rollback", "--endpoint")),
    *((verb,) for verb in ("rollback", "status", "history", "adopt", "destroy", "drift", "logs", "sweep")),
    *(("plan", "--env"), ("deploy", "--rollout"), ("plan", "-c"), ("deploy", "--timeout"), ("nonsense",)),
)


@pytest.mark.parametrize("command", NAMING, ids=" ".join)
def test_a_hostile_name_on_the_command_line_is_refused_and_never_shown_raw(
    elsewhere: Path, capsys: pytest.CaptureFixture[str], command: tuple[str, ...]
) -> None:
    for name in HOSTILE:
        assert boundary.run(main.cli, [*command, name]) == 2, name
        told = capsys.readouterr()
        lines = (told.out + told.err).split("\n")
        assert all(line.isprintable() and len(line) <= 1100 for line in lines), lines
        assert not any(line.startswith("error[forged]") for line in lines), lines


PLAN = SavedPlan(
    endpoint="digits",
    environment="prod",
    account="123456789012",
    region="eu-west-1",
    artifact="a" * 64,
    revision="digits-0123456789ab",
    steps=("+ endpoint digits: digits-0123456789ab",),
    observed="0" * 64,
    terms="1" * 64,
    made_at="2026-11-22T12:00:00+00:00",
    by="arn:aws:iam::123456789012:user/ada",
)


def of_version_2() -> bytes:
    record = json.loads(savedplan.encode(PLAN))
    del record["digest"]
    record["version"] = 2
    record["digest"] = savedplan.digest(record)
    return f"{json.dumps(record, indent=2, sort_keys=True)}\n".encode()


BROKEN_PLANS = {
    "edited": savedplan.encode(PLAN).replace(b"eu-west-1", b"us-east-1"),
    "truncated": savedplan.encode(PLAN)[:-20],
    "empty": b"",
    "of another version": of_version_2(),
    "huge": b" " * (savedplan.LIMIT_BYTES + 1),
    "no text": b"\xff\xfe\x00",
    "deep": b"[" * 200_000,
    "a number": b"9" * 10_000,
}


@pytest.mark.parametrize("kind", BROKEN_PLANS)
def test_a_file_that_is_no_saved_plan_is_refused(
    elsewhere: Path, capsys: pytest.CaptureFixture[str], kind: str
) -> None:
    (elsewhere / "saved.plan").write_bytes(BROKEN_PLANS[kind])
    assert boundary.run(main.cli, ["deploy", "--plan", "saved.plan"]) == 3
    told = capsys.readouterr().err
    assert "plan --out FILE" in told or "name another file" in told


def test_a_saved_plan_that_is_no_file_is_refused_at_once(
    elsewhere: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (elsewhere / "endless.plan").symlink_to("/dev/zero")
    (elsewhere / "folder.plan").mkdir()
    assert boundary.run(main.cli, ["deploy", "--plan", "endless.plan"]) == 3
    assert boundary.run(main.cli, ["deploy", "--plan", "folder.plan"]) == 2
    assert boundary.run(main.cli, ["deploy", "--plan", "absent.plan"]) == 1
    assert "absent.plan" in capsys.readouterr().err


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCloud]:
    with local_cloud(tmp_path_factory.mktemp("cloud")) as running:
        yield running


def test_a_bucket_says_where_it_is_and_is_asked_whose_it_is(cloud: TestCloud) -> None:
    elsewhere = {"CreateBucketConfiguration": {"LocationConstraint": "eu-central-1"}}
    cloud.client("s3", region_name="eu-central-1").create_bucket(Bucket="far-away", **elsewhere)
    clients = made_clients(cloud.url, HastyClock())
    assert S3Store(clients, BUCKET).region() == "eu-west-1"
    assert S3Store(clients, "far-away").region() == "eu-central-1"
    with pytest.raises(NotFoundError, match="bucket 'absent-bucket'"):
        S3Store(clients, "absent-bucket").region()
    assert S3Store(clients, BUCKET, owner=ACCOUNT).region() == "eu-west-1"
    with pytest.raises(DeniedError, match=f"bucket '{BUCKET}'"):
        S3Store(clients, BUCKET, owner="999999999999").region()
