"""Who answers: shares of fleets."""

from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

import pytest

from orchestrator.localcloud.dataplane.traffic import Traffic, mixed, whole
from orchestrator.localcloud.fleets.exchange import Answer, Headers, Streamed
from orchestrator.localcloud.fleets.instances import Instance
from orchestrator.localcloud.world import Deployment, Variant


@dataclass(eq=False)
class Named:
    """A fleet that is only told apart."""

    variant: Variant
    name: str
    answering: int = 0
    count: int = 1
    instances: tuple[Instance, ...] = ()

    async def ask(self, headers: Headers, body: bytes, instance: str | None = None) -> Answer:
        return Answer(200, headers, body)

    def stream(
        self, headers: Headers, body: bytes, instance: str | None = None
    ) -> AbstractAsyncContextManager[Streamed]:
        raise NotImplementedError

    async def look(self, path: str) -> Answer:
        raise NotImplementedError

    async def resize(self, count: int, changed: Callable[[], None] = lambda: None) -> None:
        self.count = count

    async def stop(self, *, drain: bool) -> None:
        self.answering = 0


def traffic(config: str, **weights: float) -> Traffic:
    variants = tuple(Variant(name, {}, "ml.m5.large", 2, weight, 60.0) for name, weight in weights.items())
    fleets = {variant.name: Named(variant, f"{config}/{variant.name}") for variant in variants}
    return whole(Deployment(config, variants, None, 0.0), fleets)


def shares(found: Traffic, target: str | None = None, times: int = 20_000) -> Mapping[str, float]:
    counted: Counter[str] = Counter()
    for _ in range(times):
        share = found.choose(target)
        assert share is not None
        assert isinstance(share.fleet, Named)
        counted[share.fleet.name] += 1
    return {name: count / times for name, count in counted.items()}


def test_variants_answer_by_their_weights() -> None:
    assert shares(traffic("c", a=3.0, b=1.0)) == pytest.approx({"c/a": 0.75, "c/b": 0.25}, abs=0.02)
    assert shares(traffic("c", a=1.0, b=0.0)) == {"c/a": 1.0}
    assert shares(traffic("c", a=0.0, b=0.0)) == pytest.approx({"c/a": 0.5, "c/b": 0.5}, abs=0.02)


def test_a_small_share_is_kept_to_by_few_requests() -> None:
    for _ in range(20):
        canary = mixed(traffic("c", a=1.0), traffic("d", a=1.0), {"a": 0.1})
        assert shares(canary, times=100)["d/a"] == pytest.approx(0.1, abs=0.025)


def test_a_share_is_kept_to_among_every_second_request_too() -> None:
    canary = mixed(traffic("c", a=1.0), traffic("d", a=1.0), {"a": 0.5})
    chosen = [canary.choose(None) for _ in range(400)]
    fleets = [share.deployment.config for share in chosen[::2] if share is not None]
    assert fleets.count("d") == pytest.approx(100, abs=10)


def test_two_fleets_of_a_variant_have_the_shares_asked_for_whatever_the_weights() -> None:
    between = mixed(traffic("c", a=3.0, b=1.0), traffic("d", a=30.0, b=10.0), {"a": 0.1, "b": 0.1})
    assert shares(between) == pytest.approx(
        {"c/a": 0.675, "c/b": 0.225, "d/a": 0.075, "d/b": 0.025}, abs=0.02
    )


def test_weights_of_one_endpoint_config_that_were_changed_meanwhile_count_apart() -> None:
    between = mixed(traffic("c", a=3.0, b=1.0), traffic("c", a=1.0, b=1.0), {"a": 0.5, "b": 0.5})
    assert shares(between) == pytest.approx({"c/a": 0.625, "c/b": 0.375}, abs=0.02)


def test_a_variant_that_is_named_answers_with_both_its_fleets() -> None:
    between = mixed(traffic("c", a=1.0, b=0.0), traffic("d", a=1.0, b=0.0), {"a": 0.2, "b": 0.2})
    assert shares(between, "b") == pytest.approx({"c/b": 0.8, "d/b": 0.2}, abs=0.02)
    assert between.choose("c") is None


def test_all_or_nothing_leaves_one_fleet() -> None:
    old, new = traffic("c", a=1.0), traffic("d", a=1.0)
    assert shares(mixed(old, new, {"a": 1.0})) == {"d/a": 1.0}
    assert shares(mixed(old, new, {"a": 0.0})) == {"c/a": 1.0}


def test_what_is_mixed_already_is_mixed_with_a_third() -> None:
    both = mixed(traffic("c", a=1.0), traffic("d", a=1.0), {"a": 0.5})
    assert shares(mixed(both, traffic("f", a=1.0), {"a": 0.5})) == pytest.approx(
        {"c/a": 0.25, "d/a": 0.25, "f/a": 0.5}, abs=0.02
    )
