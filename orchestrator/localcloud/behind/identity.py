"""IAM beyond moto: the managed policies of AWS for who asks for one, and the policy simulator.

Scripts attach ``AmazonSageMakerFullAccess`` to the role they make, and the SageMaker Python SDK v3 asks
``SimulatePrincipalPolicy`` whether that role is enough before it deploys.
"""

import functools
import itertools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from moto.core.responses import ActionResult
from moto.iam.aws_managed_policies import aws_managed_policies_data
from moto.iam.exceptions import MalformedPolicyDocument, NotFoundException
from moto.iam.models import AWSManagedPolicy, Group, IAMBackend, ManagedPolicy, Role, User
from moto.iam.policy_validation import IAMPolicyDocumentValidator
from moto.iam.responses import IamResponse

from orchestrator.localcloud.apierrors import ApiError, unsupported
from orchestrator.localcloud.objects.policies import Asked, Decision, decide, unmet_keys

_AWS_OWN = re.compile(r"arn:aws[a-z-]*:iam::aws:policy/")
_PRINCIPAL = re.compile(r"arn:aws[a-z-]*:(?:iam|sts)::(\d{12}):(user|group|role|assumed-role)/(.+)")
_ATTACHING = ("attach_role_policy", "attach_user_policy", "attach_group_policy")
_DECISIONS = {
    Decision.ALLOWED: "allowed",
    Decision.DENIED: "explicitDeny",
    Decision.NEUTRAL: "implicitDeny",
}
_PAGE = 100

Entity = User | Group | Role
Policies = Sequence[tuple[str, str, Mapping[str, Any]]]
"""Of each policy its id, its type as the simulator names it, and the document."""


def install() -> None:
    """Let moto's IAM do what it lacks."""
    for name in (*_ATTACHING, "get_policy", "list_policies"):
        if not hasattr(getattr(IAMBackend, name), "__wrapped__"):
            setattr(IAMBackend, name, _knowing_managed(getattr(IAMBackend, name)))
    IamResponse.simulate_principal_policy = _simulate_principal_policy  # type: ignore[attr-defined]  # moto finds it by its name
    IamResponse.simulate_custom_policy = _simulate_custom_policy  # type: ignore[attr-defined]  # moto finds it by its name

    if not hasattr(IamResponse.create_user, "__wrapped__"):
        IamResponse.create_user = _without_boundary(IamResponse.create_user)  # type: ignore[assignment,method-assign]  # likewise


def _without_boundary(
    original: Callable[[IamResponse], ActionResult],
) -> Callable[[IamResponse], ActionResult]:
    """Return a CreateUser that refuses what moto would drop: it has boundaries of roles only."""

    @functools.wraps(original)
    def method(self: IamResponse) -> ActionResult:
        if self._get_params().get("PermissionsBoundary"):
            raise unsupported("PermissionsBoundary of users")
        return original(self)

    return method


def _knowing_managed(original: Callable[..., object]) -> Callable[..., object]:
    """Return a method of the backend that knows AWS's own policies if it is asked for one of them.

    To have them all from the start costs a second and 70 MB, and few need one.
    """

    def method(self: IAMBackend, *args: object, **named: object) -> object:
        wanted = [*args, *named.values()]
        if original.__name__ == "list_policies" or any(_AWS_OWN.match(str(each)) for each in wanted):
            _load_managed(self)
        return original(self, *args, **named)

    method.__wrapped__ = original  # type: ignore[attr-defined]  # as functools.wraps does
    return method


def _load_managed(backend: IAMBackend) -> None:
    if backend.aws_managed_policies:
        return
    backend.aws_managed_policies = [
        AWSManagedPolicy.from_data(name, backend.account_id, backend.region_name, content)
        for name, content in json.loads(aws_managed_policies_data).items()
    ]
    own = {policy.arn: policy for policy in backend.aws_managed_policies}
    backend.managed_policies = {**own, **backend.managed_policies}


def _simulate_principal_policy(self: IamResponse) -> ActionResult:
    asked = self._get_params()
    entity = _entity(self.backend, asked["PolicySourceArn"])
    policies = [*_of_entity(self.backend, entity), *_given(asked, "PolicyInputList")]
    boundary = _boundary(self.backend, entity, asked)
    return _evaluated(asked, policies, boundary)


def _simulate_custom_policy(self: IamResponse) -> ActionResult:
    asked = self._get_params()
    boundary = _given(asked, "PermissionsBoundaryPolicyInputList")
    return _evaluated(asked, _given(asked, "PolicyInputList"), boundary or None)


def _entity(backend: IAMBackend, arn: str) -> Entity:
    """Return the user, group or role that an ARN names; of a session the role.

    Raises:
        NotFoundException: If there is none.
    """
    found = _PRINCIPAL.fullmatch(arn)
    if found is None or found[1] != backend.account_id:
        raise NotFoundException(f"{arn} is not a user, group or role of this account")
    kind, path = found[2], found[3]
    if kind == "assumed-role":
        return backend.get_role(path.partition("/")[0])
    name = path.rpartition("/")[2]
    find: Mapping[str, Callable[[str], Entity]] = {
        "user": backend.get_user,
        "group": backend.get_group,
        "role": backend.get_role,
    }
    return find[kind](name)


def _of_entity(backend: IAMBackend, entity: Entity) -> Iterator[tuple[str, str, Mapping[str, Any]]]:
    """Yield the policies of a user, group or role; those of its groups are a user's, too."""
    for name, document in entity.policies.items():
        yield name, "IAM Policy", _document(document)
    for policy in entity.managed_policies.values():
        yield policy.arn, "IAM Policy", _document(_default(policy))
    if isinstance(entity, User):
        for group in backend.get_groups_for_user(entity.name):
            yield from _of_entity(backend, group)


def _boundary(backend: IAMBackend, entity: Entity, asked: Mapping[str, Any]) -> Policies | None:
    if given := _given(asked, "PermissionsBoundaryPolicyInputList"):
        return given
    arn = getattr(entity, "permissions_boundary_arn", None)
    if not arn:
        return None
    return [(arn, "Permissions Boundary Policy", _document(_default(backend.get_policy(arn))))]


def _default(policy: ManagedPolicy) -> str:
    versions = {version.version_id: version for version in policy.versions}
    return str(versions[policy.default_version_id].document)


def _given(asked: Mapping[str, Any], member: str) -> Policies:
    """Return the policies of a request.

    Raises:
        ApiError: If one is none.
    """
    return [
        (f"{member}.{number}", "PolicyInputList", _checked(text))
        for number, text in enumerate(asked.get(member) or (), 1)
    ]


def _document(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(unquote(text) if text.lstrip().startswith("%7B") else text)
    except ValueError as error:
        raise ApiError("InvalidInput", f"a policy is no JSON: {error}") from error
    return found if isinstance(found, dict) else {}


def _checked(text: str) -> Mapping[str, Any]:
    """Return a policy that somebody has just written; those that are attached were checked by then.

    Raises:
        ApiError: If IAM would not take it.
    """
    try:
        IAMPolicyDocumentValidator(text).validate()
    except MalformedPolicyDocument as error:
        raise ApiError("InvalidInput", str(error.message)) from error
    return _document(text)


def _number(asked: Mapping[str, Any], member: str, unsaid: int) -> int:
    text = str(asked.get(member) or unsaid)
    if not text.isdecimal():
        raise ApiError("InvalidInput", f"{member} '{text}' is not valid")
    return int(text)


def _evaluated(asked: Mapping[str, Any], policies: Policies, boundary: Policies | None) -> ActionResult:
    """Return one page of decisions, one for each action and resource."""
    context = {
        entry["ContextKeyName"].lower(): _values(entry)
        for entry in asked.get("ContextEntries") or ()
        if entry.get("ContextKeyValues")
    }
    wanted = itertools.product(asked["ActionNames"], asked.get("ResourceArns") or ["*"])
    found = [
        _decision(Asked(action, resource, frozenset(), context), policies, boundary)
        for action, resource in wanted
    ]
    begin, size = _number(asked, "Marker", 0), _number(asked, "MaxItems", _PAGE)
    end = begin + size
    page: dict[str, Any] = {"EvaluationResults": found[begin:end], "IsTruncated": end < len(found)}
    return ActionResult({**page, "Marker": str(end)} if end < len(found) else page)


def _values(entry: Mapping[str, Any]) -> str | Sequence[str]:
    """Return what a condition key has: several values only if its type says so."""
    values = [str(value) for value in entry["ContextKeyValues"]]
    return values if str(entry.get("ContextKeyType")).endswith("List") else values[0]


def _decision(request: Asked, policies: Policies, boundary: Policies | None) -> dict[str, Any]:
    decisions = {(name, kind): decide(document, request) for name, kind, document in policies}
    decision = _together(decisions.values())
    told: dict[str, Any] = {
        "EvalActionName": request.action,
        "EvalResourceName": request.resource,
        "MatchedStatements": [
            {"SourcePolicyId": name, "SourcePolicyType": kind}
            for (name, kind), each in decisions.items()
            if each is not Decision.NEUTRAL
        ],
        "MissingContextValues": sorted(
            {key for _, _, document in policies for key in unmet_keys(document, request)}
        ),
    }
    if boundary is not None:
        limit = _together(decide(document, request) for _, _, document in boundary)
        within = limit is Decision.ALLOWED
        told["PermissionsBoundaryDecisionDetail"] = {"AllowedByPermissionsBoundary": within}
        if limit is Decision.DENIED or decision is Decision.ALLOWED:
            decision = limit
    return {**told, "EvalDecision": _DECISIONS[decision]}


def _together(decisions: Iterable[Decision]) -> Decision:
    """Return what several policies say together: a Deny wins, then an Allow."""
    found = set(decisions)
    for decision in (Decision.DENIED, Decision.ALLOWED):
        if decision in found:
            return decision
    return Decision.NEUTRAL
