"""CloudWatch, EventBridge and SSM: alarms, dashboards, rules and parameters."""

from collections.abc import Callable
from typing import Any

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.stacks.forms import ANY, TEXT, Form, request_of, structure
from orchestrator.localcloud.stacks.kind import Create, Hand, Kind, Properties, Update
from orchestrator.localcloud.stacks.kinds.common import (
    arn,
    but,
    check_new,
    chosen,
    document,
    is_there,
    or_undone,
    pairs,
    retag,
    tags_of,
    without_fail,
)
from orchestrator.localcloud.stackworld import Made

_ALARM_TYPES = ["MetricAlarm", "CompositeAlarm"]


def _alarm_taken(hand: Hand, name: str) -> bool:
    found = hand.client("cloudwatch").describe_alarms(AlarmNames=[name], AlarmTypes=_ALARM_TYPES)
    return bool(found["MetricAlarms"] or found["CompositeAlarms"])


def _alarm(operation: str) -> tuple[Create, Update]:
    """Return how alarms of one type are made, and how they are changed."""

    def create(hand: Hand, properties: Properties) -> Made:
        name = properties["AlarmName"]
        check_new(name, taken=_alarm_taken(hand, name))
        getattr(hand.client("cloudwatch"), operation)(**properties)
        return Made(name, {"Arn": arn(hand.scope, "cloudwatch", f"alarm:{name}")})

    def update(hand: Hand, made: Made, old: Properties, new: Properties) -> Made:
        cloudwatch, arn = hand.client("cloudwatch"), made.attributes["Arn"]
        getattr(cloudwatch, operation)(**but(new, "Tags"))
        retag(
            old,
            new,
            lambda tags: cloudwatch.tag_resource(ResourceARN=arn, Tags=pairs(tags)),
            lambda names: cloudwatch.untag_resource(ResourceARN=arn, TagKeys=names),
        )
        return made

    return create, update


def _delete_alarm(hand: Hand, made: Made, _properties: Properties) -> None:
    hand.client("cloudwatch").delete_alarms(AlarmNames=[made.physical])


def _create_dashboard(hand: Hand, properties: Properties) -> Made:
    cloudwatch, name = hand.client("cloudwatch"), properties["DashboardName"]
    check_new(name, taken=is_there(cloudwatch.get_dashboard, DashboardName=name))
    return _put_dashboard(hand, Made(name), {}, properties)


def _put_dashboard(hand: Hand, made: Made, _old: Properties, new: Properties) -> Made:
    hand.client("cloudwatch").put_dashboard(
        DashboardName=made.physical, DashboardBody=document(new["DashboardBody"])
    )
    return made


def _delete_dashboard(hand: Hand, made: Made, _properties: Properties) -> None:
    without_fail(hand.client("cloudwatch").delete_dashboards, DashboardNames=[made.physical])


def _rule_form() -> Form:
    targets = request_of("events", "PutTargets").members["Targets"][1]
    return request_of("events", "PutRule").and_also(Targets=targets, EventPattern=ANY)


def _bus(properties: Properties) -> dict[str, Any]:
    return chosen(properties, "EventBusName")


def _create_rule(hand: Hand, properties: Properties) -> Made:
    events, name = hand.client("events"), properties["Name"]
    check_new(name, taken=is_there(events.describe_rule, Name=name, **_bus(properties)))
    arn = _put_rule(events, properties, "Tags")
    bus = properties.get("EventBusName", "default")
    made = Made(name if bus == "default" else f"{bus}|{name}", {"Arn": arn})
    with or_undone(_delete_rule, hand, made, properties):
        _put_targets(events, properties)
    return made


def _update_rule(hand: Hand, made: Made, old: Properties, new: Properties) -> Made:
    events, name = hand.client("events"), new["Name"]
    arn = _put_rule(events, new)
    staying = {target["Id"] for target in new.get("Targets") or ()}
    if left := [each["Id"] for each in old.get("Targets") or () if each["Id"] not in staying]:
        events.remove_targets(Rule=name, Ids=left, **_bus(new))
    _put_targets(events, new)
    retag(
        old,
        new,
        lambda tags: events.tag_resource(ResourceARN=arn, Tags=pairs(tags)),
        lambda names: events.untag_resource(ResourceARN=arn, TagKeys=names),
    )
    return made


def _put_rule(events: Any, properties: Properties, *more: str) -> str:  # noqa: ANN401 - boto3's clients have no types
    plain = ("Name", "ScheduleExpression", "State", "Description", "RoleArn", "EventBusName", *more)
    request = chosen(properties, *plain)
    if "EventPattern" in properties:
        request["EventPattern"] = document(properties["EventPattern"])
    return str(events.put_rule(**request)["RuleArn"])


def _put_targets(events: Any, properties: Properties) -> None:  # noqa: ANN401 - boto3's clients have no types
    if targets := properties.get("Targets"):
        answer = events.put_targets(Rule=properties["Name"], Targets=targets, **_bus(properties))
        if refused := answer["FailedEntries"]:
            raise ApiError("ValidationException", f"target {refused[0]['TargetId']}: {refused[0]}")


def _delete_rule(hand: Hand, _made: Made, properties: Properties) -> None:
    events, bus = hand.client("events"), _bus(properties)
    if targets := [each["Id"] for each in properties.get("Targets") or ()]:
        without_fail(events.remove_targets, Rule=properties["Name"], Ids=targets, **bus)
    without_fail(events.delete_rule, Name=properties["Name"], **bus)


def _create_parameter(hand: Hand, properties: Properties) -> Made:
    tags = {"Tags": pairs(tags_of(properties))} if properties.get("Tags") else {}
    hand.client("ssm").put_parameter(**but(properties, "Tags"), **tags)
    return _parameter(properties)


def _update_parameter(hand: Hand, made: Made, old: Properties, new: Properties) -> Made:
    ssm = hand.client("ssm")
    ssm.put_parameter(**but(new, "Tags"), Overwrite=True)
    about = {"ResourceType": "Parameter", "ResourceId": made.physical}
    retag(
        old,
        new,
        lambda tags: ssm.add_tags_to_resource(**about, Tags=pairs(tags)),
        lambda names: ssm.remove_tags_from_resource(**about, TagKeys=names),
    )
    return _parameter(new)


def _parameter(properties: Properties) -> Made:
    return Made(properties["Name"], chosen(properties, "Type", "Value"))


def _delete_parameter(hand: Hand, made: Made, _properties: Properties) -> None:
    without_fail(hand.client("ssm").delete_parameter, Name=made.physical)


def _parameter_form() -> Form:
    return (
        request_of("ssm", "PutParameter")
        .without("Overwrite", "KeyId", "Tags")
        .and_also(Tags=Form("map", each=TEXT))
    )


def _alarm_kind(name: str, operation: str, form: Callable[[], Form], required: tuple[str, ...]) -> Kind:
    create, update = _alarm(operation)
    return Kind(
        name,
        form,
        create,
        _delete_alarm,
        update,
        attributes=("Arn",),
        required=required,
        replacing=frozenset({"AlarmName"}),
        named="AlarmName",
        name_length=255,
    )


KINDS = (
    _alarm_kind(
        "AWS::CloudWatch::Alarm",
        "put_metric_alarm",
        lambda: request_of("cloudwatch", "PutMetricAlarm"),
        ("ComparisonOperator", "EvaluationPeriods"),
    ),
    _alarm_kind(
        "AWS::CloudWatch::CompositeAlarm",
        "put_composite_alarm",
        lambda: request_of("cloudwatch", "PutCompositeAlarm"),
        ("AlarmRule",),
    ),
    Kind(
        "AWS::CloudWatch::Dashboard",
        lambda: structure(DashboardName=TEXT, DashboardBody=ANY),
        _create_dashboard,
        _delete_dashboard,
        _put_dashboard,
        required=("DashboardBody",),
        replacing=frozenset({"DashboardName"}),
        named="DashboardName",
        name_length=255,
    ),
    Kind(
        "AWS::Events::Rule",
        _rule_form,
        _create_rule,
        _delete_rule,
        _update_rule,
        attributes=("Arn",),
        replacing=frozenset({"Name", "EventBusName"}),
        named="Name",
    ),
    Kind(
        "AWS::SSM::Parameter",
        _parameter_form,
        _create_parameter,
        _delete_parameter,
        _update_parameter,
        attributes=("Type", "Value"),
        required=("Type", "Value"),
        replacing=frozenset({"Name"}),
        named="Name",
        name_length=1011,
    ),
)
