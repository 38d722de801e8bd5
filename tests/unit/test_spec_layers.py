"""The spec: which of several tables wins, key by key, and which endpoint is meant."""

from pathlib import Path

import pytest

from orchestrator.adapters.spec import reading
from orchestrator.core.errors import SpecError
from orchestrator.core.resources import InstancePool, Serverless
from orchestrator.core.rollout import Kind, Rollout, Size
from orchestrator.core.target import Mode

HEAD = """
version = 1
name = "digits"
[model]
path = "model.safetensors"
"""
LAYERS = """
[defaults]
region = "eu-west-1"
tags = { team = "ml", stage = "dev", of = "defaults" }
[defaults.endpoint]
instance_count = 1
environment = { LEVEL = "info", OF = "defaults" }
[env.prod]
tags = { stage = "prod", of = "env" }
[env.prod.endpoint]
instance_count = 2
environment = { OF = "env" }
[endpoints.eu]
tags = { of = "endpoint" }
[endpoints.eu.endpoint]
instance_count = 3
[endpoints.us]
region = "us-east-1"
"""
COUNT = "endpoint.instance_count"
VARIABLE = "ORCHESTRATOR_ENDPOINT_INSTANCE_COUNT"


def read(
    folder: Path,
    text: str,
    environment: str = "local",
    endpoint: str | None = None,
    flags: dict[str, str] | None = None,
    environ: dict[str, str] | None = None,
) -> reading.Resolved:
    path = folder / "orchestrator.toml"
    path.write_text(HEAD + text, "utf-8")
    return reading.read(path, environment, flags=flags or {}, environ=environ or {}, endpoint=endpoint)


def origin(resolved: reading.Resolved, key: str) -> tuple[object, str]:
    found = next(setting for setting in resolved.settings if setting.key == key)
    return found.value, found.origin


@pytest.mark.parametrize(
    ("flags", "environ", "environment", "endpoint", "expected"),
    [
        ({COUNT: "5"}, {VARIABLE: "4"}, "prod", "eu", (5, "--instance-count")),
        ({}, {VARIABLE: "4"}, "prod", "eu", (4, VARIABLE)),
        ({}, {VARIABLE: ""}, "prod", "eu", (3, "orchestrator.toml [endpoints.eu]")),
        ({}, {}, "prod", "us", (2, "orchestrator.toml [env.prod]")),
        ({}, {}, "local", "us", (1, "orchestrator.toml [defaults]")),
    ],
)
def test_the_more_specific_layer_wins(
    tmp_path: Path,
    flags: dict[str, str],
    environ: dict[str, str],
    environment: str,
    endpoint: str,
    expected: tuple[object, str],
) -> None:
    resolved = read(tmp_path, LAYERS, environment, endpoint, flags, environ)
    assert origin(resolved, COUNT) == expected
    assert [variant.instance_count for variant in resolved.spec.target.endpoint.variants] == [expected[0]]


def test_tags_and_variables_of_all_layers_are_joined(tmp_path: Path) -> None:
    target = read(tmp_path, LAYERS, "prod", "eu").spec.target
    assert target.tags == (("of", "endpoint"), ("stage", "prod"), ("team", "ml"))
    assert target.endpoint.environment == (("LEVEL", "info"), ("OF", "env"))


def test_the_chosen_endpoint_gives_the_spec_its_name(tmp_path: Path) -> None:
    resolved = read(tmp_path, LAYERS, endpoint="us")
    assert (resolved.spec.name, resolved.spec.target.region) == ("us", "us-east-1")
    assert resolved.endpoints == ("eu", "us")


def test_with_several_endpoints_and_none_chosen_the_spec_is_the_projects(tmp_path: Path) -> None:
    resolved = read(tmp_path, LAYERS)
    assert resolved.spec.name == "digits"
    assert origin(resolved, COUNT) == (1, "orchestrator.toml [defaults]")


def test_the_only_endpoint_need_not_be_chosen(tmp_path: Path) -> None:
    resolved = read(tmp_path, "[endpoints.alone]\nkeep_revisions = 9\n")
    assert (resolved.spec.name, resolved.spec.target.keep_revisions) == ("alone", 9)


def test_a_project_without_endpoints_is_its_own_and_may_be_named(tmp_path: Path) -> None:
    assert read(tmp_path, "", endpoint="digits").spec.name == "digits"
    assert reading.known_endpoints(tmp_path / "orchestrator.toml") == ("digits",)


def test_known_endpoints_come_in_the_files_order(tmp_path: Path) -> None:
    read(tmp_path, "[endpoints.z]\nregion = 'x'\n[endpoints.a]\nregion = 'y'\n")
    assert reading.known_endpoints(tmp_path / "orchestrator.toml") == ("z", "a")


@pytest.mark.parametrize(("text", "endpoint"), [(LAYERS, "uss"), ("", "digts")])
def test_an_unknown_endpoint_names_the_nearest(tmp_path: Path, text: str, endpoint: str) -> None:
    with pytest.raises(SpecError, match=f"no endpoint '{endpoint}'") as caught:
        read(tmp_path, text, endpoint=endpoint)
    assert dict(caught.value.details)["meant"] == ("'us'" if text else "'digits'")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[endpoints.a_b]\nregion = 'x'\n", "'endpoints.a_b' cannot be 'a_b'"),
        (
            "[endpoints.Eu.tags]\n[endpoints.eU.tags]\n",
            "'Eu' and 'eU' are one to SageMaker",
        ),
        ("[endpoints.eu]\nregin = 'x'\n", "no key 'endpoints.eu.regin'"),
        ("[env.prod.endpoint]\nmodus = 'x'\n", "no key 'env.prod.endpoint.modus'"),
    ],
)
def test_a_wrong_table_is_refused_wherever_it_stands(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        read(tmp_path, text)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("flags", "environ", "said"),
    [
        ({"rollout.type": "blue"}, {}, "the command line: '--rollout' cannot be 'blue'"),
        ({}, {VARIABLE: "many"}, f"the environment: '{VARIABLE}' cannot be 'many'"),
        ({}, {"ORCHESTRATOR_ENDPOINT_MODE": "batch"}, "'ORCHESTRATOR_ENDPOINT_MODE' cannot be 'batch'"),
        (
            {},
            {"ORCHESTRATOR_ROLLOUT_SIZE_PERCENT": "1"},
            "ORCHESTRATOR_ROLLOUT_SIZE_PERCENT: 'rollout.size_percent' has no effect",
        ),
    ],
)
def test_what_is_wrong_outside_the_file_is_named_as_it_was_given(
    tmp_path: Path, flags: dict[str, str], environ: dict[str, str], said: str
) -> None:
    with pytest.raises(SpecError) as caught:
        read(tmp_path, "", flags=flags, environ=environ)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("variable", "value", "key", "typed"),
    [
        ("ORCHESTRATOR_ENDPOINT_NETWORK_ISOLATION", "true", "endpoint.network_isolation", True),
        ("ORCHESTRATOR_KEEP_REVISIONS", "7", "keep_revisions", 7),
        ("ORCHESTRATOR_ROLLOUT_TYPE", "linear", "rollout.type", "linear"),
        ("ORCHESTRATOR_ROLLOUT_TIMEOUT_SECONDS", "900", "rollout.timeout_seconds", 900),
        ("ORCHESTRATOR_PRICES", "prices.toml", "prices", "prices.toml"),
    ],
)
def test_a_variable_may_stand_for_any_single_value(
    tmp_path: Path, variable: str, value: str, key: str, typed: object
) -> None:
    assert origin(read(tmp_path, "", environ={variable: value}), key) == (typed, variable)


def test_tables_that_make_sense_as_a_whole_replace_each_other(tmp_path: Path) -> None:
    text = """
[defaults.endpoint]
mode = "serverless"
serverless = { memory_mb = 4096, max_concurrency = 50 }
[env.prod.endpoint]
serverless = { memory_mb = 1024 }
"""
    (variant,) = read(tmp_path, text, "prod").spec.target.endpoint.variants
    assert variant.serverless == Serverless(1024, 5)


@pytest.mark.parametrize("key", ["vpc", "capture", "shadow"])
def test_false_takes_away_what_a_less_specific_table_gives(tmp_path: Path, key: str) -> None:
    tables = {
        "vpc": "{ subnets = ['a'], security_groups = ['b'] }",
        "capture": "{ destination = 's3://b/x', percent = 1 }",
        "shadow": "{}",
    }
    text = f"[defaults.endpoint]\n{key} = {tables[key]}\n[env.prod.endpoint]\n{key} = false\n"
    assert getattr(read(tmp_path, text).spec.target.endpoint, key) is not None
    taken = read(tmp_path, text, "prod")
    assert getattr(taken.spec.target.endpoint, key) is None
    assert origin(taken, f"endpoint.{key}") == (None, "orchestrator.toml [env.prod]")


def test_false_takes_away_autoscaling_and_a_later_layer_may_begin_anew(tmp_path: Path) -> None:
    text = """
[defaults.autoscaling]
min = 1
max = 4
[env.dev]
autoscaling = false
[endpoints.a]
region = "x"
[endpoints.b.autoscaling]
min = 2
max = 3
"""
    assert read(tmp_path, text, "dev", "a").spec.target.scalings == ()
    assert read(tmp_path, text, "local", "a").spec.target.scalings[0].maximum == 4
    (found,) = read(tmp_path, text, "dev", "b").spec.target.scalings
    assert (found.minimum, found.maximum) == (2, 3)


def test_false_takes_away_a_variant(tmp_path: Path) -> None:
    text = """
[defaults.endpoint.variants.a]
weight = 1
[defaults.endpoint.variants.b]
weight = 2
[env.dev.endpoint.variants]
b = false
a = { instance_count = 3 }
"""
    (variant,) = read(tmp_path, text, "dev").spec.target.endpoint.variants
    assert (variant.name, variant.instance_count, variant.weight) == ("a", 3, 1.0)


def test_of_keys_that_exclude_each_other_the_more_specific_counts(tmp_path: Path) -> None:
    text = """
[defaults.endpoint]
pools = ["ml.a", "ml.b"]
[env.one.endpoint]
instance_type = "ml.c"
[env.other.endpoint]
pools = ["ml.d"]
"""
    (one,) = read(tmp_path, text, "one").spec.target.endpoint.variants
    (other,) = read(tmp_path, text, "other").spec.target.endpoint.variants
    assert (one.instance_type, one.pools) == ("ml.c", ())
    assert (other.instance_type, other.pools) == ("", (InstancePool("ml.d", 1),))


def test_a_more_specific_mode_leaves_behind_what_belonged_to_the_one_before(tmp_path: Path) -> None:
    text = """
[defaults.endpoint]
instance_type = "ml.c5.large"
instance_count = 4
[env.dev.endpoint]
mode = "serverless"
[endpoints.big.endpoint]
mode = "realtime"
"""
    assert read(tmp_path, text, "dev", endpoint="big").spec.target.endpoint.mode is Mode.REALTIME
    text = text[: text.index("[endpoints")]
    (variant,) = read(tmp_path, text, "dev").spec.target.endpoint.variants
    assert (variant.instance_type, variant.instance_count) == ("", 0)
    assert variant.serverless == Serverless(2048, 5)


def test_a_more_specific_rollout_leaves_behind_what_belonged_to_the_one_before(tmp_path: Path) -> None:
    text = """
[defaults.rollout]
type = "canary"
size_percent = 30
bake_seconds = 60
final_bake_seconds = 120
alarms = ["a"]
judge = {}
[env.dev.rollout]
type = "all-at-once"
[env.stage.rollout]
type = "rolling"
"""
    dev, stage = (read(tmp_path, text, name).spec.target for name in ("dev", "stage"))
    assert (dev.rollout, dev.judge) == (Rollout(final_bake_seconds=120, alarms=("a",)), None)
    assert stage.rollout == Rollout(Kind.ROLLING, Size(30), 60, alarms=("a",))
    assert stage.judge is not None


def test_every_setting_that_counts_is_listed_once_with_its_origin(tmp_path: Path) -> None:
    resolved = read(tmp_path, LAYERS, "prod", "eu")
    keys = [setting.key for setting in resolved.settings]
    assert len(keys) == len(set(keys))
    assert origin(resolved, "bucket") == (None, "not set")
    assert origin(resolved, "tags.of") == ("endpoint", "orchestrator.toml [endpoints.eu]")
    assert origin(resolved, "rollout.type") == ("all-at-once", "built in")
    assert "rollout.size_percent" not in keys
