"""What is said of a spec that does not fit its tables."""

import difflib
from collections.abc import Callable, Iterable

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from orchestrator.core.errors import Detail, SpecError
from orchestrator.core.proposal import harmless

_LONGEST = 100
# Values below this key may be secrets by mistake: they are not quoted.
_UNQUOTED = "environment"


def dotted(parts: Iterable[str]) -> str:
    """Return how a key is written, fit for a terminal: parts of it may be anybody's text."""
    return ".".join(map(harmless, parts))


def unfit(
    where: str,
    model: type[BaseModel],
    error: ValidationError,
    spelt: Callable[[tuple[str, ...]], str] = dotted,
) -> SpecError:
    """Return what is wrong: an unknown key first, since it often stands for the one that is missing.

    Args:
        where: A file, or what else the values came from.
        model: What they were to fit.
        error: All that does not.
        spelt: From a path to what the key is called there.
    """
    return all_unfit(where, model, error, spelt)[0]


def all_unfit(
    where: str,
    model: type[BaseModel],
    error: ValidationError,
    spelt: Callable[[tuple[str, ...]], str] = dotted,
) -> tuple[SpecError, ...]:
    """Return everything that is wrong, as `unfit` returns the first of it."""
    found = sorted(error.errors(include_url=False), key=lambda item: item["type"] != "extra_forbidden")
    return tuple(_unfit(where, model, item, spelt) for item in found)


def _unfit(
    where: str, model: type[BaseModel], item: ErrorDetails, spelt: Callable[[tuple[str, ...]], str]
) -> SpecError:
    parts = tuple(str(part) for part in item["loc"] if part != "[key]")
    if item["type"] == "extra_forbidden":
        return _unknown(where, model, parts)
    if item["type"] == "missing":
        return SpecError(f"{where}: '{spelt(parts)}' is missing")
    return _wrong(where, spelt(parts), item)


def _wrong(where: str, key: str, first: ErrorDetails) -> SpecError:
    message = str(first["msg"]).removeprefix("Value error, ")
    if isinstance(first["input"], dict) and first["type"] == "value_error":
        # What a whole table breaks is told by the rule itself; the table's content would bury it.
        broken = getattr(first.get("ctx", {}).get("error"), "__cause__", None)
        if isinstance(broken, SpecError):
            return SpecError(f"{where}: {broken}", details=broken.details, hint=broken.hint)
        return SpecError(f"{where}: '{key}': {message}" if key else f"{where}: {message}")
    message = message.replace("Input should", "it should").replace("String should", "it should")
    notes = [("note", "this version supports only these")] if first["type"] == "literal_error" else []
    value = "what it is" if _UNQUOTED in first["loc"] else _shortened(repr(first["input"]))
    return SpecError(f"{where}: '{key}' cannot be {value}: {message}", details=notes)


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


def _unknown(where: str, model: type[BaseModel], parts: tuple[str, ...]) -> SpecError:
    known = _known_keys(model, parts[:-1])
    details = nearest(parts[-1], known, prefix=parts[:-1])
    return SpecError(f"{where}: there is no key '{dotted(parts)}'", details=details)


def nearest(name: str, known: Iterable[str], *, prefix: tuple[str, ...] = ()) -> list[Detail]:
    """Return which of the ``known`` names was probably meant, if any, and all of them."""
    choices = sorted(known)
    near = difflib.get_close_matches(name, choices, n=1, cutoff=0.5)
    meant = [("meant", f"'{dotted((*prefix, near[0]))}'")] if near else []
    return [*meant, ("known", ", ".join(map(harmless, choices)))]


def _known_keys(model: type[BaseModel], parts: Iterable[str]) -> list[str]:
    """Return the keys of the table that ``parts`` lead to; what is no key is a name or an index."""
    current = model
    for part in parts:
        fields = {field.alias or name: field.annotation for name, field in current.model_fields.items()}
        if part in fields:
            inner = _table_in(fields[part])
            if inner is None:
                return []
            current = inner
    return [field.alias or name for name, field in current.model_fields.items()]


def _table_in(annotation: object) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = map(_table_in, getattr(annotation, "__args__", ()))
    return next((table for table in found if table is not None), None)
