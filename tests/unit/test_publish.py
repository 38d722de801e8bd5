"""What is sent, copied and left alone when a build goes to S3."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Never

import pytest

from orchestrator.core.archive import MANIFEST, Member
from orchestrator.core.errors import ArtifactError, RefusedError
from orchestrator.core.manifest import Contents, File
from orchestrator.core.names import artifact_key, artifact_prefix
from orchestrator.core.resources import Variant
from orchestrator.core.revision import Source, make
from orchestrator.core.spec import S3_PREFIX
from orchestrator.core.target import EndpointSpec
from orchestrator.usecases.build import Build
from orchestrator.usecases.deploy import deploy
from orchestrator.usecases.plan import prepare
from orchestrator.usecases.publish import Published, proof_key, publish
from orchestrator.usecases.rollback import prepare_rollback
from tests.support.builders import ROLE, wish
from tests.support.builds import WEIGHTS, build, spec
from tests.support.fakes import FakeStore, SilentProgress, SilentTransfer, fake_edge


class PlainArchives:
    """Archives whose bytes are those of their members, one after another."""

    def chunks(self, member: Member, file: File) -> Iterator[bytes]:
        assert isinstance(member.content, bytes)
        yield member.content
        if hashlib.sha256(member.content).hexdigest() != file.sha256:
            raise ArtifactError(f"'{member.path}' changed")

    def stream(self, members: Sequence[Member], files: Sequence[File]) -> Iterator[bytes]:
        expected = {file.path: file for file in files}
        for member in members:
            yield from self.chunks(member, expected[member.path])

    def digest(self, *_: object) -> Never:
        raise NotImplementedError

    def draft(self, out: str) -> AbstractContextManager[str]:
        raise NotImplementedError

    def write(self, *_: object) -> Never:
        raise NotImplementedError

    def secret_in(self, member: Member) -> Never:
        raise NotImplementedError

    def contents(self, path: str) -> Contents:
        raise NotImplementedError

    def unpacked(self, path: str) -> AbstractContextManager[str]:
        raise NotImplementedError


@dataclass
class Watched(SilentTransfer):
    """Remembers what it was told."""

    totals: list[int | None] = field(default_factory=list)
    done: int = 0
    ended: int = 0

    def started(self, doing: str, total_bytes: int | None) -> None:
        self.totals.append(total_bytes)

    def moved(self, count_bytes: int) -> None:
        self.done += count_bytes

    def finished(self) -> None:
        self.ended += 1


def published(made: Build, store: FakeStore, layout: str = S3_PREFIX) -> Published:
    return publish(spec(layout), made, PlainArchives(), store, SilentTransfer())


def test_an_archive_goes_to_its_key_while_it_is_packed() -> None:
    store, made, watched = FakeStore(), build(), Watched()
    found = publish(spec("tar.gz"), made, PlainArchives(), store, watched)
    key = artifact_key("digits", made.identity)
    assert found == Published(store.url(key), stored=True, sent_bytes=store.sent[key])
    assert (watched.done, watched.ended) == (found.sent_bytes, 1)
    assert watched.totals == [sum(file.size_bytes for file in made.files)]


@pytest.mark.parametrize("layout", ["tar.gz", S3_PREFIX])
def test_what_is_there_already_is_not_sent_again(layout: str) -> None:
    store = FakeStore()
    first = published(build(), store, layout)
    store.sent.clear()
    assert published(build(), store, layout) == Published(first.url, stored=False)
    assert store.sent == {}


def test_files_lie_below_the_prefix_by_their_path_in_the_archive() -> None:
    store, made = FakeStore(), build()
    found = published(made, store)
    prefix = artifact_prefix("digits", made.identity)
    assert found.url == store.url(prefix)
    assert store.objects == {prefix + member.path: member.content for member in made.members}
    assert found.sent_bytes == sum(file.size_bytes for file in made.files)


def test_the_manifest_comes_last_since_it_says_that_all_the_rest_is_there() -> None:
    store = FakeStore()
    published(build(), store)
    assert list(store.objects)[-1].endswith(MANIFEST)


def test_after_a_change_of_the_entry_point_no_weights_are_sent() -> None:
    store = FakeStore()
    published(build(), store)
    store.sent.clear()
    changed = build(predict=b"second")
    found = published(changed, store)
    prefix = artifact_prefix("digits", changed.identity)
    assert set(store.sent) == {prefix + "code/predict.py", prefix + MANIFEST}
    assert found.copied_bytes == len(WEIGHTS) + len(b"same")
    assert {
        prefix + member.path: member.content for member in changed.members
    }.items() <= store.objects.items()


def test_what_an_artifact_without_its_manifest_has_is_not_copied() -> None:
    store, unfinished = FakeStore(), build()
    published(unfinished, store)
    del store.objects[artifact_prefix("digits", unfinished.identity) + MANIFEST]
    assert published(build(predict=b"second"), store).copied_bytes == 0


def test_what_a_manifest_names_and_the_bucket_has_not_is_sent() -> None:
    store, earlier = FakeStore(), build()
    published(earlier, store)
    del store.objects[artifact_prefix("digits", earlier.identity) + "model.safetensors"]
    assert published(build(predict=b"second"), store).copied_bytes == len(b"same")


def test_what_is_swept_between_listing_and_copying_is_sent() -> None:
    class Swept(FakeStore):
        def copy_once(self, source: str, key: str) -> bool:
            del self.objects[source]
            return super().copy_once(source, key)

    store = Swept()
    published(build(), store)
    changed = build(predict=b"second")
    found = published(changed, store)
    assert found.copied_bytes == 0
    prefix = artifact_prefix("digits", changed.identity)
    assert store.objects[prefix + "model.safetensors"] == WEIGHTS


def test_a_manifest_that_is_none_is_of_no_use_and_in_nobodys_way() -> None:
    store = FakeStore()
    store.objects[artifact_prefix("digits", "0" * 64) + MANIFEST] = b"{}"
    assert published(build(), store).stored


def test_another_endpoints_artifacts_are_not_looked_at() -> None:
    store = FakeStore()
    publish(replace(spec(), name="digits-too"), build(), PlainArchives(), store, SilentTransfer())
    assert published(build(predict=b"second"), store).copied_bytes == 0


def test_what_was_cut_off_is_gone_on_with() -> None:
    store, made = FakeStore(), build()
    prefix = artifact_prefix("digits", made.identity)
    store.objects[prefix + "model.safetensors"] = WEIGHTS
    found = published(made, store)
    assert found.stored
    assert prefix + "model.safetensors" not in store.sent
    assert prefix + MANIFEST in store.objects


def test_a_file_that_has_changed_since_is_not_stored_and_neither_is_the_manifest() -> None:
    store, made = FakeStore(), build()
    members = tuple(
        replace(member, content=b"other") if member.path == "code/predict.py" else member
        for member in made.members
    )
    watched = Watched()
    with pytest.raises(ArtifactError, match="changed"):
        publish(spec(), replace(made, members=members), PlainArchives(), store, watched)
    prefix = artifact_prefix("digits", made.identity)
    assert not {prefix + "code/predict.py", prefix + MANIFEST} & set(store.objects)
    assert watched.ended == 1


@pytest.mark.parametrize("path", ["a//b", "../x", "x/" * 200 + "x", "é" * 128, "/".join(["x" * 200] * 5)])
def test_a_name_that_sagemaker_or_s3_would_refuse_is_refused_before_anything_is_sent(path: str) -> None:
    store, made = FakeStore(), build()
    odd = Member(path, b"odd")
    with pytest.raises(ArtifactError):
        published(replace(made, members=(*made.members, odd)), store)
    assert store.objects == {}


@pytest.mark.parametrize("layout", ["tar.gz", S3_PREFIX])
def test_a_revision_comes_back_only_if_its_whole_artifact_is_there(layout: str) -> None:
    world = fake_edge()
    revisions = []
    for content in (b"first", b"second"):
        made = build(predict=content)
        found = publish(spec(layout), made, PlainArchives(), world.store, SilentTransfer())
        source = Source(made.identity, found.url, "image", ROLE)
        wanted = make(
            "digits",
            source,
            EndpointSpec(variants=(Variant("primary", "", "ml.m5.large", 1),)),
            tags=(),
            golden=None,
        )
        world.fingerprints[wanted.name] = wanted.fingerprint
        deploy(prepare(wish(wanted), world.edge()), world.edge(), SilentProgress())
        revisions.append(wanted)
    earlier = revisions[0]
    assert prepare_rollback("digits", None, world.edge()).change.revision == earlier
    del world.store.objects[proof_key("digits", earlier.artifact, uncompressed=earlier.model.is_uncompressed)]
    with pytest.raises(RefusedError, match="its artifact is gone"):
        prepare_rollback("digits", None, world.edge())
