"""How a model is made in the container, from what its archive holds.

The generated ``predict.py`` picks one: ``EntryPoint(loader=FromClass(make_model, {"hidden": 128}), ...)``.
All make the model on the CPU; `EntryPoint.load` moves it and puts it into evaluation mode. None unpickles.
"""

import importlib
import json
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch

from . import weights
from .errors import ModelError, NotAModuleError, WeightsError

SCRIPT_NAME = "model.pt"
"""Where a TorchScript program lies in the model folder."""

_CONFIG = "config.json"
_SAFE_ATTENTION = ("eager", "sdpa", None)


class Loader(Protocol):
    """What makes a model out of the model folder."""

    def load(self, model_dir: str) -> torch.nn.Module:
        """Return the model, with its weights, on the CPU.

        Args:
            model_dir: The folder that the archive was unpacked to.

        Raises:
            ModelError: If it cannot be made; the text says why.
        """
        ...


@dataclass(frozen=True)
class FromClass:
    """A class of the user's, and weights for it.

    Attributes:
        make: The class, or a function that makes the module: called with ``init_args``.
    """

    make: Callable[..., object]
    init_args: Mapping[str, object] = field(default_factory=dict)

    def load(self, model_dir: str) -> torch.nn.Module:
        """Make the module and put the weights into it.

        Raises:
            NotAModuleError: If ``make`` makes no module.
            WeightsError: If the weights are damaged, or not those of the module.
        """
        module = _made(self.make, (), self.init_args)
        weights.fit(weights.read_folder(model_dir), module)
        return module


@dataclass(frozen=True)
class TorchScript:
    """A TorchScript program, which brings its own code.

    Attributes:
        wrap: Called with the program and ``init_args``; makes the module that is served instead of it.
    """

    wrap: Callable[..., object] | None = None
    init_args: Mapping[str, object] = field(default_factory=dict)

    def load(self, model_dir: str) -> torch.nn.Module:
        """Load the program.

        `torch.jit.load` is C++ from end to end: its unpickler knows TorchScript's types only, and Python's
        `pickle` is not used.

        Raises:
            ModelError: If PyTorch cannot load it, or ``wrap`` makes no module.
        """
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", DeprecationWarning)  # PyTorch 2.13 announces its retirement
                program = torch.jit.load(str(Path(model_dir) / SCRIPT_NAME), map_location="cpu")  # type: ignore[no-untyped-call]  # as PyTorch has it
        except (OSError, RuntimeError, ValueError) as error:
            raise ModelError(f"{SCRIPT_NAME} cannot be loaded: {_first_line(error)}") from error
        return _wrapped(self.wrap, program, self.init_args)


@dataclass(frozen=True)
class Exported:
    """A program that `torch.export` made, kept as data.

    Attributes:
        wrap: Called with the program and ``init_args``; makes the module that is served instead of it.
    """

    wrap: Callable[..., object] | None = None
    init_args: Mapping[str, object] = field(default_factory=dict)

    def load(self, model_dir: str) -> torch.nn.Module:
        """Make the module that runs the program.

        Raises:
            ModelError: If the program or its weights are damaged, or ``wrap`` makes no module.
        """
        # Only here: what programs are run with is of no use to other models, nor its faults in another torch.
        exported = importlib.import_module(".exported", __package__)
        return _wrapped(self.wrap, exported.read(model_dir), self.init_args)


@dataclass(frozen=True)
class HuggingFace:
    """A model of the `transformers` library: its architecture from ``config.json``, and weights for it.

    Nothing is downloaded, and no code but the library's own is run, whatever ``config.json`` asks for.

    Attributes:
        wrap: Called with the model and ``init_args``; makes the module that is served instead of it.
    """

    wrap: Callable[..., object] | None = None
    init_args: Mapping[str, object] = field(default_factory=dict)

    def load(self, model_dir: str) -> torch.nn.Module:
        """Make the model.

        Our own reader reads the weights; the library puts them where they belong, because it alone knows
        which names its versions have changed, which weights are tied and which are made anew.

        Raises:
            ModelError: If the image lacks the library, or the library does not know the architecture.
            WeightsError: If the weights are damaged, or not those of the model.
        """
        architecture = _architecture(Path(model_dir) / _CONFIG)
        kind = _library_class(architecture)
        tensors = weights.read_folder(model_dir)
        try:
            config = kind.config_class.from_pretrained(model_dir, local_files_only=True)
            module, report = kind.from_pretrained(
                None, config=config, state_dict=tensors, local_files_only=True, output_loading_info=True
            )
        except (OSError, RuntimeError, TypeError, ValueError, ImportError) as error:
            raise WeightsError(f"{architecture} cannot be made: {_first_line(error)}") from error
        # The library would make up what is missing, and say so in the log only.
        if missing := sorted(report["missing_keys"]):
            raise WeightsError(f"the weights do not fit {architecture}: missing {', '.join(missing[:5])}")
        return _wrapped(self.wrap, module, self.init_args)


def _architecture(path: Path) -> str:
    try:
        config = json.loads(path.read_text("utf-8"))
        architecture = config["architectures"][0]
    except (OSError, ValueError, RecursionError, LookupError, TypeError) as error:
        raise ModelError(f"{_CONFIG} does not say which architecture the model has: {error!r}") from error
    if not isinstance(architecture, str):
        raise ModelError(f"{_CONFIG} names the architecture {architecture!r}, which is no name")
    if "quantization_config" in config:
        raise ModelError(f"{_CONFIG} asks for quantization, which is not served: save the model without it")
    # Any other value is the name of a repository with kernels, which the library would download and run.
    if unknown := [asked for asked in _attention(config) if asked not in _SAFE_ATTENTION]:
        raise ModelError(f"{_CONFIG} asks for the attention {unknown[0]!r}, which is not served")
    return architecture


def _attention(config: object) -> Iterator[object]:
    if isinstance(config, dict):
        for key, value in config.items():
            if key.lstrip("_") == "attn_implementation":
                yield value
            else:
                yield from _attention(value)


def _library_class(architecture: str) -> Any:  # noqa: ANN401 - the library is not there when types are checked
    # Read once, when the library is imported.
    os.environ["HF_HUB_OFFLINE"] = "1"
    try:
        library = importlib.import_module("transformers")
    except ImportError as error:
        raise ModelError(
            f"{architecture} needs the library 'transformers', which the image lacks: "
            f"name it in requirements.txt ({_first_line(error)})"
        ) from error
    found = getattr(library, architecture, None)
    if not isinstance(found, type) or not issubclass(found, library.PreTrainedModel):
        raise ModelError(f"transformers {library.__version__} has no architecture {architecture!r}")
    importlib.import_module("transformers.utils.logging").disable_progress_bar()
    return found


def _wrapped(
    wrap: Callable[..., object] | None, program: torch.nn.Module, init_args: Mapping[str, object]
) -> torch.nn.Module:
    return program if wrap is None else _made(wrap, (program,), init_args)


def _made(
    make: Callable[..., object], args: tuple[torch.nn.Module, ...], init_args: Mapping[str, object]
) -> torch.nn.Module:
    if not callable(make):
        raise NotAModuleError(f"{make!r} is no class that makes a torch.nn.Module")
    module = make(*args, **init_args)
    if not isinstance(module, torch.nn.Module):
        raise NotAModuleError(f"{make!r} makes {type(module).__name__}, which is no torch.nn.Module")
    return module


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__
