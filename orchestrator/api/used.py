"""The verbs that use a model: ask it, and read what its containers write."""

import contextlib
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from orchestrator.api import wiring
from orchestrator.api.opened import Opened
from orchestrator.core.errors import ArtifactError, SpecError
from orchestrator.core.golden import Case, Request, Response
from orchestrator.core.live import Line
from orchestrator.core.ports import Transfer
from orchestrator.core.results import Kind, Results
from orchestrator.usecases import calling, following, respondents, testing
from orchestrator.usecases.silence import SilentTransfer
from orchestrator.usecases.testing import Respondent, Watch

_S3 = "s3://"
_RECORD = "orchestrator test --record first --body request.json          writes one"


@dataclass(frozen=True, slots=True)
class Whom:
    """Which model is asked its golden cases.

    Attributes:
        kind: Where it is.
        archive: A file or an ``s3://`` address, for `Kind.ARCHIVE`.
        variant: Of the endpoint, for `Kind.REMOTE`; all that serve the revision's model, if none is named.
    """

    kind: Kind = Kind.LOCAL
    archive: str = ""
    variant: str | None = None


HERE = Whom()
"""The project, built and served on this machine."""


def _unwatched(case: str, number: int, total: int) -> None:
    """Stand where nobody looks."""


class Used(Opened):
    """One endpoint of a spec, and the model that the spec describes, as they are used."""

    def invoke(self, request: Request, variant: str | None = None) -> Response:
        """Send one request; an error of the model comes back as its status."""
        return self.edge.runtime.invoke(self.name, request, variant=variant)

    def invoke_stream(self, request: Request, variant: str | None = None) -> Iterator[bytes]:
        """Send one request, and yield the parts of the answer as they come."""
        return self.edge.runtime.invoke_stream(self.name, request, variant=variant)

    def invoke_async(self, request: Request) -> Response:
        """Put one request into the bucket, and wait for the answer of an asynchronous endpoint."""
        return calling.await_answer(calling.send_async(self.name, request, self.edge), self.edge)

    def golden_cases(self, pattern: str | None = None) -> tuple[Case, ...]:
        """Return the project's golden cases.

        Args:
            pattern: A glob relative to the project, in place of the spec's ``golden.cases``.

        Raises:
            SpecError: If one cannot be used, or there are none.
        """
        try:
            found = wiring.golden_cases(self.spec, pattern)
        except ArtifactError as error:
            raise SpecError(str(error), details=error.details, hint=_RECORD) from error
        if not found:
            raise SpecError(
                f"project '{self.spec.name}' has no golden cases",
                details=[("rule", 'the spec names them: [golden] cases = "golden/*.json"')],
                hint=_RECORD,
            )
        return found

    def test(
        self,
        whom: Whom = HERE,
        cases: Sequence[Case] | None = None,
        transfer: Transfer | None = None,
        watch: Watch = _unwatched,
    ) -> Results:
        """Ask a model golden cases, all of them, and return what came of each.

        Args:
            whom: Which one.
            cases: The project's, unless others are given.
            transfer: Watches files being read.
            watch: Is told of every case before it is asked.

        Raises:
            SpecError: If there are no golden cases, or one cannot be used.
            ArtifactError: If there is no model that loads.
            UnhealthyError: If the endpoint serves nothing.
            StillMovingError: If it moves, so that two revisions may answer.
            ConflictError: If it was changed while it was asked.
        """
        chosen = self.golden_cases() if cases is None else tuple(cases)
        atol = self.spec.golden.atol
        return testing.ask_all(self._respondent(whom, transfer), chosen, atol, time.perf_counter, watch)

    def answer(self, request: Request, whom: Whom = HERE, transfer: Transfer | None = None) -> Response:
        """Return what a model answers to one request, so that it can be kept as a golden case.

        Raises:
            ArtifactError: If there is no model that loads, or its code fails on the request.
            OrchestratorError: As `test` does.
        """
        return testing.ask_one(self._respondent(whom, transfer), request)

    def logs(self, since: float) -> tuple[str, ...]:
        """Return what the containers have written since a moment, in seconds since 1970."""
        return self.edge.logs.since(self.name, since)

    def follow(self, since: float) -> Iterator[Line]:
        """Yield what the containers have written since a moment, and what they write, without an end."""
        return following.follow(self.name, since, self.edge)

    def _respondent(self, whom: Whom, transfer: Transfer | None) -> AbstractContextManager[Respondent]:
        match whom.kind:
            case Kind.LOCAL:
                self.check_known()
                return respondents.project_served(self.spec, wiring.packaging(), transfer or SilentTransfer())
            case Kind.ARCHIVE if whom.archive.startswith(_S3):
                return self._fetched(whom.archive)
            case Kind.ARCHIVE:
                return respondents.archive_served(whom.archive, wiring.packaging())
            case Kind.REMOTE:
                return respondents.endpoint_serving(self.name, self.selection.env, self.view(), whom.variant)

    @contextlib.contextmanager
    def _fetched(self, url: str) -> Iterator[Respondent]:
        with tempfile.TemporaryDirectory(prefix="orchestrator-") as folder:
            into = str(Path(folder) / "model")
            wiring.download(self.selection, url, into)
            with respondents.folder_served(into, url, wiring.packaging()) as respondent:
                yield respondent
