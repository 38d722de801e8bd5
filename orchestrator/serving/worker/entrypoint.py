"""Find an archive's entry point and its handler functions as sagemaker-pytorch-inference 2.0.25 does.

The rules are those of its `transformer.py`. Runs in a worker process only: it imports the user's code.
"""

import importlib
import importlib.util
import inspect
from collections.abc import Callable, Iterator
from dataclasses import KW_ONLY, dataclass, field
from types import ModuleType
from typing import Any

from orchestrator.serving.worker.context import Context
from orchestrator.serving.worker.defaults import Defaults

Function = Callable[..., Any]

_STAGES = ("input_fn", "predict_fn", "output_fn")


@dataclass(slots=True)
class Call:
    """A handler function, and how to call it.

    Attributes:
        function: Whatever the module has under the name; not even callable, perhaps.
        arity: How many arguments it is documented to take. One parameter more is for the context.
        is_own: Whether it is the entry point's, and not the container's default.
    """

    function: Any
    arity: int
    is_own: bool = True
    _takes: int | None = field(default=None, init=False)

    def __call__(self, context: Context, *arguments: object) -> Any:  # noqa: ANN401 - user code returns anything
        """Call the function, with the context if it takes one parameter more than there are ``arguments``.

        Parameters are counted, not read: ``context=None`` counts, ``*args`` counts as one.

        Raises:
            TypeError: If the number of parameters is neither, in the toolkit's words.
        """
        taken = self.parameters
        if taken == self.arity:
            return self.function(*arguments)
        if taken == self.arity + 1:
            return self.function(*arguments, context)
        name = self.function.__name__
        raise TypeError(f"{name} takes {taken} arguments but {self.arity} were given.")

    @property
    def parameters(self) -> int:
        """How many parameters the function has; counted once, because that takes a while."""
        if self._takes is None:
            self._takes = len(inspect.signature(self.function).parameters)
        return self._takes

    @property
    def takes_context(self) -> bool:
        """Whether the context is passed on to the function."""
        return self.parameters == self.arity + 1

    @property
    def has_stars(self) -> bool:
        """Whether ``*args`` or ``**kwargs`` is among the parameters."""
        try:
            parameters = inspect.signature(self.function).parameters.values()
        except (TypeError, ValueError):
            return False
        return any(
            parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD} for parameter in parameters
        )


@dataclass(frozen=True, slots=True)
class Functions:
    """The handler functions of one entry point, the container's own where it lacks them.

    Attributes:
        module: The entry point, or ``None`` if there is no module of that name.
        transform_fn: Replaces input, predict and output where it is there.
    """

    module: ModuleType | None
    model_fn: Call
    input_fn: Call
    predict_fn: Call
    output_fn: Call
    _: KW_ONLY
    transform_fn: Call | None = None
    pre_model_fn: Call | None = None
    model_warmup_fn: Call | None = None

    def missing(self) -> list[str]:
        """Return the names of the functions that are the container's own."""
        return [name for name, call in self._used() if not call.is_own]

    def starred(self) -> list[str]:
        """Return the names of the entry point's functions that take ``*args`` or ``**kwargs``."""
        return [name for name, call in self._used() if call.is_own and call.has_stars]

    def _used(self) -> Iterator[tuple[str, Call]]:
        names = ("model_fn", *_STAGES) if self.transform_fn is None else ("model_fn", "transform_fn")
        for name in (*names, "pre_model_fn", "model_warmup_fn"):
            call = getattr(self, name)
            if call is not None:
                yield name, call


def functions_of(module_name: str, defaults: Defaults) -> Functions:
    """Import the module, if there is one, and return its handler functions.

    Raises:
        ValueError: If `transform_fn` stands beside what it replaces, in the toolkit's words.
        ModuleNotFoundError: If the package before a dot is not there.
        Exception: Whatever importing it raises.
    """
    own = defaults.functions
    if importlib.util.find_spec(module_name) is None:
        return Functions(
            None, Call(own["model_fn"], 1, is_own=False), *(_stage(None, own[name]) for name in _STAGES)
        )
    module = importlib.import_module(module_name)
    transform_fn = getattr(module, "transform_fn", None)
    found = {name: getattr(module, name, None) for name in _STAGES}
    if transform_fn and any(found.values()):
        raise ValueError(
            "Cannot use transform_fn implementation in conjunction with "
            "input_fn, predict_fn, and/or output_fn implementation"
        )
    has_model_fn = hasattr(module, "model_fn")
    return Functions(
        module,
        Call(module.model_fn if has_model_fn else own["model_fn"], 1, is_own=has_model_fn),
        *(_stage(found[name], own[name]) for name in _STAGES),
        transform_fn=Call(transform_fn, 4) if transform_fn else None,
        pre_model_fn=_optional(module, "pre_model_fn", 1),
        model_warmup_fn=_optional(module, "model_warmup_fn", 2),
    )


def _stage(function: Any, default: Function) -> Call:  # noqa: ANN401 - whatever the module has under the name
    # The toolkit asks whether it is true, and not whether it is there.
    return Call(function, 2) if function else Call(default, 2, is_own=False)


def _optional(module: ModuleType, name: str, arity: int) -> Call | None:
    function = getattr(module, name, None)
    return None if function is None else Call(function, arity)
