"""Requests that share a call of the model, from the socket to the entry point and back."""

import json
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import entrypoints_samples
from tests.support.servers import Answer, ServingProcess, serving

JSON, CSV = "application/json", "text/csv"
SIZE = 8

ENTRY_POINT = '''
"""Doubles rows that are not below zero, and writes down how many rows each call had."""

import json
import os

import numpy


def model_fn(model_dir):
    return os.environ["CALLS"]


def input_fn(data, content_type):
    row = data.split(",") if content_type == "text/csv" else json.loads(data)
    return numpy.array([row], dtype=float)


def predict_fn(data, model):
    with open(model, "a") as calls:
        calls.write(f"{len(data)}\\n")
    if (data < 0).any():
        raise ValueError("below zero")
    return data * 2


def output_fn(prediction, accept, context):
    context.set_response_header(0, "X-Row", context.get_request_header(0, "X-Row"))
    if accept == "text/csv":
        return ",".join(map(str, prediction[0])), "text/csv; header=absent"
    return json.dumps(prediction.tolist())
'''


@dataclass(frozen=True)
class Site:
    """A running server, and where its entry point writes down its calls."""

    server: ServingProcess
    calls: Path

    def ask_at_once(self, bodies: Sequence[str], kinds: Mapping[int, str]) -> list[Answer]:
        """Send as many requests as a batch takes, of JSON but for ``kinds``."""
        assert len(bodies) == SIZE

        def ask(place: int) -> Answer:
            kind = kinds.get(place, JSON)
            body = bodies[place].encode()
            return self.server.ask("/invocations", body, Content_Type=kind, Accept=kind, X_Row=str(place))

        self.calls.unlink(missing_ok=True)
        with ThreadPoolExecutor(SIZE) as pool:
            return list(pool.map(ask, range(SIZE)))

    @property
    def sizes(self) -> list[int]:
        """How many rows the calls since the last batch was sent had."""
        return [int(line) for line in self.calls.read_text().splitlines()]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("stacking")
    calls = folder / "calls"
    model_dir = entrypoints_samples.write(folder / "model", ENTRY_POINT)
    # Nobody waits that long: a batch that is full goes at once.
    told = {
        "CALLS": str(calls),
        "ORCHESTRATOR_BATCH_SIZE": str(SIZE),
        "ORCHESTRATOR_BATCH_DELAY_MS": "10000",
    }
    with serving(model_dir, environment=told) as server:
        site = Site(server, calls)
        site.ask_at_once([f"[{place}, 1]" for place in range(SIZE)], {})
        yield site


def test_requests_share_a_call_and_each_keeps_its_types_and_its_context(site: Site) -> None:
    bodies = [f"{place}, 5" if place == 3 else f"[{place}, 5]" for place in range(SIZE)]
    answers = site.ask_at_once(bodies, {3: CSV})
    assert SIZE in site.sizes
    assert [answer.status for answer in answers] == [200] * SIZE
    assert answers[3].body == b"6.0,10.0"
    assert answers[3].headers["content-type"] == "text/csv; header=absent"
    for place, answer in enumerate(answers):
        assert answer.headers["x-row"] == str(place)
        if place != 3:
            assert (answer.headers["content-type"], answer.json()) == (JSON, [[2.0 * place, 10.0]])


def test_a_bad_request_fails_none_of_its_neighbours(site: Site) -> None:
    bodies = [f"[{place}, 7]" for place in range(SIZE)]
    bodies[2], bodies[5] = "{", "[-1, 7]"
    answers = site.ask_at_once(bodies, {})
    assert [answer.status for answer in answers] == [200, 200, 500, 200, 200, 500, 200, 200]
    assert b"JSONDecodeError" in answers[2].body
    assert answers[5].body.startswith(b"below zero\n")
    assert json.loads(answers[7].body) == [[14.0, 14.0]]
    assert SIZE - 1 in site.sizes
