"""Read `orchestrator.toml` and resolve it for one endpoint in one environment.

Knows files, tables and where each value comes from; hands out `orchestrator.core.spec` values. Precedence:
flag, environment variable, ``[endpoints.NAME]``, ``[env.NAME]``, ``[defaults]``, built-in default.
"""

import json
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ValidationError

from orchestrator.adapters.spec import layers, tables, values
from orchestrator.adapters.spec.endpoint import ServerlessTable
from orchestrator.adapters.spec.errors import all_unfit, nearest, unfit
from orchestrator.adapters.spec.layers import MODE, TYPE, Chosen, Layer, Setting
from orchestrator.core import spec
from orchestrator.core.errors import SpecError
from orchestrator.core.proposal import harmless, quoted
from orchestrator.core.revision import VARIANT
from orchestrator.core.target import LOCAL

FILE_NAME = "orchestrator.toml"
_PREFIX = "ORCHESTRATOR_"
_AWS_REGION = ("AWS_REGION", "AWS_DEFAULT_REGION")
_BUILT_IN: dict[layers.Path, object] = {
    ("keep_revisions",): 5,
    MODE: "realtime",
    ("endpoint", "variant"): VARIANT,
    ("endpoint", "network_isolation"): False,
    TYPE: "all-at-once",
}
# These count only where the mode or the rollout has a use for them.
_BUILT_IN_BY_KIND: dict[layers.Path, object] = {
    ("endpoint", "instance_type"): "ml.m5.large",
    ("endpoint", "instance_count"): 1,
    ("endpoint", "serverless"): ServerlessTable().model_dump(exclude_none=True),
    ("rollout", "size_percent"): 10,
    ("rollout", "bake_seconds"): 300,
}
_LOCAL_BUILT_IN: dict[layers.Path, object] = {
    ("region",): "eu-west-1",
    ("bucket",): "orchestrator-local",
    ("role_arn",): "arn:aws:iam::123456789012:role/orchestrator-local",
}


@dataclass(frozen=True, slots=True)
class Resolved:
    """A spec, and where each of its settings came from.

    Attributes:
        endpoints: The names of the endpoints that the file declares; none, where the project is its only one.
    """

    spec: spec.Spec
    settings: tuple[Setting, ...]
    endpoints: tuple[str, ...] = ()


def read(
    path: Path,
    environment: str,
    *,
    flags: Mapping[str, str],
    environ: Mapping[str, str],
    endpoint: str | None = None,
    may_be_new: bool = False,
) -> Resolved:
    """Read the spec at ``path`` and resolve it for ``endpoint`` in ``environment``.

    Args:
        path: The TOML file.
        environment: ``local``, or a name that has an ``[env.NAME]`` table.
        flags: Settings given on the command line, by dotted key.
        environ: The process's environment variables.
        endpoint: One of those that the file declares. ``None`` takes the only one; where there are none, or
            several, the project as such.
        may_be_new: Whether the environment may have no table yet.

    Raises:
        SpecError: If the file is missing, is no TOML, has an unknown key or a value of the wrong type,
            contradicts itself, or knows no such environment or endpoint.
    """
    document = _document(path)
    if environment != LOCAL and environment not in document.env and not may_be_new:
        raise SpecError(
            f"{path.name} has no environment {quoted(environment)}",
            details=nearest(environment, {LOCAL, *document.env}),
            hint=f"add [env.{harmless(environment)}], or choose one with --env",
        )
    name = _endpoint(path.name, document, endpoint)
    written = tuple(_tables(path.name, document, environment, name))
    chosen = layers.merge([*_said(flags, environ), *written, *_fallbacks(environment, environ)])
    resolved = values.spec_of(path, document, environment, chosen, name or document.name)
    settings = (*_settings(chosen), *_others(path.name, document))
    return Resolved(resolved, settings, tuple(document.endpoints))


def known_endpoints(path: Path) -> tuple[str, ...]:
    """Return the names of the endpoints that the spec at ``path`` is for, in the file's order.

    Raises:
        SpecError: If the file is missing, is no TOML, or does not fit its tables.
    """
    document = _document(path)
    return tuple(document.endpoints) or (document.name,)


def schema_text() -> str:
    """Return the JSON Schema of the spec; the copy in ``docs/`` is compared with it by a test."""
    return json.dumps(tables.Document.model_json_schema(by_alias=True), indent=2) + "\n"


def problems(
    path: Path, environment: str, *, flags: Mapping[str, str], environ: Mapping[str, str]
) -> tuple[SpecError, ...]:
    """Return everything that is wrong with the spec at ``path``, for all of its endpoints.

    What contradicts itself is looked for only where every key and type is right, and in one environment.
    """
    try:
        document = tables.Document.model_validate(_content(path))
    except SpecError as error:
        return (error,)
    except ValidationError as error:
        return all_unfit(path.name, tables.Document, error)
    found: dict[str, SpecError] = {}
    for endpoint in document.endpoints or (None,):
        try:
            read(path, environment, flags=flags, environ=environ, endpoint=endpoint)
        except SpecError as error:
            found.setdefault(str(error), error)
    return tuple(found.values())


def _document(path: Path) -> tables.Document:
    try:
        return tables.Document.model_validate(_content(path))
    except ValidationError as error:
        raise unfit(path.name, tables.Document, error) from error


def _content(path: Path) -> dict[str, object]:
    try:
        return tomllib.loads(path.read_text("utf-8-sig"))
    except FileNotFoundError as error:
        raise SpecError(
            f"there is no spec at {path}", hint="name it with -c/--config, or change to the project's folder"
        ) from error
    # Not only TOMLDecodeError: a number of 5,000 digits is a ValueError of its own.
    except (ValueError, RecursionError, OSError) as error:
        raise SpecError(f"{path.name} cannot be read: {error}") from error


def _endpoint(file: str, document: tables.Document, endpoint: str | None) -> str | None:
    """Return which of the declared endpoints is meant, or ``None`` for the project as such."""
    known = tuple(document.endpoints)
    if endpoint is None:
        return known[0] if len(known) == 1 else None
    if endpoint in known:
        return endpoint
    if not known and endpoint == document.name:
        return None
    raise SpecError(
        f"{file} has no endpoint {quoted(endpoint)}",
        details=nearest(endpoint, known or (document.name,)),
        hint=f"add [endpoints.{harmless(endpoint)}], or choose one with --endpoint",
    )


def _tables(file: str, document: tables.Document, environment: str, endpoint: str | None) -> Iterator[Layer]:
    if endpoint is not None:
        yield _layer(f"{file} [endpoints.{endpoint}]", layers.leaves(document.endpoints[endpoint]))
    if environment in document.env:
        yield _layer(f"{file} [env.{environment}]", layers.leaves(document.env[environment]))
    yield _layer(f"{file} [defaults]", layers.leaves(document.defaults))


def _fallbacks(environment: str, environ: Mapping[str, str]) -> Iterator[Layer]:
    """Yield what holds where nobody said anything.

    The local cloud is the same wherever the developer's shell points to, so it does not look there.
    """
    if environment == LOCAL:
        yield _layer("built in", _LOCAL_BUILT_IN)
    else:
        yield from (_layer(name, {("region",): environ[name]}) for name in _AWS_REGION if environ.get(name))
    yield _layer("built in", _BUILT_IN)
    yield _layer("built in", _BUILT_IN_BY_KIND)


def _layer(origin: str, values: Mapping[layers.Path, object]) -> Layer:
    return Layer(lambda _: origin, values)


def _said(flags: Mapping[str, str], environ: Mapping[str, str]) -> Iterator[Layer]:
    """Yield what was said outside the file: it came as text."""
    variables = {path: environ.get(_variable(path), "") for path in layers.scalars()}
    given = {tuple(key.split(".")): value for key, value in flags.items()}
    yield Layer(_flag, _typed(given, "the command line", _flag))
    yield Layer(_variable, _typed(variables, "the environment", _variable))


def _flag(path: layers.Path) -> str:
    return "--rollout" if path == TYPE else f"--{path[-1].replace('_', '-')}"


def _variable(path: layers.Path) -> str:
    return _PREFIX + "_".join(path).upper()


def _typed(
    values: Mapping[layers.Path, str], where: str, spelt: Callable[[layers.Path], str]
) -> dict[layers.Path, object]:
    """Return settings that came as text, validated and turned into their types."""
    given = layers.nested({path: value for path, value in values.items() if value})
    try:
        return layers.leaves(tables.SettingsTable.model_validate(given, strict=False))
    except ValidationError as error:
        raise unfit(where, tables.SettingsTable, error, spelt) from error


def _settings(chosen: Mapping[layers.Path, Chosen]) -> Iterator[Setting]:
    """Yield what was resolved, table by table, and what nobody has set outside of them."""
    order = [field.alias or name for name, field in tables.SettingsTable.model_fields.items()]
    unset = [path for path in layers.scalars() if len(path) == 1 and path not in chosen]
    for path in sorted((*chosen, *unset), key=lambda path: (order.index(path[0]), path)):
        found = chosen.get(path)
        value, origin = (None, "not set") if found is None else (found.value, found.origin)
        yield Setting(".".join(path), value, origin)


def _others(file: str, document: tables.Document) -> Iterator[Setting]:
    """Yield everything outside the settings: it is the same in every environment."""
    for table in ("model", "entrypoint", "schema", "package", "container", "serving", "golden", "policy"):
        content: BaseModel = getattr(document, "schema_" if table == "schema" else table)
        for name, field in type(content).model_fields.items():
            origin = file if name in content.model_fields_set else "built in"
            value = content.model_dump(by_alias=True)[field.alias or name]
            yield Setting(f"{table}.{field.alias or name}", value, origin)
