"""A spec that was read, and the outside world of its environment, which is connected to at the first use."""

import threading
from collections.abc import Mapping, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Self

from orchestrator.api import wiring
from orchestrator.api.selection import Manner, Selection
from orchestrator.core.errors import SpecError
from orchestrator.core.names import RULE, is_valid
from orchestrator.core.prices import Prices, parse
from orchestrator.core.proposal import quoted
from orchestrator.core.spec import Spec
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.prepare import NO_INTENT, Intent
from orchestrator.usecases.readying import Workshop


class Opened:
    """One endpoint of a spec, in one environment, connected to when that is first needed.

    Args:
        selection: Which one; `open` makes it of plain arguments.
        manner: How to go about changes.
        other: The name of an endpoint that the spec need not know.
    """

    def __init__(
        self,
        selection: Selection,
        manner: Manner | None = None,
        *,
        other: str | None = None,
    ) -> None:
        """Read the spec; nothing is connected to yet."""
        self.selection = selection
        self.resolved = wiring.resolve(selection)
        self._spec = self.resolved.spec
        self._other = other
        self._manner = manner or Manner()
        self._edge: Edge | None = None
        self._connecting = threading.Lock()

    @classmethod
    def open(
        cls,
        path: str = "orchestrator.toml",
        env: str = "local",
        endpoint: str | None = None,
        *,
        profile: str | None = None,
        settings: Mapping[str, str] | None = None,
    ) -> Self:
        """Read the spec at ``path`` for an environment.

        Args:
            path: The spec.
            env: ``local``, or a name that has an ``[env.NAME]`` table.
            endpoint: One that the spec has a table for, or any other; by default the spec's own.
            profile: Of the AWS configuration; not used for ``local``.
            settings: What stands in for keys of the spec, such as ``{"region": "eu-west-1"}``.

        Raises:
            SpecError: If the spec is wrong, or declares several endpoints and none was named.
        """
        selection = Selection(path, env, endpoint, profile, tuple((settings or {}).items()))
        return cls.select(selection, Manner(start_local=True))

    @classmethod
    def select(cls, selection: Selection, manner: Manner | None = None) -> Self:
        """Do what `open` does, with the arguments put together.

        Raises:
            SpecError: If the spec is wrong, declares several endpoints and none was named, or none can have
                the name.
        """
        named, known = selection.endpoint, wiring.endpoints(selection)
        if named is None and len(known) > 1:
            raise SpecError(
                f"the spec has {len(known)} endpoints, and none was named",
                details=[("known", ", ".join(known))],
                hint="name one with --endpoint, or deploy them with --all",
            )
        if named is None or named in known:
            return cls(selection, manner)
        if not is_valid(named):
            # An unset variable in a script gives an empty name, which must not become the project's own.
            raise SpecError(
                f"no endpoint can be called {quoted(named)}",
                details=[
                    ("rule", RULE),
                    ("known", ", ".join(known)),
                ],
                hint="leave the name out for the project's own endpoint",
            )
        own = Selection(selection.path, selection.env, None, selection.profile, selection.settings)
        return cls(own, manner, other=named)

    @property
    def name(self) -> str:
        """The endpoint's name."""
        return self._other or self._spec.name

    @property
    def spec(self) -> Spec:
        """The spec; once connected, with what the local cloud gives to it."""
        return self._spec

    @property
    def edge(self) -> Edge:
        """The outside world, which is connected to at the first use.

        Raises:
            SpecError: If the spec lacks a setting the environment needs.
            DeniedError: If there are no credentials.
        """
        with self._connecting:
            if self._edge is None:
                self._spec, self._edge = wiring.connect(
                    self._spec, self.name, self.selection.profile, self._manner
                )
            return self._edge

    def view(self) -> Edge:
        """Return the outside world with a journal that nobody else reads from.

        A journal refuses to go on where somebody has written to it since it was read. Whoever decides on a
        change and then looks at the history must not lose that.
        """
        return replace(self.edge, journal=copy(self.edge.journal))

    def connect(self) -> Edge:
        """Connect now, to know before anything is built whether that is possible.

        Raises:
            DeniedError: If there are no credentials.
        """
        return self.edge

    def workshop(self, intent: Intent | None = None) -> Workshop:
        """Return the project with all that building and planning it takes.

        Raises:
            SpecError: If a golden case is wrong, or the spec knows no such endpoint.
        """
        self.check_known()
        edge = self.view()
        cases = wiring.golden_cases(self._spec)
        priced = replace(intent or NO_INTENT, prices=_prices(self._spec))
        return Workshop(self._spec, wiring.packaging(), cases, edge, priced)

    def check_known(self) -> None:
        """See that the endpoint is one of the spec's, so that what it is to serve is known.

        Raises:
            SpecError: If it is not.
        """
        if self._other is not None:
            raise SpecError(
                f"the spec has no endpoint '{self._other}'",
                details=[("known", ", ".join(wiring.endpoints(self.selection)))],
                hint=f"add [endpoints.{self._other}], or choose one with --endpoint",
            )

    def intent(self, reason: str = "", accept: Sequence[str] = (), *, wait: bool = True) -> Intent:
        """Return what the journal is told about why and from which commit, and what was consented to."""
        return Intent(reason, wiring.commit(self._spec.root), tuple(accept), wait)


def _prices(spec: Spec) -> Prices | None:
    """Return what instances cost, if the spec names a table of it.

    Raises:
        SpecError: If the table is none.
    """
    if spec.target.prices is None:
        return None
    content = wiring.read_file(str(Path(spec.root) / spec.target.prices))
    return parse(content.decode("utf-8", "replace"), spec.target.prices)
