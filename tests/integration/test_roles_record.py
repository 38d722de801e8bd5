"""The deployer and the planner role against the record of what every verb really asks of AWS."""

import json
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest

from orchestrator.core.names import lock_key
from orchestrator.localcloud.defaults import ACCESS_KEY, ACCOUNT, REGION, SECRET_KEY
from orchestrator.localcloud.objects.policies import Decision
from tests.support import ministack, roles_judge
from tests.support.calls import Call, recorded
from tests.support.clouds import BUCKET, ROLE, STANDIN, TestCloud, local_cloud
from tests.support.needs import Need, Place
from tests.support.permissions import distinct, known_operations, needs
from tests.support.roles import DEPLOYER, PLANNER, Document, Stack, decision, narrowed, refused, superfluous
from tests.support.verbs import PREFIX, make_everything, use_everything
from tests.support.verbs_looking import is_looking, only_look
from tests.support.verbs_spec import Account

pytestmark = pytest.mark.slow

DEPLOYER_ROLE = f"arn:aws:iam::{ACCOUNT}:role/deployer"
PLANNER_ROLE = f"arn:aws:iam::{ACCOUNT}:role/planner"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "sts:AssumeRole"}],
}


@dataclass(frozen=True)
class Record:
    """What was asked of AWS, by which operations, in which account.

    Attributes:
        looked: The calls of the verbs that only look, by the planner.
    """

    operations: frozenset[str]
    needs: Sequence[Need]
    looked: Sequence[Call]
    stack: Stack
    cloud: TestCloud

    @property
    def policies(self) -> tuple[Document, ...]:
        return self.stack.policies(DEPLOYER)

    @property
    def planning(self) -> list[Need]:
        """What a planner needs to be allowed: it is to write nothing."""
        calls = [call for call in self.looked if call.name != "s3 PutObject"]
        return distinct(needs(calls, Place(ACCOUNT, REGION, self.stack.key)))


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Record]:
    folder = tmp_path_factory.mktemp("roles")
    options = ("--speed", "600")
    with local_cloud(folder / "cloud", STANDIN, options) as cloud, pytest.MonkeyPatch.context() as patch:
        key = cloud.client("kms").create_key()["KeyMetadata"]["Arn"]
        topic = cloud.client("sns").create_topic(Name="orchestrator")["TopicArn"]
        variables = {
            **cloud.environment,
            "AWS_ACCESS_KEY_ID": ACCESS_KEY,
            "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": str(folder / "no-config"),
            "AWS_SHARED_CREDENTIALS_FILE": str(folder / "no-credentials"),
            "ORCHESTRATOR_STATE_DIR": str(folder / "state"),
        }
        for name, value in variables.items():
            patch.setenv(name, value)
        patch.delenv("AWS_PROFILE", raising=False)
        # These clients are made before the record begins: only the orchestrator's own calls are in it.
        for service in ("s3", "sagemaker"):
            cloud.client(service)
        cloud.client("events").put_rule(
            Name="orchestrator-events", EventPattern='{"source": ["aws.sagemaker"]}'
        )
        for name in ("deployer", "planner"):
            cloud.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
        account = Account(ACCOUNT, BUCKET, key, ROLE, DEPLOYER_ROLE, topic)
        with recorded() as made:
            make_everything(folder / "projects", account)
        with recorded() as looked:
            only_look(folder / "looked", replace(account, deployer=PLANNER_ROLE))
        with recorded() as used:
            use_everything(folder / "projects", account, cloud)
        calls = [*made, *used]
        stack = Stack(
            account=ACCOUNT,
            region=REGION,
            bucket=BUCKET,
            key=key,
            execution=ROLE,
            deployer=DEPLOYER_ROLE,
            planner=PLANNER_ROLE,
            topic=topic,
            parameters={"EndpointPrefix": PREFIX, "VpcId": "vpc-0a1b2c3d"},
        )
        asked = distinct(needs(calls, Place(ACCOUNT, REGION, key)))
        yield Record(frozenset(call.name for call in calls), asked, looked, stack, cloud)


def test_the_deployer_may_do_what_every_verb_asks_for(record: Record) -> None:
    assert refused(record.policies, record.needs) == []


def test_the_deployer_may_do_nothing_that_no_verb_asks_for(record: Record) -> None:
    assert superfluous(record.policies, record.needs) == []


def test_the_planner_may_do_what_the_verbs_that_only_look_ask_for(record: Record) -> None:
    assert refused(record.stack.policies(PLANNER), record.planning) == []


def test_the_planner_may_do_nothing_that_no_such_verb_asks_for(record: Record) -> None:
    assert superfluous(record.stack.policies(PLANNER), record.planning) == []


def test_of_all_that_the_deployer_changes_the_planner_changes_nothing(record: Record) -> None:
    changes = [need for need in record.needs if not is_looking(need.action)]
    assert {"sagemaker:UpdateEndpoint", "s3:PutObject", "iam:PassRole"} <= {need.action for need in changes}
    policies = record.stack.policies(PLANNER)
    assert [need for need in changes if decision(policies, need) is Decision.ALLOWED] == []


def test_the_only_write_of_a_verb_that_looks_is_one_that_cannot_succeed(record: Record) -> None:
    by_the_planner = [call for call in record.looked if call.name != "sts AssumeRole"]
    writes = [call for call in by_the_planner if not is_looking(call.name.replace(" ", ":"))]
    assert {call.name for call in writes} == {"s3 PutObject"}
    # The doctor's, bound to an ETag that no object has.
    asked = {(call.parameters["Key"], call.parameters["IfMatch"]) for call in writes}
    assert asked == {(lock_key("acme-own"), '"written-by-nobody"')}


def test_every_call_that_is_accounted_for_is_really_made(record: Record) -> None:
    assert known_operations() == record.operations


@pytest.mark.parametrize("role", [DEPLOYER, PLANNER], ids=["deployer", "planner"])
def test_the_local_clouds_own_simulator_agrees(record: Record, role: tuple[str, ...]) -> None:
    one_each = {need.action: need for need in (record.needs if role is DEPLOYER else record.planning)}
    api = record.cloud.client("iam")
    for need in one_each.values():
        answer = api.simulate_custom_policy(
            PolicyInputList=[json.dumps(policy) for policy in record.stack.policies(role)],
            ActionNames=[need.action],
            ResourceArns=[need.resource],
            ContextEntries=[_entry(name, values) for name, values in need.context.items()],
        )
        (result,) = answer["EvaluationResults"]
        assert result["EvalDecision"] == "allowed", need


def test_an_evaluator_of_others_says_the_same_also_of_narrower_policies(record: Record) -> None:
    try:
        environment = ministack.installed()
    except subprocess.CalledProcessError as error:
        pytest.skip(f"MiniStack cannot be installed: {error.stderr}")
    by_action: dict[str, Need] = {need.action: need for need in record.needs}
    planner = record.stack.policies(PLANNER)
    questions = [
        *((record.policies, need) for need in record.needs),
        *((planner, need) for need in (*record.planning, *record.needs)),
        *(
            (less, by_action[value])
            for policies in (record.policies, planner)
            for _, value, less in narrowed(policies)
            if value in by_action
        ),
    ]
    asked = [(policies, one.action, one.resource, one.context) for policies, one in questions]
    found = roles_judge.verdicts(environment, asked)
    assert found == [str(decision(policies, need)) for policies, need in questions]
    # Neither says yes to everything.
    assert {"allowed", "neutral"} <= set(found)


def _entry(name: str, values: Sequence[str]) -> Mapping[str, Any]:
    kind = "string" if len(values) == 1 else "stringList"
    return {"ContextKeyName": name, "ContextKeyValues": list(values), "ContextKeyType": kind}
