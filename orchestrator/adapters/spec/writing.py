"""Write settings into a spec that a person keeps: comments, order and form stay as they are.

Knows TOML as text. What comes out is compared with what was asked for before anybody sees it: of the many
ways to write a table, one may be beyond the library that edits it, and then nothing is written.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import tomlkit
from pydantic import ValidationError
from tomlkit.exceptions import TOMLKitError
from tomlkit.items import InlineTable, Table

from orchestrator.adapters import files
from orchestrator.adapters.spec import tables
from orchestrator.adapters.spec.errors import unfit
from orchestrator.core.errors import OrchestratorError, SpecError

_BOM = "\ufeff"
_MAX_SPEC_BYTES = 16 * 1024 * 1024
Settings = Mapping[str, str]


def read(path: Path) -> str:
    """Return the text of the spec at ``path``, with its own ends of lines.

    Raises:
        SpecError: If it is no text.
        OrchestratorError: If it cannot be read.
    """
    try:
        return files.read(str(path), _MAX_SPEC_BYTES).decode("utf-8")
    except UnicodeDecodeError as error:
        raise SpecError(f"{path.name} cannot be read: {error}") from error


def write(path: Path, text: str) -> None:
    """Replace the spec at ``path`` by ``text``, whole or not at all, if it is a valid one.

    Raises:
        SpecError: If it is none.
        OrchestratorError: If it cannot be written; what was there is still there.
    """
    try:
        tables.Document.model_validate(_parsed(text))
    except ValidationError as error:
        raise unfit(path.name, tables.Document, error) from error
    files.replace(str(path), text.encode("utf-8"))


def settings(text: str, environment: str) -> Mapping[str, Any]:
    """Return what the table ``[env.NAME]`` of a spec says itself; nothing, if there is none."""
    found = _parsed(text).get("env", {}).get(environment, {})
    return found if isinstance(found, dict) else {}


def environments(text: str) -> tuple[str, ...]:
    """Return the names of the environments that a spec has a table for."""
    return tuple(_parsed(text).get("env", {}))


def with_settings(text: str, environment: str, given: Settings) -> str:
    """Return a spec with the settings ``given`` in ``[env.NAME]``, and all else as it is.

    A table that is not there is added at the end. Keys that the table has keep their place and comment.

    Raises:
        OrchestratorError: If the text is written in a way that cannot be edited; it says what to write.
    """
    if all(settings(text, environment).get(key) == value for key, value in given.items()):
        return text
    body = text.removeprefix(_BOM)
    # tomlkit ends new lines with a line feed; a file of Windows' is edited as if it was none.
    is_windows = 0 < body.count("\r\n") == body.count("\n")
    plain = body.replace("\r\n", "\n") if is_windows else body
    edited = _edited(plain, environment, given)
    if _is_wrong(plain, edited, environment, given):
        raise _beyond_us(environment, given)
    made = edited.replace("\n", "\r\n") if is_windows else edited
    return text[: len(text) - len(body)] + made


def _edited(text: str, environment: str, given: Settings) -> str:
    try:
        document = tomlkit.parse(text)
        environments = document.get("env", {})
        if isinstance(environments, InlineTable):
            environments.setdefault(environment, tomlkit.inline_table())
        elif environment not in environments:
            document = tomlkit.parse(f"{_ended(text)}\n[env.{tomlkit.key(environment).as_string()}]\n")
        environments = cast("Any", document["env"])
        _put(environments[environment], given)
        return tomlkit.dumps(document)
    except (TOMLKitError, ValueError, TypeError, KeyError):
        # Told by the caller, who finds that the settings are not there.
        return text


def _put(table: Any, given: Settings) -> None:  # noqa: ANN401 - a table of one of tomlkit's five kinds
    """Set keys; new ones come right behind the others, and before what is said about the next table."""
    body = table.value.body if isinstance(table, Table) else []
    after: list[Any] = []
    while body and body[-1][0] is None:
        after.insert(0, body.pop())
    for key, value in given.items():
        table[key] = value
    body.extend(after)


def _ended(text: str) -> str:
    return text if not text or text.endswith("\n") else f"{text}\n"


def _is_wrong(text: str, edited: str, environment: str, given: Settings) -> bool:
    """Tell whether the edited text says anything but what the text has said, and the settings."""
    if edited == text:
        return True
    wanted = _parsed(text)
    wanted.setdefault("env", {}).setdefault(environment, {}).update(given)
    try:
        return tomllib.loads(edited) != wanted
    except ValueError:
        return True


def _parsed(text: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text.removeprefix(_BOM))
    except (ValueError, RecursionError) as error:
        raise SpecError(f"the spec cannot be read: {error}") from error


def _beyond_us(environment: str, given: Settings) -> OrchestratorError:
    lines = tomlkit.dumps({"env": {environment: dict(given)}}).strip()
    return OrchestratorError(
        f"the spec is written in a way in which [env.{environment}] cannot be edited",
        details=[("state", "the spec is what it was before"), ("write", lines)],
        hint="write these lines yourself",
    )
