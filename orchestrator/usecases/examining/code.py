"""The classes and functions that a spec names, read and not run."""

import ast
import posixpath
from collections.abc import Collection, Iterator, Sequence

from orchestrator.core import syntax
from orchestrator.core.errors import ArtifactError
from orchestrator.core.health import Finding, Severity
from orchestrator.core.packaging import Sources
from orchestrator.core.premises import Machine
from orchestrator.core.spec import Reference, Spec

_ELSEWHERE = {"torch", "orchestrator_runtime"}
"""Modules that another check speaks of, or that come with the archive."""


def of_code(spec: Spec, sources: Sources, machine: Machine) -> Iterator[Finding]:
    """Yield which classes and functions cannot be imported, as far as reading their files tells."""
    named = {
        "model.class": spec.model.class_,
        "entrypoint.preprocess": spec.entrypoint.preprocess,
        "entrypoint.postprocess": spec.entrypoint.postprocess,
    }
    for key, reference in named.items():
        if reference is None:
            continue
        subject = f"{key} {reference}"
        tree, problem = _parsed(reference, spec, sources)
        if problem is None and (absent := _absent(tree.body, reference)):
            problem = absent, "correct the key"
        # A class of a program that carries code is called with that program, too.
        if problem is None and key == "model.class" and not spec.model.allow_code:
            problem = _call_problem(tree.body, reference.name, dict(spec.model.init_args))
        yield from [Finding(Severity.ERROR, subject, *problem)] if problem else []
        for module in _imported(tree.body):
            if not _is_to_be_had(module, reference, spec, machine):
                what = f"{reference.path} imports '{module}', which is neither in the project nor installed"
                fix = "pip install it, and name it in package.requirements; or correct the import"
                yield Finding(Severity.ERROR, subject, what, fix)


def _parsed(reference: Reference, spec: Spec, sources: Sources) -> tuple[ast.Module, tuple[str, str] | None]:
    """Return a file's syntax, and why there is none with what to do about it."""
    nothing = ast.Module([], [])
    try:
        found = sources.collect(spec.root, [reference.path], ())
        (member,) = (one for one in found if one.path == reference.path)
        return syntax.parse(sources.text(member)), None
    except ArtifactError as error:
        return nothing, (str(error), error.hint or "correct the key, or add the file")
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None)
        what = f"line {line}: {error.args[0]}" if line else str(error)
    except (MemoryError, RecursionError):  # what Python's parser says of too deep an expression
        what = "Python cannot read it: it is nested too deeply"
    return nothing, (what, f"correct {reference.path}")


def _absent(body: Sequence[ast.stmt], reference: Reference) -> str:
    """Return that a file lacks a name; empty if it has it, or only importing would tell."""
    names = set(_names(body))
    if reference.name in names or "*" in names:
        return ""
    known = ", ".join(sorted(name for name in names if not name.startswith("_"))) or "nothing"
    return f"{reference.path} has no '{reference.name}' at its top; it has {known}"


def _names(body: Sequence[ast.stmt]) -> Iterator[str]:
    """Yield the names that a module's top level binds; ``*`` for what only importing would tell."""
    for statement in body:
        match statement:
            case ast.ClassDef() | ast.FunctionDef() | ast.AsyncFunctionDef():
                yield statement.name
            case ast.Import() | ast.ImportFrom():
                yield from ((alias.asname or alias.name).partition(".")[0] for alias in statement.names)
            case ast.If() | ast.Try() | ast.With() | ast.For() | ast.While():
                parts = ("body", "orelse", "finalbody")
                yield from (name for part in parts for name in _names(getattr(statement, part, [])))
                for handler in getattr(statement, "handlers", []):
                    yield from _names(handler.body)
            case _:
                bound = (node for node in ast.walk(statement) if isinstance(node, ast.Name))
                yield from (node.id for node in bound if isinstance(node.ctx, ast.Store))


def _call_problem(body: Sequence[ast.stmt], name: str, given: Collection[str]) -> tuple[str, str] | None:
    """Return why a plain class or function cannot be called with ``model.init_args``."""
    takes = _signature(body, name)
    if takes is None:
        return None
    positional = takes.args[1:] if takes.posonlyargs == [] else []
    known = [one.arg for one in (*positional, *takes.kwonlyargs)]
    if takes.posonlyargs[1:]:
        return None
    missing = positional[: len(positional) - len(takes.defaults)]
    needed = [one.arg for one in missing] + [
        one.arg for one, value in zip(takes.kwonlyargs, takes.kw_defaults, strict=True) if value is None
    ]
    fix = "correct model.init_args"
    if takes.kwarg is None and (unknown := [one for one in given if one not in known]):
        return f"it takes no '{unknown[0]}' of model.init_args; it takes {', '.join(known) or 'nothing'}", fix
    if lacking := [one for one in needed if one not in given]:
        return f"it needs '{lacking[0]}', which model.init_args does not give", fix
    return None


def _signature(body: Sequence[ast.stmt], name: str) -> ast.arguments | None:
    """Return the parameters of a class's own ``__init__``; ``None`` where reading does not tell."""
    bound = [one for one in body if isinstance(one, ast.ClassDef) and one.name == name]
    if len(bound) != 1 or bound[0].decorator_list or bound[0].keywords:
        return None
    own = [one for one in bound[0].body if isinstance(one, ast.FunctionDef) and one.name == "__init__"]
    return own[0].args if len(own) == 1 and not own[0].decorator_list and own[0].args.args else None


def _imported(body: Sequence[ast.stmt]) -> Iterator[str]:
    """Yield the modules, by the first of their names, without which a file cannot be imported."""
    found: dict[str, None] = {}
    for statement in body:
        match statement:
            case ast.Import():
                found |= dict.fromkeys(alias.name.partition(".")[0] for alias in statement.names)
            case ast.ImportFrom(module=str(module), level=0):
                found[module.partition(".")[0]] = None
            case _:
                pass
    yield from found


def _is_to_be_had(module: str, reference: Reference, spec: Spec, machine: Machine) -> bool:
    """Tell whether a module is in the project, or installed."""
    if module in _ELSEWHERE or machine.has_module(module):
        return True
    near = ("", posixpath.dirname(reference.path), posixpath.dirname(spec.model.path), spec.model.path)
    places = [posixpath.join(spec.root, folder, module) for folder in near]
    return any(machine.place(path).exists for place in places for path in (place, f"{place}.py"))
