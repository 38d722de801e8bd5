"""CloudFormation through boto3.

Knows what its API calls things; must not know what the stacks are for.
"""

import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import ClientError

from orchestrator.adapters.aws import Clients
from orchestrator.adapters.refusals import code_of, message_of, translated
from orchestrator.core.errors import ConflictError, DeniedError, RefusedError
from orchestrator.core.resources import Pairs
from orchestrator.core.stacks import Action, Answer, Change, Event, Proposal, Stack, missing_actions

# The account template names its roles, which CreateChangeSet wants to be told that we know.
_CAPABILITIES = ["CAPABILITY_NAMED_IAM"]
# The first is what an API call says, the second what some templates with nothing to do get.
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
_REPLACEMENT = {"True": Action.REPLACE, "Conditional": Action.MAY_REPLACE}
_ACTIONS = {"Add": Action.ADD, "Import": Action.TAKE_OVER, "Remove": Action.REMOVE}


class CloudFormation:
    """The `Stacks` port on boto3."""

    def __init__(self, clients: Clients) -> None:
        self._clients = clients

    @property
    def _api(self) -> Any:  # noqa: ANN401 - boto3's clients have no types
        return self._clients("cloudformation")

    def find(self, name: str) -> Stack | None:
        """Return the stack as it is now, or ``None``."""
        with _doing(f"looking at stack '{name}'"):
            try:
                found = self._api.describe_stacks(StackName=name)["Stacks"]
            except ClientError as error:
                # CloudFormation has no code of its own for this.
                if code_of(error) == "ValidationError" and "does not exist" in message_of(error):
                    return None
                raise
        return _stack(found[0]) if found else None

    def propose(self, proposal: Proposal) -> None:
        """Ask for a change set, in the place of one that asked for the same.

        Raises:
            RefusedError: If CloudFormation does not take the template, or a parameter's value.
            ConflictError: If somebody else asks for the same at this moment.
        """
        self.withdraw(proposal)
        with _doing(f"asking for a change of stack '{proposal.stack}'"):
            try:
                self._create(proposal)
            except ClientError as error:
                if code_of(error) == "AlreadyExistsException":
                    raise _meanwhile(proposal, error) from error
                # A parameter's value, or the template, is not what CloudFormation takes.
                if code_of(error) != "ValidationError":
                    raise
                raise RefusedError(
                    f"stack '{proposal.stack}' cannot be changed like this",
                    details=[("AWS", message_of(error)), ("state", "nothing has changed")],
                ) from error

    def _create(self, proposal: Proposal) -> None:
        self._api.create_change_set(
            StackName=proposal.stack,
            ChangeSetName=proposal.name,
            ChangeSetType="CREATE" if proposal.is_new else "UPDATE",
            TemplateBody=proposal.template,
            Capabilities=_CAPABILITIES,
            # A log group that SageMaker has made, or a bucket that outlived its stack, is taken over.
            ImportExistingResources=True,
            Parameters=[
                *({"ParameterKey": key, "ParameterValue": value} for key, value in proposal.parameters),
                *({"ParameterKey": key, "UsePreviousValue": True} for key in proposal.kept),
            ],
            Tags=[{"Key": key, "Value": value} for key, value in proposal.tags],
        )

    def answer(self, proposal: Proposal) -> Answer:
        """Return what became of the change set so far.

        Raises:
            ConflictError: If somebody has withdrawn it, as who asks for the same does.
        """
        with _doing(f"looking at a change of stack '{proposal.stack}'"):
            try:
                pages = list(self._pages(proposal))
            except ClientError as error:
                if not _is_absent(error):
                    raise
                raise _meanwhile(proposal, error) from error
        status, reason = pages[0]["Status"], str(pages[0].get("StatusReason", ""))
        if status == "CREATE_COMPLETE":
            changes = (change["ResourceChange"] for page in pages for change in page.get("Changes", ()))
            return Answer(tuple(map(_change, changes)))
        if status != "FAILED":
            return Answer(None)
        empty = any(words in reason for words in _NO_CHANGES)
        return Answer(()) if empty else Answer((), reason or "CloudFormation gave no reason")

    def _pages(self, proposal: Proposal) -> Iterator[Mapping[str, Any]]:
        token: dict[str, str] = {}
        while True:
            page = self._api.describe_change_set(
                StackName=proposal.stack, ChangeSetName=proposal.name, **token
            )
            yield page
            if not page.get("NextToken"):
                return
            token = {"NextToken": page["NextToken"]}

    def carry_out(self, proposal: Proposal, *, retains: bool) -> None:
        """Begin to change the stack; with ``retains``, what the template keeps outlives a failure.

        Raises:
            ConflictError: If somebody has changed the stack, or withdrawn the change set, since.
        """
        with _doing(f"changing stack '{proposal.stack}'"):
            try:
                self._api.execute_change_set(
                    StackName=proposal.stack,
                    ChangeSetName=proposal.name,
                    # All its events carry it (reference of StackEvent), and none may come twice.
                    ClientRequestToken=f"{proposal.name}-{uuid.uuid4().hex[:12]}",
                    # Otherwise what was made by a creation that failed would be in the way of the next:
                    # reference of ExecuteChangeSet.
                    RetainExceptOnCreate=not retains,
                )
            except ClientError as error:
                if code_of(error) not in {"ChangeSetNotFound", "InvalidChangeSetStatus"}:
                    raise
                raise _meanwhile(proposal, error) from error

    def withdraw(self, proposal: Proposal) -> None:
        """Delete the change set, if it is there."""
        with _doing(f"withdrawing a change of stack '{proposal.stack}'"):
            try:
                self._api.delete_change_set(StackName=proposal.stack, ChangeSetName=proposal.name)
            except ClientError as error:
                if not _is_absent(error):
                    raise

    def events(self, stack: Stack) -> tuple[Event, ...]:
        """Return all that has happened to the stack, oldest first."""
        with _doing(f"looking at the events of stack '{stack.name}'"):
            pages = self._api.get_paginator("describe_stack_events").paginate(StackName=stack.identity)
            found = [_event(event) for page in pages for event in page["StackEvents"]]
        return tuple(reversed(found))

    def delete(self, stack: Stack) -> None:
        """Begin to delete it."""
        with _doing(f"deleting stack '{stack.name}'"):
            self._api.delete_stack(StackName=stack.name)

    def protect(self, name: str) -> None:
        """Let the stack refuse to be deleted."""
        with _doing(f"protecting stack '{name}'"):
            self._api.update_termination_protection(StackName=name, EnableTerminationProtection=True)


def _is_absent(error: ClientError) -> bool:
    """Tell whether there is no such change set, or no stack that it could be of."""
    return "does not exist" in message_of(error) or code_of(error) == "ChangeSetNotFound"


def _meanwhile(proposal: Proposal, error: ClientError) -> ConflictError:
    return ConflictError(
        f"stack '{proposal.stack}' is no longer what the change was made for",
        details=[("AWS", f"{code_of(error)}: {message_of(error)}")],
        hint="run the same command again, and look at what it shows",
    )


@contextmanager
def _doing(what: str) -> Iterator[None]:
    """Translate errors, and name the action that is missing where AWS names it."""
    try:
        with translated(what):
            yield
    except DeniedError as error:
        for action in missing_actions([fact for _, fact in error.details]):
            error.add_detail("missing", action)
        raise


def _stack(found: Mapping[str, Any]) -> Stack:
    return Stack(
        name=found["StackName"],
        identity=found["StackId"],
        status=found["StackStatus"],
        reason=found.get("StackStatusReason", ""),
        parameters=_pairs(found.get("Parameters", ()), "ParameterKey", "ParameterValue"),
        outputs=_pairs(found.get("Outputs", ()), "OutputKey", "OutputValue"),
        tags=_pairs(found.get("Tags", ()), "Key", "Value"),
        protected=bool(found.get("EnableTerminationProtection")),
    )


def _pairs(items: Any, key: str, value: str) -> Pairs:  # noqa: ANN401 - a list of the API's tables
    return tuple(sorted((item[key], item.get(value, "")) for item in items))


def _change(found: Mapping[str, Any]) -> Change:
    action = _ACTIONS.get(found["Action"]) or _REPLACEMENT.get(found.get("Replacement", ""), Action.MODIFY)
    targets = [detail.get("Target", {}) for detail in found.get("Details", ())]
    properties = {target.get("Name") or target.get("Attribute", "") for target in targets}
    return Change(
        action=action,
        name=found["LogicalResourceId"],
        kind=found["ResourceType"],
        physical=found.get("PhysicalResourceId", ""),
        properties=tuple(sorted(properties - {""})),
    )


def _event(found: Mapping[str, Any]) -> Event:
    return Event(
        identity=found["EventId"],
        name=found.get("LogicalResourceId", ""),
        kind=found.get("ResourceType", ""),
        status=found.get("ResourceStatus", ""),
        reason=found.get("ResourceStatusReason", ""),
        of_stack=found.get("PhysicalResourceId") == found["StackId"],
        token=found.get("ClientRequestToken", ""),
    )
