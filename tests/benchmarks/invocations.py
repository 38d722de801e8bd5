"""What a request costs on its way to the model, in calls of the entry point: run by `make bench`."""

import importlib
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

from orchestrator.adapters.archives.tarball import extract
from orchestrator.adapters.aws import Address, clients
from orchestrator.localcloud.defaults import ACCESS_KEY, REGION, SECRET_KEY
from tests.support.commands import Shell, write_files

ROUNDS, REQUESTS = 15, 40
BODY = json.dumps({"image": [[[9, 0], [0, 0]]]}).encode()
JSON = "application/json"


def in_process(model_dir: Path) -> Callable[[], object]:
    """Return a call of the generated entry point's functions, in this process."""
    sys.path.insert(0, str(model_dir / "code"))
    predict = importlib.import_module("predict")
    model = predict.model_fn(str(model_dir))

    def call() -> object:
        return predict.output_fn(predict.predict_fn(predict.input_fn(BODY.decode(), JSON), model), JSON)

    return call


def over_http(port: int) -> Callable[[], object]:
    """Return a request to the local endpoint over a connection that is kept."""
    connection = HTTPConnection("127.0.0.1", port)

    def call() -> object:
        connection.request("POST", "/invocations", BODY, {"Content-Type": JSON})
        return connection.getresponse().read()

    return call


def through_boto3(url: str) -> Callable[[], object]:
    """Return an InvokeEndpoint through boto3 and the local cloud."""
    runtime: Any = clients(Address(REGION, endpoint_url=url, credentials=(ACCESS_KEY, SECRET_KEY)))(
        "sagemaker-runtime"
    )

    def call() -> object:
        return runtime.invoke_endpoint(EndpointName="pets", Body=BODY, ContentType=JSON)["Body"].read()

    return call


def milliseconds(call: Callable[[], object]) -> float:
    """Return how long one call takes, of `REQUESTS` in a row."""
    started = time.perf_counter()
    for _ in range(REQUESTS):
        call()
    return (time.perf_counter() - started) / REQUESTS * 1000


def report(calls: dict[str, Callable[[], object]]) -> None:
    """Measure in turn, so that a machine that changes its speed changes all of them."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(ROUNDS + 1):
        for name, call in calls.items():
            took = milliseconds(call)
            if number:  # the first round only warms up
                taken[name].append(took)
    baseline = statistics.median(next(iter(taken.values())))
    print(f"median of {ROUNDS} rounds of {REQUESTS} requests, one at a time")  # noqa: T201 - a report
    for name, found in taken.items():
        median = statistics.median(found)
        spread = f"{min(found):.2f} to {max(found):.2f} ms"
        print(f"{name:<34} {median:.2f} ms ({spread})  x {median / baseline:.1f}")  # noqa: T201 - likewise


def main() -> None:
    """Serve a model with four weights a class, so that what is measured is the way and not the model."""
    with tempfile.TemporaryDirectory() as folder:
        shell = Shell(Path(folder) / "project")
        shell.folder.mkdir()
        write_files(shell.folder)
        for command in (["package"], ["deploy"]):
            done = shell.run(*command)
            if done.code:
                raise SystemExit(done.err)
        extract(str(shell.folder / "model.tar.gz"), str(shell.folder / "model"))
        url = json.loads(shell.run("local-cloud", "status", "-o", "json").out)["url"]
        serving = [sys.executable, "-m", "orchestrator.serving", str(shell.folder / "model"), "--port", "0"]
        with subprocess.Popen(
            [*serving, "--workers", "1"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        ) as server:
            line = server.stdout.readline() if server.stdout else ""
            try:
                report(
                    {
                        "the entry point, in process": in_process(shell.folder / "model"),
                        "local endpoint, over HTTP": over_http(json.loads(line)["port"]),
                        "local cloud, through boto3": through_boto3(url),
                    }
                )
            finally:
                server.terminate()
                shell.run("local-cloud", "stop")


if __name__ == "__main__":
    main()
