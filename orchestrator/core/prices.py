"""What fleets cost an hour, by a table that the user gives: none is shipped, since prices change.

A table in TOML, or the same in JSON::

    currency = "USD"

    [per_hour]
    "ml.m5.large" = 0.115
"""

import json
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass

from orchestrator.core.errors import SpecError
from orchestrator.core.fleets import fleets, type_of
from orchestrator.core.proposal import quoted
from orchestrator.core.resources import EndpointConfig

_KEYS = frozenset({"currency", "per_hour"})


@dataclass(frozen=True, slots=True)
class Prices:
    """What an instance of each type costs an hour."""

    per_hour: Mapping[str, float]
    currency: str = "USD"


@dataclass(frozen=True, slots=True)
class Cost:
    """What fleets cost an hour, as far as it is known.

    Attributes:
        amount: Of the instances whose type has a price.
        unknown: The instance types that have none.
        by_use: The variants that are paid by use, and not by the hour.
    """

    amount: float
    currency: str
    unknown: tuple[str, ...] = ()
    by_use: tuple[str, ...] = ()


def parse(text: str, name: str) -> Prices:
    """Read a price table.

    Args:
        text: The file's content.
        name: Its path, which tells JSON from TOML, and is named in errors.

    Raises:
        SpecError: If it is no such table.
    """
    try:
        table = json.loads(text) if name.endswith(".json") else tomllib.loads(text)
    except ValueError as error:
        raise _wrong(name, str(error)) from error
    if not isinstance(table, dict) or not isinstance(table.get("per_hour"), dict):
        raise _wrong(name, "it has no table [per_hour]")
    if unknown := sorted(set(table) - _KEYS):
        raise _wrong(
            name, f"it has a key {quoted(unknown[0])}, and only currency and per_hour mean something"
        )
    currency = table.get("currency", "USD")
    if not isinstance(currency, str) or not currency.isalpha():
        raise _wrong(name, "currency is no word such as 'USD'")
    return Prices({key: _price(name, key, value) for key, value in table["per_hour"].items()}, currency)


def hourly(config: EndpointConfig, counts: Mapping[str, int], prices: Prices) -> Cost:
    """Return what the fleets of ``config`` cost an hour; pools count as the type that is tried first.

    Args:
        config: What runs.
        counts: How many instances each variant has, by its name.
        prices: The user's table.
    """
    amount, unknown = 0.0, set[str]()
    for variant in fleets(config):
        instance_type, count = type_of(variant), counts.get(variant.name, 0)
        if instance_type in prices.per_hour:
            amount += prices.per_hour[instance_type] * count
        elif count:
            unknown.add(instance_type)
    by_use = tuple(v.name for v in (*config.variants, *config.shadows) if v.serverless is not None)
    return Cost(amount, prices.currency, tuple(sorted(unknown)), by_use)


def _price(name: str, key: str, value: object) -> float:
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not math.isfinite(price := float(str(value))) or price < 0:
        raise _wrong(name, f"the price of {quoted(key)} is no number from 0 on")
    return price


def _wrong(name: str, why: str) -> SpecError:
    return SpecError(
        f"{quoted(name)} is no price table: {why}",
        details=[("rule", '[per_hour] with lines such as "ml.m5.large" = 0.115')],
        hint="correct it, or take the key 'prices' out of the spec",
    )
