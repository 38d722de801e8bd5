"""SNS and SQS: topics, subscriptions, queues, and who may use them."""

from collections.abc import Mapping
from typing import Any

from orchestrator.localcloud.stacks.forms import (
    ANY,
    TAGS,
    TEXT,
    TEXTS,
    TRUTH,
    WHOLE,
    Form,
    list_of,
    structure,
)
from orchestrator.localcloud.stacks.kind import Hand, Kind, Properties
from orchestrator.localcloud.stacks.kinds.common import (
    arn,
    check_new,
    document,
    is_there,
    or_undone,
    pairs,
    retag,
    tags_of,
    without_fail,
)
from orchestrator.localcloud.stackworld import Made

_TOPIC = {
    "DisplayName": TEXT,
    "KmsMasterKeyId": TEXT,
    "SignatureVersion": TEXT,
    "TracingConfig": TEXT,
    "FifoTopic": TRUTH,
    "ContentBasedDeduplication": TRUTH,
}
_SUBSCRIPTION = {
    "FilterPolicy": ANY,
    "FilterPolicyScope": TEXT,
    "RawMessageDelivery": TRUTH,
    "DeliveryPolicy": ANY,
    "RedrivePolicy": ANY,
}
_QUEUE = {
    "DelaySeconds": WHOLE,
    "MaximumMessageSize": WHOLE,
    "MessageRetentionPeriod": WHOLE,
    "ReceiveMessageWaitTimeSeconds": WHOLE,
    "VisibilityTimeout": WHOLE,
    "KmsMasterKeyId": TEXT,
    "KmsDataKeyReusePeriodSeconds": WHOLE,
    "SqsManagedSseEnabled": TRUTH,
    "FifoQueue": TRUTH,
    "ContentBasedDeduplication": TRUTH,
    "RedrivePolicy": ANY,
    "RedriveAllowPolicy": ANY,
}
_TOPIC_ACTIONS = (
    "AddPermission",
    "DeleteTopic",
    "GetTopicAttributes",
    "ListSubscriptionsByTopic",
    "Publish",
    "RemovePermission",
    "SetTopicAttributes",
    "Subscribe",
)


def _form(attributes: Mapping[str, Form], **more: Form) -> Form:
    return structure(**attributes, **more)


def _attributes(properties: Properties, known: Mapping[str, Form]) -> dict[str, str]:
    """Return properties as SNS and SQS have attributes: texts."""
    return {name: _text(value) for name, value in properties.items() if name in known}


def _changed(old: Properties, new: Properties, known: Mapping[str, Form]) -> dict[str, str]:
    """Return the attributes that change; what went is empty."""
    before, after = _attributes(old, known), _attributes(new, known)
    values = {name: after.get(name, "") for name in {**before, **after}}
    return {name: value for name, value in values.items() if before.get(name) != after.get(name)}


def _text(value: Any) -> str:  # noqa: ANN401 - JSON
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, str)) else document(value)


def _create_topic(hand: Hand, properties: Properties) -> Made:
    sns, name = hand.client("sns"), properties["TopicName"]
    check_new(name, taken=is_there(sns.get_topic_attributes, TopicArn=arn(hand.scope, "sns", name)))
    attributes = _attributes(properties, _TOPIC)
    topic = sns.create_topic(Name=name, Attributes=attributes, Tags=pairs(tags_of(properties)))["TopicArn"]
    made = Made(topic, {"TopicArn": topic, "TopicName": name})
    with or_undone(_delete_topic, hand, made, properties):
        _subscribe(sns, topic, {}, properties)
    return made


def _update_topic(hand: Hand, made: Made, old: Properties, new: Properties) -> Made:
    sns, arn = hand.client("sns"), made.physical
    for name, value in _changed(old, new, _TOPIC).items():
        sns.set_topic_attributes(TopicArn=arn, AttributeName=name, AttributeValue=value)
    _subscribe(sns, arn, old, new)
    retag(
        old,
        new,
        lambda tags: sns.tag_resource(ResourceArn=arn, Tags=pairs(tags)),
        lambda names: sns.untag_resource(ResourceArn=arn, TagKeys=names),
    )
    return made


def _subscribe(sns: Any, arn: str, old: Properties, new: Properties) -> None:  # noqa: ANN401 - boto3's clients have no types
    before, after = old.get("Subscription") or [], new.get("Subscription") or []
    for each in (each for each in after if each not in before):
        sns.subscribe(TopicArn=arn, Protocol=each["Protocol"], Endpoint=each["Endpoint"])
    left = [(each["Protocol"], each["Endpoint"]) for each in before if each not in after]
    pages = sns.get_paginator("list_subscriptions_by_topic").paginate(TopicArn=arn) if left else ()
    for each in [each for page in pages for each in page["Subscriptions"]]:
        if (each["Protocol"], each["Endpoint"]) in left:
            sns.unsubscribe(SubscriptionArn=each["SubscriptionArn"])


def _delete_topic(hand: Hand, made: Made, _properties: Properties) -> None:
    without_fail(hand.client("sns").delete_topic, TopicArn=made.physical)


def _create_topic_policy(hand: Hand, properties: Properties) -> Made:
    policy = document(properties["PolicyDocument"])
    for topic in properties["Topics"]:
        hand.client("sns").set_topic_attributes(TopicArn=topic, AttributeName="Policy", AttributeValue=policy)
    return Made(",".join(properties["Topics"]))


def _update_topic_policy(hand: Hand, made: Made, old: Properties, new: Properties) -> Made:
    left = [arn for arn in old["Topics"] if arn not in new["Topics"]]
    _delete_topic_policy(hand, made, {"Topics": left})
    return _create_topic_policy(hand, new)


def _delete_topic_policy(hand: Hand, _made: Made, properties: Properties) -> None:
    """Give topics the policy that a new topic has: its owner may do everything with it."""
    for topic in properties["Topics"]:
        statement = {
            "Sid": "__default_statement_ID",
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": [f"SNS:{action}" for action in _TOPIC_ACTIONS],
            "Resource": topic,
            "Condition": {"StringEquals": {"AWS:SourceOwner": hand.scope.account}},
        }
        policy = {"Version": "2008-10-17", "Id": "__default_policy_ID", "Statement": [statement]}
        without_fail(
            hand.client("sns").set_topic_attributes,
            TopicArn=topic,
            AttributeName="Policy",
            AttributeValue=document(policy),
        )


def _create_subscription(hand: Hand, properties: Properties) -> Made:
    arn = hand.client("sns").subscribe(
        TopicArn=properties["TopicArn"],
        Protocol=properties["Protocol"],
        Endpoint=properties["Endpoint"],
        Attributes=_attributes(properties, _SUBSCRIPTION),
        ReturnSubscriptionArn=True,
    )["SubscriptionArn"]
    return Made(arn, {"Arn": arn})


def _update_subscription(hand: Hand, made: Made, old: Properties, new: Properties) -> Made:
    for name, value in _changed(old, new, _SUBSCRIPTION).items():
        hand.client("sns").set_subscription_attributes(
            SubscriptionArn=made.physical, AttributeName=name, AttributeValue=value
        )
    return made


def _delete_subscription(hand: Hand, made: Made, _properties: Properties) -> None:
    without_fail(hand.client("sns").unsubscribe, SubscriptionArn=made.physical)


def _create_queue(hand: Hand, properties: Properties) -> Made:
    sqs, name = hand.client("sqs"), properties["QueueName"]
    check_new(name, taken=is_there(sqs.get_queue_url, QueueName=name))
    attributes = _attributes(properties, _QUEUE)
    url = sqs.create_queue(QueueName=name, Attributes=attributes, tags=tags_of(properties))["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    return Made(url, {"Arn": arn, "QueueName": name, "QueueUrl": url})


def _update_queue(hand: Hand, made: Made, old: Properties, new: Properties) -> Made:
    sqs, url = hand.client("sqs"), made.physical
    if changed := _changed(old, new, _QUEUE):
        sqs.set_queue_attributes(QueueUrl=url, Attributes=changed)
    retag(
        old,
        new,
        lambda tags: sqs.tag_queue(QueueUrl=url, Tags=tags),
        lambda names: sqs.untag_queue(QueueUrl=url, TagKeys=names),
    )
    return made


def _delete_queue(hand: Hand, made: Made, _properties: Properties) -> None:
    without_fail(hand.client("sqs").delete_queue, QueueUrl=made.physical)


def _create_queue_policy(hand: Hand, properties: Properties) -> Made:
    policy = document(properties["PolicyDocument"])
    for url in properties["Queues"]:
        hand.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"Policy": policy})
    return Made(",".join(properties["Queues"]))


def _update_queue_policy(hand: Hand, made: Made, old: Properties, new: Properties) -> Made:
    left = [url for url in old["Queues"] if url not in new["Queues"]]
    _delete_queue_policy(hand, made, {"Queues": left})
    return _create_queue_policy(hand, new)


def _delete_queue_policy(hand: Hand, _made: Made, properties: Properties) -> None:
    for url in properties["Queues"]:
        without_fail(hand.client("sqs").set_queue_attributes, QueueUrl=url, Attributes={"Policy": ""})


KINDS = (
    Kind(
        "AWS::SNS::Topic",
        lambda: _form(
            _TOPIC, TopicName=TEXT, Subscription=list_of(structure(Protocol=TEXT, Endpoint=TEXT)), Tags=TAGS
        ),
        _create_topic,
        _delete_topic,
        _update_topic,
        attributes=("TopicArn", "TopicName"),
        replacing=frozenset({"TopicName", "FifoTopic"}),
        named="TopicName",
        name_length=256,
    ),
    Kind(
        "AWS::SNS::TopicPolicy",
        lambda: structure(PolicyDocument=ANY, Topics=TEXTS),
        _create_topic_policy,
        _delete_topic_policy,
        _update_topic_policy,
        required=("PolicyDocument", "Topics"),
    ),
    Kind(
        "AWS::SNS::Subscription",
        lambda: _form(_SUBSCRIPTION, TopicArn=TEXT, Protocol=TEXT, Endpoint=TEXT),
        _create_subscription,
        _delete_subscription,
        _update_subscription,
        attributes=("Arn",),
        required=("TopicArn", "Protocol", "Endpoint"),
        replacing=frozenset({"TopicArn", "Protocol", "Endpoint"}),
    ),
    Kind(
        "AWS::SQS::Queue",
        lambda: _form(_QUEUE, QueueName=TEXT, Tags=TAGS),
        _create_queue,
        _delete_queue,
        _update_queue,
        attributes=("Arn", "QueueName", "QueueUrl"),
        replacing=frozenset({"QueueName", "FifoQueue"}),
        named="QueueName",
        name_length=80,
    ),
    Kind(
        "AWS::SQS::QueuePolicy",
        lambda: structure(PolicyDocument=ANY, Queues=TEXTS),
        _create_queue_policy,
        _delete_queue_policy,
        _update_queue_policy,
        required=("PolicyDocument", "Queues"),
    ),
)
