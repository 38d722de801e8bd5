"""What the real container does that nobody wants: each trap by name, with what to do about it.

By default the container's own answer is given and the trap is reported once. With ``--strict`` it is an
error. Every line was measured on sagemaker-pytorch-inference 2.0.25 with TorchServe 0.12, or read in their
sources.
"""

from dataclasses import dataclass

from orchestrator.core.errors import ArtifactError, SpecError


@dataclass(frozen=True, slots=True)
class Trap:
    """One trap.

    Attributes:
        slug: What it is called in logs, in metrics and by `Response.traps`.
        happens: What the container does.
        instead: What to do about it.
    """

    slug: str
    happens: str
    instead: str


TRAPS: dict[str, Trap] = {
    trap.slug: trap
    for trap in (
        Trap(
            "entry-point-missing",
            "no module of that name can be imported, and the container silently uses its default functions",
            "put the entry point into code/, and set SAGEMAKER_PROGRAM to its name",
        ),
        Trap(
            "default-functions",
            "the entry point lacks handler functions, and the container silently uses its own",
            "define model_fn, input_fn, predict_fn and output_fn",
        ),
        Trap(
            "unsafe-npy",
            "the container's own input_fn reads npy bodies with pickles allowed: a caller can run code",
            "define input_fn",
        ),
        Trap(
            "one-root-folder",
            "the archive's root holds one folder and nothing else, which the container takes for the model",
            "put the weights at the root, beside code/",
        ),
        Trap(
            "shadowed-module",
            "the container imports its own module of that name, not the one in code/",
            "call the module something else",
        ),
        Trap(
            "standard-library-shadowed",
            "a module in code/ takes the place of the standard library's, and the container does not start",
            "call the module something else",
        ),
        Trap(
            "star-parameters",
            "the container counts parameters: *args and **kwargs count as one each, and requests fail",
            "name exactly the documented parameters, and one more for the context",
        ),
        Trap(
            "model-folder-written",
            "the model folder is read-only in the container",
            "write to a temporary folder",
        ),
        Trap(
            "output-not-supported",
            "the container answers 503 to a value of that type",
            "return str, bytes, or what json.dumps takes",
        ),
        Trap(
            "tensor-output",
            "the container sends the bytes of torch.save, whatever the content type says",
            "return a list, or encode the tensor",
        ),
        Trap(
            "long-tuple",
            "the container takes the first two elements of a returned tuple and ignores the rest",
            "return (body, content_type)",
        ),
        Trap(
            "error-not-ascii",
            "an error text with a character outside ASCII hangs the container's worker until its time-out",
            "raise errors with ASCII texts",
        ),
        Trap(
            "error-too-long",
            "the error's text becomes the reason phrase, and clients refuse a status line of that length",
            "raise errors of one short line",
        ),
        Trap(
            "content-type-not-ascii",
            "a content type with a character outside ASCII hangs the container's worker",
            "return an ASCII content type",
        ),
        Trap(
            "accept-list",
            "the container takes Accept as one text: it becomes the Content-Type of the answer as a whole",
            "return (body, content_type) from output_fn",
        ),
        Trap(
            "accept-quality",
            "a q-value makes a type unsupported for the container's own output_fn",
            "define output_fn, or send Accept without q-values",
        ),
        Trap(
            "header-spelling",
            "the container reads Content-Type, content-type, Accept and accept, and no other spelling",
            "send the header in one of these",
        ),
        Trap(
            "content-type-parameters",
            "only exactly application/json and text/csv reach handler functions as text, all else as bytes",
            "compare media types without parameters and case, and take str as well as bytes",
        ),
        Trap(
            "form-body",
            "the container parses forms itself: handler functions get the field 'body', or nothing",
            "send another content type",
        ),
        Trap(
            "response-too-large",
            "the container kills the worker whose answer is over TS_MAX_RESPONSE_SIZE",
            "set TS_MAX_RESPONSE_SIZE, or answer less",
        ),
        Trap(
            "not-json",
            "the container writes NaN and Infinity into JSON, which no standard parser reads",
            "return null, or an error",
        ),
        Trap(
            "pickled-answer",
            "the container encodes that value as a pickle inside an npy file",
            "return an array of numbers",
        ),
        Trap(
            "server-timeout-ignored",
            "SAGEMAKER_MODEL_SERVER_TIMEOUT has no effect in toolkit 2.0.25",
            "set TS_DEFAULT_RESPONSE_TIMEOUT",
        ),
        Trap(
            "submit-directory-ignored",
            "the container ignores SAGEMAKER_SUBMIT_DIRECTORY: the entry point is in code/",
            "put the entry point into code/",
        ),
        Trap(
            "batch-variables",
            "any SAGEMAKER_TS_* variable sets all five: one worker, and a time-out of 60 s",
            "set none of them, or all five",
        ),
        Trap(
            "server-batching",
            "batches take the Content-Type and Accept of their first request, and fail as a whole",
            "leave SAGEMAKER_TS_BATCH_SIZE at 1; --batch-size stacks requests correctly",
        ),
        Trap(
            "model-api-off",
            "in toolkit 2.0.25 a multi-model endpoint cannot load models: POST /models answers 405",
            "set TS_ENABLE_MODEL_API=true",
        ),
        Trap(
            "requirements-ignored",
            "requirements.txt is read at code/requirements.txt only, and not at all for several models",
            "put it there, or into the image",
        ),
        Trap(
            "variable-not-followed",
            "the container heeds that variable; here an option of the command takes its place",
            "see --help",
        ),
    )
}


class TrapError(ArtifactError):
    """A trap that ``--strict`` has found.

    Attributes:
        trap: Which one.
        found: Where.
    """

    def __init__(self, slug: str, found: str) -> None:
        self.trap = TRAPS[slug]
        self.found = found
        super().__init__(f"{found}: {self.trap.happens}", details=[("trap", slug)], hint=self.trap.instead)


def refused(slug: str, found: str) -> SpecError:
    """Return the error of a trap that lies in the environment and not in the archive."""
    trap = TRAPS[slug]
    return SpecError(f"{found}: {trap.happens}", details=[("trap", slug)], hint=trap.instead)
