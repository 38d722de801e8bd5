"""What the account has for a deployment: role, keys, image, quotas, alarms, topics, network, rules."""

from collections import Counter
from collections.abc import Callable, Iterator

from orchestrator.core.checkup import Group
from orchestrator.core.errors import SpecError
from orchestrator.core.fleets import fleets, quota_needed, type_of
from orchestrator.core.health import Finding, Severity, profile_of_image
from orchestrator.core.proposal import Severity as Weight
from orchestrator.core.trust import is_for_one_account
from orchestrator.usecases.examining.scene import Scene
from orchestrator.usecases.examining.table import Check, Where

RULES = "orchestrator"
"""What the names of our EventBridge rules begin with."""

_SEVERITIES = {Weight.REFUSE: Severity.ERROR, Weight.CONSENT: Severity.NOTE, Weight.WARN: Severity.WARNING}
# Told by checks of their own.
_ELSEWHERE = {"quota", "bucket-region"}
_ALARMS = "rollout.alarms"


def _role(scene: Scene) -> Iterator[Finding]:
    role, environment = scene.spec.target.role, scene.spec.target.environment
    if role is None:
        what = f"none is set for the environment '{environment}'"
        fix = f"orchestrator bootstrap          makes one; or set role_arn in [env.{environment}]"
        yield Finding(Severity.ERROR, "role_arn", what, fix)
    elif problem := scene.edge.account.role_problem(scene.role):
        fix = "orchestrator bootstrap          makes one that SageMaker may assume"
        yield Finding(Severity.ERROR, f"role_arn {role}", problem, fix)


def _role_trust(scene: Scene) -> Iterator[Finding]:
    role = scene.role
    if not is_for_one_account(scene.trust):
        what = "its trust policy lets SageMaker assume it for anybody: no aws:SourceAccount or aws:SourceArn"
        fix = f'add "Condition": {{"StringEquals": {{"aws:SourceAccount": "{scene.caller.account}"}}}} to it'
        yield Finding(Severity.WARNING, f"role_arn {role}", what, fix)


def _pass_role(scene: Scene) -> Iterator[Finding]:
    role = scene.role
    _ = scene.trust  # of a role that is not there, the simulator knows nothing
    if not scene.premises.may_pass(scene.caller.arn, role):
        what = f"{scene.caller.arn} may not hand it to SageMaker: no policy allows iam:PassRole on it"
        fix = "orchestrator bootstrap          makes a deployer that may; or allow iam:PassRole on it"
        yield Finding(Severity.ERROR, f"role_arn {role}", what, fix)


def _keys(scene: Scene) -> Iterator[Finding]:
    target = scene.spec.target
    named = {"kms_key": target.kms_key, "endpoint.kms_key": target.endpoint.kms_key}
    for name, key in named.items():
        if key is not None and (problem := scene.premises.key_problem(key)):
            fix = f"aws kms describe-key --key-id {key}          its state; or set {name} to another"
            yield Finding(Severity.ERROR, f"{name} {key}", problem, fix)


def _image(scene: Scene) -> Iterator[Finding]:
    target = scene.spec.target
    if target.image is None:
        try:
            scene.edge.images.image_uri(target.profile, target.region or "")
        except SpecError as error:
            yield Finding(
                Severity.ERROR, f"container profile '{target.profile}'", str(error), error.hint or ""
            )
    elif profile_of_image(target.image) is None and (
        problem := scene.edge.account.image_problem(target.image)
    ):
        fix = f"docker push {target.image}          or set container.image to one that is there"
        yield Finding(Severity.ERROR, f"container.image {target.image}", problem, fix)


def _quota(scene: Scene) -> Iterator[Finding]:
    """Yield which quotas are too small: for what is wanted, or for the next update of it."""
    proposal, _ = scene.proposed
    quotas = dict(proposal.quotas)
    needed = Counter(quota_needed(proposal))
    again = Counter(needed)
    if proposal.observed.endpoint is None:
        for variant in fleets(proposal.config):
            again[type_of(variant)] += proposal.count(variant)
    for kind, quota in quotas.items():
        fix = f"ask AWS for more '{kind} for endpoint usage' in Service Quotas, or lower instance_count"
        if needed[kind] > quota:
            what = f"{needed[kind]} are needed at a time, and the quota is {quota}"
            yield Finding(Severity.ERROR, f"quota of {kind}", what, fix)
        elif again[kind] > quota:
            what = (
                f"the quota is {quota}: enough for the first deployment ({needed[kind]}), and not for an "
                f"update ({again[kind]} at a time)"
            )
            yield Finding(Severity.WARNING, f"quota of {kind}", what, fix)


def _alarms(scene: Scene) -> Iterator[Finding]:
    if not scene.spec.target.rollout.alarms:
        return
    _, broken = scene.proposed
    for one in broken:
        if one.key == _ALARMS:
            fix = f"orchestrator alarms {scene.name}"
            yield Finding(_SEVERITIES[one.severity], "alarms of the rollout", one.says, fix)


def _rules(scene: Scene) -> Iterator[Finding]:
    _, broken = scene.proposed
    for one in broken:
        if one.key != _ALARMS and one.rule not in _ELSEWHERE:
            fix = "orchestrator config show          where each value comes from"
            yield Finding(_SEVERITIES[one.severity], f"{one.key} ({one.rule})", one.says, fix)


def _topics(scene: Scene) -> Iterator[Finding]:
    wanted = scene.spec.target.endpoint.async_inference
    topics = () if wanted is None else (wanted.success_topic, wanted.error_topic)
    for topic in dict.fromkeys(topics):
        if topic and (problem := scene.premises.topic_problem(topic)):
            fix = f"aws sns create-topic --name {topic.rpartition(':')[2]}"
            yield Finding(Severity.ERROR, f"topic {topic}", problem, fix)


def _network(scene: Scene) -> Iterator[Finding]:
    vpc = scene.spec.target.endpoint.vpc
    for problem in () if vpc is None else scene.premises.network_problems(vpc):
        yield Finding(Severity.ERROR, "endpoint.vpc", problem, "correct endpoint.vpc of the spec")


def _events(scene: Scene) -> Iterator[Finding]:
    for rule in scene.premises.idle_rules(RULES):
        fix = "orchestrator bootstrap          gives it its topic again"
        yield Finding(Severity.WARNING, f"EventBridge rule {rule}", "it has no target: nobody is told", fix)


def _check(
    code: str,
    looks: str,
    examine: Callable[[Scene], Iterator[Finding]],
    worst: Severity = Severity.ERROR,
    where: Where = Where.EVERYWHERE,
) -> Check[Scene]:
    return Check(code, Group.ACCOUNT, looks, worst, examine, where)


CHECKS = (
    _check("role", "the execution role: there, and SageMaker may assume it", _role),
    _check(
        "role-trust",
        "whether the role's trust policy says for which account",
        _role_trust,
        Severity.WARNING,
        Where.REMOTE,
    ),
    _check(
        "pass-role",
        "whether we may hand the role to SageMaker, by IAM's policy simulator",
        _pass_role,
        where=Where.REMOTE,
    ),
    _check("keys", "the KMS keys: there and enabled", _keys, where=Where.REMOTE),
    _check("image", "the image: published in the region, or in ECR", _image),
    _check("quota", "instances for a deployment and for an update, against quotas", _quota),
    _check("alarms", "the alarms that the spec names: there, quiet, able to fire", _alarms),
    _check("rules", "every other rule that a plan is held against", _rules),
    _check("topics", "the SNS topics of asynchronous answers", _topics),
    _check("network", "subnets and security groups: there, in one VPC", _network, where=Where.REMOTE),
    _check("events", "EventBridge rules of ours without a target", _events, Severity.WARNING, Where.REMOTE),
)
