"""Models that other people have trained, as their packages ship them: the endpoint answers as in process.

The packages are installed without what they depend on; only their files are used.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.commands import Shell

EXAMPLES = Path(__file__).parents[2] / "examples"
# What torchcrepe itself says of the example's waveform. It imports half a studio; none of that is called.
TORCHCREPE = """
import sys, types
for name in ("librosa", "resampy", "torchaudio", "tqdm", "scipy", "scipy.io", "scipy.io.wavfile"):
    sys.modules[name] = types.ModuleType(name)
sys.modules["scipy.io"].wavfile = sys.modules["scipy.io.wavfile"]
import torch, torchcrepe
import prepare
from src.crepe import Crepe
weights = torch.load(prepare.assets() / "{capacity}.pth", weights_only=True)
theirs, ours = torchcrepe.Crepe("{capacity}").eval(), Crepe("{capacity}").eval()
theirs.load_state_dict(weights)
ours.load_state_dict(weights)
waveform = prepare.glide()
with torch.no_grad():
    expected = theirs(next(torchcrepe.preprocess(waveform[None], 16000, hop_length=160)))
    print(expected.shape[0], (ours(prepare.frames(waveform)) - expected).abs().max().item())
"""


def run_python(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [sys.executable, *arguments], cwd=folder, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def example(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shell]:
    folder = tmp_path / "project"
    shutil.copytree(EXAMPLES / request.param, folder, ignore=shutil.ignore_patterns("artifacts", "golden"))
    shell = Shell(folder)
    yield shell
    shell.run("local-cloud", "stop")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("example", "cases"), [("pitch", 1), ("voice", 2), ("sentences", 1)], indirect=["example"]
)
def test_a_deployed_model_answers_as_it_does_in_process(example: Shell, cases: int) -> None:
    run_python(example.folder, "prepare.py")
    done = example.run("deploy", "--yes")
    assert done.code == 0, done.err
    assert f"answers {cases} golden case" in done.out


@pytest.mark.slow
@pytest.mark.parametrize("example", ["pitch"], indirect=True)
def test_the_large_network_answers_as_it_does_in_process(example: Shell) -> None:
    run_python(example.folder, "prepare.py", "--capacity", "full")
    done = example.run("package", "-c", "full.toml")
    assert done.code == 0, done.err
    assert "1 golden case answered" in done.out


@pytest.mark.slow
@pytest.mark.parametrize("example", ["pitch"], indirect=True)
@pytest.mark.parametrize("capacity", ["tiny", "full"])
def test_the_examples_network_is_the_one_that_torchcrepe_has(example: Shell, capacity: str) -> None:
    frames, difference = run_python(example.folder, "-c", TORCHCREPE.format(capacity=capacity)).split()
    assert int(frames) == 21
    assert float(difference) < 1e-6
