"""The tasks that a spec can name, and what each of them can be told.

What the options mean stands with the tasks themselves, in ``entrypoints/``; `docs/reference/spec.md` tells
users.
"""

from collections.abc import Iterable

from orchestrator.core.errors import SpecError

CUSTOM = "custom"

_LABELLED = ("labels", "top_k", "probabilities")
_TEXT = ("tokenizer", "max_tokens", "lowercase")

OPTIONS: dict[str, tuple[str, ...]] = {
    CUSTOM: (),
    "image-classification": _LABELLED,
    "text-classification": (*_LABELLED, *_TEXT),
    "tabular": (*_LABELLED, "features"),
    "audio": (*_LABELLED, "sample_rate", "frame_length", "hop_length", "center", "normalize"),
    "embeddings": (*_TEXT, "pooling", "normalize"),
}
"""Which keys of ``[entrypoint]`` each task knows, besides those that all know."""


def check_options(task: str, given: Iterable[str]) -> None:
    """Check that ``task`` knows the options ``given``: one that has no effect would be a silent lie.

    Raises:
        SpecError: Naming the first option it does not know, and the tasks that do.
    """
    for option in given:
        if option not in OPTIONS[task]:
            knowing = [name for name, options in OPTIONS.items() if option in options]
            raise SpecError(
                f"entrypoint.{option} has no effect with task '{task}'",
                details=[("known", f"to {', '.join(knowing)}")],
                hint="take the key out, or set entrypoint.task to one of these",
            )
