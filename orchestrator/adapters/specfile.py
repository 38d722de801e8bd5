"""Read `orchestrator.toml` and resolve it for one environment.

Knows files, tables and where each value comes from; hands out `orchestrator.core.spec` values. Precedence:
flag, environment variable, ``[env.NAME]``, ``[defaults]``, built-in default.
"""

import difflib
import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from orchestrator.adapters import spectables, specvalues
from orchestrator.core import spec
from orchestrator.core.errors import SpecError

FILE_NAME = "orchestrator.toml"
_PREFIX = "ORCHESTRATOR_"
_AWS_REGION = ("AWS_REGION", "AWS_DEFAULT_REGION")
_Label = Callable[[str], str]
_BUILT_IN: dict[str, object] = {
    "keep_revisions": 5,
    "endpoint.mode": "realtime",
    "endpoint.instance_type": "ml.m5.large",
    "endpoint.instance_count": 1,
    "rollout.type": "all-at-once",
}
_LOCAL_BUILT_IN: dict[str, object] = {
    "region": "eu-west-1",
    "bucket": "orchestrator-local",
    "role_arn": "arn:aws:iam::123456789012:role/orchestrator-local",
}
# Every setting that a flag or an environment variable can give; tags only come from the file.
_SETTINGS = (
    "region",
    "bucket",
    "role_arn",
    "assume_role_arn",
    "keep_revisions",
    "kms_key",
    "bucket_owner",
    "endpoint.mode",
    "endpoint.instance_type",
    "endpoint.instance_count",
    "rollout.type",
)


@dataclass(frozen=True, slots=True)
class Setting:
    """One resolved value and where it came from."""

    key: str
    value: object
    origin: str


@dataclass(frozen=True, slots=True)
class Resolved:
    """A spec, and where each of its settings came from."""

    spec: spec.Spec
    settings: tuple[Setting, ...]


def read(path: Path, environment: str, *, flags: Mapping[str, str], environ: Mapping[str, str]) -> Resolved:
    """Read the spec at ``path`` and resolve it for ``environment``.

    Args:
        path: The TOML file.
        environment: ``local``, or a name that has an ``[env.NAME]`` table.
        flags: Settings given on the command line, by dotted key.
        environ: The process's environment variables.

    Raises:
        SpecError: If the file is missing, is no TOML, has an unknown key or a value of the wrong type, or
            knows no such environment.
    """
    document = _document(path)
    if environment != spec.LOCAL and environment not in document.env:
        raise SpecError(
            f"{path.name} has no environment '{environment}'",
            details=[("known", ", ".join(sorted({spec.LOCAL, *document.env})))],
            hint=f"add [env.{environment}], or choose one with --env",
        )
    settings = tuple(_settings(path.name, document, environment, flags, environ))
    values = {setting.key: setting.value for setting in reversed(settings)}
    resolved = specvalues.spec_of(path, document, environment, values)
    return Resolved(resolved, (*settings, *_others(path.name, document)))


def schema_text() -> str:
    """Return the JSON Schema of the spec; the copy in ``docs/`` is compared with it by a test."""
    return json.dumps(spectables.Document.model_json_schema(by_alias=True), indent=2) + "\n"


def _document(path: Path) -> spectables.Document:
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise SpecError(
            f"there is no spec at {path}", hint="name it with -c/--config, or change to the project's folder"
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError, OSError) as error:
        raise SpecError(f"{path.name} cannot be read: {error}") from error
    try:
        return spectables.Document.model_validate(content)
    except ValidationError as error:
        raise _unfit(path.name, spectables.Document, error) from error


def _settings(
    file: str,
    document: spectables.Document,
    environment: str,
    flags: Mapping[str, str],
    environ: Mapping[str, str],
) -> Iterator[Setting]:
    own = document.env.get(environment, spectables.SettingsTable())
    tables = ((f"{file} [env.{environment}]", own), (f"{file} [defaults]", document.defaults))
    variables = {key: environ.get(_variable(key), "") for key in _SETTINGS}
    layers: list[tuple[_Label, Mapping[str, object]]] = [
        (_flag, _given(flags, "the command line")),
        (_variable, _given(variables, "the environment")),
        *((_constant(origin), _flat(table)) for origin, table in tables),
        *_fallbacks(environment, environ),
    ]
    for key in _SETTINGS:
        found = ((label(key), values[key]) for label, values in layers if values.get(key) is not None)
        origin, value = next(found, ("not set", None))
        yield Setting(key, value, origin)
    for origin, table in tables:
        yield from (Setting(f"tags.{key}", value, origin) for key, value in table.tags.items())


def _fallbacks(environment: str, environ: Mapping[str, str]) -> Iterator[tuple[_Label, Mapping[str, object]]]:
    """Yield what holds where nobody said anything.

    The local cloud is the same wherever the developer's shell points to, so it does not look there.
    """
    if environment == spec.LOCAL:
        yield _constant("built in"), _LOCAL_BUILT_IN
    else:
        yield from ((_constant(name), {"region": environ.get(name)}) for name in _AWS_REGION)
    yield _constant("built in"), _BUILT_IN


def _constant(origin: str) -> _Label:
    return lambda _: origin


def _flag(key: str) -> str:
    return f"--{key.rpartition('.')[2].replace('_', '-')}"


def _variable(key: str) -> str:
    return _PREFIX + key.replace(".", "_").upper()


def _given(values: Mapping[str, str], where: str) -> dict[str, object]:
    """Return settings that came as text, validated and turned into their types."""
    nested: dict[str, Any] = {}
    for key, value in values.items():
        if value:
            table, _, name = key.rpartition(".")
            (nested.setdefault(table, {}) if table else nested)[name] = value
    try:
        return _flat(spectables.SettingsTable.model_validate(nested, strict=False))
    except ValidationError as error:
        raise _unfit(where, spectables.SettingsTable, error) from error


def _flat(table: spectables.SettingsTable | None) -> dict[str, object]:
    if table is None:
        return {}
    content = table.model_dump(exclude_unset=True, exclude={"tags"})
    flat: dict[str, object] = {}
    for key, value in content.items():
        flat |= (
            {f"{key}.{name}": item for name, item in value.items()}
            if isinstance(value, dict)
            else {key: value}
        )
    return flat


def _others(file: str, document: spectables.Document) -> Iterator[Setting]:
    """Yield everything outside ``[defaults]`` and ``[env]``: it is the same in every environment."""
    for table in ("model", "entrypoint", "schema", "package", "container", "serving", "golden", "policy"):
        content: BaseModel = getattr(document, "schema_" if table == "schema" else table)
        for name, field in type(content).model_fields.items():
            origin = file if name in content.model_fields_set else "built in"
            value = content.model_dump(by_alias=True)[field.alias or name]
            yield Setting(f"{table}.{field.alias or name}", value, origin)


def _unfit(where: str, model: type[BaseModel], error: ValidationError) -> SpecError:
    """Return what is wrong: an unknown key first, since it often stands for the one that is missing."""
    found = error.errors(include_url=False)
    first = next((item for item in found if item["type"] == "extra_forbidden"), found[0])
    parts = [str(part) for part in first["loc"]]
    key = ".".join(parts)
    if first["type"] == "extra_forbidden":
        return _unknown(where, model, parts)
    if first["type"] == "missing":
        return SpecError(f"{where}: '{key}' is missing")
    # What a whole table breaks is told by the rule itself; the table's content would bury it.
    broken = getattr(first.get("ctx", {}).get("error"), "__cause__", None)
    if isinstance(broken, SpecError) and isinstance(first["input"], dict):
        return SpecError(f"{where}: {broken}", details=broken.details, hint=broken.hint)
    message = str(first["msg"]).removeprefix("Value error, ")
    message = message.replace("Input should", "it should").replace("String should", "it should")
    notes = [("note", "this version supports only these")] if first["type"] == "literal_error" else []
    return SpecError(f"{where}: '{key}' cannot be {first['input']!r}: {message}", details=notes)


def _unknown(where: str, model: type[BaseModel], parts: list[str]) -> SpecError:
    key, later = ".".join(parts), _later(parts)
    if later is not None:
        return SpecError(
            f"{where}: '{key}': {later} is not supported by this version",
            hint="take the key out: the tool does not accept what it would not do",
        )
    known = _known_keys(model, parts[:-1])
    near = difflib.get_close_matches(parts[-1], known, n=1, cutoff=0.5)
    meant = [("meant", f"'{'.'.join([*parts[:-1], near[0]])}'")] if near else []
    return SpecError(f"{where}: there is no key '{key}'", details=[*meant, ("known", ", ".join(known))])


def _later(parts: list[str]) -> str | None:
    generic = [*parts[:1], "*", *parts[2:]] if parts[:1] == ["env"] else parts
    return spectables.LATER.get(".".join(generic))


def _known_keys(model: type[BaseModel], parts: list[str]) -> list[str]:
    """Return the keys of the table that ``parts`` lead to."""
    current: Any = model
    for part in parts:
        fields = {field.alias or name: field.annotation for name, field in current.model_fields.items()}
        current = fields.get(part, current)
        inner = getattr(current, "__args__", ())
        current = next((item for item in inner if hasattr(item, "model_fields")), current)
        if not hasattr(current, "model_fields"):
            return []
    return sorted(field.alias or name for name, field in current.model_fields.items())
