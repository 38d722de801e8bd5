"""What the deploy engine adds to AWS's own time: run by `make bench`.

Three figures: how many calls a deploy makes that changes nothing, how much longer a plan takes in an account
full of others' endpoints, and how far from the ideal many deploys at once are. The cloud is plain moto in a
process of its own; for the last figure, a front in another one holds every answer back for 50 ms.
"""

import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from orchestrator.adapters.aws import Clients
from orchestrator.core.resources import Variant
from orchestrator.core.revision import Revision, Source, make, tags_of
from orchestrator.core.scaling import Scaling, StepAdjustment, StepPolicy, TargetTracking
from orchestrator.core.target import EndpointSpec
from orchestrator.usecases.deploy import deploy
from orchestrator.usecases.edge import Edge
from orchestrator.usecases.many import Job, Stop, run_all
from orchestrator.usecases.plan import Wish, prepare
from tests.benchmarks.deploying_front import DELAY_SECONDS, slow_front
from tests.support.clouds import ROLE
from tests.support.edges import HastyClock, edge_of, made_clients
from tests.support.fakes import SilentProgress
from tests.support.plain_moto import client, plain_moto

MOST_CALLS = 8
MOST_TIMES_AS_LONG = 1.5
MOST_TIMES_THE_IDEAL = 1.3
FEW, MANY, ROUNDS = 10, 1000, 15
ENDPOINTS = 200
WORKERS = (4, 8)
TRACKING = TargetTracking("load", "SageMakerVariantInvocationsPerInstance", 600.0)
STEP = StepPolicy(
    "wake", "HasBacklogWithoutCapacity", 1.0, (StepAdjustment(1, lower=0.0),), per_endpoint=True
)
PLAIN = Scaling("primary", 1, 4, tracking=(TRACKING,))
SCALINGS: dict[str, tuple[Scaling, ...]] = {
    "plain": (),
    "autoscaled": (PLAIN,),
    "stepped": (replace(PLAIN, steps=(STEP,)),),
}


def say(words: str) -> None:
    """Print a line of the report."""
    print(words, flush=True)  # noqa: T201 - a report is what this program is for


def verdict(*, met: bool) -> str:
    """Return how a line begins."""
    return "  met    " if met else "  MISSED "


def revision(endpoint: str, edge: Edge, *, mark: str = "a", scalings: Sequence[Scaling] = ()) -> Revision:
    """Return a revision without golden cases: moto's endpoints have no model to answer them."""
    source = Source(mark * 64, edge.store.url(f"{endpoint}/{mark}"), "registry/image:1", ROLE)
    fleet = EndpointSpec(variants=(Variant("primary", "", "ml.m5.large", 1),))
    return make(endpoint, source, fleet, tags=(), golden=None, scalings=scalings)


def bring(endpoint: str, edge: Edge, *, scalings: Sequence[Scaling] = ()) -> int:
    """Deploy as `orchestrator deploy` does once the archive is built; return the number of steps."""
    prepared = prepare(Wish(revision(endpoint, edge, scalings=scalings), "deploy", (), 5), edge)
    if not prepared.nothing_to_do:
        deploy(prepared, edge, SilentProgress())
    return len(prepared.plan)


@contextmanager
def counted(made: Clients) -> Iterator[Counter[str]]:
    """Count what goes over the wire while this is open, attempts made again included."""
    found: Counter[str] = Counter()
    lock = threading.Lock()

    def count(*, event_name: str, **_: object) -> None:
        with lock:
            found[event_name.partition(".")[2]] += 1

    services = ("sagemaker", "s3", "sts", "iam", "ecr", "cloudwatch", "logs")
    using = (*services, "application-autoscaling", "service-quotas", "sagemaker-runtime")
    for service in using:
        made(service).meta.events.register("before-send", count, unique_id="counted")
    try:
        yield found
    finally:
        for service in using:
            made(service).meta.events.unregister("before-send", unique_id="counted")


def calls_of_a_no_op(url: str) -> None:
    """Report how many calls a deploy makes that changes nothing, by what is scaled."""
    say(f"a deploy that changes nothing: calls, at most {MOST_CALLS}")
    clock = HastyClock()
    made = made_clients(url, clock)
    for name, scalings in SCALINGS.items():
        bring(name, edge_of(made, name, clock), scalings=scalings)
        with counted(made) as found:
            steps = bring(name, edge_of(made, name, clock), scalings=scalings)
        calls = found.total()
        told = ", ".join(f"{operation} {times}" for operation, times in sorted(found.items()))
        say(f"{verdict(met=calls <= MOST_CALLS and steps == 0)} {name:<11} {calls} calls: {told}")


def populate(url: str, count: int, *, like: str) -> None:
    """Have so many endpoints, models and configs of others; every tenth has a name like ``like``."""
    api = client(url, "sagemaker")
    for number in range(count):
        stem = f"{like}-{number:04d}" if number % 10 == 0 else f"other-{number:04d}"
        name = f"{stem}-{number:012x}"
        tags = [{"Key": key, "Value": value} for key, value in tags_of(stem, ())]
        container = {"Image": "registry/image:1", "ModelDataUrl": "s3://models/x/model.tar.gz"}
        api.create_model(ModelName=name, ExecutionRoleArn=ROLE, PrimaryContainer=container, Tags=tags)
        variant = {
            "VariantName": "primary",
            "ModelName": name,
            "InstanceType": "ml.m5.large",
            "InitialInstanceCount": 1,
        }
        api.create_endpoint_config(EndpointConfigName=name, ProductionVariants=[variant], Tags=tags)
        api.create_endpoint(EndpointName=stem, EndpointConfigName=name, Tags=tags)


def time_of_plans() -> None:
    """Report how much longer a plan takes among many endpoints than among few, in turn."""
    say(f"a plan among {MANY} endpoints and among {FEW}: medians of {ROUNDS} rounds, in turn")
    with plain_moto() as small, plain_moto() as large:
        worlds = {FEW: small, MANY: large}
        plans: dict[int, dict[str, Callable[[], object]]] = {}
        for count, url in worlds.items():
            populate(url, count, like="digits")
            plans[count] = _plans(url)
        for kind in plans[FEW]:
            taken: dict[int, list[float]] = {count: [] for count in worlds}
            for number in range(ROUNDS + 1):
                for count in worlds:
                    took = seconds(plans[count][kind])
                    if number:  # the first round opens connections
                        taken[count].append(took)
            few, many = (statistics.median(taken[count]) for count in (FEW, MANY))
            ratio = many / few
            told = f"{few * 1000:.0f} ms and {many * 1000:.0f} ms"
            say(
                f"{verdict(met=ratio <= MOST_TIMES_AS_LONG)} {kind:<16} {told}: "
                f"x {ratio:.2f}, at most {MOST_TIMES_AS_LONG}"
            )


def _plans(url: str) -> dict[str, Callable[[], object]]:
    clock = HastyClock()
    made = made_clients(url, clock)
    bring("digits", edge_of(made, "digits", clock))

    def plan(endpoint: str, mark: str) -> Callable[[], object]:
        def planned() -> object:
            edge = edge_of(made, endpoint, clock)
            return prepare(Wish(revision(endpoint, edge, mark=mark), "deploy", (), 5), edge)

        return planned

    return {"nothing to do": plan("digits", "a"), "a new revision": plan("digits", "b")}


def seconds(call: Callable[[], object]) -> float:
    """Return how long one call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def many_at_once(url: str, workers: int) -> None:
    """Report how long many deploys at once take, as a multiple of their answers' delays alone.

    The cloud works on the same machine: where it cannot give its answers in 50 ms, that is no time of ours.
    """
    say(f"deploy --all of {ENDPOINTS} endpoints, {workers} workers, answers held back for 50 ms")
    with slow_front(url) as slow:
        clock = HastyClock()
        made = made_clients(slow, clock)
        for kind in ("all are created", "nothing to do"):
            ours = time.process_time()
            with counted(made) as found:
                took = seconds(lambda: _deploy_all(made, clock, workers))
            ours = time.process_time() - ours
            calls = found.total()
            ideal = calls * DELAY_SECONDS / workers
            ratio = took / ideal
            say(
                f"{verdict(met=ratio < MOST_TIMES_THE_IDEAL)} {kind:<16} {calls} calls, {took:.1f} s, "
                f"ideal {ideal:.1f} s: x {ratio:.2f}, below {MOST_TIMES_THE_IDEAL}; "
                f"of it our processor {ours:.1f} s"
            )


def _deploy_all(made: Clients, clock: HastyClock, workers: int) -> None:
    def job(endpoint: str) -> Job[int]:
        def run(_: Stop) -> int:
            return bring(endpoint, edge_of(made, endpoint, clock))

        return Job(endpoint, run)

    ended: Sequence[Any] = run_all([job(f"fleet-{n:03d}") for n in range(ENDPOINTS)], workers=workers)
    for one in ended:
        if one.error is not None:
            raise one.error


def main() -> None:
    """Measure all three, one after the other."""
    with plain_moto() as url:
        calls_of_a_no_op(url)
    time_of_plans()
    for workers in WORKERS:
        with plain_moto() as url:
            many_at_once(url, workers)


if __name__ == "__main__":
    main()
