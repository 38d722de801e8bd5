"""The console's answers and the newer faults on a local cloud that runs, as browsers and boto3 see them."""

import contextlib
import http.client
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from botocore.config import Config
from botocore.exceptions import ClientError
from click.testing import CliRunner

from orchestrator.cli.local_cloud_faults import faults as faults_group
from orchestrator.core.errors import OrchestratorError
from orchestrator.localcloud.faulting.orders import FaultOrders
from tests.support.clouds import STANDIN, TestCloud, archive, await_settled, local_cloud, publish
from tests.support.servers import eventually

pytestmark = pytest.mark.slow

ONCE = Config(retries={"mode": "standard", "total_max_attempts": 1}, proxies={})


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestCloud]:
    with local_cloud(tmp_path_factory.mktemp("console") / "local-cloud", STANDIN) as cloud:
        yield cloud


@pytest.fixture
def cloud(running: TestCloud) -> Iterator[TestCloud]:
    """The local cloud, whose faults are lifted after each test."""
    yield running
    FaultOrders(running.url).lift()


@pytest.fixture
def faults(cloud: TestCloud) -> FaultOrders:
    return FaultOrders(cloud.url)


def ask(cloud: TestCloud, path: str, method: str = "GET", **headers: str) -> tuple[int, bytes]:
    place = urlsplit(cloud.url).netloc
    with contextlib.closing(http.client.HTTPConnection(place, timeout=30)) as connection:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, headers=named)
        answer = connection.getresponse()
        return answer.status, answer.read()


def state_of(cloud: TestCloud, name: str) -> dict[str, Any]:
    state = json.loads(ask(cloud, "/_local/state")[1])
    found: dict[str, Any] = next(each for each in state["endpoints"] if each["name"] == name)
    return found


@contextlib.contextmanager
def asking_once(cloud: TestCloud, service: str, **options: Any) -> Iterator[Any]:  # noqa: ANN401 - boto3's options
    with contextlib.closing(cloud.client(service, config=ONCE, **options)) as client:
        yield client


def deployed(cloud: TestCloud, name: str) -> None:
    publish(cloud, name, archive({"answer": name.encode()}))
    cloud.client("sagemaker").create_endpoint(EndpointName=name, EndpointConfigName=name)
    await_settled(cloud, name)


def invoke(cloud: TestCloud, name: str) -> None:
    cloud.client("sagemaker-runtime").invoke_endpoint(EndpointName=name, Body=b"x")["Body"].read()


def code_of(error: pytest.ExceptionInfo[ClientError]) -> tuple[str, int]:
    answer = error.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


def test_an_endpoint_is_shown_with_its_traffic_its_processes_and_its_log(cloud: TestCloud) -> None:
    deployed(cloud, "seen")
    for _ in range(5):
        invoke(cloud, "seen")

    def counted() -> int:
        return sum(sum(fleet["count"]) for fleet in state_of(cloud, "seen")["traffic"]["fleets"])

    eventually(lambda: counted() == 5, "the requests to be counted")
    shown = state_of(cloud, "seen")
    assert (shown["status"], shown["config"], shown["pending"]) == ("InService", "seen", [])
    (fleet,) = shown["fleets"]
    assert Path(f"/proc/{fleet['instances'][0]['pid']}").exists()

    def logged() -> bool:
        status, body = ask(cloud, "/_local/logs?endpoint=seen")
        return status == 200 and any("an echo" in line["message"] for line in json.loads(body)["lines"])

    eventually(logged, "the container's log")


def test_alarms_are_shown_with_their_state(cloud: TestCloud) -> None:
    cloud.client("cloudwatch").put_metric_alarm(
        AlarmName="seen-5xx",
        Namespace="AWS/SageMaker",
        MetricName="Invocation5XXErrors",
        Dimensions=[{"Name": "EndpointName", "Value": "seen"}],
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )
    cloud.client("cloudwatch").set_alarm_state(AlarmName="seen-5xx", StateValue="ALARM", StateReason="a test")
    # Only scopes in which something of SageMaker was made are looked at.
    publish(cloud, "alarmed", archive({"answer": b"x"}))

    def shown() -> list[tuple[str, str]]:
        found = json.loads(ask(cloud, "/_local/state")[1])["alarms"]
        return [(alarm["name"], alarm["endpoint"]) for alarm in found]

    eventually(lambda: ("seen-5xx", "seen") in shown(), "the alarm")


@pytest.mark.parametrize(
    ("path", "method", "headers", "status"),
    [
        ("/_local", "GET", {}, 200),
        ("/_local", "GET", {"Sec_Fetch_Site": "none"}, 200),
        ("/_local/page/page.css", "GET", {"Sec_Fetch_Site": "same-origin"}, 200),
        ("/_local/faults", "DELETE", {"Sec_Fetch_Site": "same-origin", "Origin": "OWN"}, 204),
        ("/_local/faults", "DELETE", {"Sec_Fetch_Site": "cross-site", "Origin": "OWN"}, 403),
        ("/_local/faults", "DELETE", {"Origin": "http://evil.example"}, 403),
        ("/_local/faults", "DELETE", {"Origin": "null"}, 403),
        ("/_local", "GET", {"Sec_Fetch_Site": "cross-site"}, 403),
        ("/_local", "GET", {"Host": "evil.example"}, 403),
        ("/_localised", "GET", {"Sec_Fetch_Site": "same-origin"}, 403),
        ("/models/key", "GET", {"Sec_Fetch_Site": "same-origin"}, 403),
        ("/_local/other", "GET", {}, 404),
    ],
)
def test_only_the_page_itself_is_let_in_and_only_below_its_address(
    cloud: TestCloud, path: str, method: str, headers: dict[str, str], status: int
) -> None:
    named = {name: cloud.url if value == "OWN" else value for name, value in headers.items()}
    assert ask(cloud, path, method, **named)[0] == status


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("server-error", ("InternalFailure", 500)), ("region-down", ("ServiceUnavailable", 503))],
)
def test_a_region_fails_and_others_do_not(
    cloud: TestCloud, faults: FaultOrders, kind: str, expected: tuple[str, int]
) -> None:
    faults.add(kind, operation="*", region="eu-central-1", times=None)
    with asking_once(cloud, "sagemaker", region_name="eu-central-1") as client:
        with pytest.raises(ClientError) as caught:
            client.list_models()
        assert code_of(caught) == expected
    with asking_once(cloud, "sns", region_name="eu-central-1") as client:
        with pytest.raises(ClientError) as caught:
            client.list_topics()
        assert code_of(caught) == expected
    cloud.client("sagemaker").list_models()


def test_a_fault_may_be_for_one_endpoint_alone(cloud: TestCloud, faults: FaultOrders) -> None:
    faults.add("throttle", operation="DescribeEndpoint", endpoint="one", times=None)
    with asking_once(cloud, "sagemaker") as client:
        for name, code in (("one", "ThrottlingException"), ("two", "ValidationException")):
            with pytest.raises(ClientError) as caught:
                client.describe_endpoint(EndpointName=name)
            assert code_of(caught)[0] == code


def test_a_read_is_behind_until_the_fault_is_lifted(cloud: TestCloud, faults: FaultOrders) -> None:
    faults.add("eventual-consistency", operation="DescribeModel", seconds=60)
    publish(cloud, "fresh", archive({"answer": b"x"}))
    sagemaker = cloud.client("sagemaker")
    with pytest.raises(ClientError, match="Could not find model"):
        sagemaker.describe_model(ModelName="fresh")
    with pytest.raises(ClientError):
        publish(cloud, "fresh", archive({"answer": b"x"}))
    faults.lift()
    assert sagemaker.describe_model(ModelName="fresh")["ModelName"] == "fresh"


def test_a_model_that_fails_on_demand_counts_as_one_that_fails(cloud: TestCloud, faults: FaultOrders) -> None:
    deployed(cloud, "failing")
    added = faults.add("model-error", endpoint="failing", config="failing", times=2)
    for _ in range(2):
        with pytest.raises(ClientError) as caught, asking_once(cloud, "sagemaker-runtime") as client:
            client.invoke_endpoint(EndpointName="failing", Body=b"x")
        assert code_of(caught) == ("ModelError", 424)
        assert caught.value.response["OriginalStatusCode"] == 500
    invoke(cloud, "failing")
    assert [(fault["id"], fault["times"]) for fault in faults.all()] == [(added["id"], 0)]

    def broken() -> int:
        return sum(sum(fleet["broken"]) for fleet in state_of(cloud, "failing")["traffic"]["fleets"])

    eventually(lambda: broken() == 2, "the failures to be counted")


def test_orders_that_are_refused_say_why(faults: FaultOrders) -> None:
    with pytest.raises(OrchestratorError, match="did you mean 'throttle'"):
        faults.add("throtle", operation="*")
    with pytest.raises(OrchestratorError, match="there is no fault 'a/b c'"):
        faults.lift("a/b c")
    assert faults.all() == []


def test_the_command_line_adds_shows_and_lifts_faults(
    cloud: TestCloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_STATE_DIR", str(cloud.state_dir.parent))
    runner = CliRunner()

    def run(*arguments: str) -> str:
        done = runner.invoke(faults_group, arguments, catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.stdout

    assert run("list").strip() == "no fault waits"
    number = json.loads(run("add", "model-error", "--endpoint", "digits", "--share", "0.2", "-o", "json"))[
        "id"
    ]
    assert f"fault {int(number) + 1} waits" in run("add", "capacity", "--region", "eu-*")
    (table, *_), document = run("list").splitlines(), json.loads(run("list", "-o", "json"))
    assert table.split() == ["id", "kind", "operation", "times", "befallen", "limits"]
    assert [fault["kind"] for fault in document["faults"]] == ["model-error", "capacity"]
    assert document["faults"][1]["region"] == "eu-*"
    run("lift", number)
    assert [fault["kind"] for fault in json.loads(run("list", "-o", "json"))["faults"]] == ["capacity"]
    assert run("lift").strip() == "all faults are lifted"
    wrong = runner.invoke(faults_group, ["add", "silent-rolback"])
    assert (wrong.exit_code, "did you mean 'silent-rollback'?" in wrong.output) == (2, True)
