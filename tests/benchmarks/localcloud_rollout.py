"""What a rehearsed rollout does to traffic: run by `make bench`.

A client asks 50 times a second, on time whether or not it is answered, while the endpoint goes through a
canary, and through one that an alarm ends. Three figures: requests that failed, how far the canary's share of
the answers is from the percentage asked for, and the time from the alarm to an endpoint that is back.
"""

import statistics
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from tests.support.clouds import STANDIN, TestCloud, archive, await_settled, local_cloud, publish

PER_SECOND, PERCENT, INSTANCES, SPEED = 50, 20, 5, 60
BAKE_SECONDS = 600
MOST_POINTS, MOST_SECONDS = 3.0, 5.0
ROUNDS = 3
ENDPOINT = "shop"


def say(words: str) -> None:
    """Print a line of the report."""
    print(words, flush=True)  # noqa: T201 - a report is what this program is for


def verdict(*, met: bool) -> str:
    """Return how a line begins."""
    return "  met    " if met else "  MISSED "


@dataclass
class Load:
    """Requests at a fixed rate: when each was sent, and who answered; ``None`` for one that failed."""

    answers: list[tuple[float, str | None]] = field(default_factory=list)

    @property
    def failed(self) -> int:
        return sum(answer is None for _, answer in self.answers)

    def share(self, answer: str, since: float, until: float) -> tuple[float, int]:
        """Return the percentage of ``answer`` among those sent between two moments, and their number."""
        found = [who for at, who in self.answers if since <= at < until]
        return 100 * found.count(answer) / max(len(found), 1), len(found)


@contextmanager
def load(cloud: TestCloud) -> Iterator[Load]:
    """Ask at a fixed rate while this is open."""
    runtime, found, ended = cloud.client("sagemaker-runtime"), Load(), threading.Event()

    def ask(at: float) -> tuple[float, str | None]:
        try:
            answer = runtime.invoke_endpoint(EndpointName=ENDPOINT, Body=b"{}", CustomAttributes="who")
        except (ClientError, BotoCoreError):
            return at, None
        return at, str(answer["CustomAttributes"])

    def keep_asking() -> None:
        begun, number = time.monotonic(), 0
        while not ended.wait(max(begun + number / PER_SECOND - time.monotonic(), 0)):
            waiting.append(pool.submit(ask, time.monotonic()))
            number += 1

    waiting: list[Future[tuple[float, str | None]]] = []
    with ThreadPoolExecutor(32) as pool:
        asking = threading.Thread(target=keep_asking)
        asking.start()
        try:
            yield found
        finally:
            ended.set()
            asking.join()
            found.answers += [future.result() for future in waiting]


def policy(alarm: str = "") -> Mapping[str, Any]:
    """Return a canary, with the alarm that ends it."""
    found: dict[str, Any] = {
        "BlueGreenUpdatePolicy": {
            "TrafficRoutingConfiguration": {
                "Type": "CANARY",
                "WaitIntervalInSeconds": BAKE_SECONDS,
                "CanarySize": {"Type": "CAPACITY_PERCENT", "Value": PERCENT},
            },
            "TerminationWaitInSeconds": 0,
            "MaximumExecutionTimeoutInSeconds": 3600,
        }
    }
    if alarm:
        found["AutoRollbackConfiguration"] = {"Alarms": [{"AlarmName": alarm}]}
    return found


def until(cloud: TestCloud, is_so: Callable[[Mapping[str, Any]], bool]) -> float:
    """Return the moment at which the endpoint is seen to be so."""
    sagemaker = cloud.client("sagemaker")
    while not is_so(sagemaker.describe_endpoint(EndpointName=ENDPOINT)):
        time.sleep(0.05)
    return time.monotonic()


def stage(endpoint: Mapping[str, Any]) -> str:
    """Return what is being done to the pending variant."""
    pending = endpoint.get("PendingDeploymentSummary", {}).get("ProductionVariants", [{}])
    told = pending[0].get("VariantStatus", [{}])
    return str(told[0].get("Status", ""))


def settled(endpoint: Mapping[str, Any]) -> bool:
    """Tell whether nothing moves."""
    return bool(endpoint["EndpointStatus"] == "InService")


def canary(cloud: TestCloud, new: str) -> tuple[int, float, int]:
    """Update to ``new``; return failed requests, the canary's share while it baked, and of how many."""
    sagemaker = cloud.client("sagemaker")
    with load(cloud) as found:
        sagemaker.update_endpoint(EndpointName=ENDPOINT, EndpointConfigName=new, DeploymentConfig=policy())
        baking = until(cloud, lambda endpoint: stage(endpoint) == "Baking")
        moved = until(cloud, lambda endpoint: stage(endpoint) != "Baking")
        until(cloud, settled)
        time.sleep(1)
    # What was sent in the tenth of a second before the end may have been answered after it.
    share, number = found.share(new, baking + 0.1, moved - 0.1)
    return found.failed, share, number


def rollback(cloud: TestCloud, old: str, new: str) -> tuple[int, float]:
    """Begin to update, set off the alarm; return failed requests, and seconds until the endpoint is back."""
    sagemaker, cloudwatch = cloud.client("sagemaker"), cloud.client("cloudwatch")
    cloudwatch.put_metric_alarm(
        AlarmName="shop", Namespace="Shop", MetricName="Complaints", Statistic="Sum", Period=60,
        EvaluationPeriods=1, Threshold=1, ComparisonOperator="GreaterThanThreshold",
        TreatMissingData="notBreaching",
    )  # fmt: skip
    with load(cloud) as found:
        sagemaker.update_endpoint(
            EndpointName=ENDPOINT, EndpointConfigName=new, DeploymentConfig=policy("shop")
        )
        until(cloud, lambda endpoint: stage(endpoint) == "Baking")
        cloudwatch.set_alarm_state(AlarmName="shop", StateValue="ALARM", StateReason="complaints")
        begun = time.monotonic()
        back = until(cloud, settled)
        time.sleep(1)
    assert sagemaker.describe_endpoint(EndpointName=ENDPOINT)["EndpointConfigName"] == old
    last = found.answers[-PER_SECOND // 2 :]
    assert {who for _, who in last} == {old}, "the new fleet answers after the rollback"
    cloudwatch.set_alarm_state(AlarmName="shop", StateValue="OK", StateReason="calm")
    return found.failed, back - begun


def main() -> None:
    """Print the report."""
    with (
        tempfile.TemporaryDirectory() as folder,
        local_cloud(Path(folder), STANDIN, options=("--speed", str(SPEED))) as cloud,
    ):
        for name in ("red", "blue"):
            publish(cloud, name, archive({"answer": name.encode()}), InitialInstanceCount=INSTANCES)
        cloud.client("sagemaker").create_endpoint(EndpointName=ENDPOINT, EndpointConfigName="red")
        await_settled(cloud, ENDPOINT)
        say(f"a canary of {PERCENT} % at {PER_SECOND} requests a second, --speed {SPEED}")
        points, failed = [], 0
        for number in range(ROUNDS):
            lost, share, count = canary(cloud, ("blue", "red")[number % 2])
            failed += lost
            points.append(abs(share - PERCENT))
            say(f"           round {number + 1}: {share:.1f} % of {count} requests, {lost} failed")
        worst = max(points)
        say(f"{verdict(met=not failed)}{failed} requests failed; bound 0")
        say(f"{verdict(met=worst <= MOST_POINTS)}{worst:.1f} points off at most; bound {MOST_POINTS}")
        old, new = ("blue", "red") if ROUNDS % 2 else ("red", "blue")
        rounds = [rollback(cloud, old, new) for _ in range(ROUNDS)]
        failed, times = sum(lost for lost, _ in rounds), [seconds for _, seconds in rounds]
        middle, slowest = statistics.median(times), max(times)
        say(f"{verdict(met=not failed)}rolled back by an alarm: {failed} requests failed; bound 0")
        say(
            f"{verdict(met=slowest <= MOST_SECONDS)}back after {middle:.1f} s in the median, {slowest:.1f} s "
            f"at most; bound {MOST_SECONDS} s"
        )


if __name__ == "__main__":
    main()
