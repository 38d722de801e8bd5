"""`orchestrator bench`."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TypedDict, Unpack

import click

from orchestrator.api import wiring
from orchestrator.cli import benched, completing, opening
from orchestrator.cli.options import Options, with_options
from orchestrator.cli.terminal import Terminal
from orchestrator.core import golden
from orchestrator.core.errors import SpecError
from orchestrator.core.golden import JSON_TYPE, Case, Request
from orchestrator.core.latency import Pace
from orchestrator.core.spec import GoldenSpec
from orchestrator.usecases import bench

_URL = "http://127.0.0.1:8080"
_MOST_CONNECTIONS = 900  # a process may usually open 1024 files


class _Given(TypedDict):
    """The command's own options."""

    compare: str | None
    case: str | None
    body: str | None
    content_type: str | None
    accept: str | None
    rate: float | None
    closed: bool
    connections: int
    duration: float
    token: str | None


@click.command("bench")
@click.argument("url", required=False)
@click.option("--compare", metavar="URL", help="Another server, to be measured in turn.")
@click.option(
    "--case",
    metavar="NAME|FILE",
    shell_complete=completing.files,
    help="One golden case [all of the project's, in turn].",
)
@click.option(
    "--body", type=click.Path(exists=True, dir_okay=False), metavar="FILE", help="Send this instead."
)
@click.option("--content-type", help=f"Of --body [{JSON_TYPE}].")
@click.option("--accept", help=f"With --body [{JSON_TYPE}].")
@click.option(
    "--rate",
    type=click.FloatRange(min=0, min_open=True, max=1e6),
    help="Requests per second [70 % of what it can take].",
)
@click.option("--closed", is_flag=True, help="As fast as answers come, in place of a rate.")
@click.option(
    "--connections", type=click.IntRange(1, _MOST_CONNECTIONS), default=16, show_default=True, help="At most."
)
@click.option(
    "--duration",
    type=click.FloatRange(min=0.1, max=86_400),
    default=10.0,
    show_default=True,
    help="Seconds for each server.",
)
@click.option("--token", envvar="ORCHESTRATOR_TOKEN", help="What local-serve --token was given.")
@with_options
def command(options: Options, url: str | None, **given: Unpack[_Given]) -> None:
    """Put the server at URL under load with golden cases, and say how long its answers take.

    URL is http://127.0.0.1:8080 if not given. Requests become due at even distances, whatever becomes of
    those before, and an answer's time begins when its request was due: no stall is left out. The answers are
    checked once before.

    \b
    Examples:
      orchestrator bench
      orchestrator bench --rate 200 --duration 30
      orchestrator bench http://127.0.0.1:9000 --body image.npy --content-type application/x-npy --closed
      orchestrator bench http://127.0.0.1:8080 --compare http://127.0.0.1:9000 -o json
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    _check(given)
    terminal = Terminal(options)
    cases, atol = _cases(options, given)
    wanted = bench.Wanted(
        given["connections"], given["duration"], given["rate"], is_closed=given["closed"], atol=atol
    )
    first = wiring.load(url or _URL, given["token"])
    plot = benched.Plot.of(getattr(sys.stdout, "encoding", None))
    if given["compare"] is None:
        done = bench.bench(first, cases, wanted, lambda pace: _tell(terminal, given, pace, servers=1))
        terminal.result(benched.text(done, plot), benched.document(done))
        return
    pair = first, wiring.load(given["compare"], given["token"])
    both = bench.compare(pair, cases, wanted, lambda pace: _tell(terminal, given, pace, servers=2))
    terminal.result(benched.comparison(both, plot), benched.comparison_document(both))


def _check(given: _Given) -> None:
    if given["closed"] and given["rate"] is not None:
        raise click.UsageError("--closed has no rate: leave out one of the two")
    if given["body"] is None and (given["content_type"] or given["accept"]):
        raise click.UsageError("--content-type and --accept go with --body: a golden case has its own")
    if given["body"] is not None and given["case"] is not None:
        raise click.UsageError("--case and --body both say what to send: leave out one of the two")


def _cases(options: Options, given: _Given) -> tuple[tuple[Case, ...], float]:
    """Return what to send, and how far a number of the right answer may be from the expected one."""
    if given["body"] is not None:
        body = Path(given["body"]).read_bytes()
        request = Request(body, given["content_type"] or JSON_TYPE, given["accept"] or JSON_TYPE)
        return (Case(given["body"], request),), GoldenSpec().atol
    name = given["case"]
    if name is not None and Path(name).is_file():
        return (golden.parse(name, Path(name).read_bytes()),), GoldenSpec().atol
    try:
        spec = wiring.resolve(opening.selection(options)).spec
    except SpecError as error:
        error.add_detail("or", "send a file of yours, which needs no spec: --case FILE or --body FILE")
        raise
    cases = wiring.golden_cases(spec)
    if name is not None:
        return _named(cases, name), spec.golden.atol
    if not cases:
        raise SpecError(
            f"project '{spec.name}' has no golden case to send",
            hint="set golden.cases in the spec, or send a file: --case FILE or --body FILE",
        )
    return cases, spec.golden.atol


def _named(cases: Sequence[Case], name: str) -> tuple[Case, ...]:
    found = tuple(case for case in cases if name in {case.name, Path(case.name).name, Path(case.name).stem})
    if not found:
        known = ", ".join(case.name for case in cases) or "none"
        raise SpecError(
            f"there is no golden case and no file '{name}'",
            details=[("known", known)],
            hint="name one of these, or a file",
        )
    return found


def _tell(terminal: Terminal, given: _Given, pace: Pace, *, servers: int) -> None:
    """Say what is being done, and where the rate comes from."""
    if pace.rate is None:
        how = "as fast as answers come"
    elif given["rate"] is None:
        share = f"{bench.SHARE * 100:.0f} % of what a warm-up has found possible"
        how = f"{pace.rate:.1f} requests a second, {share}"
    else:
        how = f"{pace.rate:g} requests a second"
    each = f"each of {servers} servers, in {bench.ROUNDS} rounds in turn" if servers > 1 else "the server"
    terminal.say(f"measuring {each}, for {pace.seconds:g} s: {how}")
