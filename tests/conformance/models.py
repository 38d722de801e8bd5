"""The models' API of the real container: what it answers to sessions of requests that depend on each other.

``python -m tests.conformance.models [--write]`` asks the whole stack again, prints every difference from
``models.json``, and fails if there is one. `test_models.py` asks this server the same. In
the recording ``MODELS/`` stands for the folder that holds the models.
"""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.conformance import environment, stack
from tests.conformance.cases import Case, LoadFails, Request, source
from tests.conformance.wire import ask

RECORDING = Path(__file__).with_suffix(".json")
_PLACE = "/opt/ml/model/MODELS/"
# The machine's own, and a time-out that this server keeps shorter.
_VOLATILE = re.compile(r'"(id|startTime|memoryUsage|pid|responseTimeout)": [^,\n]*')
_PATIENCE_SECONDS = 60.0

_ECHO = source("""
    import json
    def model_fn(model_dir, context=None):
        return model_dir
    def input_fn(body, content_type):
        text = body if isinstance(body, str) else bytes(body or b"").decode()
        return [type(body).__name__, text, content_type]
    def predict_fn(value, model, context=None):
        headers = sorted(context.get_all_request_header(0))
        return {"value": value, "name": context.model_name, "headers": headers}
    def output_fn(prediction, accept):
        return json.dumps(prediction), accept
""")
_SOURCES = {
    **dict.fromkeys(("m1", "m2", "noname"), _ECHO),
    "bad": b'def model_fn(d): raise ValueError("broken model")\n',
    "oom": b'def model_fn(d): raise MemoryError("no room")\n',
    "killed": b"import os\ndef model_fn(d): os.kill(os.getpid(), 9)\n",
}


def sessions() -> list[dict[str, Any]]:
    """Return the recorded sessions: each a kind of server, and exchanges in order."""
    recorded: list[dict[str, Any]] = json.loads(RECORDING.read_text())
    return recorded


def stable(answer: str) -> str:
    """Return an answer without what differs from run to run."""
    return _VOLATILE.sub("", answer)


def files() -> dict[str, bytes]:
    """Return the model folder of the only model, which holds those of several."""
    members = {
        "code/inference.py": _ECHO,
        "w.bin": b"x",
        "MODELS/a.tar.gz": b"x",
        "MODELS/empty/model/w.bin": b"x",
    }
    for name, text in _SOURCES.items():
        members[f"MODELS/{name}/model/code/inference.py"] = text
        members[f"MODELS/{name}/model/w.bin"] = b"x"
    members["MODELS/nested/model/only/code/inference.py"] = _ECHO
    return members


def variables(session: dict[str, Any]) -> dict[str, str]:
    """Return the environment of a session's container."""
    kind = {"SAGEMAKER_MULTI_MODEL": "true"} if session["several"] else {}
    return {**kind, "TS_ENABLE_MODEL_API": "true"} if session["model_api"] else kind


def asked_again(session: dict[str, Any], port: int, place: str) -> dict[str, Any]:
    """Send a session's requests to a server whose models are in ``place``, and return it with its answers."""
    return {**session, "exchanges": [_exchanged(port, told, place) for told in session["exchanges"]]}


def _exchanged(port: int, told: dict[str, Any], place: str) -> dict[str, Any]:
    path, body = (told[part].replace("MODELS/", place) for part in ("target", "body"))
    headers = tuple((name, value) for name, value in told["headers"].items())
    framing = "length" if body or told["method"] in {"POST", "PUT"} else "none"
    request = Request("now", body.encode(), headers, told["method"], path, framing=framing)
    answer = ask(port, request, _PATIENCE_SECONDS)
    text = answer.body.decode().replace(place, "MODELS/")
    return {**told, "status": answer.status, "reason": answer.reason, "answer": text}


def _from_stack(session: dict[str, Any], venv: Path) -> dict[str, Any]:
    # The stack is not to wait for a model called 'model', which a server for several does not have.
    fails = LoadFails("there is none") if session["several"] else None
    case = Case(session["name"], "the models' API", files(), (), variables(session), load_fails=fails)
    with stack.running(venv, case) as port:
        return asked_again(session, port, _PLACE)


def differences(before: dict[str, Any], now: dict[str, Any]) -> Iterator[str]:
    """Yield a text for each answer to a session that is another one now."""
    for old, new in zip(before["exchanges"], now["exchanges"], strict=True):
        for part in ("status", "reason", "answer"):
            if stable(str(old[part])) != stable(str(new[part])):
                what = f"{before['name']}: {old['method']} {old['target']}: {part}"
                yield f"{what}\n    recorded {old[part]!r}\n    found    {new[part]!r}"


def _written(recorded: list[dict[str, Any]]) -> str:
    """Return sessions as JSON with one exchange in a line."""
    parts = []
    for session in recorded:
        facts = json.dumps({**session, "exchanges": 0}).removesuffix("0}")
        lines = ",\n".join(f"  {json.dumps(told)}" for told in session["exchanges"])
        parts.append(f" {facts}[\n{lines}\n ]}}")
    return "[\n" + ",\n".join(parts) + "\n]\n"


def main(*, write: bool) -> int:
    """Ask again, and return the exit code."""
    venv = environment.ensure(environment.default())
    lacking = stack.missing(venv)
    if lacking is not None:
        sys.stderr.write(f"the models' API is not asked again: there is no {lacking}\n")
        return 0
    before = sessions()
    now = [_from_stack(session, venv) for session in before]
    found = [text for old, new in zip(before, now, strict=True) for text in differences(old, new)]
    sys.stdout.writelines(f"{text}\n" for text in found)
    if write:
        RECORDING.write_text(_written(now))
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(write="--write" in sys.argv[1:]))
