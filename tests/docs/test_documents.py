"""What the documents name is there: files, anchors, commands, options, keys, codes."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

import click
import pytest

from docs import generate
from orchestrator.adapters.spec import reading
from orchestrator.cli import boundary, plan
from orchestrator.cli.main import cli
from orchestrator.core import journal, revision
from tests.support.pages import FENCE, ROOT, blocks, documents

REFERENCE = ROOT / "docs" / "reference"
ADRS = sorted((ROOT / "docs" / "adr").glob("*.md"))
_MAX_LINE = 120
_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_CODE = re.compile(r"`([^`\n]+)`")
_HEADING = re.compile(r"^#+ +(.*)$", re.MULTILINE)
_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z-]*")
_EXECUTABLE = {"sh", "console"}
_FOLDERS = ("orchestrator/", "entrypoints/", "templates/", "examples/", "tests/", "docs/", "infra/")


DOCUMENTS = documents()
NAMES = [str(path.relative_to(ROOT)) for path in DOCUMENTS]
each_document = pytest.mark.parametrize("path", DOCUMENTS, ids=NAMES)


def prose(path: Path) -> str:
    """Return a document without its fenced blocks."""
    return FENCE.sub("", path.read_text("utf-8"))


def anchors(path: Path) -> set[str]:
    """Return the anchors that GitHub gives to a document's headings."""
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in _HEADING.findall(prose(path)))
    return {heading.strip().replace(" ", "-") for heading in plain}


def rows(path: Path, first: str) -> list[list[str]]:
    """Return the cells of every table in ``path`` whose first heading is ``first``."""
    found: list[list[str]] = []
    inside = False
    for line in path.read_text("utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")] if line.startswith("|") else []
        if not cells:
            inside = False
        elif cells[0] == first:
            inside = True
        elif inside and not set(line) <= {"|", "-", " "}:
            found.append(cells)
    return found


def codes(text: str) -> list[str]:
    return _CODE.findall(text)


@each_document
def test_every_link_leads_somewhere(path: Path) -> None:
    broken = []
    for link in _LINK.findall(prose(path)):
        target, _, anchor = link.partition("#")
        if "://" in target:
            continue
        found = path.parent / target if target else path
        if not found.exists() or (anchor and anchor not in anchors(found)):
            broken.append(link)
    assert not broken


@each_document
def test_every_file_that_is_named_exists(path: Path) -> None:
    named = [text for text in codes(prose(path)) if text.startswith(_FOLDERS)]
    missing = [text for text in named if re.fullmatch(r"[\w./-]+", text) and not (ROOT / text).exists()]
    assert not missing


@each_document
def test_no_line_but_a_tables_is_too_long_to_read(path: Path) -> None:
    lines = enumerate(path.read_text("utf-8").splitlines(), start=1)
    assert [number for number, line in lines if len(line) > _MAX_LINE and line[0] != "|"] == []


# Every command that does something, by its whole name.
COMMANDS = {
    context.command_path.partition(" ")[2]: command
    for context, command in generate.commands()
    if not isinstance(command, click.Group)
}


def options(command: click.Command) -> set[str]:
    """Return every spelling of the command's options, ``--help`` excepted."""
    given = (parameter for parameter in command.params if isinstance(parameter, click.Option))
    return {spelling for option in given for spelling in option.opts}


COMMON = options(cli) - {"--version"}


def invocations(path: Path) -> Iterator[str]:
    """Yield what follows ``orchestrator`` wherever a document shows it as something to type."""
    text = path.read_text("utf-8")
    lines = [line for block in blocks(text) if block.kind in _EXECUTABLE for line in block.text.splitlines()]
    for line in [*lines, *codes(prose(path))]:
        yield from re.findall(
            r"(?:^|[$ (])(?<!from )(?<!this )orchestrator +([a-z-][^|&;()]*)", line.partition("  #")[0]
        )


def problem(invocation: str) -> str:
    """Return what a line that was shown names and does not exist; empty if nothing."""
    words = invocation.split()
    before = [word for word in words if word.startswith("-")]
    plain = [word for word in words if not word.startswith("-")]
    name = next((" ".join(plain[:count]) for count in (2, 1) if " ".join(plain[:count]) in COMMANDS), "")
    if not name:
        groups = {known.partition(" ")[0] for known in COMMANDS}
        known = not plain or plain[0] in groups or plain[0].isupper()
        return "" if known else f"there is no command: {invocation}"
    there = options(COMMANDS[name]) | {"--help"}
    unknown = [word for word in before if word.partition("=")[0] not in there]
    return f"{name} has no {unknown[0]}" if unknown else ""


@each_document
def test_every_command_that_is_shown_exists_with_its_options(path: Path) -> None:
    assert [found for found in map(problem, invocations(path)) if found] == []


def test_a_command_that_does_not_exist_is_noticed() -> None:
    assert problem("deploi --env prod") == "there is no command: deploi --env prod"
    assert problem("deploy --evn prod") == "deploy has no --evn"
    assert problem("local-cloud stop --quiet") == ""


def sections(path: Path) -> dict[str, str]:
    """Return the text below each second-level heading."""
    parts = re.split(r"^## +(.*)$", path.read_text("utf-8"), flags=re.MULTILINE)[1:]
    return dict(zip(parts[::2], parts[1::2], strict=True))


def signature(name: str) -> str:
    """Return the heading that a command has in its reference."""
    arguments = [item for item in COMMANDS[name].params if isinstance(item, click.Argument)]
    spelt = (str(item.name).upper() if item.required else f"[{str(item.name).upper()}]" for item in arguments)
    return f"`{' '.join([name, *spelt])}`"


def listed_options(section: str) -> set[str]:
    first_cells = (line.split("|")[1] for line in section.splitlines() if line.startswith("|"))
    return {spelling for cell in first_cells for spelling in codes(cell) if spelling.startswith("-")}


def test_the_reference_has_every_command_and_no_other() -> None:
    described = {title for title in sections(REFERENCE / "commands.md") if title.startswith("`")}
    assert described == {signature(name) for name in COMMANDS}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_reference_lists_a_commands_own_options(name: str) -> None:
    section = sections(REFERENCE / "commands.md")[signature(name)]
    assert listed_options(section) == options(COMMANDS[name]) - COMMON


def test_the_reference_lists_the_common_options() -> None:
    section = sections(REFERENCE / "commands.md")["Common options"]
    assert listed_options(section) == COMMON
    without = {name for name, command in COMMANDS.items() if not options(command) >= COMMON}
    assert without == set()


def test_the_exit_codes_are_those_of_the_code() -> None:
    expected: dict[int, set[str]] = {0: set(), plan.CHANGES: set()}
    for kind in generate.kinds():
        expected.setdefault(kind.exit_code, set()).add(kind.code)
    assert boundary.UsageError.code in expected[boundary.UsageError.exit_code]
    table = rows(REFERENCE / "exit-codes.md", "code")
    assert {int(cells[0]): set(codes(cells[1])) for cells in table} == expected


def schema_keys(
    schema: Mapping[str, Any], definitions: Mapping[str, Any], prefix: str = ""
) -> Iterator[tuple[str, object]]:
    """Yield the dotted keys of a JSON Schema, with their defaults; NAME is for a name that the user gives."""
    schema = next(iter(table_schemas(schema)), schema)
    if "$ref" in schema:
        schema = definitions[schema["$ref"].rpartition("/")[2]]
    inner = dict(schema.get("properties", {}))
    additional = schema.get("additionalProperties")
    if isinstance(additional, dict) and any(table_schemas(additional)):
        inner["NAME"] = additional
    if not inner:
        yield prefix, schema.get("default")
    for key, value in inner.items():
        yield from schema_keys(value, definitions, f"{prefix}.{key}" if prefix else key)


def table_schemas(schema: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the tables that a value may be, alone or as one of a list."""
    if "$ref" in schema:
        yield schema
    for choice in (*schema.get("anyOf", ()), *([schema["items"]] if "items" in schema else [])):
        yield from table_schemas(choice)


def written_once(keys: Collection[str]) -> set[str]:
    """Return the keys without those that a less specific table, or the endpoint as a whole, has as well."""
    layers = {key for key in keys if key.startswith(("env.NAME.", "endpoints.NAME."))}
    defaults = {key for key in keys if key.startswith("defaults.")}
    for layer in ("env.NAME", "endpoints.NAME"):
        own = {key for key in layers if key.startswith(f"{layer}.")}
        assert {key.removeprefix(f"{layer}.") for key in own} == {
            key.removeprefix("defaults.") for key in defaults
        }
    repeated = re.compile(r"\.(variants\.NAME|shadow)(?=\.)")
    inherited = {key for key in defaults if repeated.search(key) and repeated.sub("", key) in defaults}
    tables = {match[0] for key in inherited if (match := re.match(rf".*?{repeated.pattern}", key))}
    return set(keys) - layers - inherited | tables | {"env.NAME", "endpoints.NAME"}


def test_the_keys_of_the_spec_are_those_of_the_schema() -> None:
    schema = json.loads((ROOT / "docs" / "orchestrator.schema.json").read_text("utf-8"))
    documented = {codes(cells[0])[0] for cells in rows(REFERENCE / "spec.md", "key")}
    assert documented == written_once({key for key, _ in schema_keys(schema, schema["$defs"])})


def test_what_the_page_says_of_a_key_that_is_not_given_is_the_schemas_default() -> None:
    schema = json.loads((ROOT / "docs" / "orchestrator.schema.json").read_text("utf-8"))
    told = {codes(cells[0])[0]: cells[2] for cells in rows(REFERENCE / "spec.md", "key")}
    defaults = {
        key: default if isinstance(default, str) else json.dumps(default).removesuffix(".0")
        for key, default in schema_keys(schema, schema["$defs"])
        if key in told and isinstance(default, (bool, int, float, str))
    }
    others = {key: told[key] for key, default in defaults.items() if not begins_with(told[key], default)}
    assert len(defaults) > 20
    assert others == {}


def begins_with(cell: str, default: str) -> bool:
    return re.match(rf"`?{re.escape(default)}(?![\w.])", cell) is not None


def test_the_committed_schema_is_the_one_the_code_makes() -> None:
    committed = (ROOT / "docs" / "orchestrator.schema.json").read_text("utf-8")
    assert committed == reading.schema_text()


def test_the_journals_kinds_and_facts_are_those_of_the_code() -> None:
    entries = rows(REFERENCE / "journal.md", "kind")
    assert {codes(cells[0])[0] for cells in entries} == {
        journal.STARTED,
        journal.FINISHED,
        journal.STEP_STARTED,
        journal.STEP_FINISHED,
        journal.STEP_FAILED,
        journal.RESUMED,
        journal.LEFT,
    }
    keys = {codes(cells[0])[0] for cells in rows(REFERENCE / "journal.md", "key")}
    entry = journal.Entry(1, journal.GENESIS, "", "", journal.STARTED, {})
    assert keys == set(json.loads(journal.encode(entry)))


def test_the_fingerprints_header_is_the_one_that_is_documented() -> None:
    text = (ROOT / "docs" / "explanation" / "how-a-deployment-works.md").read_text("utf-8")
    shown = re.search(r"^(X-[\w-]+): (orchestrator-model=)<16 hexadecimal digits>$", text, re.MULTILINE)
    assert shown is not None
    assert shown[1] == revision.CUSTOM_ATTRIBUTES
    assert revision.fingerprint_of(f"{shown[2]}{'0' * 16}") == "0" * 16


@pytest.mark.parametrize("path", ADRS, ids=[path.name for path in ADRS])
def test_a_decision_has_its_four_parts(path: Path) -> None:
    assert list(sections(path)) == ["Status", "Context", "Decision", "Consequences"]
    assert re.match(r"\s*(Accepted|Superseded by ADR \d+), \d{4}-\d\d-\d\d\.", sections(path)["Status"])


def test_decisions_are_numbered_and_listed() -> None:
    assert [int(path.name[:4]) for path in ADRS] == list(range(1, len(ADRS) + 1))
    index = (ROOT / "docs" / "README.md").read_text("utf-8")
    listed = re.findall(r"^(\d+)\. \[(.*)\]\(adr/(.*)\)$", index, re.MULTILINE)
    titles = [(str(int(path.name[:4])), path.read_text("utf-8").split("\n")[0], path.name) for path in ADRS]
    assert [(number, f"# {number}. {title}", name) for number, title, name in listed] == titles
