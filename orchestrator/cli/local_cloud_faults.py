"""`orchestrator local-cloud faults add / list / lift`."""

import os

import click

from orchestrator.cli import render
from orchestrator.cli.options import Options, with_options
from orchestrator.cli.terminal import Terminal
from orchestrator.core.errors import OrchestratorError
from orchestrator.localcloud import lifecycle
from orchestrator.localcloud.faulting.faults import Kind
from orchestrator.localcloud.faulting.orders import FaultOrders, nearest

# What every fault shows and the table has a column for.
_COLUMNS = ("id", "kind", "operation", "times", "befallen")
_USUAL = {"share": 1.0, "seed": 0}


def _known(ctx: click.Context, param: click.Parameter, value: str) -> str:
    """Let the kinds through; a mistyped one gets the nearest."""
    if value in set(Kind):
        return value
    meant = nearest(value, list(Kind))
    raise click.BadParameter(f"'{value}' is none of {', '.join(Kind)}{meant}", ctx, param)


def _offered(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[str]:
    return [kind for kind in Kind if kind.startswith(incomplete)]


@click.group("faults", context_settings={"help_option_names": ["-h", "--help"]})
def faults() -> None:
    """Let things go wrong in the local cloud, so that a release can be rehearsed with them.

    \b
    Examples:
      orchestrator local-cloud faults add silent-rollback --endpoint digits
      orchestrator local-cloud faults add throttle --operation 'Describe*' --share 0.3 --seed 7
      orchestrator local-cloud faults list
      orchestrator local-cloud faults lift
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines


@faults.command("add")
@click.argument("kind", callback=_known, shell_complete=_offered)
@click.option("--operation", metavar="PATTERN", help="Of the API, or method and path as of 'PUT /models/*'.")
@click.option("--endpoint", metavar="PATTERN", help="Only what is about such endpoints.")
@click.option(
    "--endpoint-config", metavar="PATTERN", help="Only fleets of such endpoint configs (model-error)."
)
@click.option("--times", type=click.IntRange(1), help="How many calls it befalls [1; all where it lasts].")
@click.option("--share", type=click.FloatRange(0, 1, min_open=True), help="Of the calls it befalls [1].")
@click.option("--seed", type=int, help="Of the chance by which it chooses them [0].")
@click.option(
    "--seconds", type=float, help="How late or how old (latency, slow-start, eventual-consistency)."
)
@click.option("--rate", type=float, help="Calls per second that go through (throttle).")
@click.option("--crashes", type=click.IntRange(1), help="How many containers end (crash-loop) [all].")
@with_options
def add(options: Options, kind: str, **members: object) -> None:
    """Let a fault of a kind wait for its calls; with --region, for those to such regions only.

    KIND is throttle, server-error, reset, lose-answer, latency, region-down, eventual-consistency,
    model-error, silent-rollback, capacity, fail, stuck, update-rollback-failed, slow-start or crash-loop.

    \b
    Examples:
      orchestrator local-cloud faults add region-down --region eu-west-1
      orchestrator local-cloud faults add model-error --endpoint digits --share 0.2
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    config = members.pop("endpoint_config")
    order = {**members, "region": options.region, "config": config}
    fault = _orders().add(kind, **{name: value for name, value in order.items() if value is not None})
    Terminal(options).result(f"fault {fault['id']} waits: {_line(fault)}", fault)


@faults.command("list")
@with_options
def list_(options: Options) -> None:
    """Show the faults that wait, with what is left of them.

    \b
    Examples:
      orchestrator local-cloud faults list -o json
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    found = _orders().all()
    rows = [[*_COLUMNS, "limits"]]
    rows += [[*(_cell(fault[name]) for name in _COLUMNS), _limits(fault)] for fault in found]
    Terminal(options).result(render.table(rows) if found else "no fault waits", {"faults": found})


@faults.command("lift")
@click.argument("id", required=False)
@with_options
def lift(options: Options, id: str | None) -> None:  # noqa: A002 - the word that the list has for it
    """Take one fault back, or all of them; what is stuck goes on.

    \b
    Examples:
      orchestrator local-cloud faults lift 3
      orchestrator local-cloud faults lift
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    _orders().lift(id)
    text = f"fault {id} is lifted" if id else "all faults are lifted"
    Terminal(options).result(text, {"lifted": id or "all"})


def _orders() -> FaultOrders:
    running = lifecycle.running(lifecycle.default_state_dir(os.environ))
    if running is None:
        raise OrchestratorError("the local cloud is not running", hint="orchestrator local-cloud start")
    return FaultOrders(running.url, running.options.token or "")


def _line(fault: dict[str, object]) -> str:
    limits = _limits(fault)
    often = "until it is lifted" if fault["times"] is None else f"{fault['times']} times"
    return f"{fault['kind']} of {fault['operation']}, {often}{', ' if limits else ''}{limits}"


def _limits(fault: dict[str, object]) -> str:
    shown = {**fault}
    for name in _COLUMNS:
        shown.pop(name)
    return ", ".join(f"{name} {value}" for name, value in shown.items() if value != _USUAL.get(name))


def _cell(value: object) -> str:
    return "all" if value is None else str(value)
