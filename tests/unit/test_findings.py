"""What is found about a project and its container."""

from dataclasses import replace

import pytest

from orchestrator.core import containers, findings
from orchestrator.core.checkpoint import Format, Kind, Weights
from orchestrator.core.errors import SpecError
from orchestrator.core.policy import Finding, Level, Rule
from orchestrator.core.requirements import Requirements, parse
from orchestrator.core.resources import Variant
from orchestrator.core.target import LOCAL, EndpointSpec, Target


def fleet(instance_type: str) -> EndpointSpec:
    return EndpointSpec(variants=(Variant("primary", "", instance_type, 1),))


TARGET = Target(
    environment="prod",
    region="eu-west-1",
    bucket="b",
    role="r",
    endpoint=fleet("ml.m5.large"),
    keep_revisions=5,
    profile=containers.DEFAULT_PROFILE,
)
WEIGHTS = Weights(Kind.SAFETENSORS, (), Format.STATE_DICT)
PATCHED = "2026-06-30"
PROFILE = containers.find(containers.DEFAULT_PROFILE)
TORCH = "torch", "2.6.0"


def found(
    target: Target = TARGET,
    *,
    profile: containers.Profile | None = PROFILE,
    weights: Weights = WEIGHTS,
    requirements: str = "",
    today: str = PATCHED,
    tried_with: str | None = None,
) -> tuple[Finding, ...]:
    wanted = parse(requirements) if requirements else Requirements()
    return findings.find(target, profile, weights, wanted, today=today, tried_with=tried_with)


def levels(found: tuple[Finding, ...]) -> list[tuple[Rule, Level]]:
    return [(finding.rule, finding.level) for finding in found]


def written(torch: str, kind: Kind = Kind.SAFETENSORS) -> Weights:
    return replace(WEIGHTS, kind=kind, written_by=(("torch", torch),))


def asked(*lines: str) -> tuple[Finding, ...]:
    """Return what is found of requirements alone, but for hashes, which are tested by themselves."""
    return tuple(item for item in found(requirements="\n".join(lines)) if item.rule is not Rule.HASHES)


def test_nothing_is_said_of_a_container_that_fits() -> None:
    assert found() == ()
    assert found(weights=written("2.6.0+cu124")) == ()


def test_a_model_of_unknown_origin_is_judged_by_the_torch_it_is_tried_with() -> None:
    (said,) = found(tried_with="2.13.0+cpu")
    assert (said.rule, said.level) == (Rule.NEWER_TORCH, Level.WARN)
    assert "tried with torch 2.13.0+cpu here, the image has 2.6" in said.text
    assert found(tried_with="2.6.1") == ()
    assert found(weights=written("2.6.0"), tried_with="2.13.0") == ()


def test_the_profile_is_the_targets_unless_it_names_an_image() -> None:
    assert findings.profile_of(TARGET) == PROFILE
    assert findings.profile_of(replace(TARGET, image="1.dkr.ecr.eu-west-1.amazonaws.com/x:1")) is None
    with pytest.raises(SpecError):
        findings.profile_of(replace(TARGET, profile="nope"))


def test_an_image_of_ones_own_is_said_to_be_unknown_and_its_requirements_are_looked_at() -> None:
    own = replace(TARGET, image="1.dkr.ecr.eu-west-1.amazonaws.com/x:1")
    said = found(own, profile=None, weights=written("2.13.0"), requirements="torch==2.13.0\nsix")
    assert levels(said) == [
        (Rule.UNKNOWN_IMAGE, Level.NOTE),
        (Rule.UNPINNED_REQUIREMENTS, Level.WARN),
        (Rule.HASHES, Level.NOTE),
    ]
    assert "1.dkr.ecr.eu-west-1.amazonaws.com/x:1" in said[0].text


def test_an_image_that_aws_no_longer_patches_is_warned_of_with_the_date() -> None:
    (said,) = found(today="2026-11-22")
    assert (said.rule, said.level) == (Rule.END_OF_PATCH, Level.WARN)
    assert said.text == "AWS has not patched the image of 'pytorch-inference-2.6-cpu' since 2026-06-30"


def test_of_an_end_that_is_known_by_month_only_the_month_is_said() -> None:
    (said,) = found(profile=containers.find("pytorch-inference-2.5-cpu"), today="2026-11-22")
    assert said.text.endswith(" since 2025-10")


@pytest.mark.parametrize("name", [name for name in containers.PROFILES if name.startswith("ray-serve")])
def test_a_contract_that_the_entry_point_does_not_speak_is_refused_with_profiles_that_work(name: str) -> None:
    (said,) = found(profile=containers.find(name))
    assert (said.rule, said.level) == (Rule.UNSUPPORTED, Level.REFUSE)
    assert said.text == f"'{name}' speaks the contract ray-serve, which the entry point does not yet"
    working = [name for name in containers.PROFILES if name.startswith("pytorch-inference")]
    assert said.hint == f"set container.profile to one of {', '.join(working)}"


@pytest.mark.parametrize(
    ("profile", "text"),
    [
        (replace(PROFILE, torch="2.3.1"), "has torch 2.3.1; the runtime needs 2.4 or later"),
        (replace(PROFILE, python="3.9"), "has Python 3.9; the runtime needs 3.10 to 3.13"),
        (replace(PROFILE, python="3.14"), "has Python 3.14; the runtime needs 3.10 to 3.13"),
    ],
)
def test_a_container_that_the_runtime_does_not_run_in_is_refused(
    profile: containers.Profile, text: str
) -> None:
    (said,) = found(profile=profile)
    assert (said.rule, said.level) == (Rule.UNSUPPORTED, Level.REFUSE)
    assert said.text.endswith(text)


@pytest.mark.parametrize("python", ["3.10", "3.13"])
def test_the_oldest_and_the_newest_python_are_supported(python: str) -> None:
    assert found(profile=replace(PROFILE, python=python, torch="2.4.0")) == ()


@pytest.mark.parametrize(
    ("profile", "instance_type", "fits"),
    [
        ("pytorch-inference-2.6-cpu", "ml.c7g.large", False),
        ("pytorch-inference-2.6-cpu", "ml.m5.large", True),
        ("pytorch-inference-2.6-gpu", "ml.g4dn.xlarge", True),
        ("pytorch-inference-2.6-gpu", "ml.g5.xlarge", True),
        ("pytorch-inference-2.6-cpu-arm64", "ml.c6gn.large", True),
        ("pytorch-inference-2.6-cpu-arm64", "ml.m5.large", False),
    ],
)
def test_an_image_for_another_processor_is_refused_but_on_the_local_cloud(
    profile: str, instance_type: str, *, fits: bool
) -> None:
    target = replace(TARGET, profile=profile, endpoint=fleet(instance_type))
    expected = [] if fits else [(Rule.UNSUPPORTED, Level.REFUSE)]
    assert levels(found(target, profile=containers.find(profile))) == expected
    assert found(replace(target, environment=LOCAL), profile=containers.find(profile)) == ()


@pytest.mark.parametrize(
    ("kind", "level"),
    [
        (Kind.SAFETENSORS, Level.WARN),
        (Kind.HUGGING_FACE, Level.WARN),
        (Kind.EXPORTED, Level.WARN),
        (Kind.TORCHSCRIPT, Level.REFUSE),
    ],
)
def test_a_newer_torch_than_the_images_is_warned_of_or_for_torchscript_refused(
    kind: Kind, level: Level
) -> None:
    (said,) = found(weights=written("2.13.0+cpu", kind))
    assert (said.rule, said.level) == (Rule.NEWER_TORCH, level)
    assert "was written by torch 2.13.0+cpu, the image has 2.6.0" in said.text


@pytest.mark.parametrize("torch", ["2.6.1", "2.6.0", "2.5.1+cu121", "2.6.0a0+git123", "1.13.1"])
def test_a_torch_that_is_not_newer_is_not_mentioned(torch: str) -> None:
    assert found(weights=written(torch, Kind.TORCHSCRIPT)) == ()


@pytest.mark.parametrize("torch", ["2.7", "2.7.0a0+git123", "2.10.0", "3.0.dev20270101", "nightly"])
def test_a_torch_that_is_newer_or_cannot_be_told_is_mentioned(torch: str) -> None:
    assert levels(found(weights=written(torch))) == [(Rule.NEWER_TORCH, Level.WARN)]


def test_torchscript_that_does_not_say_what_wrote_it_is_warned_of() -> None:
    (said,) = found(weights=replace(WEIGHTS, kind=Kind.TORCHSCRIPT))
    assert (said.rule, said.level) == (Rule.NEWER_TORCH, Level.WARN)


@pytest.mark.parametrize(
    "line",
    [
        "torch==2.13.0",
        "torch>=2.7",
        "Torch <2.6",
        "torch @ https://x.org/torch.whl",
        "https://x.org/torch-2.6.0-cp312-cp312-linux_x86_64.whl",
        "torchserve==0.11.0",
        "sagemaker_pytorch_inference==2.0.24",
        "sagemaker-inference==1.10.1",
        "sagemaker-inference",
        "setuptools==82.0.1",
        "setuptools>=82",
        "setuptools @ https://x.org/setuptools.zip",
        "torch==2.13.0; sys_platform == 'linux'",
    ],
)
def test_what_the_container_runs_on_may_not_be_replaced(line: str) -> None:
    said = [item for item in asked("six==1.17.0", line) if item.rule is Rule.REPLACED_TORCH]
    assert [item.level for item in said] == [Level.REFUSE]
    assert f"'{line}' (requirements.txt, line 2) replaces" in said[0].text


@pytest.mark.parametrize(
    "line",
    [
        "torch==2.6.0",
        "torch~=2.6.0,==2.6.0",
        "torchserve==0.12.0",
        "sagemaker-pytorch-inference==2.0.25",
        "setuptools==81.0.0",
        "torchmetrics==1.0",
    ],
)
def test_what_the_image_has_already_may_be_asked_for(line: str) -> None:
    assert asked(line) == ()


def test_a_version_that_is_not_known_of_an_image_cannot_be_met() -> None:
    profile = containers.find("pytorch-inference-2.5-cpu")
    said = found(profile=profile, requirements="torchserve==0.12.0", today="2025-01-01")
    assert levels(said)[0] == (Rule.REPLACED_TORCH, Level.REFUSE)
    assert "the image has" not in said[0].text


def test_requirements_that_are_not_pinned_are_named_in_one_warning() -> None:
    (said,) = asked("six==1.17.0", "numpy>=1.26", "scipy")
    assert (said.rule, said.level) == (Rule.UNPINNED_REQUIREMENTS, Level.WARN)
    assert said.text.endswith("may install another version of 'numpy>=1.26' (line 2), 'scipy' (line 3)")


def test_a_url_is_no_pin_but_a_wheel_in_the_archive_is() -> None:
    (said,) = asked("https://x.org/six-1.0-py3-none-any.whl")
    assert said.rule is Rule.UNPINNED_REQUIREMENTS
    assert found(requirements="/opt/ml/model/code/wheels/six-1.0-py3-none-any.whl") == ()
    assert found(requirements="file:///opt/ml/model/code/wheels/six-1.0-py3-none-any.whl") == ()
    assert asked("/opt/ml/model/code/../../six-1.0-py3-none-any.whl") != ()


def test_another_index_is_warned_of_unless_every_requirement_has_hashes() -> None:
    index = "--extra-index-url https://x.org/simple"
    (said,) = asked(index, "six==1.17.0")
    assert (said.rule, said.level) == (Rule.UNPINNED_REQUIREMENTS, Level.WARN)
    assert index in said.text
    assert found(requirements=f"{index}\nsix==1.17.0 --hash=sha256:{'0' * 64}") == ()


def test_missing_hashes_are_only_a_note() -> None:
    assert levels(found(requirements="six==1.17.0")) == [(Rule.HASHES, Level.NOTE)]


def test_credentials_are_refused_and_not_repeated() -> None:
    said = asked("--index-url https://joe:hunter2@x.org/simple", "six==1.17.0")
    assert (Rule.SECRETS, Level.REFUSE) in levels(said)
    assert "hunter2" not in repr(said)


def test_every_finding_is_one_line_that_begins_as_a_sentence_does_not() -> None:
    everything = found(
        replace(TARGET, endpoint=fleet("ml.c7g.large")),
        profile=replace(containers.find("ray-serve-1.4-cpu"), python="3.9", end_of_patch="2026-01"),
        weights=written("2.13.0", Kind.TORCHSCRIPT),
        requirements="-i https://a:b@x.org\ntorch==2.13.0\nsix",
    )
    assert {finding.rule for finding in everything} == set(Rule) - {Rule.UNKNOWN_IMAGE}
    for finding in everything:
        for text in (finding.text, finding.hint):
            assert text.splitlines() == [text]
            assert not text.endswith(".")
            assert text[0].islower() or text.startswith(("'", "AWS"))
