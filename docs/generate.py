"""Write the pages of the reference that the code itself holds; run by `make docs`.

`python -m docs.generate` rewrites them, and a test says when one is behind. What people have to explain is in
the pages beside them; a fact that is in both, such as a key's default, is compared by a test.
"""  # noqa: INP001 - a folder of pages, not a package

import ast
import importlib
import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from orchestrator.adapters.spec import reading
from orchestrator.cli import boundary
from orchestrator.cli.main import cli
from orchestrator.core import errors
from orchestrator.core.errors import OrchestratorError

ROOT = Path(__file__).parents[1]
_REFERENCE = ROOT / "docs" / "reference"
_WIDTH = 100
_MADE = "<!-- Made by `make docs` from {source}: do not edit. -->\n\n"
_HELP = """# Help texts

What `--help` says of every command, with examples. [Commands](commands.md) says more.
"""
_ERRORS = """# Errors

Every class of errors that a user can see, with the texts that the source has for it and the commands that
they name; `…` stands for what is only known when it is said. Some texts are put together from what was found,
and are not here. The slug and the [exit code](exit-codes.md) are stable, the texts are not. `--env`,
`--config`, `--profile` and `--region` are added to a command where they were given.
"""
_SCHEMA = """# The spec's schema

The tables of [`orchestrator.schema.json`](../orchestrator.schema.json): what a key may be by the file itself.
[The spec](spec.md) says what each is for, what holds if it is not given anywhere, and which values AWS takes.

"""
_LIMITS = {
    "minimum": "{} or more",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minLength": "{} characters or more",
    "maxLength": "at most {} characters",
    "minItems": "{} or more",
    "maxItems": "at most {}",
    "pattern": "`{}`",
}
_GAP = re.compile(r" {2,}")
_CLASS = re.compile(r"^class \w+\((\w+)\):", re.MULTILINE)


def pages() -> dict[Path, str]:
    """Return the text of every page that is made, by its path."""
    return {
        _REFERENCE / "help.md": help_page(),
        _REFERENCE / "errors.md": errors_page(),
        _REFERENCE / "spec-schema.md": schema_page(),
        ROOT / "docs" / "orchestrator.schema.json": reading.schema_text(),
    }


def help_page() -> str:
    """Return the help of every command, as a terminal of 100 columns has it."""
    told = [_MADE.format(source="the commands"), _HELP]
    for context, command in commands():
        name = context.command_path
        told.append(f"\n## {name}\n\n```text\n{_help(context, command)}\n```\n")
    return "".join(told)


def _settings(command: click.Command) -> dict[str, Any]:
    return {**command.context_settings, "terminal_width": _WIDTH, "max_content_width": _WIDTH}


def _help(context: click.Context, command: click.Command) -> str:
    return "\n".join(line.rstrip() for line in command.get_help(context).splitlines())


def commands(context: click.Context | None = None) -> Iterator[tuple[click.Context, click.Command]]:
    """Yield a command and all below it, the whole program if none is named, with a context to ask each in."""
    context = context or click.Context(cli, info_name="orchestrator", **_settings(cli))
    command = context.command
    yield context, command
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None, f"{name} is listed and not there"  # noqa: S101 - of our own making
            yield from commands(click.Context(found, parent=context, info_name=name, **_settings(found)))


def errors_page() -> str:
    """Return every kind of error, with the texts and the next commands that the code has for it."""
    texts = _texts()
    told = [_MADE.format(source="the classes of errors and the places that raise them"), _ERRORS]
    for kind in kinds():
        meaning = " ".join((kind.__doc__ or "").split("\n\n")[0].split())
        said = textwrap.fill(f"`{kind.code}`, exit code {kind.exit_code}. {_quoted(meaning)}", _WIDTH)
        told.append(f"\n## {kind.__name__}\n\n{said}\n")
        rows = sorted(texts.get(f"{kind.__module__}.{kind.__name__}", ()))
        if rows:
            told.append("\n| text | next |\n| --- | --- |\n")
            told += (f"| {_cell(text)} | {_cell(hint)} |\n" for text, hint in rows)
    return "".join(told)


def kinds() -> list[type[OrchestratorError]]:
    """Return every class of errors that a user can see, the least particular first."""
    names = set(vars(errors))
    for path in _sources():
        if names.intersection(_CLASS.findall(path.read_text("utf-8"))):
            importlib.import_module(_module(path))
    return [kind for kind in _below(OrchestratorError) if kind.__module__.startswith("orchestrator.")]


def _sources() -> list[Path]:
    return sorted((ROOT / "orchestrator").rglob("*.py"))


def _below(kind: type[OrchestratorError]) -> Iterator[type[OrchestratorError]]:
    yield kind
    for inner in sorted(kind.__subclasses__(), key=lambda one: (one.__module__, one.__name__)):
        yield from _below(inner)


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def _texts() -> dict[str, set[tuple[str, str]]]:
    """Return what is said where an error is made, by the whole name of its class: text and hint."""
    trees = {_module(path): ast.parse(path.read_text("utf-8")) for path in _sources()}
    constants = {name: text for module, tree in trees.items() for name, text in _constants(tree, module)}
    found: dict[str, set[tuple[str, str]]] = {}
    own: dict[str, set[tuple[str, str]]] = {}
    for module, tree in trees.items():
        names = _names(tree, module)
        known = {name: constants[whole] for name, whole in names.items() if whole in constants}
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                found.setdefault(names.get(ast.unparse(node.func), ""), set()).update(_said(node, known))
            elif isinstance(node, ast.ClassDef):
                for inner in ast.walk(node):
                    if isinstance(inner, ast.Call) and ast.unparse(inner.func) == "super().__init__":
                        own.setdefault(names[node.name], set()).update(_said(inner, known))
    # Who raises an error that puts its text together itself says only what is to be filled in.
    return found | {name: texts for name, texts in own.items() if texts}


def _said(call: ast.Call, known: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the text that an error is made with, with each of its hints."""
    text = _spelt(call.args[0]) if call.args else ""
    hint = next((given.value for given in call.keywords if given.arg == "hint"), None)
    for one in (hint.body, hint.orelse) if isinstance(hint, ast.IfExp) else (hint,):
        if text:
            yield text, _spelt(one) or known.get(ast.unparse(one) if one else "", "")


def _constants(tree: ast.Module, module: str) -> Iterator[tuple[str, str]]:
    """Yield the texts that a module has names for, by their whole names."""
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if text := _spelt(value):
                yield f"{module}.{name}", text


def _names(tree: ast.Module, module: str) -> dict[str, str]:
    """Return what the names of classes in a module stand for: several modules have errors of their own."""
    # The command line shows Click's errors of usage as ours.
    found = {"click.UsageError": f"{boundary.__name__}.UsageError"}
    found |= {f"errors.{name}": f"{errors.__name__}.{name}" for name in vars(errors)}
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            found |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ClassDef):
            found[node.name] = f"{module}.{node.name}"
    return found | {whole.rpartition(".")[2]: whole for whole, _ in _constants(tree, module)}


def _spelt(node: ast.expr | None) -> str:
    """Return a text as the source has it, with `…` for what is only known when it is said."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return re.sub("…+", "…", "".join(_spelt(part) or "…" for part in parts))
        case _:
            return ""


def _cell(text: str) -> str:
    """Return a text as a cell of a table, line by line; after a wide gap a command is explained."""
    lines = (_GAP.split(line.strip(), maxsplit=1) for line in text.splitlines() if line.strip())
    shown = (" ".join([_literal(said), *explained]) for said, *explained in lines)
    return "<br>".join(shown).replace("|", "\\|")


def _literal(text: str) -> str:
    return f"`` {text} ``" if "`" in text else f"`{text}`"


def _quoted(docstring: str) -> str:
    return docstring.replace("``", "`")


def schema_page() -> str:
    """Return the tables of the spec's JSON Schema: the type, the default and the description of each key."""
    schema = json.loads(reading.schema_text())
    told = [_MADE.format(source="the JSON Schema"), _SCHEMA, _table(schema)]
    for name, definition in schema["$defs"].items():
        about = _quoted(definition.get("description", "")).partition("\n")[0]
        told.append(f"\n## {name}\n\n{about}\n\n{_table(definition)}")
    return "".join(told)


def _table(schema: Mapping[str, Any]) -> str:
    needed = schema.get("required", ())
    rows = ["| key | type | default | |\n| --- | --- | --- | --- |\n"]
    for key, value in schema.get("properties", {}).items():
        default = "needed" if key in needed else _default(value)
        about = _quoted(value.get("description", "")).replace("|", "\\|")
        rows.append(f"| `{key}` | {_type(value)} | {default} | {about} |\n")
    return "".join(rows)


def _default(schema: Mapping[str, Any]) -> str:
    """Return what a key is if it is not given; nothing for a table, which has defaults of its own."""
    default = schema.get("default")
    return "" if default is None or isinstance(default, dict) else f"`{json.dumps(default)}`"


def _type(schema: Mapping[str, Any]) -> str:
    """Return a type in words; `null`, which TOML does not have, is what a key is that is not given."""
    match schema:
        case {"$ref": str(name)}:
            name = name.rpartition("/")[2]
            return f"[{name}](#{name.lower()})"
        case {"anyOf": list(choices)}:
            return " or ".join(_type(one) for one in choices if one.get("type") != "null")
        case {"enum": list(values)}:
            return ", ".join(f"`{json.dumps(value)}`" for value in values)
        case {"const": value}:
            return f"`{json.dumps(value)}`"
        case {"type": "array", "items": items}:
            return f"list of {_type(items) or 'anything'}{_limits(schema)}"
        case {"type": "object", "additionalProperties": dict(values)}:
            return f"table of names, each {_type(values)}"
        case {"type": name}:
            return f"{name}{_limits(schema)}"
        case _:
            return "anything"


def _limits(schema: Mapping[str, Any]) -> str:
    found = [words.format(schema[key]) for key, words in _LIMITS.items() if key in schema]
    return "".join(f", {limit}" for limit in found).replace("|", "\\|")


if __name__ == "__main__":
    for path, text in pages().items():
        path.write_text(text, "utf-8")
