"""`orchestrator alarms`."""

import click

from orchestrator.cli import opening, render
from orchestrator.cli.options import Options, with_options
from orchestrator.cli.terminal import Terminal
from orchestrator.core.alarms import Alarm
from orchestrator.core.errors import RefusedError
from orchestrator.core.proposal import Severity


@click.command("alarms")
@opening.endpoint_argument
@with_options
def command(options: Options, endpoint: str | None) -> int:
    """Show the alarms that can roll a deployment back, and what keeps them from it.

    Those that the spec names are examined: an alarm that can never fire, or is in ALARM already, protects
    nothing, and ends with 3. Those that the tool makes for what serves now are shown with their state.

    \b
    Examples:
      orchestrator alarms
      orchestrator alarms digits --env prod -o json
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    project = opening.project(options, endpoint)
    found = project.alarms()
    shown = [
        *(("named", one, one.state) for one in found.named),
        *(("made", *one) for one in found.generated),
    ]
    table = [("origin", "alarm", "state", "fires when")]
    table += [(origin, alarm.name, state, _condition(alarm)) for origin, alarm, state in shown]
    lines = [render.table(table)] if shown else [f"no alarm watches endpoint '{project.name}'"]
    lines += [f"[{one.severity}] {one.says} ({one.source})" for one in found.findings]
    document = {
        "endpoint": project.name,
        "alarms": [
            {"name": alarm.name, "origin": origin, "state": state, "fires_when": _condition(alarm)}
            for origin, alarm, state in shown
        ],
        "findings": [
            {"rule": one.rule, "severity": str(one.severity), "says": one.says, "source": one.source}
            for one in found.findings
        ],
    }
    Terminal(options).result("\n".join(lines), document)
    useless = any(finding.severity is Severity.REFUSE for finding in found.findings)
    return RefusedError.exit_code if useless else 0


def _condition(alarm: Alarm) -> str:
    """Return when an alarm fires, in CloudWatch's words."""
    if not alarm.simple:
        return "a composite alarm, or one on metric math"
    times = f"{alarm.datapoints or alarm.evaluation_periods} of {alarm.evaluation_periods} periods"
    return (
        f"{alarm.statistic} of {alarm.metric} {alarm.comparison} {alarm.threshold:.15g}, "
        f"{times} of {alarm.period_seconds} s"
    )
