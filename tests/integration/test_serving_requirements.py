"""What an archive's requirements.txt asks for: by the real pip where that matters, else by a fast stand-in.

The real one installs from a folder of wheels, without a network.
"""

import asyncio
import fcntl
import os
import subprocess
import sys
import zipfile
from collections.abc import Sequence
from pathlib import Path

import pytest

from orchestrator.core.errors import ArtifactError, OrchestratorError
from orchestrator.serving.contract import Contract, worker_environment
from orchestrator.serving.crew.pool import Site, running
from orchestrator.serving.crew.spawning import Origin, spawning
from orchestrator.serving.messages import Assignment, Part, Request, Response
from orchestrator.serving.preparing.environments import prepared
from orchestrator.serving.preparing.installing import RequirementsError
from tests.support.entrypoints_samples import write
from tests.support.servers import eventually, has_ended

PING = "orchestrator_test_ping"
# Installs NAME==VERSION as a module, or does what the name says; the real pip takes a second to start.
STAND_IN_PIP = """
import os, pathlib, signal, sys, sysconfig, tempfile

assert sys.argv[1:-1] == ["install", "-r"]
for name in pathlib.Path(sys.argv[-1]).read_text().split():
    if name == "hang":
        pathlib.Path(os.environ["TOLD"] + ".folder").write_text(tempfile.mkdtemp())
        pathlib.Path(os.environ["TOLD"]).write_text(str(os.getpid()))
        while True:
            signal.pause()
    if name == "fail":
        sys.exit("ERROR: no")
    if "==" in name:
        module, _, version = name.partition("==")
        place = pathlib.Path(sysconfig.get_path("purelib"), module + ".py")
        place.write_text(f"version = {version!r}")
        print("Successfully installed", name)
"""


def write_wheel(folder: Path, name: str, version: str, source: str, *needs: str) -> Path:
    """Write a wheel with one module, as the binary distribution format asks for it."""
    folder.mkdir(exist_ok=True)
    path = folder / f"{name}-{version}-py3-none-any.whl"
    described = f"{name}-{version}.dist-info"
    requires = "".join(f"Requires-Dist: {need}\n" for need in needs)
    members = {
        f"{name}.py": source,
        f"{described}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{requires}",
        f"{described}/WHEEL": "Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{member},,\n" for member in [*members, f"{described}/RECORD"])
    with zipfile.ZipFile(path, "w") as wheel:
        for member, text in {**members, f"{described}/RECORD": record}.items():
            wheel.writestr(member, text)
    return path


IMPORTING = f"""
import {PING}


def model_fn(model_dir):
    return None


def transform_fn(model, data, content_type, accept):
    return {PING}.version
"""


class Nobody:
    """An observer that takes no note."""

    def answered(self, answer: object) -> None: ...

    def happened(self, event: str, **facts: object) -> None: ...


async def no_parts(_: Part) -> None:
    """Nothing is streamed here."""


class Installation:
    """A code folder, a cache, what pip finds and what it said."""

    def __init__(self, root: Path) -> None:
        self.told = root / "told"
        self.requirements = root / "code" / "requirements.txt"
        self.requirements.parent.mkdir()
        self.wheels = root / "wheels"
        self.cache = root / "cache"
        self.said: list[str] = []
        stand_in = root / "stand-in" / "pip"
        stand_in.mkdir(parents=True)
        (stand_in / "__init__.py").touch()
        (stand_in / "__main__.py").write_text(STAND_IN_PIP)
        self.environment = {**os.environ, "PYTHONPATH": str(stand_in.parent), "TOLD": str(self.told)}

    def asks(self, text: str) -> "Installation":
        self.requirements.write_text(text)
        return self

    async def prepared(self) -> Path:
        return await prepared(self.requirements, self.cache, self.environment, self.said.append)

    def prepare(self) -> Path:
        return asyncio.run(self.prepared())

    @property
    def installs(self) -> int:
        return sum(line.startswith("Successfully installed") for line in self.said)

    @property
    def kept(self) -> list[Path]:
        return [path for path in self.cache.glob("*") if path.is_dir()]


class RealPip(Installation):
    """The same with the real pip."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        settings = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels), "PIP_CONFIG_FILE": os.devnull}
        self.environment = {**os.environ, **settings}

    def wheel(self, version: str, name: str = PING, needs: Sequence[str] = ()) -> None:
        write_wheel(self.wheels, name, version, f"version = {version!r}\n", *needs)


@pytest.fixture
def site(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


@pytest.fixture
def real(tmp_path: Path) -> RealPip:
    return RealPip(tmp_path)


def tells(python: Path, expression: str, modules: str = "sys") -> str:
    """Return what ``expression`` is for that Python."""
    command = [str(python), "-P", "-c", f"import {modules}; print({expression})"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Return the Python of one installation by the real pip, and what that said."""
    real = RealPip(tmp_path_factory.mktemp("installed"))
    folder = real.requirements.parent
    write_wheel(folder / "wheels", PING, "3.0", "version = '3.0'\n")
    write_wheel(folder / "wheels", "iniconfig", "0.0.1", "version = '0.0.1'\n")
    (folder / "pins.txt").write_text(f"{PING}==3.0")
    real.environment |= {"PIP_FIND_LINKS": "/opt/ml/model/code/wheels"}
    real.asks(f"-c /opt/ml/model/code/pins.txt\n# ours\nnumpy>=1\n{PING}\niniconfig==0.0.1\n")
    return real.prepare(), "\n".join(real.said)


def test_a_package_is_there_for_the_archive_and_for_nobody_else(installed: tuple[Path, str]) -> None:
    # It was found, and pinned, by the paths that the archive has in the container.
    assert tells(installed[0], f"{PING}.version", PING) == "3.0"
    with pytest.raises(subprocess.CalledProcessError):
        tells(Path(sys.executable), f"{PING}.version", PING)


def test_what_our_packages_satisfy_is_there_and_not_installed_again(installed: tuple[Path, str]) -> None:
    python, said = installed
    assert "Requirement already satisfied: numpy" in said
    here, there = (
        tells(at, "orchestrator.__file__, numpy.__file__", "orchestrator, numpy")
        for at in (Path(sys.executable), python)
    )
    assert here == there


def test_a_pin_takes_the_place_of_a_package_of_ours_inside_only(installed: tuple[Path, str]) -> None:
    assert tells(installed[0], "iniconfig.version", "iniconfig") == "0.0.1"
    ours = Path(tells(Path(sys.executable), "iniconfig.__file__", "iniconfig"))
    assert installed[0].parents[1] not in ours.parents
    assert ours.is_file()


def test_workers_that_run_on_it_have_the_package(site: Installation) -> None:
    model = write(site.requirements.parent.parent, IMPORTING)
    contract = Contract("predict.py", "application/json", workers=1)
    variables = worker_environment(site.environment, contract, cores=1)
    assignment = Assignment(str(model), str(model), str(model), contract.module)

    async def answered() -> Response:
        python = await site.asks(f"{PING}==7").prepared()
        async with (
            spawning(Origin(variables, str(python))) as spawner,
            running(Site(assignment), contract, spawner, Nobody()) as pool,
        ):
            await pool.first()
            return await pool.ask(Request((), b"", "1"), no_parts)

    assert asyncio.run(answered()).body == b"7"


def test_what_cannot_be_installed_is_named_and_leaves_nothing(real: RealPip) -> None:
    with pytest.raises(RequirementsError) as failure:
        real.asks(f"{PING}==9.9").prepare()
    assert any(f"{PING}==9.9" in fact for label, fact in failure.value.details if label == "pip")
    assert str(real.requirements) in str(failure.value)
    assert "--no-requirements" in str(failure.value.hint)
    assert real.kept == []


def test_pips_options_of_the_container_hold_but_for_those_that_lead_elsewhere(real: RealPip) -> None:
    real.wheel("1.0", needs=["nowhere_to_be_found"])
    elsewhere = real.wheels / "elsewhere"
    real.environment |= {"PIP_NO_DEPS": "1", "PIP_TARGET": str(elsewhere), "PIP_USER": "1"}
    python = real.asks(PING).prepare()
    assert tells(python, f"{PING}.__file__", PING).startswith(str(real.cache))
    assert not elsewhere.exists()


@pytest.mark.parametrize("text", [None, "", "\n  \n", "# nothing\n   # at all\n"])
def test_nothing_is_made_where_nothing_is_asked_for(site: Installation, text: str | None) -> None:
    if text is not None:
        site.asks(text)
    assert site.prepare() == Path(sys.executable)
    assert not site.cache.exists()


def test_the_second_start_takes_the_environment_that_is_there(site: Installation) -> None:
    first = site.asks("a==1").prepare()
    said = list(site.said)
    # Whatever ran as pip now would say something.
    assert site.prepare() == first
    assert site.said == said


def test_another_content_gets_another_environment(site: Installation) -> None:
    old = site.asks("a==1").prepare()
    new = site.asks("a==2").prepare()
    assert [tells(python, "a.version", "a") for python in (old, new)] == ["1", "2"]


@pytest.mark.parametrize("line", ["-c pins.txt", "-rpins.txt", "--constraint=pins.txt # ours"])
def test_a_file_that_is_referred_to_counts_as_content(site: Installation, line: str) -> None:
    pins = site.requirements.with_name("pins.txt")
    pins.write_text("a==1")
    old = site.asks(f"{line}\na==1\n").prepare()
    # A file may refer to the one that refers to it; whether that is wise is for pip to say.
    pins.write_text("a==2\n-r requirements.txt")
    assert site.prepare() != old


def test_what_failed_is_tried_again(site: Installation) -> None:
    with pytest.raises(RequirementsError):
        site.asks("fail").prepare()
    assert site.kept == []
    with pytest.raises(RequirementsError):
        site.prepare()
    assert site.said == ["ERROR: no"] * 2


def test_requirements_that_are_a_folder_cannot_be_read(site: Installation) -> None:
    site.requirements.mkdir()
    with pytest.raises(ArtifactError, match=r"requirements\.txt' cannot be read"):
        site.prepare()


def test_an_unfinished_environment_is_made_again(site: Installation) -> None:
    python = site.asks("a==1").prepare()
    (place,) = site.kept
    (place / "complete").unlink()
    (place / "bin" / "python").unlink()
    assert site.prepare() == python
    assert tells(python, "a.version", "a") == "1"
    assert site.installs == 2


def test_an_environment_whose_python_is_gone_is_made_again(site: Installation) -> None:
    python = site.asks("a==1").prepare()
    python.unlink()
    python.symlink_to("/nowhere/python")
    assert tells(site.prepare(), "a.version", "a") == "1"


def test_several_starts_at_once_install_once(site: Installation) -> None:
    site.asks("a==1")

    async def both() -> tuple[Path, Path]:
        return await asyncio.gather(site.prepared(), site.prepared())

    first, second = asyncio.run(both())
    assert first == second
    assert site.installs == 1


def test_a_start_waits_for_the_process_that_installs(site: Installation) -> None:
    python = site.asks("a==1").prepare()
    (place,) = site.kept
    (place / "complete").unlink()

    async def finished_by_another() -> Path:
        with place.with_suffix(".lock").open() as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            waiting = asyncio.create_task(site.prepared())
            await asyncio.wait({waiting}, timeout=0.3)
            assert not waiting.done()
            (place / "complete").touch()
        return await waiting

    assert asyncio.run(finished_by_another()) == python
    assert site.installs == 1


def test_cancelling_ends_pip_and_leaves_nothing(site: Installation) -> None:
    site.asks("hang")

    async def cancelled() -> None:
        task = asyncio.create_task(site.prepared())
        await asyncio.to_thread(
            eventually, lambda: site.told.is_file() and site.told.read_text() != "", "pip"
        )
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancelled())
    assert has_ended(int(site.told.read_text()))
    assert site.kept == []
    assert not Path(Path(f"{site.told}.folder").read_text()).exists()


def test_an_environment_that_was_not_used_for_a_month_is_removed_by_an_install(
    site: Installation,
) -> None:
    site.asks("a==1").prepare()
    (old,) = site.kept
    os.utime(old / "complete", (0, 0))
    new = site.asks("a==2").prepare()
    assert site.kept == [new.parent.parent]


def test_using_an_environment_keeps_it(site: Installation) -> None:
    site.asks("a==1").prepare()
    (place,) = site.kept
    os.utime(place / "complete", (0, 0))
    site.prepare()
    assert (place / "complete").stat().st_mtime > 0


def test_a_cache_that_cannot_be_written_is_named(site: Installation) -> None:
    site.cache.write_text("a file is in the way")
    with pytest.raises(OrchestratorError, match="cannot be written") as failure:
        site.asks("a==1").prepare()
    assert "--no-requirements" in str(failure.value.hint)
