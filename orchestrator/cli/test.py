"""`orchestrator test`."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import click

from orchestrator.api.project import Project
from orchestrator.api.selection import Manner
from orchestrator.api.used import Whom
from orchestrator.cli import completing, opening, recording, results
from orchestrator.cli.options import Options, with_options
from orchestrator.cli.terminal import Terminal
from orchestrator.cli.transfer import TerminalTransfer
from orchestrator.core import junit
from orchestrator.core.errors import OrchestratorError, RefusedError, SpecError
from orchestrator.core.golden import JSON_TYPE, Case
from orchestrator.core.results import CaseResult, Kind, Results, Subject


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of `test`, besides the common options."""

    local: bool = False
    archive: str | None = None
    remote: bool = False
    endpoint: str | None = None
    variant: str | None = None
    cases: str | None = None
    like: str | None = None
    junit: str | None = None
    timeout: float = 3600.0
    record: str | None = None
    body: str | None = None
    content_type: str | None = None
    accept: str | None = None

    def check(self) -> None:
        """Refuse options that contradict each other.

        Raises:
            click.UsageError: If two of them do.
        """
        if self.local + self.remote + (self.archive is not None) > 1:
            raise click.UsageError("--local, --archive and --remote exclude each other")
        if self.variant and not self.remote:
            raise click.UsageError("--target-variant goes with --remote: only an endpoint has variants")
        sent = self.body is not None
        if sent != (self.record is not None):
            raise click.UsageError("--record NAME and --body FILE go together: what is asked is kept")
        if not sent and (self.content_type or self.accept):
            raise click.UsageError("--content-type and --accept go with --record: a case has its own")
        if sent and (self.junit or self.like):
            raise click.UsageError("--record asks no golden cases: leave out --junit and -k")

    @property
    def whom(self) -> Whom:
        """Which model is asked."""
        if self.remote:
            return Whom(Kind.REMOTE, variant=self.variant)
        return Whom() if self.archive is None else Whom(Kind.ARCHIVE, self.archive)


@click.command("test")
@click.option("--local", is_flag=True, help="Build the project and serve it here; the default.")
@click.option(
    "--archive",
    metavar="FILE",
    shell_complete=completing.files,
    help="Serve this archive here; an s3:// address, too.",
)
@click.option("--remote", is_flag=True, help="Ask the live endpoint of --env.")
@opening.endpoint_option
@click.option("--target-variant", "variant", metavar="NAME", help="With --remote: the variant to ask.")
@click.option("--cases", metavar="GLOB", help="Golden cases, relative to the project [golden.cases].")
@click.option("-k", "like", metavar="TEXT", help="Only cases with this in their names.")
@click.option("--junit", type=click.Path(dir_okay=False), metavar="FILE", help="Write JUnit XML, too.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=3600.0,
    show_default=True,
    metavar="SECONDS",
    help="How long to wait for an asynchronous answer.",
)
@click.option("--record", metavar="NAME", help="Write a golden case of what the model answers to --body.")
@click.option("--body", type=click.Path(allow_dash=True), metavar="FILE", help="What to ask; - is stdin.")
@click.option("--content-type", metavar="TYPE", help="Of --body [by its name, else application/json].")
@click.option("--accept", metavar="TYPE", help="With --record [application/json].")
@with_options
def command(options: Options, **given: object) -> int:
    """Ask a model the golden cases, and say of each what came of it.

    Without more, the project is built and served on this machine, and no archive is written. With --archive
    it is the code of that archive that runs here. With --remote every answer of the endpoint has to carry the
    fingerprint of what the journal says was deployed. All cases are asked, whatever comes of the first. Ends
    with 3 if one does not pass.

    With --record nothing is compared: the answer to --body becomes a new golden case. Read it before you
    trust it.

    \b
    Examples:
      orchestrator test
      orchestrator test --archive model.tar.gz -k first
      orchestrator test --remote --env prod --junit golden.xml
      orchestrator test --record first --body request.json
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    asked = Asked(**given)  # type: ignore[arg-type]  # Click has checked them, under the same names
    asked.check()
    project = _project(options, asked)
    terminal = Terminal(options)
    if asked.record is not None:
        accept = asked.accept or JSON_TYPE
        request = recording.request(str(asked.body), asked.content_type, accept)
        place = recording.place(project.spec, asked.record, asked.cases)
        recording.record(project, asked.whom, place, request, terminal)
        return 0
    chosen = _chosen(project.golden_cases(asked.cases), asked.like)
    if asked.junit is not None:
        recording.make_folders(asked.junit)
    done = _tested(project, asked, chosen, terminal)
    terminal.warn(done.notes)
    terminal.result(results.text(done), results.document(done))
    return RefusedError.exit_code if done.failed else 0


def _project(options: Options, asked: Asked) -> Project:
    manner = Manner(deadline_seconds=asked.timeout)
    chosen = opening.selection(options, asked.endpoint)
    # Like `package`, what is built is the project's, whichever of its endpoints it is for.
    return Project.select(chosen, manner) if asked.remote or asked.endpoint else Project(chosen, manner)


def _chosen(cases: Sequence[Case], like: str | None) -> tuple[Case, ...]:
    found = tuple(case for case in cases if like is None or like in case.name)
    if not found:
        raise SpecError(
            f"no golden case has '{like}' in its name",
            details=[("known", ", ".join(case.name for case in cases))],
        )
    return found


def _tested(project: Project, asked: Asked, cases: Sequence[Case], terminal: Terminal) -> Results:
    """Ask the cases; the report is written even if there was nobody to ask."""
    started = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    whom = asked.whom

    def watch(case: str, number: int, total: int) -> None:
        terminal.status(f"[{number}/{total}] {case}")

    try:
        done = project.test(whom, cases, TerminalTransfer(terminal), watch)
    except OrchestratorError as error:
        name = project.name if asked.remote else whom.archive or project.spec.name
        none = tuple(CaseResult(case, f"not asked: {error}", 0.0) for case in cases)
        _report(Results(Subject(whom.kind, name), none), asked.junit, started)
        raise
    finally:
        terminal.status("")
    _report(done, asked.junit, started)
    return done


def _report(done: Results, path: str | None, started: str) -> None:
    if path is not None:
        recording.write(path, junit.to_xml(done, started))
