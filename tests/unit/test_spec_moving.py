"""The spec: how traffic moves, what is watched meanwhile, and how capacity follows traffic."""

from pathlib import Path

import pytest

from orchestrator.adapters.spec import reading
from orchestrator.core.errors import SpecError
from orchestrator.core.rollout import AT_ONCE, Kind, Rollout, Size, Unit
from orchestrator.core.scaling import Dimension, Scaling, Schedule, StepAdjustment, StepPolicy, TargetTracking
from orchestrator.core.target import AlarmSpec, JudgeSpec, Target

HEAD = """
version = 1
name = "digits"
[model]
path = "model.safetensors"
"""
INVOCATIONS = TargetTracking("invocations-per-instance", "SageMakerVariantInvocationsPerInstance", 600.0)
UTILIZATION = TargetTracking(
    "provisioned-concurrency-utilization", "SageMakerVariantProvisionedConcurrencyUtilization", 0.7
)


def target(folder: Path, text: str, flags: dict[str, str] | None = None) -> Target:
    path = folder / "orchestrator.toml"
    path.write_text(HEAD + text, "utf-8")
    return reading.read(path, "local", flags=flags or {}, environ={}).spec.target


def rollout(folder: Path, lines: str) -> Target:
    return target(folder, f"[defaults.rollout]\n{lines}\n")


def scaled(folder: Path, lines: str, endpoint: str = "") -> tuple[Scaling, ...]:
    text = f"[defaults.endpoint]\n{endpoint}\n[defaults.autoscaling]\n{lines}\n"
    return target(folder, text).scalings


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ("", AT_ONCE),
        ('type = "all-at-once"\nfinal_bake_seconds = 60', Rollout(final_bake_seconds=60)),
        ('type = "canary"', Rollout(Kind.CANARY, Size(10), 300)),
        (
            'type = "canary"\nsize_percent = 30\nbake_seconds = 0\nfinal_bake_seconds = 600',
            Rollout(Kind.CANARY, Size(30), 0, 600),
        ),
        ('type = "linear"\nsize_instances = 2', Rollout(Kind.LINEAR, Size(2, Unit.INSTANCES), 300)),
        (
            'type = "rolling"\nsize_percent = 25\nrollback_percent = 50\ntimeout_seconds = 3600',
            Rollout(Kind.ROLLING, Size(25), 300, timeout_seconds=3600, rollback_size=Size(50)),
        ),
        (
            'type = "rolling"\nrollback_instances = 1',
            Rollout(Kind.ROLLING, Size(10), 300, rollback_size=Size(1, Unit.INSTANCES)),
        ),
        ('alarms = ["b", "a"]', Rollout(alarms=("b", "a"))),
    ],
)
def test_every_key_of_the_rollout_arrives(tmp_path: Path, lines: str, wanted: Rollout) -> None:
    assert rollout(tmp_path, lines).rollout == wanted


def test_nothing_is_judged_and_no_alarm_is_made_unless_the_spec_says_so(tmp_path: Path) -> None:
    found = rollout(tmp_path, 'type = "canary"')
    assert (found.judge, found.alarms, found.scalings) == (None, None, ())


@pytest.mark.parametrize(
    ("lines", "judge"),
    [
        ("judge = {}", JudgeSpec()),
        ("judge = { min_requests = 50, min_samples = 3 }", JudgeSpec(50, 3)),
        ("judge = { allowed_increase = 1.1, inconclusive = 'accept' }", JudgeSpec(500, 10, 1.1, "accept")),
    ],
)
def test_every_key_of_the_judge_arrives(tmp_path: Path, lines: str, judge: JudgeSpec) -> None:
    assert rollout(tmp_path, f'type = "linear"\n{lines}').judge == judge


@pytest.mark.parametrize(
    ("lines", "alarms"),
    [
        ("{ error_percent = 1 }", AlarmSpec(1.0)),
        (
            "{ latency_ms = 250, period_seconds = 120, evaluation_periods = 3 }",
            AlarmSpec(None, 250.0, 120, 3),
        ),
    ],
)
def test_every_key_of_generated_alarms_arrives(tmp_path: Path, lines: str, alarms: AlarmSpec) -> None:
    assert rollout(tmp_path, f"generate_alarms = {lines}").alarms == alarms


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ("size_percent = 10", "'rollout.size_percent' has no effect with type 'all-at-once'"),
        ("bake_seconds = 10", "'rollout.bake_seconds' has no effect with type 'all-at-once'"),
        ("judge = {}", "'rollout.judge' has no effect with type 'all-at-once'"),
        ('type = "rolling"\nfinal_bake_seconds = 1', "'rollout.final_bake_seconds' has no effect"),
        ('type = "canary"\nrollback_percent = 1', "'rollout.rollback_percent' has no effect"),
        ('type = "canary"\nsize_percent = 1\nsize_instances = 1', "either size_percent or size_instances"),
        ("rollback_percent = 1\nrollback_instances = 1", "either rollback_percent or rollback_instances"),
        ('type = "canary"\nsize_percent = 0', "'defaults.rollout.size_percent' cannot be 0"),
        ('type = "canary"\nbake_seconds = "300"', "'defaults.rollout.bake_seconds' cannot be '300'"),
        ('alarms = "digits-5xx"', "'defaults.rollout.alarms' cannot be 'digits-5xx'"),
        ('alarms = [""]', "'defaults.rollout.alarms.0' cannot be ''"),
        ("generate_alarms = { error_percent = 100 }", "error_percent' cannot be 100"),
        ("generate_alarms = { error_percent = 0 }", "error_percent' cannot be 0"),
        ("generate_alarms = { latency_ms = -1 }", "latency_ms' cannot be -1"),
        (
            "generate_alarms = { period_seconds = 90 }",
            "period_seconds' cannot be 90: it should be a multiple",
        ),
        ("generate_alarms = true", "'defaults.rollout.generate_alarms' cannot be True"),
        ("judge = { allowed_increase = 0.5 }", "allowed_increase' cannot be 0.5"),
        ("judge = { inconclusive = 'wait' }", "inconclusive' cannot be 'wait'"),
        ("judge = { min_requests = 0 }", "min_requests' cannot be 0"),
    ],
)
def test_a_rollout_that_cannot_be_is_refused_with_its_key(tmp_path: Path, lines: str, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        rollout(tmp_path, lines)
    assert said in str(caught.value)


def test_a_rollout_on_the_command_line_leaves_behind_what_belonged_to_the_files(tmp_path: Path) -> None:
    text = '[defaults.rollout]\ntype = "canary"\nsize_percent = 30\nbake_seconds = 60\nalarms = ["a"]\n'
    found = target(tmp_path, text, {"rollout.type": "all-at-once"}).rollout
    assert found == Rollout(alarms=("a",))
    assert target(tmp_path, text, {"rollout.type": "rolling"}).rollout == Rollout(
        Kind.ROLLING, Size(30), 60, alarms=("a",)
    )


@pytest.mark.parametrize(
    ("lines", "wanted"),
    [
        ("", Scaling("primary", 1, 4)),
        ("target_invocations_per_instance = 600", Scaling("primary", 1, 4, tracking=(INVOCATIONS,))),
        (
            (
                "target_invocations_per_instance = 600\n[[defaults.autoscaling.tracking]]\nname = 'cpu'\n"
                "metric = 'CPUUtilization'\ntarget = 60\nscale_in_cooldown_seconds = 1\n"
                "scale_out_cooldown_seconds = 2\nscale_in = false"
            ),
            Scaling(
                "primary",
                1,
                4,
                tracking=(
                    INVOCATIONS,
                    TargetTracking("cpu", "CPUUtilization", 60.0, 1, 2, scale_in=False),
                ),
            ),
        ),
        (
            (
                "[[defaults.autoscaling.steps]]\nname = 'wake'\nmetric = 'HasBacklogWithoutCapacity'\n"
                "threshold = 1\nadjustments = [{ change = 1, lower = 0 }, { change = -1, upper = 0.5 }]\n"
                "statistic = 'Maximum'\ncomparison = 'GreaterThanThreshold'\nperiod_seconds = 30\n"
                "evaluation_periods = 1\ncooldown_seconds = 300\nper_endpoint = true"
            ),
            Scaling(
                "primary",
                1,
                4,
                steps=(
                    StepPolicy(
                        "wake",
                        "HasBacklogWithoutCapacity",
                        1.0,
                        (StepAdjustment(1, 0.0), StepAdjustment(-1, upper=0.5)),
                        "Maximum",
                        "GreaterThanThreshold",
                        30,
                        1,
                        300,
                        per_endpoint=True,
                    ),
                ),
            ),
        ),
        (
            "schedules = [{ name = 'n', expression = 'rate(1 day)', min = 0, max = 2, timezone = 'UTC' }]",
            Scaling("primary", 1, 4, schedules=(Schedule("n", "rate(1 day)", 0, 2, "UTC"),)),
        ),
    ],
)
def test_every_key_of_autoscaling_arrives(tmp_path: Path, lines: str, wanted: Scaling) -> None:
    assert scaled(tmp_path, f"min = 1\nmax = 4\n{lines}") == (wanted,)


def test_serverless_scales_its_provisioned_concurrency(tmp_path: Path) -> None:
    serverless = "mode = 'serverless'\nserverless = { provisioned_concurrency = 1 }"
    (found,) = scaled(tmp_path, "min = 1\nmax = 3\ntarget_utilization = 0.7", serverless)
    assert found == Scaling("primary", 1, 3, Dimension.PROVISIONED_CONCURRENCY, (UTILIZATION,))


VARIANTS = "variants = { a = { weight = 1 }, b = { weight = 1 }, c = { weight = 1 } }"


def test_variants_are_scaled_alike_unless_one_is_told_otherwise(tmp_path: Path) -> None:
    own = "[defaults.autoscaling.variants]\nb = { max = 9 }\nc = false"
    found = scaled(tmp_path, f"min = 1\nmax = 4\n{own}", VARIANTS)
    assert found == (Scaling("a", 1, 4), Scaling("b", 1, 9))


def test_a_variant_may_be_the_only_one_that_is_scaled(tmp_path: Path) -> None:
    assert scaled(tmp_path, "variants = { b = { min = 1, max = 9 } }", VARIANTS) == (Scaling("b", 1, 9),)


@pytest.mark.parametrize(
    ("lines", "endpoint", "said"),
    [
        ("min = 1", "", "'autoscaling.max' is missing"),
        ("max = 1", "", "'autoscaling.min' is missing"),
        ("min = 5\nmax = 4", "", "'autoscaling.min' is above 'autoscaling.max', 4"),
        ("min = -1\nmax = 4", "", "'defaults.autoscaling.min' cannot be -1"),
        ("min = 1\nmax = 4\nvariants = { x = { max = 2 } }", "", "'autoscaling.variants.x' is of no variant"),
        ("min = 1\nmax = 4\ntarget_utilization = 0.5", "", "has no effect with mode 'realtime'"),
        ("min = 1\nmax = 4\ntarget_utilization = 70", "", "target_utilization' cannot be 70"),
        (
            "min = 1\nmax = 4\ntarget_invocations_per_instance = 9",
            "mode = 'serverless'",
            "has no effect with mode 'serverless'",
        ),
        ("min = 1\nmax = 4", "mode = 'serverless'", "needs 'endpoint.serverless.provisioned_concurrency'"),
        (
            "min = 1\nmax = 4\nschedules = [{ name = 'x', expression = 'rate(1 day)' }]",
            "",
            "'defaults.autoscaling.schedules.0': a schedule sets min, max or both",
        ),
        (
            "min = 1\nmax = 4\nschedules = [{ name = 'x', expression = 'daily', min = 1 }]",
            "",
            "'defaults.autoscaling.schedules.0.expression' cannot be 'daily'",
        ),
        (
            (
                "min = 1\nmax = 4\ntracking = [{ name = 'x', metric = 'm', target = 1 }, "
                "{ name = 'x', metric = 'n', target = 1 }]"
            ),
            "",
            "two policies of 'autoscaling' have the name 'x'",
        ),
        (
            (
                "min = 1\nmax = 4\nschedules = [{ name = 'x', expression = 'rate(1 day)', min = 1 }, "
                "{ name = 'x', expression = 'rate(2 days)', min = 1 }]"
            ),
            "",
            "two schedules of 'autoscaling' have the name 'x'",
        ),
        (
            'min = 1\nmax = 4\ntracking = [{ name = "a\\nb", metric = "m", target = 1 }]',
            "",
            "control characters",
        ),
        ("min = 1\nmax = 4\nsteps = [{ name = 'x' }]", "", "autoscaling.steps.0.metric' is missing"),
        (
            "min = 1\nmax = 4\nsteps = [{ name = 'x', metric = 'm', threshold = 1, adjustments = [] }]",
            "",
            "autoscaling.steps.0.adjustments' cannot be []",
        ),
    ],
)
def test_autoscaling_that_cannot_be_is_refused_with_its_key(
    tmp_path: Path, lines: str, endpoint: str, said: str
) -> None:
    with pytest.raises(SpecError) as caught:
        scaled(tmp_path, lines, endpoint)
    assert said in str(caught.value)


def test_a_misspelt_key_in_a_list_gets_the_nearest_one(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"no key 'defaults\.autoscaling\.tracking\.0\.metrik'") as caught:
        scaled(tmp_path, "tracking = [{ name = 'x', metrik = 'm', target = 1 }]")
    assert dict(caught.value.details)["meant"] == "'defaults.autoscaling.tracking.0.metric'"
