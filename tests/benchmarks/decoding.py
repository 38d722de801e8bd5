"""What decoding a picture costs in `input_fn`, as a multiple of merely parsing it: run by `make bench`.

The limits: JSON at most 1.5 times `orjson.loads` and `numpy.asarray` where orjson is installed, and 1.2 times
`json.loads` and `torch.tensor` where it is not, which a child process pretends. npy is not copied at all.
"""

import io
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import torch

ROUNDS, REQUESTS = 41, 10
SHAPE = (3, 32, 32)
HIDDEN = "without-orjson"

Calls = dict[str, Callable[[], object]]


def picture() -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    """Return an image of random float32 numbers, with all their digits."""
    return np.random.default_rng(0).random(SHAPE, dtype=np.float32)


def decoder() -> Callable[[str | bytearray, str], object]:
    """Return the `input_fn` of an image classifier."""
    # Imported late: the child process hides orjson first.
    from entrypoints.entrypoint import EntryPoint  # noqa: PLC0415 - see above
    from entrypoints.image_classification import ImageClassification  # noqa: PLC0415 - see above
    from entrypoints.loaders import FromClass  # noqa: PLC0415 - see above
    from entrypoints.schema import Input, Schema  # noqa: PLC0415 - see above

    schema = Schema({"image": Input("float32", SHAPE)})
    return EntryPoint(FromClass(torch.nn.Identity), ImageClassification(), schema).decode


def json_calls() -> Calls:
    """Return the parsing that there has to be, and ours."""
    # json.dumps writes the double nearest to each float32 with all its digits: the longest body there is.
    text = json.dumps({"image": picture().astype(float).tolist()})
    decode = decoder()
    ours = {"input_fn": lambda: decode(text, "application/json")}
    if HIDDEN in sys.argv:
        return {"json.loads + torch.tensor": lambda: torch.tensor(json.loads(text)["image"]), **ours}
    import orjson  # noqa: PLC0415 - hidden in the child process

    return {"orjson.loads + numpy.asarray": lambda: np.asarray(orjson.loads(text)["image"]), **ours}


def npy_calls() -> Calls:
    """Return the decoding of a small body and of one a hundred times as large: without a copy, the same."""
    decode = decoder()
    bodies = {}
    for name, batch in (("npy, 1 image", 1), ("npy, 100 images", 100)):
        file = io.BytesIO()
        np.save(file, np.repeat(picture()[np.newaxis], batch, axis=0))
        bodies[name] = bytearray(file.getvalue())
    return {
        name: (lambda body=body: decode(body, "application/x-npy"))  # type: ignore[misc]  # a default binds it
        for name, body in bodies.items()
    }


def report(title: str, calls: Calls) -> None:
    """Measure in turn, so that a machine that changes its speed changes all of them."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(ROUNDS + 1):
        for name, call in calls.items():
            started = time.perf_counter()
            for _ in range(REQUESTS):
                call()
            if number:  # the first round only warms up
                taken[name].append((time.perf_counter() - started) / REQUESTS * 1e6)
    print(f"{title}: median of {ROUNDS} rounds of {REQUESTS}")  # noqa: T201 - a report
    baseline = next(iter(taken.values()))
    for name, found in taken.items():
        ratio = statistics.median(own / base for own, base in zip(found, baseline, strict=True))
        print(f"  {name:<30} {statistics.median(found):8.0f} us  x {ratio:.2f}")  # noqa: T201 - likewise


def main() -> None:
    """Measure here with orjson, and in a child process without."""
    if HIDDEN in sys.argv:
        sys.modules["orjson"] = None  # type: ignore[assignment]  # which makes it impossible to import
        report("JSON without orjson", json_calls())
        return
    report("JSON with orjson", json_calls())
    report("npy", npy_calls())
    subprocess.run([sys.executable, "-m", "tests.benchmarks.decoding", HIDDEN], check=True)


if __name__ == "__main__":
    main()
