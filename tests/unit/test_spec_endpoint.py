"""The spec: what an endpoint consists of, and which settings cannot hold together."""

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator.adapters.spec import reading
from orchestrator.core.errors import SpecError
from orchestrator.core.resources import AsyncInference, Capture, InstancePool, Serverless, Variant, Vpc
from orchestrator.core.target import EndpointSpec, Mode, Target

HEAD = """
version = 1
name = "digits"
[model]
path = "model.safetensors"
"""
PRIMARY = Variant("primary", "", "ml.m5.large", 1)
# Put together, so that no scanner takes this file for one that holds a token.
TOKEN = "hf_" + "aB3dE5gH7jK9mN1pQ2sT4vW6yZ8bC0dF1g"


def target(folder: Path, text: str, environment: str = "local", **environ: str) -> Target:
    path = folder / "orchestrator.toml"
    path.write_text(HEAD + text, "utf-8")
    return reading.read(path, environment, flags={}, environ=environ).spec.target


def endpoint(folder: Path, lines: str) -> EndpointSpec:
    return target(folder, f"[defaults.endpoint]\n{lines}\n").endpoint


def refusal(folder: Path, lines: str) -> SpecError:
    with pytest.raises(SpecError) as caught:
        endpoint(folder, lines)
    assert str(caught.value).startswith("orchestrator.toml")
    return caught.value


def test_a_spec_that_says_nothing_gets_one_instance(tmp_path: Path) -> None:
    assert target(tmp_path, "").endpoint == EndpointSpec(variants=(PRIMARY,))


@pytest.mark.parametrize(
    ("line", "changes"),
    [
        ('instance_type = "ml.c5.xlarge"', {"instance_type": "ml.c5.xlarge"}),
        ("instance_count = 3", {"instance_count": 3}),
        ("volume_gb = 50", {"volume_gb": 50}),
        ("download_timeout_seconds = 600", {"download_timeout_seconds": 600}),
        ("startup_timeout_seconds = 601", {"startup_timeout_seconds": 601}),
        ("provision_timeout_seconds = 602", {"provision_timeout_seconds": 602}),
        ('ami = "al2-ami-sagemaker-inference-gpu-2"', {"ami": "al2-ami-sagemaker-inference-gpu-2"}),
        ('routing = "LEAST_OUTSTANDING_REQUESTS"', {"routing": "LEAST_OUTSTANDING_REQUESTS"}),
        ('variant = "AllTraffic"', {"name": "AllTraffic"}),
        (
            'pools = ["ml.g5.xlarge", "ml.g4dn.xlarge"]',
            {
                "instance_type": "",
                "pools": (InstancePool("ml.g5.xlarge", 1), InstancePool("ml.g4dn.xlarge", 2)),
            },
        ),
    ],
)
def test_what_is_said_of_instances_is_said_of_the_variant_and_may_be_said_of_a_shadow(
    tmp_path: Path, line: str, changes: dict[str, object]
) -> None:
    wanted = replace(PRIMARY, **changes)  # type: ignore[arg-type]  # the cases name the fields
    assert endpoint(tmp_path, line) == EndpointSpec(variants=(wanted,))
    key = "name" if line.startswith("variant") else line.partition(" ")[0]
    shadow = endpoint(tmp_path, f"shadow = {{ {key} = {line.partition(' = ')[2]} }}").shadow
    assert shadow == replace(wanted, name=wanted.name if key == "name" else "shadow")


@pytest.mark.parametrize(
    ("line", "changes"),
    [
        ("network_isolation = true", {"network_isolation": True}),
        ('kms_key = "alias/disks"', {"kms_key": "alias/disks"}),
        ('environment = { B = "2", A = "" }', {"environment": (("A", ""), ("B", "2"))}),
        (
            'vpc = { subnets = ["subnet-2", "subnet-1"], security_groups = ["sg-2", "sg-1"] }',
            {"vpc": Vpc(("sg-1", "sg-2"), ("subnet-1", "subnet-2"))},
        ),
        (
            'capture = { destination = "s3://b/x", percent = 20 }',
            {"capture": Capture("s3://b/x", 20)},
        ),
        (
            (
                'capture = { destination = "s3://b/x", percent = 0, modes = ["Output"], kms_key = "k", '
                'csv_types = ["text/csv"], json_types = ["b/json", "a/json"] }'
            ),
            {"capture": Capture("s3://b/x", 0, ("Output",), "k", ("text/csv",), ("a/json", "b/json"))},
        ),
        (
            'mode = "async"\nasync = { output = "s3://b/out" }',
            {"mode": Mode.ASYNC, "async_inference": AsyncInference("s3://b/out")},
        ),
        (
            (
                'mode = "async"\n[defaults.endpoint.async]\noutput = "s3://b/out"\nfailure = "s3://b/f"\n'
                'kms_key = "k"\nsuccess_topic = "arn:s"\nerror_topic = "arn:e"\nmax_concurrent = 4'
            ),
            {
                "mode": Mode.ASYNC,
                "async_inference": AsyncInference("s3://b/out", "s3://b/f", "k", "arn:s", "arn:e", 4),
            },
        ),
    ],
)
def test_every_key_of_the_endpoint_arrives(tmp_path: Path, line: str, changes: dict[str, object]) -> None:
    wanted = replace(EndpointSpec(variants=(PRIMARY,)), **changes)  # type: ignore[arg-type]  # as above
    assert endpoint(tmp_path, line) == wanted


@pytest.mark.parametrize(
    ("table", "serverless"),
    [
        ("", Serverless(2048, 5)),
        ("serverless = { memory_mb = 4096 }", Serverless(4096, 5)),
        ("serverless = { max_concurrency = 20, provisioned_concurrency = 2 }", Serverless(2048, 20, 2)),
    ],
)
def test_serverless_capacity_has_defaults_and_no_instances(
    tmp_path: Path, table: str, serverless: Serverless
) -> None:
    found = endpoint(tmp_path, f'mode = "serverless"\n{table}')
    assert found.mode is Mode.SERVERLESS
    assert found.variants == (Variant("primary", "", serverless=serverless),)


def test_variants_say_what_is_different_and_come_by_name(tmp_path: Path) -> None:
    lines = """
instance_type = "ml.m5.large"
instance_count = 2
volume_gb = 10
[defaults.endpoint.variants.small]
weight = 1
pools = ["ml.c5.large"]
[defaults.endpoint.variants.large]
weight = 9
instance_count = 4
model = "somebody-elses"
"""
    assert endpoint(tmp_path, lines).variants == (
        Variant("large", "somebody-elses", "ml.m5.large", 4, 9.0, volume_gb=10),
        Variant("small", "", "", 2, 1.0, (InstancePool("ml.c5.large", 1),), volume_gb=10),
    )


def test_a_shadow_stands_beside_one_variant_and_inherits_what_the_endpoint_says(tmp_path: Path) -> None:
    lines = 'instance_count = 3\nshadow = { model = "new", weight = 0.5, name = "next" }'
    assert endpoint(tmp_path, lines).shadow == Variant("next", "new", "ml.m5.large", 3, 0.5)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('mode = "batch"', "'defaults.endpoint.mode' cannot be 'batch'"),
        ('instance_type = "m5.large"', "'defaults.endpoint.instance_type' cannot be 'm5.large'"),
        ('instance_type = "ml.a"\npools = ["ml.b"]', "either instance_type or pools, not both"),
        ("pools = []", "'defaults.endpoint.pools' cannot be []"),
        ('pools = "ml.m5.large"', "'defaults.endpoint.pools' cannot be"),
        ("network_isolation = 1", "'defaults.endpoint.network_isolation' cannot be 1"),
        ("volume_gb = 1.5", "'defaults.endpoint.volume_gb' cannot be 1.5"),
        ("vpc = { subnets = ['a'] }", "'defaults.endpoint.vpc.security_groups' is missing"),
        ("vpc = true", "'defaults.endpoint.vpc' cannot be True"),
        ("capture = { percent = 10 }", "'defaults.endpoint.capture.destination' is missing"),
        ("capture = { destination = '/x', percent = 1 }", "capture.destination' cannot be '/x'"),
        ("serverless = { memory_mb = '2048' }", "serverless.memory_mb' cannot be '2048'"),
        ("serverless = {}", "'endpoint.serverless' has no effect with mode 'realtime'"),
        ("async = { output = 's3://b/x' }", "'endpoint.async' has no effect with mode 'realtime'"),
        ("mode = 'async'", "'endpoint.mode' 'async' needs 'endpoint.async'"),
        ("mode = 'serverless'\ninstance_count = 1", "instance_count' has no effect with mode 'serverless'"),
        ("mode = 'serverless'\nvolume_gb = 1", "'endpoint.volume_gb' has no effect with mode 'serverless'"),
        (
            "mode = 'serverless'\nnetwork_isolation = true",
            "'endpoint.network_isolation' cannot be had with mode 'serverless'",
        ),
        (
            "mode = 'serverless'\nshadow = {}",
            "'endpoint.shadow' cannot be had with mode 'serverless'",
        ),
        (
            "mode = 'serverless'\nvariants = { a = { weight = 1 }, b = { weight = 1 } }",
            "'endpoint.variants' are several, with mode 'serverless'",
        ),
        (
            "mode = 'serverless'\nvariants = { a = { instance_count = 1 } }",
            "'endpoint.variants.a.instance_count' has no effect with mode 'serverless'",
        ),
        ("variants = { a = {} }", "the variant 'a' is empty"),
        ("variants = { a_b = { weight = 1 } }", "'defaults.endpoint.variants.a_b' cannot be 'a_b'"),
        ("variants = { a = { weight = -1 } }", "'defaults.endpoint.variants.a.weight' cannot be -1"),
        ("variants = { a = { weight = nan } }", "'defaults.endpoint.variants.a.weight' cannot be nan"),
        ("variant = 'a'\nvariants = { b = { weight = 1 } }", "'endpoint.variant' names the one variant"),
        ("variants = { a = { model = 'x' } }", "'endpoint.variants' names other models only"),
        ("shadow = { name = 'primary' }", "'endpoint.shadow' has the name of the variant 'primary'"),
        (
            "shadow = {}\nvariants = { a = { weight = 1 }, b = { weight = 1 } }",
            "'endpoint.shadow' stands beside several variants",
        ),
        ("environment = { SAGEMAKER_PROGRAM = 'x.py' }", "SAGEMAKER_PROGRAM' is set by the tool"),
        ("environment = { '' = 'x' }", "'defaults.endpoint.environment.' cannot be what it is"),
        ("environment = { LEVEL = 3 }", "'defaults.endpoint.environment.LEVEL' cannot be what it is"),
    ],
)
def test_what_cannot_be_is_refused_with_its_key(tmp_path: Path, lines: str, said: str) -> None:
    assert said in str(refusal(tmp_path, lines))


def test_a_misspelt_key_of_a_variant_gets_the_nearest_one(tmp_path: Path) -> None:
    error = refusal(tmp_path, "variants = { a = { wieght = 1 } }")
    assert "there is no key 'defaults.endpoint.variants.a.wieght'" in str(error)
    assert dict(error.details)["meant"] == "'defaults.endpoint.variants.a.weight'"


@pytest.mark.parametrize(
    ("environment", "said"),
    [
        (f"X = '1', HF_TOKEN = '{TOKEN}'", "'endpoint.environment.HF_TOKEN' looks like a secret"),
        (f"KEY = '{'AKIA' + 'Q' * 16}', OTHER = '{'aB3dE5gH7j' * 4}'", "neighbours look like a secret"),
        (f"HF_TOKEN = ['{TOKEN}']", "'defaults.endpoint.environment.HF_TOKEN' cannot be what it is"),
    ],
)
def test_a_secret_in_the_environment_is_refused_and_not_repeated(
    tmp_path: Path, environment: str, said: str
) -> None:
    error = refusal(tmp_path, f"environment = {{ {environment} }}")
    assert said in str(error)
    told = f"{error} {error.details} {error.hint}"
    assert TOKEN not in told
    assert "aB3d" not in told


def test_serverless_needs_one_file(tmp_path: Path) -> None:
    text = '[package]\nlayout = "s3-prefix"\n[defaults.endpoint]\nmode = "serverless"\n'
    with pytest.raises(SpecError, match=r"cannot be had with package\.layout 's3-prefix'"):
        target(tmp_path, text)


def test_what_serverless_lacks_is_not_dropped_in_silence(tmp_path: Path) -> None:
    text = """
[defaults.endpoint]
vpc = { subnets = ["a"], security_groups = ["b"] }
[env.dev.endpoint]
mode = "serverless"
"""
    with pytest.raises(SpecError, match=r"'endpoint\.vpc' cannot be had with mode 'serverless'"):
        target(tmp_path, text, "dev")
