"""What `init` refuses and what it writes, on a folder of a test's own."""

from dataclasses import dataclass, field

import pytest

from orchestrator.core.errors import RefusedError, SpecError
from orchestrator.core.projects import Asked, Draft
from orchestrator.usecases.init import init


@dataclass
class Templates:
    """Templates of a line each."""

    def project(self, task: str, name: str) -> tuple[Draft, ...]:
        return (
            Draft("orchestrator.toml", f"{task} {name}".encode()),
            Draft("README.md", b"read"),
            Draft("ci/check.sh", b"check", executable=True),
        )

    def recipe(self, name: str) -> tuple[Draft, ...]:
        return (Draft("ci/check.sh", b"check", executable=True), Draft(f"{name}.yml", b"recipe"))


@dataclass
class Folder:
    """A folder in memory."""

    name: str = "demo"
    files: dict[str, bytes] = field(default_factory=dict)

    def holds(self, path: str) -> bool:
        return path in self.files

    def obstacles(self, drafts: tuple[Draft, ...]) -> tuple[str, ...]:
        return tuple(one.path for one in drafts if self.files.get(one.path, one.content) != one.content)

    def add(self, drafts: tuple[Draft, ...]) -> None:
        self.files |= {one.path: one.content for one in drafts}


@pytest.mark.parametrize(
    ("task", "full"),
    [
        (None, "tabular"),
        ("image", "image-classification"),
        ("text", "text-classification"),
        ("audio", "audio"),
    ],
)
def test_a_task_may_be_named_in_short(task: str | None, full: str) -> None:
    folder = Folder()
    assert init(Asked(task), Templates(), folder).task == full
    assert folder.files["orchestrator.toml"] == f"{full} demo".encode()


def test_the_folder_gives_the_name_as_far_as_an_endpoint_can_have_it() -> None:
    assert init(Asked(), Templates(), Folder("My models_2")).name == "My-models-2"


@pytest.mark.parametrize(
    ("name", "folder"), [("no_underscores", "demo"), ("", "demo"), (None, "数字"), ("a" * 64, "x")]
)
def test_a_name_that_no_endpoint_can_have_is_refused(name: str | None, folder: str) -> None:
    place = Folder(folder)
    with pytest.raises(SpecError) as raised:
        init(Asked(name=name), Templates(), place)
    assert raised.value.hint == "give one: orchestrator init --name NAME"
    assert place.files == {}


def test_files_in_the_way_are_named_and_nothing_is_written() -> None:
    folder = Folder(files={"README.md": b"mine"})
    with pytest.raises(RefusedError) as raised:
        init(Asked(), Templates(), folder)
    assert dict(raised.value.details)["files"] == "README.md"
    assert folder.files == {"README.md": b"mine"}


def test_files_in_the_way_can_be_kept() -> None:
    folder = Folder(files={"README.md": b"mine"})
    begun = init(Asked(keep=True), Templates(), folder)
    assert begun.kept == ("README.md",)
    assert folder.files["README.md"] == b"mine"
    assert "orchestrator.toml" in folder.files


@pytest.mark.parametrize(
    "asked", [Asked(), Asked("audio", recipe="github"), Asked(name="x", recipe="github")]
)
def test_a_project_is_not_begun_where_there_is_one(asked: Asked) -> None:
    with pytest.raises(RefusedError, match="already"):
        init(asked, Templates(), Folder(files={"orchestrator.toml": b"mine"}))


def test_a_project_that_is_there_gets_the_recipe_and_nothing_else() -> None:
    folder = Folder(files={"orchestrator.toml": b"mine", "ci/check.sh": b"check"})
    begun = init(Asked(recipe="github"), Templates(), folder)
    assert (begun.written, begun.kept, begun.task) == (("github.yml",), ("ci/check.sh",), None)
    assert "README.md" not in folder.files


def test_adding_a_recipe_twice_changes_nothing() -> None:
    folder = Folder(files={"orchestrator.toml": b"mine"})
    init(Asked(recipe="gitlab"), Templates(), folder)
    assert init(Asked(recipe="gitlab"), Templates(), folder).written == ()
