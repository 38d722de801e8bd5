"""When a scheduled action is due: ``at(...)``, ``rate(...)`` and ``cron(...)`` of Application Auto Scaling.

Pure. Form: API reference, PutScheduledAction. Moments and cron fields are those of the machine's clock; only
the time between two runs of a rate is shortened in a fast local cloud.
"""

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from orchestrator.localcloud.apierrors import invalid, unsupported

_FORM = re.compile(r"(at|rate|cron)\(([^()]*)\)")
_UNITS = {"minute": 60.0, "hour": 3600.0, "day": 86400.0}
_MONTH_NAMES = ("JAN", "FEB", "MAR", "APR", "MAY", "JUN", "JUL", "AUG", "SEP", "OCT", "NOV", "DEC")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_DAYS = {name: number for number, name in enumerate(("SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"), 1)}
# Minutes, hours, day of month, month, day of week (Sunday is 1), year.
_FIELDS: tuple[tuple[int, int, Mapping[str, int]], ...] = (
    (0, 59, {}),
    (0, 23, {}),
    (1, 31, {}),
    (1, 12, _MONTHS),
    (1, 7, _DAYS),
    (1970, 2199, {}),
)


@dataclass(frozen=True, slots=True)
class Schedule:
    """A schedule that was read.

    Attributes:
        at: The only moment, in seconds since 1970; ``None`` if there are more.
        every_seconds: Between two runs; ``None`` if that is not how it is said.
        fields: The numbers that each field of a cron expression takes; empty if it is none.
        zone: Of the cron fields.
    """

    at: float | None = None
    every_seconds: float | None = None
    fields: tuple[frozenset[int], ...] = ()
    zone: str = "UTC"

    def is_due(self, last: float, now: float, speed: float = 1.0) -> bool:
        """Tell whether it is due after ``last`` and until ``now``, both in seconds since 1970.

        Args:
            last: When it was due before, or was made.
            now: The present.
            speed: By how much the time between two runs of a rate is shortened.

        >>> read("cron(30 9 ? * MON-FRI *)").is_due(1_800_000_000, 1_800_000_060)
        False
        """
        if self.at is not None:
            return last < self.at <= now
        if self.every_seconds is not None:
            return now - last >= self.every_seconds / speed
        minute = now - now % 60
        return last < minute and self._fits(dt.datetime.fromtimestamp(minute, ZoneInfo(self.zone)))

    def _fits(self, moment: dt.datetime) -> bool:
        weekday = moment.isoweekday() % 7 + 1
        parts = (moment.minute, moment.hour, moment.day, moment.month, weekday, moment.year)
        return all(part in field for part, field in zip(parts, self.fields, strict=True))


def read(text: str, zone: str = "UTC") -> Schedule:
    """Return a schedule.

    Raises:
        ApiError: If it is none, or uses a sign of cron that the local cloud does not know.

    >>> read("rate(5 minutes)").every_seconds
    300.0
    """
    form = _FORM.fullmatch(text)
    try:
        if form and form[1] == "at":
            moment = dt.datetime.fromisoformat(form[2]).replace(tzinfo=ZoneInfo(zone))
            return Schedule(at=moment.timestamp())
        if form and form[1] == "rate":
            number, unit = form[2].split()
            return Schedule(every_seconds=int(number) * _UNITS[unit.removesuffix("s")])
        if form:
            return Schedule(fields=_cron(form[2]), zone=ZoneInfo(zone).key)
    except (ValueError, KeyError) as error:
        raise invalid(f"The schedule expression {text} is not valid.") from error
    raise invalid(f"The schedule expression {text} is not valid.")


def _cron(text: str) -> tuple[frozenset[int], ...]:
    parts = text.upper().split()
    if re.search(r"[LW#](?![A-Z])", re.sub("JUL", "", text.upper())):
        raise unsupported(f"L, W and # in the schedule cron({text})")
    return tuple(_field(part, *bounds) for part, bounds in zip(parts, _FIELDS, strict=True))


def _field(text: str, least: int, most: int, names: Mapping[str, int]) -> frozenset[int]:
    numbers: set[int] = set()
    for part in text.split(","):
        span, _, step = part.partition("/")
        first, _, last = span.partition("-")
        begin = least if first in {"*", "?"} else names.get(first) or int(first)
        end = (
            most
            if first in {"*", "?"} or (step and not last)
            else names.get(last or first) or int(last or first)
        )
        numbers.update(range(begin, end + 1, int(step or 1)))
    if not numbers or min(numbers) < least or max(numbers) > most:
        raise ValueError(text)
    return frozenset(numbers)
