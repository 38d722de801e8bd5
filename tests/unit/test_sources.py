import os
from pathlib import Path

import pytest

from orchestrator.adapters.sources import collect, golden_files
from orchestrator.core.errors import ArtifactError


def write(root: Path, *paths: str) -> str:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(path)
    return str(root)


def collected(root: str, paths: list[str], patterns: list[str]) -> list[str]:
    return [member.path for member in collect(root, paths, patterns)]


def test_files_come_sorted_under_their_path_in_the_project(tmp_path: Path) -> None:
    root = write(tmp_path, "src/net.py", "labels.txt")
    members = collect(root, ["src/net.py"], ["labels.txt"])
    assert [member.path for member in members] == ["labels.txt", "src/net.py"]
    assert [Path(str(member.content)).read_text() for member in members] == ["labels.txt", "src/net.py"]


def test_the_packages_that_a_module_lies_in_come_along(tmp_path: Path) -> None:
    root = write(tmp_path, "a/__init__.py", "a/b/net.py", "a/c/__init__.py", "a/b/other.py")
    assert collected(root, ["a/b/net.py"], []) == ["a/__init__.py", "a/b/net.py"]


@pytest.mark.parametrize("pattern", ["src/**", "src/**/*", "src/**/*.*"])
def test_a_pattern_takes_files_in_folders_of_any_depth(tmp_path: Path, pattern: str) -> None:
    root = write(tmp_path, "src/a.py", "src/x/b.txt", "other.py")
    assert collected(root, [], [pattern]) == ["src/a.py", "src/x/b.txt"]


def test_version_control_and_compiled_python_stay_away(tmp_path: Path) -> None:
    root = write(tmp_path, "a.py", ".git/config", "x/.git/config", "__pycache__/a.pyc", "x/b.pyc", ".env.py")
    assert collected(root, [], ["**"]) == [".env.py", "a.py"]


def test_a_file_that_is_asked_for_twice_comes_once(tmp_path: Path) -> None:
    root = write(tmp_path, "src/a.py")
    assert collected(root, ["src/a.py"], ["src/*", "**/*.py"]) == ["src/a.py"]


@pytest.mark.parametrize("pattern", ["absent/*", "src", "*.txt"])
def test_a_pattern_that_matches_no_file_is_an_error(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(ArtifactError, match=r"package.include: .* matches no file"):
        collect(write(tmp_path, "src/a.py"), [], [pattern])


@pytest.mark.parametrize("pattern", ["../*", "/etc/*", "src/../../*", ""])
def test_a_pattern_that_leads_out_of_the_project_is_an_error(tmp_path: Path, pattern: str) -> None:
    with pytest.raises(ArtifactError, match="leads out of the project"):
        collect(write(tmp_path / "project", "src/a.py"), [], [pattern])


def test_an_absent_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"there is no file 'src/net.py'"):
        collect(str(tmp_path), ["src/net.py"], [])


def test_a_link_out_of_the_project_is_refused_and_one_inside_is_followed(tmp_path: Path) -> None:
    root = write(tmp_path / "project", "src/a.py")
    write(tmp_path, "secret.txt")
    (tmp_path / "project" / "inside.py").symlink_to("src/a.py")
    assert collected(root, ["inside.py"], []) == ["inside.py"]
    (tmp_path / "project" / "out.txt").symlink_to(tmp_path / "secret.txt")
    for paths, patterns in [(["out.txt"], []), ([], ["*.txt"])]:
        with pytest.raises(ArtifactError, match=r"'out.txt' is a link that leads out of the project"):
            collect(root, paths, patterns)


def test_a_linked_folder_is_no_way_out_either(tmp_path: Path) -> None:
    root = write(tmp_path / "project", "src/a.py")
    write(tmp_path / "secret", "key.py")
    (tmp_path / "project" / "linked").symlink_to(tmp_path / "secret")
    with pytest.raises(ArtifactError, match="leads out of the project"):
        collect(root, [], ["linked/*"])


def test_a_pipe_or_a_link_that_leads_nowhere_is_refused_by_its_name(tmp_path: Path) -> None:
    root = write(tmp_path, "src/a.py")
    (tmp_path / "src" / "gone.py").symlink_to("absent.py")
    with pytest.raises(ArtifactError, match=r"'src/gone.py' is no file that an archive can hold"):
        collect(root, [], ["src/**"])
    (tmp_path / "src" / "gone.py").unlink()
    os.mkfifo(tmp_path / "src" / "pipe")
    with pytest.raises(ArtifactError, match=r"'src/pipe' is no file that an archive can hold"):
        collect(root, [], ["src/*"])


def test_golden_cases_come_with_their_names_and_content(tmp_path: Path) -> None:
    root = write(tmp_path, "golden/b.json", "golden/a.json", "golden/x.txt")
    assert golden_files(root, "golden/*.json") == (
        ("golden/a.json", b"golden/a.json"),
        ("golden/b.json", b"golden/b.json"),
    )


def test_a_pattern_without_golden_cases_names_its_key(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match=r"golden.cases: 'golden/\*.json' matches no file"):
        golden_files(str(tmp_path), "golden/*.json")


def test_a_link_that_leads_back_to_itself_is_refused_by_its_name(tmp_path: Path) -> None:
    (tmp_path / "loop.json").symlink_to("loop.json")
    with pytest.raises(ArtifactError, match=r"'loop\.json' is "):
        golden_files(str(tmp_path), "*.json")
