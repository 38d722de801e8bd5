"""What MiniStack's evaluator says of requests: a program for MiniStack's own environment, and its caller.

MiniStack's SimulateCustomPolicy leaves the context out, so its evaluator is asked itself.
"""

import json
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

_DECISIONS = {"Allow": "allowed", "Deny": "denied"}

Question = tuple[Sequence[Mapping[str, Any]], str, str, Mapping[str, Sequence[str]]]
"""Policies, an action, a resource, and the condition keys of a request."""


def verdicts(environment: Path, questions: Sequence[Question]) -> list[str]:
    """Return ``allowed``, ``denied`` or ``neutral`` for each question.

    Args:
        environment: One with MiniStack in it.
        questions: What is asked.
    """
    # -P: beside this file lies our own module of MiniStack's name.
    done = subprocess.run(
        [environment / "bin" / "python", "-P", __file__],
        input=json.dumps(questions),
        capture_output=True,
        text=True,
        check=True,
    )
    found: list[str] = json.loads(done.stdout)
    return found


def _verdict(question: Question) -> str:
    from ministack.core.iam_evaluator import (  # type: ignore[import-not-found]  # noqa: PLC0415 - only its own environment has it
        EvalContext,
        evaluate,
        parse_policy_document,
    )

    policies, action, resource, context = question
    keys = {name.lower(): values[0] if len(values) == 1 else values for name, values in context.items()}
    asked = EvalContext(
        principal_arn="arn:aws:iam::123456789012:role/someone",
        principal_type="AssumedRole",
        principal_account="123456789012",
        action=action,
        resource_arn=resource,
        region=keys.pop("aws:requestedregion", ""),
        source_ip="127.0.0.1",
        secure_transport=True,
        service_context=keys,
    )
    parsed = [parse_policy_document(json.dumps(policy)) for policy in policies]
    return _DECISIONS.get(evaluate(asked, parsed).decision, "neutral")


if __name__ == "__main__":
    sys.stdout.write(json.dumps([_verdict(question) for question in json.load(sys.stdin)]))
