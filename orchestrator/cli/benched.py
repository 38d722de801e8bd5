"""Put what a load has shown into words, and its latencies into a small plot."""

import codecs
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import click

from orchestrator.cli.render import table
from orchestrator.core.latency import Bin, Ratio, histogram, summary
from orchestrator.usecases.bench import ROUNDS, Benched, Compared

_BINS = 12
_WIDTH = 40
_BLOCKS = " ▏▎▍▌▋▊▉█"


@dataclass(frozen=True, slots=True)
class Plot:
    """How bars can be drawn: in eighths of a character where there are such characters."""

    has_blocks: bool

    @classmethod
    def of(cls, encoding: str | None) -> "Plot":
        """Return what fits a stream with this ``encoding``."""
        try:
            return cls(codecs.lookup(encoding or "ascii").name.startswith("utf"))
        except LookupError:
            return cls(has_blocks=False)

    def bar(self, share: float) -> str:
        """Return a bar for ``share`` of the longest; whatever is more than nothing can be seen.

        >>> Plot(has_blocks=False).bar(0.25), Plot(has_blocks=True).bar(0.01), Plot(has_blocks=True).bar(0)
        ('##########', '▍', '')
        """
        if share <= 0:
            return ""
        if not self.has_blocks:
            return "#" * max(1, round(share * _WIDTH))
        whole, eighths = divmod(max(1, round(share * _WIDTH * 8)), 8)
        return f"{'█' * whole}{_BLOCKS[eighths]}".rstrip()


def text(done: Benched, plot: Plot) -> str:
    """Return what came of one server: figures first, then the histogram."""
    return f"{_figures(done)}\n\n{_histogram(done, plot)}"


def comparison(both: Compared, plot: Plot) -> str:
    """Return what came of two, and how they compare."""
    sides = "\n\n".join(text(side, plot) for side in (both.first, both.second))
    rows = [
        ("  throughput", _ratio(both.throughput)),
        ("  p50", _ratio(both.p50)),
        ("  p99", _ratio(both.p99)),
    ]
    head = f"the second as a multiple of the first, {ROUNDS} rounds in turn, 95 % confidence"
    return f"{sides}\n\n{head}\n{table(rows)}"


def document(done: Benched) -> dict[str, object]:
    """Return one server's figures for scripts; all times are in milliseconds but for ``seconds``."""
    measured, pace = done.measured, done.pace
    found = summary(measured.latencies)
    return {
        "url": done.url,
        "loop": "closed" if pace.rate is None else "open",
        "rate": pace.rate,
        "connections": pace.connections,
        "seconds": measured.seconds,
        "requests": len(measured.latencies) + measured.errors,
        "throughput": measured.throughput,
        "latency_ms": {name: value * 1000 for name, value in asdict(found).items()},
        "errors": measured.errors,
        "wrong": {str(status): count for status, count in measured.wrong.items()},
        "unanswered": dict(measured.unanswered),
        "histogram": [
            {"low_ms": bin_.low * 1000, "high_ms": bin_.high * 1000, "count": bin_.count}
            for bin_ in histogram(measured.latencies, bins=_BINS)
        ],
    }


def comparison_document(both: Compared) -> dict[str, object]:
    """Return the same of two servers, and the second's figures as multiples of the first's."""
    return {
        "rounds": ROUNDS,
        "confidence": 0.95,
        "servers": [document(both.first), document(both.second)],
        "ratios": {
            "throughput": asdict(both.throughput),
            "p50": asdict(both.p50),
            "p99": asdict(both.p99),
        },
    }


def _figures(done: Benched) -> str:
    measured, pace = done.measured, done.pace
    found = summary(measured.latencies)
    loop = "closed loop" if pace.rate is None else f"open loop, {pace.rate:.1f} requests a second"
    percentiles = "   ".join(f"{name} {milliseconds(value)}" for name, value in asdict(found).items())
    rows = [
        ("  load", f"{loop}, at most {pace.connections} connections, {measured.seconds:.1f} s"),
        ("  throughput", f"{measured.throughput:.1f} right answers a second"),
        ("  latency", percentiles),
        ("  errors", _errors(done)),
    ]
    return f"{done.url}\n{table(rows)}"


def _errors(done: Benched) -> str:
    measured = done.measured
    if not measured.errors:
        return "none"
    kinds = [f"{count} answered {status}" for status, count in sorted(measured.wrong.items())]
    kinds += [f"{count} without an answer: {why}" for why, count in sorted(measured.unanswered.items())]
    total = len(measured.latencies) + measured.errors
    return click.style(f"{measured.errors} of {total}: {'; '.join(kinds)}", fg="red")


def _histogram(done: Benched, plot: Plot) -> str:
    bins = histogram(done.measured.latencies, bins=_BINS)
    most = max(bin_.count for bin_ in bins)
    ranges = _ranges(bins)
    width, digits = max(map(len, ranges)), len(str(most))
    return "\n".join(
        f"  {range_:>{width}}  {bin_.count:>{digits}}  "
        f"{click.style(plot.bar(bin_.count / most), fg='cyan')}".rstrip()
        for range_, bin_ in zip(ranges, bins, strict=True)
    )


def _ranges(bins: Sequence[Bin]) -> list[str]:
    return [f"{bin_.low * 1000:g} to {bin_.high * 1000:g} ms" for bin_ in bins]


def _ratio(found: Ratio) -> str:
    doubt = "" if found.is_certain else ", so no difference is shown"
    return f"x {found.estimate:.2f} ({found.low:.2f} to {found.high:.2f}{doubt})"


def milliseconds(seconds: float) -> str:
    """Return a time with three digits that matter.

    >>> milliseconds(0.0004312), milliseconds(0.0123456), milliseconds(1.5)
    ('0.431 ms', '12.3 ms', '1500 ms')
    """
    value = seconds * 1000
    digits = 2 - math.floor(math.log10(max(value, 0.1)))
    return f"{value:.{max(digits, 0)}f} ms"
