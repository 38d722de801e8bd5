"""`bootstrap` as a Python API: an account's stacks, and what the spec has to say about them.

Nothing is printed and nobody is asked. Drafts are made, carried out or discarded one by one, since an
endpoint's stack needs what the account's has put out.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from orchestrator.api import bootstrap_wiring as wiring
from orchestrator.api import wiring as endpoints_wiring
from orchestrator.api.selection import Manner, Selection
from orchestrator.core import groundwork
from orchestrator.core.errors import OrchestratorError, RefusedError, RolledBackError, UnhealthyError
from orchestrator.core.premises import account_of
from orchestrator.core.resources import Pairs
from orchestrator.core.spec import Spec
from orchestrator.core.stacks import Event, Stack, parameters_of
from orchestrator.usecases import bootstrap
from orchestrator.usecases.bootstrap import Draft, Remains, Wanted
from orchestrator.usecases.settling import Onlooker

ACCOUNT, ENDPOINT = "account", "endpoint"
ACCOUNT_STACK = groundwork.ACCOUNT_STACK
ENDPOINT_STACKS = "orchestrator-endpoint-"


class SilentOnlooker:
    """The `Onlooker` port of somebody who does not look."""

    def happened(self, stack: str, event: Event) -> None:
        """Look away."""

    def waiting(self, stack: str, status: str, elapsed_seconds: float) -> None:
        """Look away."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be set up.

    Attributes:
        endpoints: Which endpoints of the spec get a stack; ``None`` for all.
        stack: The name of the account's stack.
        parameters: Of the templates; each goes to those that declare it.
        overwrite: Whether what the spec says may be replaced where it differs.
    """

    endpoints: tuple[str, ...] | None = None
    stack: str = ACCOUNT_STACK
    parameters: Pairs = ()
    overwrite: bool = False


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What is to become of the spec.

    Attributes:
        settings: What `[env.NAME]` is to say.
        differing: What it says now where that is something else, by key.
    """

    old: str
    new: str
    settings: Mapping[str, str]
    differing: Mapping[str, str]

    @property
    def changes(self) -> bool:
        """Whether anything is to be written."""
        return self.old != self.new

    def consented(self) -> "Rewrite":
        """Return it for somebody who has agreed to what it replaces."""
        return replace(self, differing={})


class Bootstrap:
    """The stacks of one environment, which the spec need not know yet.

    Args:
        selection: Which spec and environment.
        asked: What is to be set up.
        manner: How to go about it.
        onlooker: Watches.

    Raises:
        SpecError: If the spec is wrong, or a parameter or an endpoint that was named is unknown.
    """

    def __init__(
        self,
        selection: Selection,
        asked: Asked | None = None,
        manner: Manner | None = None,
        onlooker: Onlooker | None = None,
    ) -> None:
        """Read the spec; nothing is connected to yet."""
        self.selection, self._asked = replace(selection, endpoint=None), asked or Asked()
        _check_parameters(self._asked.parameters)
        self.spec = wiring.read(self.selection)
        self.endpoints = self._named(endpoints_wiring.endpoints(self.selection))
        self._manner, self._onlooker = manner or Manner(), onlooker or SilentOnlooker()

    def _named(self, known: tuple[str, ...]) -> tuple[str, ...]:
        named = self._asked.endpoints
        for name in named or ():
            if name not in known:
                raise groundwork.unknown_endpoint(name, known)
        return known if named is None else named

    @property
    def is_rehearsal(self) -> bool:
        """Whether this is about the local cloud, which needs nothing in the spec."""
        return self.spec.target.is_local

    @cached_property
    def connected(self) -> wiring.Connected:
        """The account and region, logged in to at the first use as the caller, and as no role of the spec's.

        Raises:
            DeniedError: If there are no credentials.
            RefusedError: If the environment's settings are about another account or region.
        """
        found = wiring.connect(self.spec, self.selection.profile, self._manner, self._onlooker)
        if not self.is_rehearsal and not self._asked.overwrite:
            own = wiring.own_settings(self._text(), self.selection.env)
            groundwork.check_account(own, found.caller, self.selection.env)
            groundwork.check_region(own, found.region, self.selection.env)
        return found

    @property
    def is_new(self) -> bool:
        """Whether the spec has no table for the environment yet."""
        return not self.is_rehearsal and not wiring.own_settings(self._text(), self.selection.env)

    @property
    def nearest(self) -> str | None:
        """The environment of the spec that may have been meant, if the one that was said is new."""
        known = wiring.environments(self._text()) if self.is_new else ()
        return groundwork.nearest(self.selection.env, known)

    def unwatched(self, endpoint: str) -> tuple[str, ...]:
        """Return the variants of an endpoint that its stack has no alarms for."""
        return groundwork.unwatched(self._spec_of(endpoint), dict(self.endpoint(endpoint, None).parameters))

    @cached_property
    def elsewhere(self) -> tuple[str, ...]:
        """The endpoints of which the spec says that they are in another region."""
        here = {None, self.connected.region}
        return tuple(name for name in self.endpoints if self._spec_of(name).target.region not in here)

    @property
    def account_number(self) -> str:
        """The number of the account."""
        return account_of(self.connected.caller)

    def stack_of(self, endpoint: str) -> str:
        """Return the name of an endpoint's stack."""
        return f"{ENDPOINT_STACKS}{endpoint}"

    def account(self) -> Wanted:
        """Return the account's stack as it is to be."""
        template = wiring.template(ACCOUNT)
        found = self.connected.site.stacks.find(self._asked.stack)
        own = {} if self.is_rehearsal else wiring.own_settings(self._text(), self.selection.env)
        given = {**groundwork.bucket_parameter(own, found), **dict(self._asked.parameters)}
        return self._wanted(self._asked.stack, ACCOUNT, template, given)

    def endpoint(self, name: str, account: Stack | None) -> Wanted:
        """Return an endpoint's stack as it is to be, beside the account's, if that is there."""
        outputs = {} if account is None else dict(account.outputs)
        spec = self._spec_of(name)
        given = {**outputs, **groundwork.endpoint_parameters(spec), **dict(self._asked.parameters)}
        template = groundwork.with_literal_log(wiring.template(ENDPOINT), given["EndpointName"])
        wanted = self._wanted(self.stack_of(name), ENDPOINT, template, given)
        return replace(wanted, bare=groundwork.with_bare_log(template))

    def _spec_of(self, endpoint: str) -> Spec:
        known = endpoints_wiring.endpoints(self.selection)
        named = None if known == (self.spec.name,) else endpoint
        return wiring.read(replace(self.selection, endpoint=named))

    def _wanted(self, stack: str, subject: str, template: str, given: Mapping[str, str]) -> Wanted:
        declared = parameters_of(template)
        parameters = tuple(sorted((key, value) for key, value in given.items() if key in declared))
        return Wanted(stack, subject, template, parameters, self.spec.target.tags)

    # One stack at a time.

    def remains(self, wanted: Wanted) -> Remains | None:
        """Return what a creation that failed has left of a stack; it has to be cleared before the draft."""
        return bootstrap.remains(wanted.name, self.connected.site)

    def clear(self, left: Remains) -> None:
        """Delete what a creation that failed has left of a stack."""
        bootstrap.clear(left, self.connected.site)

    def draft(self, wanted: Wanted) -> Draft:
        """Return what would change; raises what `usecases.bootstrap.draft` does."""
        return bootstrap.draft(wanted, self.connected.site)

    def discard(self, draft: Draft) -> None:
        """Leave no trace of a draft."""
        bootstrap.discard(draft, self.connected.site)

    def carry_out(self, draft: Draft) -> Stack:
        """Change the stack, and return it; raises what `usecases.bootstrap.carry_out` does."""
        try:
            return bootstrap.carry_out(draft, self.connected.site)
        except (RolledBackError, UnhealthyError) as error:
            groundwork.name_another_bucket(error)
            raise

    # The spec.

    def _text(self) -> str:
        return wiring.spec_text(Path(self.selection.path))

    def rewrite(self, account: Stack) -> Rewrite:
        """Return what the spec is to say about the account's stack.

        Raises:
            OrchestratorError: If it is written in a way that cannot be edited.
        """
        settings = dict(groundwork.settings_of(account))
        old = self._text()
        own = wiring.own_settings(old, self.selection.env)
        bare = replace(self.selection, settings=())
        if own.get("region") is not None or wiring.read(bare, {}).target.region != self.connected.region:
            settings = {"region": self.connected.region, **settings}
        differing = {key: str(own[key]) for key, value in settings.items() if own.get(key, value) != value}
        new = wiring.with_settings(old, self.selection.env, settings)
        return Rewrite(old, new, settings, differing)

    def write(self, rewrite: Rewrite) -> tuple[str, ...]:
        """Write the spec, and return what keeps what was written from having an effect.

        Raises:
            RefusedError: If it would replace what somebody has written, and that was not asked for; or if the
                spec was changed meanwhile.
            SpecError: If the outcome would not be a valid spec.
            OrchestratorError: If it cannot be written; it says what was to be.
        """
        if rewrite.differing and not self._asked.overwrite:
            raise groundwork.differing(self.selection.env, rewrite.differing, rewrite.settings)
        if self._text() != rewrite.old:
            raise RefusedError(
                f"{Path(self.selection.path).name} was changed by somebody else meanwhile",
                details=[("state", "the stacks are there; the spec was not touched")],
                hint="orchestrator bootstrap          look again",
            )
        if rewrite.changes:
            try:
                wiring.write_spec(Path(self.selection.path), rewrite.new)
            except OrchestratorError as error:
                raise groundwork.unwritten(error, self.selection.env, rewrite.settings) from error
        specs = [self._spec_of(name) for name in endpoints_wiring.endpoints(self.selection)]
        return groundwork.overshadowed(specs, rewrite.settings)


def emitted(selection: Selection, asked: Asked) -> dict[str, str]:
    """Return the templates by file name; with what the spec says about their parameters, if there is one.

    Raises:
        SpecError: If there is a spec, and it is wrong; or if one was named that is not there.
    """
    _check_parameters(asked.parameters)
    files = {f"{name}.yaml": wiring.template(name) for name in (ACCOUNT, ENDPOINT)}
    account = tuple(pair for pair in asked.parameters if pair[0] in parameters_of(files["account.yaml"]))
    given = {"account": account}
    if Path(selection.path).exists() or selection.path != Selection().path:
        own = Bootstrap(selection, asked)
        given |= {f"endpoint-{name}": own.endpoint(name, None).parameters for name in own.endpoints}
    files |= {f"{name}.parameters.json": groundwork.parameter_file(found) for name, found in given.items()}
    return files


def emit(selection: Selection, asked: Asked, folder: str) -> tuple[str, ...]:
    """Write what `emitted` returns to a folder, and return the paths; raises what that does.

    Raises:
        RefusedError: If somebody has changed what is there already, and it may not be replaced.
    """
    return wiring.write_files(folder, emitted(selection, asked), replaces=asked.overwrite)


def _check_parameters(given: Sequence[tuple[str, str]]) -> None:
    known = {key for name in (ACCOUNT, ENDPOINT) for key in parameters_of(wiring.template(name))}
    for key, _ in given:
        if key not in known:
            raise groundwork.unknown_parameter(key, known)
