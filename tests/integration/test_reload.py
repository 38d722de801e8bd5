"""Hot reload: real files and a real clock; builds and pools are stand-ins but for the last tests."""

import asyncio
import contextlib
import threading
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from orchestrator.core.errors import ArtifactError, SpecError
from orchestrator.serving.crew.process import LoadError
from orchestrator.serving.messages import Part, Request, Response
from orchestrator.serving.ports import OnPart
from orchestrator.serving.preparing.changes import changed, marks
from orchestrator.serving.preparing.reload import Reloading, reloading
from orchestrator.serving.preparing.threads import entered
from tests.support.servers import PATIENCE_SECONDS


class Events:
    """An observer that can be waited for."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[tuple[str, dict[str, object]]] = asyncio.Queue()

    def answered(self, answer: object) -> None: ...

    def happened(self, event: str, **facts: object) -> None:
        self._queue.put_nowait((event, facts))

    async def next(self, event: str) -> dict[str, object]:
        """Wait for the next such event, and return its facts."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while (found := await self._queue.get())[0] != event:
                pass
        return found[1]


@dataclass
class Project:
    """A source of one text: ``value`` is built, ``spec`` says whether that can be told."""

    root: Path
    builds: list[Path] = field(default_factory=list)
    gate: threading.Event = field(default_factory=threading.Event)
    is_building: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self.spec, self.value = self.root / "spec", self.root / "src" / "value"
        self.value.parent.mkdir()
        self.spec.write_text("valid")
        self.gate.set()

    def watched(self) -> Collection[Path]:
        if self.spec.read_text() != "valid":
            raise SpecError("the spec is invalid")
        return [self.spec, self.value.parent]

    @contextlib.contextmanager
    def built(self) -> Iterator[Path]:
        self.watched()
        value = self.value.read_text() if self.value.exists() else "nothing"
        if value == "bug":
            raise ZeroDivisionError
        if value == "unbuildable":
            raise ArtifactError("it cannot be built", details=[("rule", "be buildable")])
        self.is_building.set()
        assert self.gate.wait(PATIENCE_SECONDS)
        place = self.root / f"build-{len(self.builds)}"
        self.builds.append(place)
        place.write_text(value)
        try:
            yield place
        finally:
            place.unlink()


class Pool:
    """Answers with what was built, once its gate is open."""

    def __init__(self, built: Path) -> None:
        self._value = built.read_text()
        self.gate = asyncio.Event()
        self.gate.set()
        self.is_ready = True

    async def first(self) -> None:
        if self._value == "endless":
            await asyncio.Event().wait()
        if self._value == "unloadable":
            raise LoadError(Path("model"), "SyntaxError: invalid syntax", "Traceback ...")

    async def ask(self, request: Request, on_part: OnPart) -> Response:
        await self.gate.wait()
        return Response(200, (), self._value.encode())


class Pools:
    """Starts pools, and counts them."""

    def __init__(self) -> None:
        self.running = 0
        self.most = 0
        self.are_two = asyncio.Event()

    @contextlib.asynccontextmanager
    async def start(self, built: Path) -> AsyncIterator[Pool]:
        self.running += 1
        self.most = max(self.most, self.running)
        if self.running == 2:
            self.are_two.set()
        try:
            yield Pool(built)
        finally:
            self.running -= 1


async def no_parts(_: Part) -> None:
    """Nothing is streamed here."""


async def answer(workers: Reloading[Path, Pool]) -> str:
    return (await workers.ask(Request((), b"", "1"), no_parts)).body.decode()


@dataclass(frozen=True)
class Scene:
    """Everything that a test looks at."""

    project: Project
    workers: Reloading[Path, Pool]
    pools: Pools
    events: Events

    async def write(self, value: str) -> None:
        await asyncio.to_thread(self.project.value.write_text, value)

    @property
    def problem(self) -> str:
        return self.workers.problem.error if self.workers.problem else ""

    @property
    def kept(self) -> list[Path]:
        return [path for path in self.project.builds if path.exists()]


def run(root: Path, play: Callable[[Scene], Coroutine[object, object, None]]) -> Scene:
    """Serve a project that says ``first``, let ``play`` happen, and end it."""

    async def performance() -> Scene:
        project, pools, events = Project(root), Pools(), Events()
        project.value.write_text("first")
        async with reloading(project, pools.start, events) as workers:
            await workers.first()
            scene = Scene(project, workers, pools, events)
            await play(scene)
        return scene

    scene = asyncio.run(performance())
    assert (scene.pools.running, scene.kept) == (0, [])
    return scene


def test_a_change_is_served_and_the_old_build_is_removed(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        assert await answer(scene.workers) == "first"
        assert scene.workers.is_ready
        await scene.write("second")
        started = await scene.events.next("reload-started")
        await scene.events.next("reloaded")
        assert "'value' has changed" in str(started["text"])
        assert await answer(scene.workers) == "second"
        await scene.write("third")
        await scene.events.next("reload-started")
        assert len(scene.kept) <= 1

    run(tmp_path, play)


@pytest.mark.parametrize(
    ("broken", "error", "traceback"),
    [
        ("unbuildable", "it cannot be built; rule: be buildable", ""),
        ("unloadable", "SyntaxError: invalid syntax", "Traceback ..."),
    ],
)
def test_what_fails_is_told_and_the_old_code_goes_on_serving(
    tmp_path: Path, broken: str, error: str, traceback: str
) -> None:
    async def play(scene: Scene) -> None:
        await scene.write(broken)
        told = await scene.events.next("reload-failed")
        assert (told["error"], told["traceback"]) == (error, traceback)
        assert error in str(told["text"])
        assert scene.problem == error
        assert await answer(scene.workers) == "first"
        assert len(scene.kept) == 1
        await scene.write("mended")
        await scene.events.next("reloaded")
        assert scene.problem == ""
        assert await answer(scene.workers) == "mended"

    run(tmp_path, play)


def test_an_invalid_spec_is_told_and_mended_again(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        scene.project.spec.write_text("invalid")
        assert "the spec is invalid" in str((await scene.events.next("reload-failed"))["text"])
        await scene.write("second")
        await scene.events.next("reload-failed")
        assert await answer(scene.workers) == "first"
        scene.project.spec.write_text("valid")
        await scene.events.next("reloaded")
        assert await answer(scene.workers) == "second"

    run(tmp_path, play)


def test_requests_in_flight_are_answered_by_the_code_that_took_them(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        old = scene.workers.pool
        assert old is not None
        old.gate.clear()
        asked = [asyncio.create_task(answer(scene.workers)) for _ in range(3)]
        await scene.write("second")
        await scene.events.next("reloaded")
        assert await answer(scene.workers) == "second"
        assert len(scene.kept) == 2
        old.gate.set()
        assert await asyncio.gather(*asked) == ["first"] * 3
        await scene.write("third")
        await scene.events.next("reload-started")
        assert len(scene.kept) == 1

    run(tmp_path, play)


def test_there_are_never_more_than_two_pools(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        old = scene.workers.pool
        assert old is not None
        old.gate.clear()
        asked = asyncio.create_task(answer(scene.workers))
        await scene.write("second")
        await scene.events.next("reloaded")
        await scene.write("third")
        # Longer than it takes to notice a change.
        await asyncio.wait({asked}, timeout=0.7)
        assert await answer(scene.workers) == "second"
        old.gate.set()
        assert await asked == "first"
        await scene.events.next("reloaded")
        assert await answer(scene.workers) == "third"

    assert run(tmp_path, play).pools.most == 2


def test_a_change_during_a_slow_build_is_not_lost(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        scene.project.is_building.clear()
        scene.project.gate.clear()
        await scene.write("second")
        await asyncio.to_thread(scene.project.is_building.wait)
        await scene.write("third")
        # The server answers while a build blocks its thread.
        assert await answer(scene.workers) == "first"
        scene.project.gate.set()
        await scene.events.next("reloaded")
        await scene.events.next("reloaded")
        assert await answer(scene.workers) == "third"

    run(tmp_path, play)


def test_the_last_of_many_changes_is_served(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        for number in range(100):
            await scene.write(f"{number}")
        while await answer(scene.workers) != "99":
            await scene.events.next("reloaded")

    assert len(run(tmp_path, play).project.builds) < 50


def test_a_file_that_is_emptied_and_then_written_is_one_change(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        await scene.write("")
        # As long as an editor may take, and longer than a look does.
        await asyncio.sleep(0.05)
        await scene.write("whole")
        await scene.events.next("reloaded")
        assert await answer(scene.workers) == "whole"

    assert len(run(tmp_path, play).project.builds) == 2


def test_editors_that_write_by_renaming_are_noticed(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        for value in ("second", "third"):
            draft = scene.project.value.with_name(".value.swp")
            draft.write_text(value)
            draft.replace(scene.project.value)
            await scene.events.next("reloaded")
            assert await answer(scene.workers) == value

    run(tmp_path, play)


def test_files_that_go_and_come_back_are_noticed(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        folder, aside = scene.project.value.parent, scene.project.root / "aside"
        folder.rename(aside)
        await scene.events.next("reloaded")
        assert await answer(scene.workers) == "nothing"
        aside.rename(folder)
        await scene.events.next("reloaded")
        assert await answer(scene.workers) == "first"

    run(tmp_path, play)


def test_what_cannot_be_loaded_at_all_is_an_error_at_once(tmp_path: Path) -> None:
    async def attempt() -> None:
        project = Project(tmp_path)
        project.value.write_text("unloadable")
        async with reloading(project, Pools().start, Events()) as workers:
            assert not workers.is_ready
            with pytest.raises(LoadError):
                await workers.first()
            with pytest.raises(RuntimeError):
                await answer(workers)

    asyncio.run(attempt())


def test_ending_during_a_build_waits_for_it_and_removes_it(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        scene.project.is_building.clear()
        scene.project.gate.clear()
        await scene.write("second")
        await asyncio.to_thread(scene.project.is_building.wait)
        asyncio.get_running_loop().call_later(0.1, scene.project.gate.set)

    assert len(run(tmp_path, play).project.builds) == 2


def test_ending_while_a_model_loads_gives_it_up(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        await scene.write("endless")
        async with asyncio.timeout(PATIENCE_SECONDS):
            await scene.pools.are_two.wait()
        assert await answer(scene.workers) == "first"

    assert run(tmp_path, play).pools.most == 2


def test_many_files_that_change_at_once_are_not_all_named(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        for name in "abcde":
            (scene.project.value.parent / name).touch()
        assert "'a', 'b', 'c' and 2 more have changed" in str(
            (await scene.events.next("reload-started"))["text"]
        )

    run(tmp_path, play)


def test_a_build_that_cannot_be_removed_is_told_and_the_next_is_served(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        (first,) = scene.kept
        first.unlink()
        await scene.write("second")
        assert "cannot be removed" in str((await scene.events.next("reload-leftover"))["text"])
        await scene.write("third")
        await scene.events.next("reloaded")
        assert await answer(scene.workers) == "third"

    run(tmp_path, play)


def test_a_build_without_end_does_not_keep_the_server_from_ending() -> None:
    forever = threading.Event()

    @contextlib.contextmanager
    def endless() -> Iterator[None]:
        forever.wait()
        yield

    async def cancelled() -> None:
        async def enter() -> None:
            async with entered(endless(), patience_seconds=0.05):
                pytest.fail("it has been entered")

        task = asyncio.create_task(enter())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    try:
        asyncio.run(cancelled())
    finally:
        forever.set()


def test_a_bug_in_the_source_is_told_and_the_old_code_goes_on_serving(tmp_path: Path) -> None:
    async def play(scene: Scene) -> None:
        await scene.write("bug")
        assert "ZeroDivisionError" in str((await scene.events.next("reload-ended"))["text"])
        assert await answer(scene.workers) == "first"

    run(tmp_path, play)


def noticed(watched: Collection[Path], change: Callable[[], object]) -> Collection[Path]:
    """Return what was noticed of a change that happens while somebody waits for it."""

    async def wait() -> Collection[Path]:
        before = await asyncio.to_thread(marks, watched)
        waiting = asyncio.create_task(changed(watched, before))
        await asyncio.wait({waiting}, timeout=0.1)
        assert not waiting.done()
        change()
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await waiting

    return asyncio.run(wait())


def test_a_file_in_a_new_folder_of_a_watched_one_is_noticed(tmp_path: Path) -> None:
    new = tmp_path / "a" / "b" / "new.py"

    def write() -> None:
        new.parent.mkdir(parents=True)
        new.touch()

    assert noticed([tmp_path], write) == [new]


def test_a_watched_file_need_not_exist_nor_its_folder(tmp_path: Path) -> None:
    missing = tmp_path / "later" / "net.py"

    def write() -> None:
        missing.parent.mkdir()
        missing.touch()

    assert noticed([missing], write) == [missing]


def test_a_change_behind_a_link_is_noticed(tmp_path: Path) -> None:
    real, link = tmp_path / "elsewhere" / "weights", tmp_path / "weights"
    real.parent.mkdir()
    real.touch()
    link.symlink_to(real)
    assert noticed([link], lambda: real.write_text("trained")) == [link]
