"""`orchestrator doctor`."""

import click

from orchestrator.cli import opening
from orchestrator.cli.options import Options, again, with_options
from orchestrator.cli.terminal import Terminal
from orchestrator.core.errors import RefusedError
from orchestrator.core.health import Finding, Severity


@click.command("doctor")
@click.argument("endpoint", required=False)
@with_options
def command(options: Options, endpoint: str | None) -> int:
    """Examine a live endpoint: is all it is made of still there, and can its alarms fire?

    Looks at endpoint config, model, artifact, image, role, autoscaling and alarms, and changes nothing. Ends
    with 3 if something is broken: the endpoint may serve for now and not come back from its next update.

    \b
    Examples:
      orchestrator doctor
      orchestrator doctor digits --env prod -o json
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    project = opening.project(options, endpoint)
    found = project.doctor()
    text = "\n".join(line for finding in found for line in _lines(finding, options))
    healthy = f"nothing is wrong with what endpoint '{project.name}' is made of"
    document = {
        "endpoint": project.name,
        "findings": [
            {
                "severity": str(one.severity),
                "subject": one.subject,
                "what": one.what,
                "fix": again(one.fix, options),
            }
            for one in found
        ],
    }
    Terminal(options).result(text or healthy, document)
    broken = any(finding.severity is Severity.ERROR for finding in found)
    return RefusedError.exit_code if broken else 0


def _lines(finding: Finding, options: Options) -> list[str]:
    first = f"{finding.severity} {finding.subject}: {finding.what}"
    return [first, f"  fix    {again(finding.fix, options)}"] if finding.fix else [first]
