"""`orchestrator doctor`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from orchestrator.cli import opening
from orchestrator.cli.options import Options, again, with_options
from orchestrator.cli.terminal import Terminal
from orchestrator.core.checkup import Group, Outcome, Report
from orchestrator.core.errors import OrchestratorError, RefusedError
from orchestrator.core.health import Finding, Severity
from orchestrator.core.repairs import Repair

if TYPE_CHECKING:
    from orchestrator.api.examination import Examination

_COLUMN = 22


@click.command("doctor")
@opening.endpoint_argument
@click.option("--fix", is_flag=True, help="Mend what can be mended without touching what serves.")
@click.option("--dry-run", is_flag=True, help="With --fix: only say what would be done.")
@click.option("--strict", is_flag=True, help="End with 3 also if there are only warnings.")
@with_options
def command(options: Options, endpoint: str | None, *, fix: bool, dry_run: bool, strict: bool) -> int:
    """Examine machine, project, account and live endpoint, and say how to mend what is wrong.

    Nothing is changed without --fix. With an ENDPOINT only that one is examined, and the way to it. What may
    not be looked at is a note, and stops nothing. Ends with 3 if something is broken.

    \b
    Examples:
      orchestrator doctor                                 before the first deployment, too
      orchestrator doctor --env prod --strict             in CI: warnings end with 3 as well
      orchestrator doctor --env prod --fix --dry-run      what could be mended
      orchestrator doctor digits --env prod -o json       one live endpoint
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    from orchestrator.api.examination import Examination  # noqa: PLC0415 - slow: help needs no boto3

    if dry_run and not fix:
        raise click.UsageError("--dry-run goes with --fix")
    examination, terminal = Examination(opening.selection(options, endpoint)), Terminal(options)
    report = examination.report()
    fixed = _mend(report, examination, terminal, dry_run=dry_run) if fix else ()
    if fixed:
        report = Examination(opening.selection(options, endpoint)).report()
    terminal.result("\n".join(_lines(report, options)), _document(report, fixed, options, endpoint))
    return RefusedError.exit_code if report.is_broken(strict=strict) else 0


def _mend(
    report: Report, examination: "Examination", terminal: Terminal, *, dry_run: bool
) -> tuple[Finding, ...]:
    """Carry out the repairs, and return the findings that were mended."""
    mendable = {one.repair: one for one in report.findings if one.repair is not None}
    if not mendable:
        terminal.say("nothing that was found can be mended by --fix")
        return ()
    for repair in mendable:
        terminal.say(f"{'would ' if dry_run else 'to mend: '}{repair.says}")
    if dry_run:
        return ()
    terminal.confirm(f"Do {'this' if len(mendable) == 1 else 'these'}?", destructive=False)
    return tuple(one for repair, one in mendable.items() if _done(repair, examination, terminal))


def _done(repair: Repair, examination: "Examination", terminal: Terminal) -> bool:
    try:
        examination.mend(repair)
    except OrchestratorError as error:
        terminal.warn([f"{repair.says}: {error}"])
        return False
    terminal.say(f"done: {repair.says}")
    return True


def _lines(report: Report, options: Options) -> Iterator[str]:
    """Yield what a person reads: what is wrong, group by group, and how much was looked at."""
    groups = {one.check: one.group for one in report.checked}
    for group in Group:
        shown = [one for one in report.findings if groups.get(one.check) is group]
        fine = [one for one in report.checked if one.group is group and one.outcome is not Outcome.FOUND]
        lines = [line for one in shown for line in _finding(one, options)]
        if options.verbose:
            lines += [f"  {one.outcome:<{_COLUMN - 2}} {one.check}: {one.looks}" for one in fine]
        if lines:
            yield from (str(group), *lines)
    yield _summary(report)


def _finding(one: Finding, options: Options) -> list[str]:
    mark = "  (--fix mends it)" if one.repair is not None else ""
    first = f"  {one.severity:<8} {one.subject}: {one.what}"
    fixes = again(one.fix, options).split("\n") if one.fix else []
    return [
        first,
        *(
            f"           {'fix' if not place else '   '}  {line}{mark if not place else ''}"
            for place, line in enumerate(fixes)
        ),
    ]


def _summary(report: Report) -> str:
    counts: dict[str, int] = {}
    for finding in report.findings:
        counts[finding.severity] = counts.get(finding.severity, 0) + 1
    made = sum(one.outcome is not Outcome.UNSEEN for one in report.checked)
    unseen = len(report.checked) - made
    found = ", ".join(f"{count} {name}{'s' * (count > 1)}" for name, count in counts.items())
    missed = f", {unseen} could not be made (-v lists them)" if unseen else ""
    is_well = not set(counts) & {Severity.ERROR, Severity.WARNING}
    verdict = ": ".join(filter(None, ("nothing is wrong" if is_well else "", found)))
    return f"{verdict} ({made} checks were made{missed})"


def _document(
    report: Report, fixed: tuple[Finding, ...], options: Options, endpoint: str | None
) -> dict[str, object]:
    return {
        "endpoint": endpoint,
        "environment": options.env,
        "checked": [
            {
                "check": one.check,
                "group": str(one.group),
                "looks": one.looks,
                "outcome": str(one.outcome),
                "cause": one.cause,
            }
            for one in report.checked
        ],
        "findings": [
            {
                "check": one.check,
                "severity": str(one.severity),
                "subject": one.subject,
                "what": one.what,
                "fix": again(one.fix, options),
                "fixable": one.repair is not None,
            }
            for one in report.findings
        ],
        "fixed": [
            {"check": one.check, "subject": one.subject, "what": one.repair.says}
            for one in fixed
            if one.repair is not None
        ],
    }
