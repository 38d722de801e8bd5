"""What an account's stacks have to know of the spec, and the spec of the stacks.

Knows the names of parameters and outputs of the templates in ``infra/``, and the keys of the spec that they
belong to; must not know how either is reached.
"""

import difflib
import json
import re
from collections.abc import Collection, Mapping, Sequence

from orchestrator.core.errors import Detail, OrchestratorError, RefusedError, SpecError
from orchestrator.core.premises import account_of
from orchestrator.core.proposal import quoted
from orchestrator.core.resources import Pairs
from orchestrator.core.spec import Spec
from orchestrator.core.stacks import Stack, Standing, standing
from orchestrator.core.target import Target

ACCOUNT_STACK = "orchestrator-account"
_SETTINGS = {
    "bucket": "ArtifactBucket",
    "bucket_owner": "BucketOwner",
    "role_arn": "ExecutionRoleArn",
    "assume_role_arn": "DeployerRoleArn",
    "kms_key": "KeyArn",
}
_BUCKET_PARAMETER, _BUCKET_OUTPUT = "BucketName", "ArtifactBucket"
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_LOGS = "/aws/sagemaker/Endpoints/"
_ENDPOINT_NAME = re.compile(r"[a-zA-Z0-9](-*[a-zA-Z0-9]){0,62}")
_OF_LOGS = re.compile(r"^ +(?:RetentionInDays|KmsKeyId): .*\n", re.MULTILINE)
_TAKEN = re.compile(r"AWS::S3::Bucket\): .*(?:already ?(?:exists|owned)|not available)", re.IGNORECASE)
_OF_ACCOUNTS = ("role_arn", "assume_role_arn", "bucket_owner")


def settings_of(account: Stack) -> dict[str, str]:
    """Return what the spec has to say to use what the account's stack has made, by key."""
    outputs = dict(account.outputs)
    return {key: outputs[name] for key, name in _SETTINGS.items() if outputs.get(name)}


def bucket_parameter(own: Mapping[str, object], account: Stack | None) -> dict[str, str]:
    """Return the parameter for the bucket that the environment's own table names, if that is to be made.

    A stack that has its bucket keeps it: another name would replace the one that has the journal.

    Args:
        own: What ``[env.NAME]`` says itself.
        account: The account's stack as it is.
    """
    name = own.get("bucket")
    if not isinstance(name, str):
        return {}
    had = {} if account is None else dict(account.parameters)
    is_new = standing(account) in {Standing.ABSENT, Standing.NEVER_MADE}
    return {_BUCKET_PARAMETER: name} if is_new or had.get(_BUCKET_PARAMETER) == name else {}


def name_another_bucket(error: OrchestratorError) -> None:
    """Let an ``error`` that came of a bucket's name being taken say how to choose another.

    Names are taken all over the world, and a bucket that a stack has left behind keeps its own. S3 says it in
    several ways ("BucketAlreadyExists", "BucketAlreadyOwnedByYou"), CloudFormation's handlers in one more
    ("AlreadyExists": CloudFormation CLI user guide, "Handler error codes").
    """
    if any(label == "failed" and _TAKEN.search(fact) for label, fact in error.details):
        choose = f"orchestrator bootstrap --parameter {_BUCKET_PARAMETER}=NAME"
        other = f"{choose}          the bucket's name is taken"
        error.hint = other if error.hint is None else f"{other}\n{error.hint}"


def endpoint_parameters(spec: Spec) -> dict[str, str]:
    """Return the parameters of an endpoint's stack that its spec decides.

    Alarms watch one variant: of several, the first by name.
    """
    endpoint = spec.target.endpoint
    variants = [variant.name for variant in endpoint.variants]
    return {"EndpointName": spec.name, "VariantName": variants[0], "Mode": str(endpoint.mode)}


def with_literal_log(template: str, endpoint: str) -> str:
    """Return an endpoint's ``template`` with the name of its log group written out.

    SageMaker makes the group when the endpoint starts first, and a change set takes over only what is named
    so, not by a function (CloudFormation User Guide, "Import AWS resources into a CloudFormation stack
    automatically"). A name that AWS refuses anyway is not written into YAML.
    """
    if not _ENDPOINT_NAME.fullmatch(endpoint):
        return template
    return template.replace(f"!Sub {_LOGS}${{EndpointName}}\n", f"{_LOGS}{endpoint}\n")


def with_bare_log(template: str) -> str:
    """Return an endpoint's ``template`` that says of its log group no more than the name.

    What is taken over stays as it is, and CloudFormation compares templates: what the first one says already
    would never be changed.
    """
    return _OF_LOGS.sub("", template)


def parameter_file(parameters: Pairs) -> str:
    """Return parameters as ``aws cloudformation deploy --parameter-overrides file://...`` reads them."""
    rows = [{"ParameterKey": key, "ParameterValue": value} for key, value in parameters]
    return json.dumps(rows, indent=2) + "\n"


def unknown_parameter(key: str, known: Collection[str]) -> SpecError:
    """Return what is told of a parameter that no template declares."""
    return SpecError(f"no template has a parameter {quoted(key)}", details=_meant(key, known))


def unknown_endpoint(name: str, known: Collection[str]) -> SpecError:
    """Return what is told of an endpoint that the spec does not have."""
    return SpecError(f"the spec has no endpoint {quoted(name)}", details=_meant(name, known))


def _meant(name: str, known: Collection[str]) -> list[Detail]:
    near = nearest(name, known)
    meant = [("meant", f"'{near}'")] if near else []
    return [*meant, ("known", ", ".join(sorted(known)))]


def nearest(name: str, known: Collection[str]) -> str | None:
    """Return which of some names is nearly the one that was said, if any is.

    >>> nearest("prdo", ["stage", "prod"])
    'prod'
    """
    return next(iter(difflib.get_close_matches(name, known, n=1)), None)


def unwatched(spec: Spec, parameters: Mapping[str, str]) -> tuple[str, ...]:
    """Return the variants of an endpoint that its stack, with these parameters, has no alarms for."""
    names = (variant.name for variant in spec.target.endpoint.variants)
    return tuple(name for name in names if name != parameters.get("VariantName"))


def unwritten(error: OrchestratorError, environment: str, settings: Mapping[str, str]) -> OrchestratorError:
    """Return the ``error`` that kept the spec from being written, with what was to be in it."""
    name = environment if _BARE_KEY.fullmatch(environment) else json.dumps(environment)
    lines = [f"[env.{name}]", *(f"{key} = {json.dumps(value)}" for key, value in settings.items())]
    error.add_detail("stacks", "they are as they are to be")
    error.add_detail("write", "\n".join(lines))
    error.hint = "orchestrator bootstrap          write it when that is mended: nothing is made twice"
    return error


def check_account(own: Mapping[str, object], caller: str, environment: str) -> None:
    """Check that an environment's settings are about the account that we are in.

    Args:
        own: What ``[env.NAME]`` says itself.
        caller: Our ARN: ``arn:PARTITION:SERVICE:REGION:ACCOUNT:...``.
        environment: Its name.

    Raises:
        RefusedError: If one of them is about another account.
    """
    account = account_of(caller)
    for key in _OF_ACCOUNTS:
        value = str(own.get(key, ""))
        named = account_of(value) if value.startswith("arn:") else value
        if named and named != account:
            raise RefusedError(
                f"'{key}' in [env.{environment}] is of account {named}, and we are in account {account}",
                details=[("we are", caller), ("state", "nothing has changed")],
                hint="aws sts get-caller-identity          who AWS thinks you are\n"
                "orchestrator bootstrap --overwrite          set up this account, and change the spec",
            )


def check_region(own: Mapping[str, object], region: str, environment: str) -> None:
    """Check that an environment's settings are about the region that we are in, before stacks are made there.

    Args:
        own: What ``[env.NAME]`` says itself.
        region: Ours.
        environment: Its name.

    Raises:
        RefusedError: If they are about another region.
    """
    named = own.get("region", region)
    if named != region:
        raise RefusedError(
            f"'region' in [env.{environment}] is {quoted(str(named))}, and this would set up {region}",
            details=[("state", "nothing has changed")],
            hint=f"orchestrator bootstrap --region {named}          set up the region of the spec\n"
            "orchestrator bootstrap --overwrite          set up this region, and change the spec",
        )


def differing(environment: str, was: Mapping[str, str], is_now: Mapping[str, str]) -> OrchestratorError:
    """Return what is told where the spec says something else than the stacks."""
    return RefusedError(
        f"[env.{environment}] says something else than the account's stack",
        details=[
            *((key, f"{value} in the spec, {is_now[key]} in the account") for key, value in was.items()),
            ("state", "the stacks are there; the spec was not touched"),
        ],
        hint="orchestrator bootstrap --overwrite          let the spec say what the stack has made\n"
        "orchestrator bootstrap --no-write          leave the spec as it is",
    )


def overshadowed(specs: Sequence[Spec], settings: Mapping[str, str]) -> tuple[str, ...]:
    """Return what does not hold for an endpoint although its environment's table says it."""
    return tuple(
        f"'{key}' of endpoint '{spec.name}' is {quoted(found)}, not what [env.{spec.target.environment}] "
        "says: orchestrator config show tells where it comes from"
        for spec in specs
        for key, value in settings.items()
        if (found := _resolved(spec.target, key)) != value
    )


def _resolved(target: Target, key: str) -> str:
    found = {
        "region": target.region,
        "bucket": target.bucket,
        "bucket_owner": target.bucket_owner,
        "role_arn": target.role,
        "assume_role_arn": target.assume_role,
        "kms_key": target.kms_key,
    }
    return found[key] or ""
