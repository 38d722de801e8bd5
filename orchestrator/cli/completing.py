"""What a shell is offered when TAB is pressed: the spec's environments and endpoints, and files.

Asked between two key strokes, and while a line is half written: nothing heavy is imported, a spec that cannot
be read offers nothing, and nothing is ever said. The names come from a file that may be somebody else's and
end in a shell, so only those are offered that no shell takes for anything but a word.
"""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

_WORD = re.compile(r"[A-Za-z0-9_][\w.-]*", re.ASCII)


def environments(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the environments of the spec, and `local`."""
    return _beginning(["local", *_names(_spec(ctx), "env")], incomplete)


def endpoints(ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the endpoints that the spec is for."""
    spec = _spec(ctx)
    return _beginning(_names(spec, "endpoints") or [spec.get("name")], incomplete)


def files(_ctx: click.Context, _param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Let the shell offer its files."""
    return [CompletionItem(incomplete, type="file")]


def _beginning(names: Iterable[object], incomplete: str) -> list[CompletionItem]:
    words = [name for name in names if isinstance(name, str) and _WORD.fullmatch(name)]
    return [CompletionItem(name) for name in dict.fromkeys(words) if name.startswith(incomplete)]


def _names(spec: dict[str, Any], table: str) -> list[object]:
    found = spec.get(table)
    return list(found) if isinstance(found, dict) else []


def _spec(ctx: click.Context) -> dict[str, Any]:
    """Return what the spec says that the line names so far; nothing, if that is none."""
    import tomllib  # noqa: PLC0415 - only a TAB needs it, and this module is part of every start

    named = ctx.params.get("config") or ctx.find_root().params.get("config") or "orchestrator.toml"
    path = Path(str(named))
    try:
        # What is no file may have no end.
        return tomllib.loads(path.read_text("utf-8")) if path.is_file() else {}
    except (OSError, ValueError, RecursionError):
        return {}
