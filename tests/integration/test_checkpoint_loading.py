"""Models that are code, loaded in a child process: what comes out of it, and what cannot get out of it."""

import json
import os
import pickle
import select
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load, load_file

from orchestrator.adapters.checkpoints import describing, examine, loading, weights
from orchestrator.adapters.checkpoints.loading import Limits
from orchestrator.core.archive import Content
from orchestrator.core.checkpoint import Format, Kind, Weights
from orchestrator.core.errors import ArtifactError, RefusedError
from orchestrator.core.spec import ModelSpec, Reference

pytestmark = pytest.mark.slow

NET = """
import torch


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Linear(3, 3)
        self.second = torch.nn.Linear(3, 3)
        self.second.weight = self.first.weight
        self.register_buffer("brief", torch.tensor([1.5, float("nan")], dtype=torch.bfloat16))
        self.register_buffer("nothing", torch.empty(0, 4))

    def forward(self, x):
        return self.second(self.first(x))
"""
# Makes all files in one process of its own: what it defines must not be known here.
MAKE = """
import os, sys, warnings
warnings.simplefilter("ignore")
sys.path.insert(0, os.getcwd())
import torch
from src.net import Net

torch.manual_seed(0)
net = Net()
torch.save(net.state_dict(), "weights.pt")
torch.save(net, "zip.pt")
torch.save(net, "legacy.pt", _use_new_zipfile_serialization=False)
torch.save(torch.nn.DataParallel(net), "parallel.pt")
optimizer = torch.optim.Adam(net.parameters())
net(torch.ones(1, 3)).sum().backward()
optimizer.step()
net.load_state_dict(torch.load("weights.pt"))
best = {"loss": torch.ones(()), "at": 2}
torch.save({"model": net, "epoch": 3, "optimizer": optimizer.state_dict(), "best": best}, "inside.pt")
torch.save({"nets": {"ema.net": torch.nn.DataParallel(net)}, "net": net}, "several.pt")

class Own(torch.nn.Linear):
    pass
torch.save(Own(1, 1), "main.pt")

quantized = torch.nn.Module()
quantized.register_buffer("packed", torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8))
torch.save(quantized, "quantized.pt")
torch.jit.script(torch.nn.Linear(3, 3)).save("script.pt")

def export(module, name):
    torch.export.save(torch.export.export(module, (torch.ones(2, 3),)), name)
export(net, "program.pt2")

@torch.library.custom_op("shop::own", mutates_args=())
def own(x: torch.Tensor) -> torch.Tensor:
    return x.clone()
@own.register_fake
def _(x):
    return torch.empty_like(x)
class Custom(torch.nn.Module):
    def forward(self, x):
        return own(x)
export(Custom(), "custom.pt2")

class Branch(torch.nn.Module):
    def forward(self, x):
        return torch.cond(x.sum() > 0, lambda one: one + 1, lambda one: one - 1, (x,))
export(Branch(), "branch.pt2")
"""


class Evil:
    """Runs Python code when it is unpickled."""

    def __init__(self, code: str) -> None:
        self._code = code

    def __reduce__(self) -> tuple[Callable[..., object], tuple[str]]:
        return exec, (self._code,)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a model's source in `src`, and files of every form that is code."""
    root = tmp_path_factory.mktemp("project")
    (root / "src").mkdir()
    (root / "src" / "net.py").write_text(NET)
    subprocess.run([sys.executable, "-c", MAKE], check=True, timeout=300, cwd=root)
    return root


def content(packed: Weights, name: str) -> str:
    (member,) = (member for member in packed.members if member.path == name)
    assert isinstance(member.content, str)
    return member.content


def read_whole(made: str | bytes | Content) -> bytes:
    if isinstance(made, bytes | str):
        return made if isinstance(made, bytes) else Path(made).read_bytes()
    return b"".join(made.chunks())


def module_of(name: str, **more: Any) -> ModelSpec:  # noqa: ANN401 - any key of the spec
    return replace(ModelSpec(name, Reference("src/net.py", "Net"), allow_code=True), **more)


@pytest.mark.parametrize(
    ("name", "key", "strip"),
    [
        ("zip.pt", None, None),
        ("legacy.pt", None, None),
        ("parallel.pt", None, None),
        ("parallel.pt", None, "module."),
        ("inside.pt", None, None),
        ("inside.pt", "model", None),
        ("several.pt", "net", None),
        ("several.pt", "nets.ema.net", None),
    ],
)
def test_a_pickled_module_of_the_projects_own_class_becomes_its_weights_bit_for_bit(
    name: str, key: str | None, strip: str | None, project: Path
) -> None:
    expected = torch.load(project / "weights.pt", weights_only=True)
    with weights(module_of(name, state_dict_key=key, strip_prefix=strip), str(project)) as packed:
        assert (packed.kind, packed.format) == (Kind.SAFETENSORS, Format.MODULE)
        (member,) = packed.members
        found = load(read_whole(member.content))
    assert found.keys() == expected.keys()
    for each, tensor in expected.items():
        assert (found[each].dtype, found[each].shape) == (tensor.dtype, tensor.shape)
        assert found[each].reshape(-1).view(torch.uint8).equal(tensor.reshape(-1).view(torch.uint8))


def test_the_converted_weights_are_gone_when_they_are_needed_no_longer(project: Path) -> None:
    with loading.module(str(project / "zip.pt"), str(project)) as converted:
        assert Path(converted).is_file()
    assert not Path(converted).exists()


def test_a_prefix_that_is_to_be_kept_is_kept_on_the_weights_of_a_module(project: Path) -> None:
    with weights(module_of("parallel.pt", strip_prefix=""), str(project)) as packed:
        assert all(name.startswith("module.") for name in load(read_whole(packed.members[0].content)))


@pytest.mark.parametrize("name", ["zip.pt", "inside.pt", "several.pt"])
def test_a_module_is_refused_unless_its_code_is_allowed_wherever_it_lies(name: str, project: Path) -> None:
    with (
        pytest.raises(RefusedError, match="a pickled object") as raised,
        weights(module_of(name, allow_code=False), str(project)),
    ):
        pass
    assert "builds src.net.Net" in dict(raised.value.details)["code"]
    shown = examine(str(project / name), "auto")
    assert shown.format is Format.MODULE
    assert "refused, unless model.allow_code = true" in shown.packaging


def test_several_modules_in_one_file_are_listed_and_one_of_them_is_to_be_named(project: Path) -> None:
    with pytest.raises(ArtifactError, match="holds 2 modules") as raised:
        weights(module_of("several.pt"), str(project)).__enter__()
    assert dict(raised.value.details)["found"] == "'nets.ema.net', 'net'"
    assert raised.value.hint is not None
    assert "state_dict_key = 'nets.ema.net'" in raised.value.hint
    shown = examine(str(project / "several.pt"), "auto")
    assert shown.keys == ("nets.ema.net", "net")
    assert shown.packaging.startswith("needs model.state_dict_key: one of nets.ema.net, net; refused, unless")


def test_a_torchscript_program_is_packaged_as_it_is_once_it_has_been_seen_to_load(project: Path) -> None:
    path = str(project / "script.pt")
    with loading.torchscript(path) as packed:
        assert packed.kind is Kind.TORCHSCRIPT
        assert content(packed, "model.pt") == path


def test_an_exported_program_becomes_a_graph_and_its_weights_the_same_every_time(project: Path) -> None:
    written = []
    tensors: dict[str, torch.Tensor] = {}
    graph: dict[str, list[dict[str, object]]] = {}
    for _ in range(2):
        with loading.exported(str(project / "program.pt2")) as packed:
            assert (packed.kind, packed.written_by) == (Kind.EXPORTED, (("torch", torch.__version__),))
            graph = json.loads(Path(content(packed, "exported.json")).read_text())
            tensors = load_file(content(packed, "model.safetensors"))
            written.append([Path(str(member.content)).read_bytes() for member in packed.members])
    assert sorted(tensors) == ["brief", "first.bias", "first.weight", "nothing", "second.bias"]
    assert {node["target"] for node in graph["nodes"]} == {"aten.linear.default"}
    assert written[0] == written[1]


@pytest.mark.parametrize(
    ("name", "named"), [("custom.pt2", r"torch\.ops\.shop\.own"), ("branch.pt2", r"higher_order\.cond")]
)
def test_an_exported_program_that_cannot_be_data_is_refused_by_the_operators_name(
    name: str, named: str, project: Path
) -> None:
    with pytest.raises(ArtifactError, match=named), loading.exported(str(project / name)):
        pass


def test_an_exported_program_with_a_shared_object_is_refused_before_it_is_loaded(
    tmp_path: Path, project: Path
) -> None:
    path = Path(shutil.copy(project / "program.pt2", tmp_path))
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("program/data/aotinductor/model/model.so", b"\x7fELF")
    with (
        pytest.raises(ArtifactError, match=r"compiled code, 'program/data/aotinductor/model/model\.so'"),
        loading.exported(str(path)),
    ):
        pass


def test_a_files_code_runs_in_a_child_without_the_clouds_credentials_and_the_users_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "x")
    monkeypatch.setenv("ORCHESTRATOR_ENV", "prod")
    marker = tmp_path / "marker"
    code = f"import os, json; open({str(marker)!r}, 'w').write(json.dumps([os.getpid(), dict(os.environ)]))"
    torch.save(Evil(code), tmp_path / "model.pt")
    path = str(tmp_path / "model.pt")
    with pytest.raises(ArtifactError, match="it holds NoneType, not one"), loading.module(path, "."):
        pass
    process, environment = json.loads(marker.read_text())
    assert process != os.getpid()
    assert not [name for name in environment if name.startswith(("AWS_", "ORCHESTRATOR_"))]
    assert environment["HOME"] != os.environ.get("HOME")


@pytest.mark.parametrize("member", ["data.pkl", "constants.pkl"])
def test_a_pickle_in_a_torchscript_file_is_not_unpickled_by_python(
    member: str, tmp_path: Path, project: Path
) -> None:
    marker = tmp_path / "marker"
    path = _with_member(project / "script.pt", tmp_path, member, f"open({str(marker)!r}, 'w')")
    with pytest.raises(ArtifactError, match="cannot be loaded"), loading.torchscript(str(path)):
        pass
    assert not marker.exists()


def test_a_pickle_in_an_exported_program_runs_in_the_child_and_not_when_it_is_described(
    tmp_path: Path, project: Path
) -> None:
    marker = tmp_path / "marker"
    code = f"import os; open({str(marker)!r}, 'w').write(str(os.getpid()))"
    path = _with_member(project / "program.pt2", tmp_path, "data/sample_inputs/model.pt", code)
    assert [found.where for found in describing.exported(str(path)).code] == [
        "program/data/sample_inputs/model.pt"
    ]
    assert not marker.exists()
    with pytest.raises(ArtifactError), loading.exported(str(path)):
        pass
    assert int(marker.read_text()) != os.getpid()


def _with_member(path: Path, folder: Path, name: str, code: str) -> Path:
    """Return a copy of the zip file ``path`` whose member ``name`` is a pickle that runs ``code``."""
    torch.save(Evil(code), folder / "evil.pt")
    evil = (folder / "evil.pt").read_bytes() if name.endswith(".pt") else pickle.dumps(Evil(code), 2)
    replaced = folder / path.name
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(replaced, "w") as new:
        for member in old.namelist():
            inside = member.partition("/")[2]
            new.writestr(member, evil if inside == name else old.read(member))
    return replaced


def test_what_a_program_holds_is_described_without_loading_it(project: Path) -> None:
    program = describing.exported(str(project / "program.pt2"))
    assert [(one.name, one.dtype, one.shape, one.size_bytes) for one in program.tensors] == [
        ("first.weight", "float32", (3, 3), 36),
        ("first.bias", "float32", (3,), 12),
        ("second.weight", "float32", (3, 3), 36),
        ("second.bias", "float32", (3,), 12),
        ("brief", "bfloat16", (2,), 4),
        ("nothing", "float32", (0, 4), 0),
    ]
    assert program.written_by == (("torch", torch.__version__),)
    script = describing.torchscript(str(project / "script.pt"))
    assert [(one.name, one.shape) for one in script.tensors] == [("weight", (3, 3)), ("bias", (3,))]
    assert [found.where for found in script.code] == ["script/code/__torch__/torch/nn/modules/linear.py"]


ENDINGS = [
    ("import os; os._exit(0)", RefusedError, "ends the process that loads it with exit status 0"),
    ("import os; os._exit(3)", RefusedError, "ends the process that loads it with exit status 3"),
    ("import os; os.abort()", RefusedError, "ends the process that loads it by the signal SIGABRT"),
    ("import sys; sys.exit(1)", ArtifactError, "cannot be loaded"),
    ("raise ValueError('no')", ArtifactError, "cannot be loaded"),
    ("while True: pass", RefusedError, "was stopped: it has not loaded within 8 seconds"),
    ("bytearray(10**10)", RefusedError, "was stopped: it needs more than 4096 MiB of memory"),
    ("import torch; torch.ones(10**10)", RefusedError, "was stopped: it needs more than 4096 MiB of memory"),
    ("print('{\"kind\": \"memory\"}' * 9); import os; os.write(1, b'{}')", ArtifactError, "NoneType"),
]


@pytest.mark.parametrize(("code", "kind", "text"), ENDINGS)
def test_however_loading_ends_the_error_names_the_file_and_what_happened(
    code: str, kind: type[Exception], text: str, tmp_path: Path
) -> None:
    seconds = 8 if "while" in code else 300
    path = tmp_path / "model.pt"
    torch.save(Evil(code), path)
    with (
        pytest.raises(kind) as raised,
        loading.module(str(path), str(tmp_path), limits=Limits(seconds=seconds)),
    ):
        pass
    assert f"'{path}'" in str(raised.value)
    assert text in str(raised.value)


def test_a_process_that_the_file_starts_ends_with_its_loading(tmp_path: Path) -> None:
    marker = tmp_path / "pid"
    code = (
        "import subprocess, sys; "
        "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
        f"open({str(marker)!r}, 'w').write(str(child.pid))"
    )
    torch.save(Evil(code), tmp_path / "model.pt")
    with pytest.raises(ArtifactError), loading.module(str(tmp_path / "model.pt"), str(tmp_path)):
        pass
    try:
        process = os.pidfd_open(int(marker.read_text()))
    except ProcessLookupError:
        return  # gone, and reaped by whoever inherits orphans
    with os.fdopen(process) as file:
        assert select.select([file], [], [], 60)[0], "it is killed, which the kernel may take a moment for"


def test_the_files_code_has_no_network_where_the_machine_can_take_it_away(tmp_path: Path) -> None:
    answer = tmp_path / "answer"
    code = f"import os; open({str(answer)!r}, 'w').write(' '.join(sorted(os.listdir('/sys/class/net'))))"
    code += "; import socket; print(socket.if_nameindex(), file=open(" + repr(str(answer)) + ", 'w'))"
    torch.save(Evil(code), tmp_path / "model.pt")
    with pytest.raises(ArtifactError) as raised, loading.module(str(tmp_path / "model.pt"), str(tmp_path)):
        pass
    if "note" not in dict(raised.value.details):
        assert answer.read_text().count("(") == 1, "only the loopback of the child's own is there"


def test_a_class_that_is_nowhere_is_named_with_what_to_do(tmp_path: Path, project: Path) -> None:
    with pytest.raises(ArtifactError) as raised, loading.module(str(project / "zip.pt"), str(tmp_path)):
        pass
    assert dict(raised.value.details)["error"] == "ModuleNotFoundError: No module named 'src'"
    with pytest.raises(ArtifactError) as raised, loading.module(str(project / "main.pt"), str(project)):
        pass
    assert raised.value.hint is not None
    assert "its class was defined in the script that saved it" in raised.value.hint


def test_a_quantized_module_is_refused_by_the_name_of_its_tensor(project: Path) -> None:
    path = str(project / "quantized.pt")
    with pytest.raises(ArtifactError, match="its 'packed' is a quantized"), loading.module(path, "."):
        pass


def test_what_starts_the_child_does_not_import_torch_itself() -> None:
    code = "import orchestrator.adapters.checkpoints.loading, sys; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
