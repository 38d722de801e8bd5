"""An account of the local cloud's rules alone, with a clock that is a number."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from orchestrator.localcloud.apierrors import ApiError
from orchestrator.localcloud.control.operations import perform
from orchestrator.localcloud.rules.validation import check
from orchestrator.localcloud.world import Content, Scope, World

SCOPE = Scope("123456789012", "eu-west-1")
ARN = "arn:aws:sagemaker:eu-west-1:123456789012"


@dataclass
class RuledAccount:
    """An account whose time passes by one second with each call."""

    world: World = field(default_factory=lambda: World(SCOPE))
    now: float = 1000.0

    def call(self, operation: str, **request: Any) -> Content:  # noqa: ANN401 - JSON
        """Return the answer of an operation, and keep the world that it leads to."""
        self.now += 1
        outcome = perform(self.world, operation, check(operation, request), self.now)
        self.world = outcome.world
        return outcome.answer

    def refusal(self, operation: str, **request: Any) -> ApiError:  # noqa: ANN401 - JSON
        """Return the error of an operation that has to fail and to change nothing."""
        before = self.world
        with pytest.raises(ApiError) as caught:
            self.call(operation, **request)
        assert self.world == before
        return caught.value
