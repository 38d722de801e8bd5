from dataclasses import replace

import pytest

from orchestrator.core import archive
from orchestrator.core.errors import ArtifactError
from orchestrator.core.manifest import Contents, File, Manifest, differences, manifest_of, parse_manifest

DIGEST = "ab" * 32
FILES = (File("code/predict.py", 3, DIGEST), File("model.safetensors", 5, DIGEST))
PATHS = ["model.safetensors", "code/predict.py", "code/inference.py"]


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "../x",
        "a/../../x",
        "a//b",
        "./x",
        "a/.",
        "a\0b",
        "a\nb",
        "a\x7fb",
        "a\\b",
        "e\u0301",
        "a\udcff",
        "x" * 256,
        "/".join("x" * 200 for _ in range(6)),
        "/".join("x" for _ in range(17)),
    ],
)
def test_a_member_with_an_unsafe_name_is_refused(path: str) -> None:
    assert archive.broken_rule(path)
    with pytest.raises(ArtifactError, match="unusable member"):
        archive.check_paths([path])


@pytest.mark.parametrize("path", ["x", "code/predict.py", "code/é.txt", "x" * 255, ".hidden", "a b"])
def test_an_ordinary_name_keeps_every_rule(path: str) -> None:
    assert archive.broken_rule(path) == ""


@pytest.mark.parametrize("files", [["a", "a"], ["Model", "model"], ["ß", "ss"]])
def test_names_that_one_disk_could_write_to_one_file_are_refused(files: list[str]) -> None:
    with pytest.raises(ArtifactError, match="unusable member") as caught:
        archive.check_paths(files)
    assert caught.value.details == (("rule", "no name occurs twice, not even in another case"),)


@pytest.mark.parametrize(("files", "folders"), [(["a", "a/b"], []), (["A/b/c", "a/B"], []), (["a"], ["a"])])
def test_a_file_that_is_also_a_folder_is_refused(files: list[str], folders: list[str]) -> None:
    with pytest.raises(ArtifactError) as caught:
        archive.check_paths(files, folders)
    assert caught.value.details == (("rule", "no file is also a folder"),)


def test_more_members_than_the_limit_are_refused() -> None:
    with pytest.raises(ArtifactError, match="more than 10000 members"):
        archive.check_paths([f"f{number}" for number in range(archive.MAX_ENTRIES + 1)])


def test_an_archive_that_unpacks_to_far_more_than_its_size_is_refused() -> None:
    archive.check_size(archive.FREE_SIZE_BYTES, 1)
    archive.check_size(200 * 1024**2, 1024**2)
    with pytest.raises(ArtifactError, match="200 times"):
        archive.check_size(200 * 1024**2 + 1, 1024**2)


def test_an_archive_beyond_the_size_limit_is_refused() -> None:
    archive.check_size(archive.MAX_SIZE_BYTES)
    with pytest.raises(ArtifactError, match="more than 21474836480 bytes"):
        archive.check_size(archive.MAX_SIZE_BYTES + 1)


def test_the_layout_that_the_container_understands_passes() -> None:
    archive.check_layout(PATHS)


@pytest.mark.parametrize(
    "weights",
    [
        ["model.pt"],
        ["exported.json", "model.safetensors"],
        ["exported.json"],
        ["config.json", "tokenizer.json", "model.safetensors"],
        ["model.safetensors.index.json", "model-00001-of-00001.safetensors"],
    ],
)
def test_every_form_in_which_a_model_may_lie_at_the_root_passes(weights: list[str]) -> None:
    archive.check_layout([*weights, *PATHS[1:]])


@pytest.mark.parametrize(
    "others",
    [
        [],
        ["code/model.safetensors"],
        ["model.safetensors.index.json"],
        ["model.bin", "pytorch_model.bin"],
    ],
)
def test_an_archive_without_weights_is_refused_with_what_was_looked_for(others: list[str]) -> None:
    with pytest.raises(ArtifactError, match="no weights at its root") as caught:
        archive.check_layout(["notes.txt", *others, *PATHS[1:]])
    looked_for = dict(caught.value.details)["rule"]
    for name in ("model.safetensors", "model.safetensors.index.json", "model.pt", "exported.json"):
        assert f"'{name}'" in looked_for


def test_an_archive_inside_the_archive_is_named_where_a_model_was_expected() -> None:
    for paths in (["inner.tar.gz", "code/x.py"], ["model.TAR", *PATHS[1:]]):
        with pytest.raises(ArtifactError) as caught:
            archive.check_layout(paths)
        assert dict(caught.value.details)["holds"] == f"'{paths[0]}', an archive inside the archive"


@pytest.mark.parametrize("missing", PATHS[1:])
def test_an_archive_without_a_necessary_file_is_refused_by_its_name(missing: str) -> None:
    paths = [path for path in [*PATHS, "notes.txt"] if path != missing]
    with pytest.raises(ArtifactError, match=f"no '{missing}'"):
        archive.check_layout(paths)


def test_an_archive_whose_root_is_one_folder_is_refused() -> None:
    with pytest.raises(ArtifactError, match="nothing but the folder 'model'"):
        archive.check_layout([f"model/{path}" for path in PATHS])


@pytest.mark.parametrize(
    "path",
    [
        "random.py",
        "json/x.py",
        "serving.py",
        "predict.py",
        "inference.py",
        "orchestrator_runtime/x.py",
        "torch.py",
        "code/net.py",
        "ts/x.py",
        "io.so",
        "manifest.json",
    ],
)
def test_a_file_named_like_a_module_that_somebody_needs_is_found(path: str) -> None:
    assert archive.shadowing(path)


@pytest.mark.parametrize("path", ["src/random.py", "net.py", "random.txt", "src/predict.py", "labels.json"])
def test_a_file_that_is_in_nobodys_way_is_let_through(path: str) -> None:
    assert not archive.shadowing(path)


def test_the_identity_depends_on_the_files_and_on_nothing_else() -> None:
    first = manifest_of(FILES, (("torch", "2.6"),))
    assert first.identity == manifest_of(reversed(FILES), (("torch", "2.13"),)).identity
    others = [
        replace(FILES[0], path="x"),
        replace(FILES[0], size_bytes=4),
        replace(FILES[0], sha256="cd" * 32),
    ]
    for other in others:
        assert manifest_of([other, FILES[1]], ()).identity != first.identity


def test_a_manifest_survives_being_written_and_read() -> None:
    manifest = manifest_of(FILES, (("torch", "2.6"),))
    assert parse_manifest(manifest.to_bytes()) == manifest


def test_a_manifest_counts_itself_among_the_names_that_may_occur_once() -> None:
    with pytest.raises(ArtifactError):
        manifest_of([File(archive.MANIFEST, 1, DIGEST)], ())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"[]",
        b'{"version": 1}',
        b'{"version": 1, "files": 7, "built_with": {}}',
        b'{"version": 1, "files": [{"path": "a"}], "built_with": {}}',
        b'{"version": 1, "files": [{"path": "a", "size_bytes": "1", "sha256": ""}], "built_with": {}}',
        b'{"version": 1, "files": [], "built_with": []}',
        b'{"version": 2, "files": [], "built_with": {}, "license": null}',
        b"[" * 100_000,
        b"\xff",
    ],
)
def test_what_is_no_manifest_is_refused(content: bytes) -> None:
    with pytest.raises(ArtifactError, match=archive.MANIFEST):
        parse_manifest(content)


@pytest.mark.parametrize("paths", [["a", "a"], ["a", "A"], ["../a"], ["\x1b[31m"], ["\ud800"], ["a", "a/b"]])
def test_a_manifest_with_names_that_no_archive_can_have_is_refused(paths: list[str]) -> None:
    manifest = Manifest(tuple(File(path, 1, DIGEST) for path in paths))
    with pytest.raises(ArtifactError, match="unusable member"):
        parse_manifest(manifest.to_bytes())


def test_every_way_in_which_an_archive_can_differ_from_its_manifest_is_named() -> None:
    manifest = Manifest((File("b", 1, DIGEST), File("a", 1, DIGEST), File("gone", 1, DIGEST)))
    held = (
        File("a", 2, DIGEST),
        File("b", 1, DIGEST),
        File("new", 1, DIGEST),
        File(archive.MANIFEST, 9, DIGEST),
    )
    assert differences(manifest, Contents(held)) == (
        "'gone' is missing",
        "'new' is not in the manifest",
        "'a' has changed",
        "the manifest is not sorted",
    )


def test_an_archive_that_is_what_its_manifest_says_has_no_differences() -> None:
    assert differences(manifest_of(FILES, ()), Contents(FILES)) == ()
