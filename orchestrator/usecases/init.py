"""Begin a project, or add a CI system's recipe to one that is there."""

from dataclasses import dataclass

from orchestrator.core.errors import Detail, RefusedError, SpecError
from orchestrator.core.names import RULE, is_valid
from orchestrator.core.projects import SHORT, SPEC, Asked, Draft, Folder, Templates, name_from

USUAL_TASK = "tabular"
_UNCHANGED: Detail = ("state", "nothing was written")


@dataclass(frozen=True, slots=True)
class Begun:
    """What was written.

    Attributes:
        task: Of a new project, in full; ``None`` if there was one already.
        name: Likewise.
        written: The new files.
        kept: The files that were there, and are as they were.
    """

    task: str | None
    name: str | None
    written: tuple[str, ...]
    kept: tuple[str, ...]


def init(asked: Asked, templates: Templates, folder: Folder) -> Begun:
    """Write a new project to ``folder``, or a recipe where there is a project; overwrite nothing.

    Raises:
        SpecError: If the project cannot have the name.
        RefusedError: If files stand in the way, or there is a project already and no recipe was asked for.
        OrchestratorError: If the files cannot be written; then none is.
    """
    recipe = () if asked.recipe is None else templates.recipe(asked.recipe)
    if folder.holds(SPEC):
        _check_addition(asked, folder.name)
        return _write(recipe, None, None, (asked, folder))
    task = asked.task or USUAL_TASK
    task = SHORT.get(task, task)
    name = _name(asked.name, folder.name)
    drafts = {draft.path: draft for draft in (*templates.project(task, name), *recipe)}
    return _write(tuple(drafts.values()), task, name, (asked, folder))


def _check_addition(asked: Asked, folder: str) -> None:
    if asked.recipe is None or asked.task or asked.name:
        raise RefusedError(
            f"there is a project in '{folder}' already",
            details=[("rule", f"a folder that has {SPEC} gets nothing but a recipe for CI"), _UNCHANGED],
            hint="orchestrator init --ci github       add that recipe\n"
            "orchestrator init ANOTHER-FOLDER    begin a new project",
        )


def _name(given: str | None, folder: str) -> str:
    name = name_from(folder) if given is None else given
    if not is_valid(name):
        source = f"of the folder '{folder}'" if given is None else f"like '{given}'"
        raise SpecError(
            f"no project can have a name {source}",
            details=[("rule", RULE), _UNCHANGED],
            hint="give one: orchestrator init --name NAME",
        )
    return name


def _write(
    drafts: tuple[Draft, ...], task: str | None, name: str | None, into: tuple[Asked, Folder]
) -> Begun:
    asked, folder = into
    obstacles = folder.obstacles(drafts)
    if obstacles and not asked.keep:
        raise RefusedError(
            f"{len(obstacles)} files in '{folder.name}' are in the way"
            if len(obstacles) > 1
            else f"a file in '{folder.name}' is in the way",
            details=[("files", ", ".join(obstacles)), ("rule", "init overwrites nothing"), _UNCHANGED],
            hint="name another folder, or run it again with --keep to leave these as they are",
        )
    new = tuple(draft for draft in drafts if draft.path not in obstacles and not folder.holds(draft.path))
    folder.add(new)
    written = tuple(draft.path for draft in new)
    return Begun(task, name, written, tuple(draft.path for draft in drafts if draft.path not in written))
