"""Topics of SNS, and EventBridge's rules with them as targets: to moto's rules one of those would stop all.

A rule's events get ``account`` and a readable ``time`` besides, which moto's own form leaves out.
"""

import copy
import functools
import json
import sys
import time
from collections.abc import Mapping
from typing import Any

from orchestrator.localcloud.world import Scope

_SNS = "moto.sns.models"


@functools.cache
def install() -> None:
    """Let rules deliver to topics, and leave the others of their targets to moto."""
    from moto.events.models import Rule  # noqa: PLC0415 - a start need not pay for what few use
    from moto.events.utils import EventTemplateParser  # noqa: PLC0415 - likewise

    form = EventTemplateParser.DEFAULT_EVENT_INPUT_TEMPLATE
    EventTemplateParser.DEFAULT_EVENT_INPUT_TEMPLATE = form.replace(
        '"source":', '"account": "<account>", "source":'
    )

    original = Rule.send_to_targets

    def send(self: Rule, original_event: Any, transform_input: bool = True) -> None:  # noqa: ANN401, FBT001, FBT002 - moto's signature
        if self.state != "ENABLED" or not self.event_pattern.matches_event(original_event):
            return
        for target in self.targets:
            if target["Arn"].split(":")[2] == "sns":
                _publish(Scope(self.account_id, self.region_name), target, original_event)
                continue
            one = copy.copy(self)
            one.targets = [target]
            original(one, original_event.copy(), transform_input)

    setattr(Rule, "send_to_targets", send)  # noqa: B010 - mypy takes no assignment to a method


def publish(scope: Scope, topic: str, subject: str | None, message: str) -> str | None:
    """Publish a message on a topic, and return why it could not be, if so."""
    if _SNS not in sys.modules:
        return f"Topic {topic} does not exist"
    models = sys.modules[_SNS]
    _, _, _, region, account, _ = topic.split(":", 5)
    backend = models.sns_backends[account or scope.account][region or scope.region]
    if topic not in backend.topics:
        return f"Topic {topic} does not exist"
    backend.publish(message=message, arn=topic, subject=subject)
    return None


def _publish(scope: Scope, target: Mapping[str, Any], event: Mapping[str, Any]) -> None:
    said = {key: value for key, value in event.items() if key != "ingestion-time"}
    said["time"] = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(float(event["time"])))
    publish(scope, target["Arn"], None, target.get("Input") or json.dumps(said))
