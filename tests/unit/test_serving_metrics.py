import os
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from orchestrator.serving.messages import Part, Request, Response
from orchestrator.serving.ports import Answered, Asked, Situation, WorkerState
from orchestrator.serving.watching.metrics import Metrics


async def _no_parts(part: Part) -> None:
    raise AssertionError(part)


def _asked(metrics: Metrics, path: str = "/metrics", method: str = "GET") -> Response | None:
    # A room that only tells what it knows never waits: no loop, which would need a socket, is needed.
    answering = metrics.answer(Asked(method, path, "", Request((), b"", "id")), _no_parts)
    with pytest.raises(StopIteration) as told:
        answering.send(None)
    response: Response | None = told.value.value
    return response


def _samples(metrics: Metrics) -> dict[str, float]:
    """Return the value of each sample, by its name and the values of its labels."""
    response = _asked(metrics)
    assert response
    families = text_string_to_metric_families(response.body.decode())
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in families
        for sample in family.samples
    }


def _answered(status: int = 200, path: str = "/invocations", **changes: Any) -> Answered:  # noqa: ANN401 - any of the fields
    usual: dict[str, Any] = {
        "seconds": 0.0032,
        "model_seconds": 0.001,
        "request_bytes": 1,
        "response_bytes": 1,
    }
    return Answered("id", "POST", path, status, **(usual | changes))


def _after(*answers: Answered, situation: Situation | None = None) -> dict[str, float]:
    metrics = Metrics(lambda: situation or Situation())
    for answer in answers:
        metrics.answered(answer)
    return _samples(metrics)


def test_invocations_and_their_errors_are_counted_by_sagemakers_names() -> None:
    samples = _after(*(_answered(status) for status in (200, 200, 302, 400, 413, 500, 503)))
    assert samples["Invocations_total"] == 7
    assert samples["Invocation4XXErrors_total"] == 2
    assert samples["Invocation5XXErrors_total"] == 2
    assert samples["InvocationModelErrors_total"] == 5


def test_only_what_a_model_is_asked_is_an_invocation() -> None:
    paths = ("/ping", "/metrics", "/", "/models", "/models/m", "/models/m/invoke", "/predictions/m?a=b")
    assert _after(*(_answered(path=path) for path in paths))["Invocations_total"] == 2


def test_latencies_are_in_microseconds_and_add_up() -> None:
    samples = _after(_answered(), _answered())
    assert samples["ModelLatency_microseconds_sum"] == pytest.approx(2000)
    assert samples["OverheadLatency_microseconds_sum"] == pytest.approx(4400)
    assert samples["OverheadLatency_microseconds_count"] == 2


def test_a_bucket_holds_what_is_not_above_its_bound() -> None:
    latencies = (0.0001, 0.001, 0.00101, 300.0)
    samples = _after(*(_answered(seconds=1000.0, model_seconds=seconds) for seconds in latencies))
    counts = [
        samples[f"ModelLatency_microseconds_bucket {le}"]
        for le in ("100", "1000", "2000", "60000000", "+Inf")
    ]
    assert counts == [1, 2, 3, 3, 4]


def test_an_answer_for_which_no_handler_was_called_has_no_model_latency() -> None:
    samples = _after(_answered(413, model_seconds=0.0))
    assert samples["ModelLatency_microseconds_count"] == 0
    assert samples["OverheadLatency_microseconds_count"] == 1


def test_traps_are_counted_by_their_slug() -> None:
    samples = _after(_answered(traps=("not-json", "form-body")), _answered(traps=("not-json",)))
    assert samples["Traps_total not-json"] == 2
    assert samples["Traps_total form-body"] == 1


def test_workers_are_told_by_state_and_their_queue_by_its_depth() -> None:
    mine = os.getpid()
    workers = (
        WorkerState(1, mine, "busy", 9, 0, 1000),
        WorkerState(2, mine, "idle", 9, 3, 2000),
        WorkerState(3, None, "waiting to start", 0, 1, 0),
    )
    samples = _after(situation=Situation(workers, waiting=4))
    assert samples["ConcurrentRequestsPerModel"] == 5
    assert samples["QueueDepth"] == 4
    assert [samples[f"Workers {state}"] for state in ("busy", "idle", "starting", "waiting to start")] == [
        1,
        1,
        0,
        1,
    ]
    assert samples["WorkerRestarts_total 2"] == 3
    assert samples["WorkerMemory_bytes 2"] == 2000
    assert samples["WorkerCPU_seconds_total 1"] > 0
    assert "WorkerCPU_seconds_total 3" not in samples


def test_the_answer_is_prometheus_text() -> None:
    response = _asked(Metrics(Situation))
    assert response
    assert response.status == 200
    assert dict(response.headers)["content-type"].startswith("text/plain; version=")


@pytest.mark.parametrize(("method", "path"), [("POST", "/metrics"), ("GET", "/metrics/x"), ("GET", "/")])
def test_nothing_else_is_answered(method: str, path: str) -> None:
    assert _asked(Metrics(Situation), path, method) is None


def test_events_change_no_count() -> None:
    metrics = Metrics(Situation)
    before = _samples(metrics)
    metrics.happened("worker-ended", pid=3)
    assert _samples(metrics) == before
