"""Find and load an archive's entry point as sagemaker-pytorch-inference 2.0.25 does.

The rules are those of its `transformer.py`. Runs in a worker process only: it changes the import path and
imports the user's code.
"""

import importlib
import importlib.util
import inspect
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from orchestrator.core.errors import ArtifactError
from orchestrator.serving.context import Context
from orchestrator.serving.contract import CODE_FOLDER

Function = Callable[..., Any]

_STAGES = ("input_fn", "predict_fn", "output_fn")
_NAMES = ("model_fn", "transform_fn", *_STAGES, "pre_model_fn", "model_warmup_fn")


def open_import_path(model_dir: Path) -> None:
    """Let the code folder, then the model folder, precede everything else that can be imported.

    PYTHONPATH says so to child processes.
    """
    code = str(model_dir / CODE_FOLDER)
    sys.path[:0] = [code, str(model_dir)]
    inherited = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join([code, inherited] if inherited else [code])


def handler_functions(module: str) -> dict[str, Function]:
    """Import ``module`` and return its handler functions by name.

    Raises:
        ArtifactError: If it is not there, lacks functions, or has `transform_fn` beside what it replaces.
        Exception: Whatever importing it raises.
    """
    if importlib.util.find_spec(module) is None:
        # The container goes on silently, with its default functions.
        raise ArtifactError(
            f"there is no entry point '{module}' in the '{CODE_FOLDER}' folder: {_DEFAULTS}",
            hint=f"add {CODE_FOLDER}/{module}.py, or set SAGEMAKER_PROGRAM to the entry point",
        )
    return _checked(_functions(importlib.import_module(module)), module)


def call(function: Function, context: Context, *arguments: object) -> Any:  # noqa: ANN401 - user code returns anything
    """Call ``function``, with the context if it takes one parameter more than there are ``arguments``.

    Parameters are counted, not read: ``context=None`` counts, ``*args`` counts as one.

    Raises:
        TypeError: If the number of parameters is neither, in the toolkit's words.
    """
    taken = len(inspect.signature(function).parameters)
    if taken == len(arguments):
        return function(*arguments)
    if taken == len(arguments) + 1:
        return function(*arguments, context)
    raise TypeError(f"{function.__name__} takes {taken} arguments but {len(arguments)} were given.")


_DEFAULTS = "the container's default functions are not supported yet"


def _functions(module: ModuleType) -> dict[str, Function]:
    found = ((name, getattr(module, name, None)) for name in _NAMES)
    return {name: function for name, function in found if function is not None}


def _checked(functions: Mapping[str, Function], module: str) -> dict[str, Function]:
    if "transform_fn" in functions:
        replaced = [name for name in _STAGES if name in functions]
        if replaced:
            raise ArtifactError(
                f"entry point '{module}' defines 'transform_fn' together with '{replaced[0]}'",
                hint="define either transform_fn, or input_fn, predict_fn and output_fn",
            )
    required = ("model_fn", "transform_fn") if "transform_fn" in functions else ("model_fn", *_STAGES)
    missing = [name for name in required if name not in functions]
    if missing:
        names = ", ".join(f"'{name}'" for name in missing)
        raise ArtifactError(
            f"entry point '{module}' does not define {names}: {_DEFAULTS}",
            hint=f"define {' and '.join(missing)} in {module}",
        )
    return dict(functions)
