"""Values just over SageMaker's limits: found before the first call, and named by the spec's own key."""

from pathlib import Path

import pytest

from orchestrator.adapters import apimodel
from orchestrator.adapters.spec import reading
from orchestrator.core.revision import Source, make

SOURCE = Source("a" * 64, "s3://bucket/k/model.tar.gz", "image:1", "arn:aws:iam::123456789012:role/sagemaker")
TYPES = ("ml.m5.large", "ml.m5.xlarge", "ml.m5.2xlarge", "ml.c5.large", "ml.c5.xlarge", "ml.c5.2xlarge")


def keys_refused(folder: Path, table: str, lines: str) -> set[str]:
    """Return the keys of the values that the service model does not take."""
    path = folder / "orchestrator.toml"
    path.write_text(f'version = 1\nname = "digits"\nmodel.path = "x"\n[{table}]\n{lines}\n', "utf-8")
    spec = reading.read(path, "local", flags={}, environ={}).spec
    target = spec.target
    revision = make(spec.name, SOURCE, target.endpoint, tags=target.tags, golden=None)
    return {found.key for found in apimodel.violations(revision, target.rollout, target.scalings)}


def several(count: int) -> str:
    return str([f"x{number}" for number in range(count)])


@pytest.mark.parametrize(
    ("key", "lines", "allowed", "refused"),
    [
        ("endpoint.instance_type", "instance_type = {}", "'ml.m5.large'", "'ml.m7g.large'"),
        ("endpoint.volume_gb", "volume_gb = {}", "512", "513"),
        ("endpoint.volume_gb", "volume_gb = {}", "1", "0"),
        ("endpoint.download_timeout_seconds", "download_timeout_seconds = {}", "60", "59"),
        ("endpoint.download_timeout_seconds", "download_timeout_seconds = {}", "3600", "3601"),
        ("endpoint.startup_timeout_seconds", "startup_timeout_seconds = {}", "3600", "3601"),
        ("endpoint.provision_timeout_seconds", "provision_timeout_seconds = {}", "300", "299"),
        ("endpoint.ami", "ami = {}", "'al2-ami-sagemaker-inference-gpu-2'", "'al2'"),
        ("endpoint.routing", "routing = {}", "'RANDOM'", "'random'"),
        ("endpoint.pools", "pools = {}", str(list(TYPES[:5])), str(list(TYPES))),
        (
            "endpoint.vpc.subnets",
            "vpc = {{ subnets = {}, security_groups = ['x'] }}",
            several(16),
            several(17),
        ),
        (
            "endpoint.vpc.security_groups",
            "vpc = {{ subnets = ['x'], security_groups = {} }}",
            several(5),
            several(6),
        ),
        ("endpoint.kms_key", "kms_key = {}", "'alias/disks'", "'a%b'"),
        ("endpoint.capture.percent", "capture = {{ destination = 's3://b/x', percent = {} }}", "100", "101"),
        (
            "endpoint.capture.csv_types",
            "capture = {{ destination = 's3://b/x', percent = 1, csv_types = {} }}",
            str([f"text/x{number}" for number in range(10)]),
            str([f"text/x{number}" for number in range(11)]),
        ),
        (
            "endpoint.async.max_concurrent",
            "mode = 'async'\nasync = {{ output = 's3://b/x', max_concurrent = {} }}",
            "1000",
            "1001",
        ),
        (
            "endpoint.serverless.memory_mb",
            "mode = 'serverless'\nserverless = {{ memory_mb = {} }}",
            "6144",
            "7168",
        ),
        (
            "endpoint.serverless.max_concurrency",
            "mode = 'serverless'\nserverless = {{ max_concurrency = {} }}",
            "200",
            "201",
        ),
        (
            "endpoint.variants.b.startup_timeout_seconds",
            "variants = {{ a = {{ weight = 1 }}, b = {{ startup_timeout_seconds = {} }} }}",
            "60",
            "59",
        ),
        ("endpoint.shadow.volume_gb", "shadow = {{ volume_gb = {} }}", "512", "513"),
        ("rollout.bake_seconds", "type = 'canary'\nbake_seconds = {}", "3600", "3601"),
        ("rollout.final_bake_seconds", "final_bake_seconds = {}", "3600", "3601"),
        ("rollout.timeout_seconds", "timeout_seconds = {}", "28800", "28801"),
        ("rollout.timeout_seconds", "timeout_seconds = {}", "600", "599"),
        ("rollout.alarms", "alarms = {}", several(10), several(11)),
    ],
)
def test_a_value_over_a_limit_is_named_by_its_key_and_one_on_it_is_taken(
    tmp_path: Path, key: str, lines: str, allowed: str, refused: str
) -> None:
    table = f"defaults.{key.partition('.')[0]}"
    assert keys_refused(tmp_path, table, lines.format(allowed)) == set()
    assert keys_refused(tmp_path, table, lines.format(refused)) == {key}
