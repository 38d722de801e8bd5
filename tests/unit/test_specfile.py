"""The spec: what may stand in it, where each value comes from, and what is said when it is wrong."""

from pathlib import Path

import pytest

from orchestrator.adapters.spec import reading
from orchestrator.core.errors import SpecError
from orchestrator.core.spec import Reference, ServingSpec, TensorSpec

SPEC = """
version = 1
name = "digits"

[model]
path = "model.safetensors"
class = "src/net.py:Net"
init_args = { hidden = 128 }

[entrypoint]
task = "image-classification"
labels = ["0", "1"]

[schema.input]
image = { dtype = "float32", shape = [1, 28, 28] }

[defaults]
region = "eu-west-1"
tags = { team = "ml", stage = "dev" }

[defaults.endpoint]
instance_type = "ml.m5.large"
instance_count = 2

[env.prod]
region = "eu-central-1"
role_arn = "arn:aws:iam::222222222222:role/x"
tags = { stage = "prod" }

[env.prod.endpoint]
instance_count = 4
"""


def read(
    folder: Path,
    text: str = SPEC,
    environment: str = "local",
    flags: dict[str, str] | None = None,
    environ: dict[str, str] | None = None,
    endpoint: str | None = None,
) -> reading.Resolved:
    path = folder / "orchestrator.toml"
    path.write_text(text, "utf-8")
    return reading.read(path, environment, flags=flags or {}, environ=environ or {}, endpoint=endpoint)


def origin(resolved: reading.Resolved, key: str) -> tuple[object, str]:
    found = next(setting for setting in resolved.settings if setting.key == key)
    return found.value, found.origin


def test_a_spec_becomes_values(tmp_path: Path) -> None:
    spec = read(tmp_path).spec
    assert spec.root == str(tmp_path.resolve())
    assert spec.model.class_ == Reference("src/net.py", "Net")
    assert spec.model.class_.module == "src.net"
    assert spec.model.init_args == (("hidden", 128),)
    assert spec.entrypoint.inputs == (("image", TensorSpec("float32", (1, 28, 28))),)
    assert spec.name == "digits"
    assert [variant.instance_count for variant in spec.target.endpoint.variants] == [2]


@pytest.mark.parametrize(
    ("environment", "flags", "environ", "expected"),
    [
        ("prod", {"region": "us-east-2"}, {"ORCHESTRATOR_REGION": "x"}, ("us-east-2", "--region")),
        ("prod", {}, {"ORCHESTRATOR_REGION": "us-west-1"}, ("us-west-1", "ORCHESTRATOR_REGION")),
        ("prod", {}, {}, ("eu-central-1", "orchestrator.toml [env.prod]")),
        ("local", {}, {"AWS_REGION": "us-west-1"}, ("eu-west-1", "orchestrator.toml [defaults]")),
    ],
)
def test_a_flag_beats_a_variable_beats_the_environment_beats_the_defaults(
    tmp_path: Path,
    environment: str,
    flags: dict[str, str],
    environ: dict[str, str],
    expected: tuple[str, str],
) -> None:
    resolved = read(tmp_path, environment=environment, flags=flags, environ=environ)
    assert origin(resolved, "region") == expected


def test_the_shells_region_is_used_by_aws_and_not_by_the_local_cloud(tmp_path: Path) -> None:
    text = SPEC.replace('region = "eu-west-1"\n', "").replace('region = "eu-central-1"\n', "")
    shell = {"AWS_DEFAULT_REGION": "us-west-1"}
    prod = read(tmp_path, text, "prod", environ=shell)
    assert origin(prod, "region") == ("us-west-1", "AWS_DEFAULT_REGION")
    assert origin(read(tmp_path, text, environ=shell), "region") == ("eu-west-1", "built in")


def test_an_environments_tags_are_added_to_the_defaults_and_beat_them(tmp_path: Path) -> None:
    assert read(tmp_path, environment="prod").spec.target.tags == (("stage", "prod"), ("team", "ml"))


def test_a_number_in_a_variable_becomes_a_number(tmp_path: Path) -> None:
    environ = {"ORCHESTRATOR_ENDPOINT_INSTANCE_COUNT": "3"}
    (variant,) = read(tmp_path, environ=environ).spec.target.endpoint.variants
    assert variant.instance_count == 3


@pytest.mark.parametrize(
    ("old", "new", "said", "meant"),
    [
        (
            "instance_count = 2",
            "instance_cuont = 2",
            "no key 'defaults.endpoint.instance_cuont'",
            "instance_count",
        ),
        ("init_args", "init_arg", "no key 'model.init_arg'", "model.init_args"),
        ("[model]", "[modle]", "no key 'modle'", "'model'"),
        ("role_arn", "role_anr", "no key 'env.prod.role_anr'", "env.prod.role_arn"),
        ("shape =", "shap =", "no key 'schema.input.image.shap'", "schema.input.image.shape"),
    ],
)
def test_an_unknown_key_names_the_nearest_known_one(
    tmp_path: Path, old: str, new: str, said: str, meant: str
) -> None:
    with pytest.raises(SpecError) as caught:
        read(tmp_path, SPEC.replace(old, new))
    assert said in str(caught.value)
    assert meant in dict(caught.value.details)["meant"]


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("instance_count = 2", 'instance_count = "2"', "'defaults.endpoint.instance_count' cannot be '2'"),
        ("instance_count = 2", "instance_count = 0", "'defaults.endpoint.instance_count' cannot be 0"),
        ('name = "digits"', 'name = "dig_its"', "'name' cannot be 'dig_its': SageMaker takes"),
        ('name = "digits"', f'name = "{"a" * 64}"', "SageMaker takes 1 to 63"),
        ('path = "model.safetensors"\n', "", "'model.path' is missing"),
        ("version = 1", "version = 2", "'version' cannot be 2"),
        ("src/net.py:Net", "src/net.py", "'model.class' cannot be 'src/net.py'"),
        ("src/net.py:Net", "src/net.py:class", "'model.class' cannot be"),
        ("src/net.py:Net", "../net.py:Net", "'model.class' cannot be"),
        ("arn:aws:iam::222222222222:role/x", "admin", "role_arn' cannot be 'admin': it should match"),
        ('task = "image-classification"', 'task = "image"', "'entrypoint.task' cannot be 'image'"),
        (
            "[defaults.endpoint]",
            '[defaults.rollout]\ntype = "blue"\n[defaults.endpoint]',
            "'defaults.rollout.type' cannot be 'blue'",
        ),
        ("hidden = 128", f"hidden = {'1' * 5000}", "cannot be read"),
        ('team = "ml"', '"orchestrator:endpoint" = "x"', "'orchestrator:endpoint' is not yours to set"),
        ('team = "ml"', '"AWS:x" = "x"', "'AWS:x' is not yours to set"),
        ("version = 1", "version = ", "cannot be read"),
    ],
)
def test_what_is_wrong_is_named_with_its_key(tmp_path: Path, old: str, new: str, said: str) -> None:
    assert old in SPEC
    with pytest.raises(SpecError) as caught:
        read(tmp_path, SPEC.replace(old, new, 1))
    assert said in str(caught.value)
    assert str(caught.value).startswith("orchestrator.toml")
    assert caught.value.exit_code == 2


def test_an_option_of_another_task_is_told_without_the_rest_of_the_table(tmp_path: Path) -> None:
    task = 'task = "image-classification"'
    with pytest.raises(SpecError) as caught:
        read(tmp_path, SPEC.replace(task, f"{task}\nsample_rate = 16000"))
    rule = "entrypoint.sample_rate has no effect with task 'image-classification'"
    assert str(caught.value) == f"orchestrator.toml: {rule}"
    assert dict(caught.value.details)["known"] == "to audio"
    assert "entrypoint.task" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('team = "ml"', '"\\u001b[31m" = "ml"'),
        ('team = "ml"', 'team = "m\\nl"'),
        ('team = "ml"', '"aws:\\u001b[31m" = "ml"'),
        ("instance_count = 2", '"\\u001b[31m" = 2'),
        ("instance_count = 2", f'"{"x" * 10_000}" = 2'),
        ("instance_count = 2", 'kms_key = "\\u001b[31m"'),
        ("instance_count = 2", 'ami = "a\\nb"'),
        ("instance_count = 2", 'environment = { "\\u001b[31m" = "x" }'),
        ("[env.prod]", '[env."\\u001b[31m"]\nregion = "x"\n[env.prod]'),
        ("[env.prod]", '[endpoints."a\\nb"]\nregion = "x"\n[env.prod]'),
        ('region = "eu-west-1"', f'region = "{"x" * 10_000}\\n"'),
    ],
)
def test_no_text_of_the_file_reaches_the_terminal_as_it_is(tmp_path: Path, old: str, new: str) -> None:
    with pytest.raises(SpecError) as caught:
        read(tmp_path, SPEC.replace(old, new, 1))
    assert str(caught.value).isprintable()
    assert len(str(caught.value)) < 400
    assert all(fact.isprintable() for _, fact in caught.value.details)


def test_a_name_from_the_command_line_is_shown_without_control_characters(tmp_path: Path) -> None:
    for environment, endpoint in (("\x1b[31m", None), ("local", "a\nb")):
        with pytest.raises(SpecError) as caught:
            read(tmp_path, environment=environment, endpoint=endpoint)
        assert f"{caught.value}{caught.value.hint}".isprintable()


def test_a_missing_file_says_where_it_was_looked_for(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=str(tmp_path)):
        reading.read(tmp_path / "none.toml", "local", flags={}, environ={})


def test_an_unknown_environment_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no environment 'prd'") as caught:
        read(tmp_path, environment="prd")
    assert dict(caught.value.details) == {"meant": "'prod'", "known": "local, prod"}


def test_an_unknown_container_profile_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no container profile 'pytorch-9'"):
        read(tmp_path, SPEC + '\n[container]\nprofile = "pytorch-9"\n')


def test_the_committed_json_schema_is_the_one_of_the_code() -> None:
    committed = Path(__file__).parents[2] / "docs" / "orchestrator.schema.json"
    assert committed.read_text("utf-8") == reading.schema_text()


def test_requests_share_no_call_unless_the_spec_says_so(tmp_path: Path) -> None:
    resolved = read(tmp_path)
    assert resolved.spec.serving == ServingSpec(workers=None, batch_size=1, batch_delay_ms=2.0)
    assert resolved.spec.serving.variables == ()
    assert origin(resolved, "serving.batch_size") == (1, "built in")


def test_how_to_serve_becomes_variables_of_the_servers_environment(tmp_path: Path) -> None:
    text = SPEC + "\n[serving]\nworkers = 2\nbatch_size = 16\nbatch_delay_ms = 0.00005\n"
    resolved = read(tmp_path, text)
    assert dict(resolved.spec.serving.variables) == {
        "SAGEMAKER_MODEL_SERVER_WORKERS": "2",
        "ORCHESTRATOR_BATCH_SIZE": "16",
        "ORCHESTRATOR_BATCH_DELAY_MS": "0.00005",
    }
    assert origin(resolved, "serving.workers") == (2, "orchestrator.toml")


def test_whole_milliseconds_are_written_without_a_point(tmp_path: Path) -> None:
    serving = read(tmp_path, SPEC + "\n[serving]\nbatch_delay_ms = 60000\n").spec.serving
    assert serving.variables == (("ORCHESTRATOR_BATCH_DELAY_MS", "60000"),)


def test_a_misspelt_key_of_serving_gets_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"there is no key 'serving\.batchsize'") as caught:
        read(tmp_path, SPEC + "\n[serving]\nbatchsize = 4\n")
    assert dict(caught.value.details)["meant"] == "'serving.batch_size'"


@pytest.mark.parametrize(
    ("line", "key"),
    [
        ("workers = 0", "serving.workers"),
        ("batch_size = 0", "serving.batch_size"),
        ("batch_size = 2.5", "serving.batch_size"),
        ("batch_size = 100000", "serving.batch_size"),
        ('batch_delay_ms = "2"', "serving.batch_delay_ms"),
        ("batch_delay_ms = -1", "serving.batch_delay_ms"),
        ("batch_delay_ms = nan", "serving.batch_delay_ms"),
        ("batch_delay_ms = inf", "serving.batch_delay_ms"),
    ],
)
def test_a_number_that_nothing_could_be_served_with_is_refused(tmp_path: Path, line: str, key: str) -> None:
    with pytest.raises(SpecError, match=f"'{key}'"):
        read(tmp_path, f"{SPEC}\n[serving]\n{line}\n")
