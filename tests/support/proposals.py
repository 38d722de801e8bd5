"""Proposals that break no rule, and short ways to make those that do."""

from dataclasses import dataclass, replace

from orchestrator.core.proposal import Proposal
from orchestrator.core.resources import (
    AsyncInference,
    Endpoint,
    EndpointConfig,
    Model,
    Serverless,
    State,
    Variant,
    VariantStatus,
)
from orchestrator.core.revision import Revision
from orchestrator.core.rollout import Kind, Rollout, Size
from orchestrator.core.scaling import Scaling, StepAdjustment, StepPolicy, TargetTracking
from orchestrator.core.target import JudgeSpec

REGISTRY = "763104351884.dkr.ecr.eu-west-1.amazonaws.com"
IMAGE = f"{REGISTRY}/pytorch-inference:2.6.0-cpu-py312"
ROLE = "arn:aws:iam::123456789012:role/sagemaker"
MODEL = Model("digits-aaaaaaaaaaaa", IMAGE, "s3://bucket/model.tar.gz", ROLE)
PRIMARY = Variant("primary", MODEL.name, "ml.m5.large", 4)
SECOND = replace(PRIMARY, name="second")
LAMBDA = Variant("primary", MODEL.name, serverless=Serverless(2048, 5))
ASYNC = AsyncInference("s3://bucket/answers/")
CONFIG = EndpointConfig("digits-bbbbbbbbbbbb", (PRIMARY,))
OLD = replace(CONFIG, name="digits-cccccccccccc")
GOOD = Proposal(Revision("digits", "a" * 64, MODEL, CONFIG), region="eu-west-1")
CANARY = Rollout(Kind.CANARY, Size(25), bake_seconds=600, final_bake_seconds=300, alarms=("digits-5xx",))
LINEAR = Rollout(Kind.LINEAR, Size(25), bake_seconds=300, alarms=("digits-5xx",))
ROLLING = Rollout(Kind.ROLLING, Size(25), bake_seconds=300, alarms=("digits-5xx",))
TRACKING = TargetTracking("load", "SageMakerVariantInvocationsPerInstance", 600)
SCALING = Scaling("primary", 2, 10, tracking=(TRACKING,))
WAKING = StepPolicy("wake", "HasBacklogWithoutCapacity", 1, (StepAdjustment(1, 0),), per_endpoint=True)
TEN_VALUES = JudgeSpec(min_samples=10)


def on(*variants: Variant, **changes: object) -> Proposal:
    """Return the good proposal with other variants, or another endpoint config."""
    chosen = variants or CONFIG.variants
    config = replace(CONFIG, variants=chosen, **changes)  # type: ignore[arg-type]  # the tests name the fields
    return replace(GOOD, revision=replace(GOOD.revision, config=config))


def of(**changes: object) -> Proposal:
    """Return the good proposal with another model."""
    model = replace(MODEL, **changes)  # type: ignore[arg-type]  # the tests name the fields
    return replace(GOOD, revision=replace(GOOD.revision, model=model))


def live(proposal: Proposal, serving: EndpointConfig = OLD, count: int = 4) -> Proposal:
    """Return the proposal as an update of an endpoint that serves ``serving``."""
    statuses = tuple(VariantStatus(variant.name, count, count) for variant in serving.variants)
    endpoint = Endpoint("digits", serving.name, variants=statuses)
    return replace(proposal, observed=State(configs=frozenset({serving}), endpoint=endpoint))


def moving(rollout: Rollout, *variants: Variant) -> Proposal:
    return replace(on(*variants), rollout=rollout)


def scaled(*scalings: Scaling, variants: tuple[Variant, ...] = (), **changes: object) -> Proposal:
    return replace(on(*variants, **changes), scalings=scalings)


def named(endpoint: str) -> Proposal:
    return replace(GOOD, revision=replace(GOOD.revision, endpoint=endpoint))


def tagged(*tags: tuple[str, str]) -> Proposal:
    return on(tags=tags)


def judged(rollout: Rollout, judge: JudgeSpec = TEN_VALUES, **changes: object) -> Proposal:
    return replace(on(**changes), rollout=rollout, judge=judge)


def single(**changes: object) -> Proposal:
    return on(replace(PRIMARY, **changes))  # type: ignore[arg-type]  # the tests name the fields


def step(**changes: object) -> Scaling:
    policy = replace(WAKING, **changes)  # type: ignore[arg-type]  # the tests name the fields
    return replace(SCALING, steps=(policy,))


def variables(count: int) -> tuple[tuple[str, str], ...]:
    return tuple((f"V{number:03d}", "x") for number in range(count))


@dataclass(frozen=True)
class Broken:
    """A proposal just over a limit: the rule and the key that have to be named."""

    rule: str
    key: str
    proposal: Proposal
    within: Proposal = GOOD
