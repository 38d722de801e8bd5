"""A real process, killed by SIGKILL before or after its n-th request to a local cloud, and resumed.

All points of all verbs take minutes; by default a sample that moves on with every day, and with
``ORCHESTRATOR_FUZZ`` all of them. The fakes take every point each time: tests/property/test_kill_points.py.
"""

import contextlib
import datetime as dt
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import pytest

from orchestrator.core import journal
from orchestrator.core.names import journal_prefix
from tests.support.clouds import BUCKET, STANDIN, TestCloud, local_cloud
from tests.support.edges import revision
from tests.support.faults import kill_points

WHOLE = bool(os.environ.get("ORCHESTRATOR_FUZZ"))
SAMPLE = 2
VERBS = {
    "create": ((), "deploy a"),
    "update": (("deploy a",), "deploy b"),
    "canary": (("deploy two of a",), "canary two of b"),
    "rollback": (("deploy a", "deploy b"), "rollback to a"),
    "sweep": (("deploy a", "deploy b", "deploy c"), "sweep"),
    "destroy": (("deploy a", "deploy b"), "destroy"),
}


class Victim:
    """The program that is killed, and started again."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    def order(self, endpoint: str, verb: str, *, kill_at: int = 0, after: bool = False) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        words = {"endpoint": endpoint, "do": verb, "kill_at": kill_at, "after": after}
        self._process.stdin.write(json.dumps(words) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def done(self, endpoint: str, *verbs: str) -> int:
        """Carry out ``verbs``, and return how many requests the last one made."""
        answer: dict[str, Any] = {"requests": 0}
        for verb in verbs:
            answer = self.order(endpoint, verb)
            assert answer["code"] == 0, answer
        return int(answer["requests"])


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCloud]:
    with local_cloud(tmp_path_factory.mktemp("kills"), STANDIN) as running:
        yield running


@pytest.fixture(scope="module")
def victim(cloud: TestCloud) -> Iterator[Victim]:
    command = [sys.executable, "-m", "tests.support.victim", cloud.url]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        yield Victim(process)
        assert process.stdin is not None
        process.stdin.close()


def dump(cloud: TestCloud, name: str) -> dict[str, object]:
    """Return all there is of an endpoint, but for times and its own name."""
    sagemaker, s3 = cloud.client("sagemaker"), cloud.client("s3")
    serving: list[object] = []
    with contextlib.suppress(sagemaker.exceptions.ClientError):
        found = sagemaker.describe_endpoint(EndpointName=name)
        counts = [(v["VariantName"], v["CurrentInstanceCount"]) for v in found["ProductionVariants"]]
        config = sagemaker.describe_endpoint_config(EndpointConfigName=found["EndpointConfigName"])
        model = sagemaker.describe_model(ModelName=config["ProductionVariants"][0]["ModelName"])
        archive = model["PrimaryContainer"]["ModelDataUrl"].partition(f"/{name}/")[2]
        serving = [found["EndpointStatus"], archive, counts]
    configs = sagemaker.list_endpoint_configs(NameContains=f"{name}-")["EndpointConfigs"]
    models = sagemaker.list_models(NameContains=f"{name}-")["Models"]
    alarms = cloud.client("cloudwatch").describe_alarms(AlarmNamePrefix=f"{name}-")["MetricAlarms"]
    keys = s3.list_objects_v2(Bucket=BUCKET, Prefix=journal_prefix(name)).get("Contents", [])
    entries = [s3.get_object(Bucket=BUCKET, Key=key["Key"])["Body"].read() for key in keys]
    attempts = journal.deployments(journal.decode(name, entries))
    return {
        "endpoint": serving,
        "configs": sorted(marks_of(name, (one["EndpointConfigName"] for one in configs))),
        "models": sorted(marks_of(name, (one["ModelName"] for one in models))),
        "alarms": sorted(marks_of(name, (one["AlarmName"] for one in alarms))),
        "attempts": [(one.verb, one.outcome) for one in attempts],
    }


def marks_of(endpoint: str, found: Iterable[str]) -> Iterator[str]:
    """Yield what was made for which model of ``endpoint``: names of two endpoints cannot be compared."""
    made = {
        name: f"{mark}{count}"
        for mark in "abc"
        for count in (1, 2)
        for one in [revision(mark, endpoint, count=count)]
        for name in (one.name, one.model.name)
    }
    for name in found:
        known = next((known for known in made if name.startswith(known)), None)
        yield name if known is None else name.replace(known, made[known])


def sampled(verb: str, requests: int) -> list[tuple[int, bool]]:
    points = list(kill_points(requests))
    today = dt.datetime.now(dt.UTC).date().toordinal()
    chance = random.Random(f"{verb} {today}")  # noqa: S311 - the same points all day long
    return points if WHOLE else sorted(chance.sample(points, SAMPLE))


@pytest.mark.slow
@pytest.mark.parametrize("name", VERBS)
def test_a_killed_process_is_resumed_by_another(name: str, cloud: TestCloud, victim: Victim) -> None:
    before, verb = VERBS[name]
    victim.done(f"{name}-calm", *before)
    requests = victim.done(f"{name}-calm", verb)
    expected = dump(cloud, f"{name}-calm")
    victim.done(f"{name}-calm", "destroy")
    for number, after in sampled(name, requests):
        endpoint = f"{name}-{number}-{'after' if after else 'before'}"
        victim.done(endpoint, *before)
        assert victim.order(endpoint, verb, kill_at=number, after=after)["killed"], (endpoint, requests)
        victim.done(endpoint, "resume", verb)
        assert dump(cloud, endpoint) == expected, endpoint
        victim.done(endpoint, "destroy")
