"""How many parameters a handler function may have, and what else may stand for one (reference §4.4)."""

from collections.abc import Iterator

from tests.conformance.cases import JSON, ROW, Case, LoadFails, typed

_MODEL = """def model_fn(model_dir):
    return 'M'


"""


def _sections(text: str, start: str = "", load_fails: dict[str, str] | None = None) -> Iterator[Case]:
    """Yield a case for each section of ``text``, which starts with ``### NAME: RULE``."""
    for section in text.split("### ")[1:]:
        head, _, code = section.partition("\n")
        name, _, about = head.partition(": ")
        says = (load_fails or {}).get(name)
        yield Case(
            f"signature-{name}",
            f"§4.4: {about}",
            {"weights.bin": b"", "code/inference.py": (start + code.strip("\n") + "\n").encode()},
            (typed("json", ROW, JSON),),
            load_fails=LoadFails(says) if says else None,
            patience_seconds=10 if says else 30,
        )


_TRANSFORMS = """
### transform: transform_fn in place of the three
def transform_fn(model, data, content_type, accept):
    return str([model, data, content_type, accept])

### transform-context: transform_fn with the context
def transform_fn(model, data, content_type, accept, context):
    return [model, type(context).__name__]

### transform-too-many: two parameters more than there are arguments
def transform_fn(model, data, content_type, accept, context, more=None):
    return 'x'

### transform-too-few: a parameter less
def transform_fn(model, data, content_type):
    return 'x'

### transform-none: no parameter
def transform_fn():
    return 'x'

### transform-star: *args counts as one
def transform_fn(*args):
    return 'x'

### transform-stars: three names, *args counts as the fourth
def transform_fn(model, data, content_type, *rest):
    return str(rest)

### transform-star-fifth: *args as the fifth takes the context
def transform_fn(model, data, content_type, accept, *rest):
    return type(rest[0]).__name__

### transform-keywords-fifth: **kw as the fifth cannot take the context
def transform_fn(model, data, content_type, accept, **rest):
    return 'x'

### transform-keyword-only: a keyword-only context cannot be given by position
def transform_fn(model, data, content_type, accept, *, context=None):
    return 'x'

### transform-positional-only: positional-only parameters
def transform_fn(model, data, content_type, accept, /):
    return 'positional'

### transform-partial: functools.partial leaves fewer parameters
import functools


def whole(extra, model, data, content_type, accept):
    return extra


transform_fn = functools.partial(whole, 'given')

### transform-partial-keyword: a parameter given by keyword still counts
import functools


def whole(model, data, content_type, accept, extra):
    return extra


transform_fn = functools.partial(whole, extra='given')

### transform-partial-wrong: the error names the function, which a partial has no name for
import functools

transform_fn = functools.partial(print)

### transform-callable: an object that can be called
class Answer:
    def __call__(self, model, data, content_type, accept):
        return 'called'


transform_fn = Answer()

### transform-class: a class is called as a function is
class transform_fn(dict):
    def __init__(self, model, data, content_type, accept):
        super().__init__(model=model)

### transform-lambda: a lambda
transform_fn = lambda model, data, content_type, accept: 'lambda'

### transform-method: a bound method has one parameter less
class Answer:
    def go(self, model, data, content_type, accept):
        return 'method'


transform_fn = Answer().go

### transform-wrapped: functools.wraps shows the signature of what it wraps
import functools


def inner(model, data, content_type, accept):
    return 'inner'


@functools.wraps(inner)
def transform_fn(*args):
    return inner(*args) + str(len(args))

### transform-async: a coroutine is never awaited, and cannot be written
async def transform_fn(model, data, content_type, accept):
    return 'x'

### transform-generator: neither is a generator
def transform_fn(model, data, content_type, accept):
    yield 'x'

### transform-builtin: a builtin without a signature
transform_fn = print

### transform-not-callable: a truthy value that cannot be called
transform_fn = 'text'
"""

_OTHERS = """
### star-model: model_fn(*args) has one parameter, and one is given
def model_fn(*args):
    return args[0][:12]


def transform_fn(model, data, content_type, accept):
    return str(type(model).__name__)

### model-too-many: model_fn with three parameters does not load
def model_fn(model_dir, context, more):
    return 1

### model-none: model_fn without parameters does not load
def model_fn():
    return 1

### conflict: transform_fn and one of the three: ValueError while loading
def model_fn(model_dir):
    return 1


def transform_fn(model, data, content_type, accept):
    return 'x'


def output_fn(prediction, accept):
    return 'y'

### no-conflict: functions set to None are as good as missing
input_fn = predict_fn = output_fn = None


def model_fn(model_dir):
    return 'M'


def transform_fn(model, data, content_type, accept):
    return model

### model-set-to-none: model_fn set to None is not missing: it is called
model_fn = None


def transform_fn(model, data, content_type, accept):
    return 'x'

### stages: each of the three may take the context, by whatever name
def model_fn(d):
    return "M"


def input_fn(a, b, c):
    return [a, b, type(c).__name__]


def predict_fn(a, b, c=5):
    return [a, b, type(c).__name__]


def output_fn(a, b, *c):
    return [a, b, len(c)]

### stage-input_fn: input_fn with the wrong number of parameters
def model_fn(model_dir):
    return "M"


def input_fn(data, content_type):
    return data


def predict_fn(data, model):
    return data


def output_fn(prediction, accept):
    return prediction


def input_fn(data):
    return "x"

### stage-predict_fn: predict_fn with the wrong number of parameters
def model_fn(model_dir):
    return "M"


def input_fn(data, content_type):
    return data


def predict_fn(data, model):
    return data


def output_fn(prediction, accept):
    return prediction


def predict_fn(*, data, model, context, more):
    return "x"

### stage-output_fn: output_fn with the wrong number of parameters
def model_fn(model_dir):
    return "M"


def input_fn(data, content_type):
    return data


def predict_fn(data, model):
    return data


def output_fn(prediction, accept):
    return prediction


def output_fn(**kw):
    return "x"
"""

_DO_NOT_LOAD = {
    "model-too-many": "model_fn takes 3 arguments but 1 were given.",
    "model-none": "model_fn takes 0 arguments but 1 were given.",
    "conflict": "Cannot use transform_fn implementation in conjunction with",
    "model-set-to-none": "None is not a callable object",
}

CASES = (*_sections(_TRANSFORMS, _MODEL), *_sections(_OTHERS, load_fails=_DO_NOT_LOAD))
