"""Finding the state dict in a checkpoint, and the names in it."""

import pytest

from orchestrator.adapters.checkpoints import statedicts
from orchestrator.adapters.checkpoints.dtypes import BY_NAME
from orchestrator.adapters.checkpoints.rebuilding import Storage, Tensor, Unknown
from orchestrator.core.errors import ArtifactError

F32 = BY_NAME["float32"]
T = Tensor(Storage("0", F32), F32, 0, (1,), (1,))
WEIGHTS = {"conv.weight": T, "conv.bias": T}
OPTIMIZER = {"state": {0: {"exp_avg": T}}, "named": {"exp_avg": T}, "param_groups": [{"lr": 0.1}]}


def other() -> dict[str, object]:
    return dict(WEIGHTS)


@pytest.mark.parametrize(
    ("value", "keys"),
    [
        (WEIGHTS, [""]),
        ({"state_dict": other()}, ["state_dict"]),
        ({"epoch": 3, "model_state": other(), "optimizer": OPTIMIZER, "loss": 0.1}, ["model_state"]),
        ({"net": {"inner": other()}, "rng_state": T, "lr_schedulers": [1]}, ["net.inner"]),
        ({"state_dict": other(), "ema": other()}, ["state_dict", "ema"]),
        ({"optimizer_states": {"a": other()}, "callbacks": {"a": other()}}, []),
        ({"step": 1}, []),
        ({}, []),
        ([T], []),
        (T, []),
        ({1: T}, []),
        ({"weights": {**WEIGHTS, "_metadata": {"": 1}, "head._extra_state": None}}, ["weights"]),
        ({"mean": T, "state_dict": other()}, ["state_dict"]),
        ({"mean": T, "epoch": 1}, [""]),
        ({"a": {"b": {"c": {"d": {"e": other()}}}}}, []),
    ],
)
def test_state_dicts_are_found_by_what_they_hold(value: object, keys: list[str]) -> None:
    assert [state.key for state in statedicts.find(value)] == keys


def test_one_that_lies_under_two_keys_is_one() -> None:
    shared = other()
    assert [state.key for state in statedicts.find({"best": shared, "last": shared})] == ["best"]


def test_entries_that_are_no_tensors_are_named() -> None:
    (state,) = statedicts.find({"w": T, "epoch": 3, 7: T})
    assert state.others == ("epoch", "what has a key that is no text")


def test_an_unknown_mapping_is_searched_like_a_dict() -> None:
    mapping = Unknown("custom", "Dict", items={"state_dict": other()})
    assert [state.key for state in statedicts.find(mapping)] == ["state_dict"]


def test_mappings_that_hold_one_another_end() -> None:
    loop: dict[str, object] = {"epoch": 1}
    loop["self"] = loop
    assert statedicts.find(loop) == ()


@pytest.mark.parametrize("key", ["ema", "optimizer.named", "a.b.c", ""])
def test_a_key_leads_to_its_state_dict_even_where_none_is_looked_for(key: str) -> None:
    value = {"ema": other(), "optimizer": OPTIMIZER, "a.b": {"c": other()}, "": other()}
    state = statedicts.choose("m.pt", value, key)
    assert state.key == key


def test_without_a_key_several_are_listed_with_the_key_to_set() -> None:
    with pytest.raises(ArtifactError, match="holds 2 state_dicts") as caught:
        statedicts.choose("m.pt", {"state_dict": other(), "ema": other()}, None)
    assert dict(caught.value.details)["found"] == "'state_dict', 'ema'"
    assert caught.value.hint is not None
    assert "state_dict_key = 'state_dict'" in caught.value.hint


def test_a_key_that_leads_nowhere_is_refused_with_what_there_is() -> None:
    with pytest.raises(ArtifactError, match="no state_dict under 'emma'") as caught:
        statedicts.choose("m.pt", {"ema": other()}, "emma")
    assert dict(caught.value.details)["found"] == "'ema'"


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ([1], "a list"),
        ({}, "an empty dict"),
        ({"epoch": 1, 2: 3}, "a dict with 'epoch', 2"),
        (T, "a single tensor"),
        (Unknown("numpy", "ndarray"), "an object of the class numpy.ndarray"),
    ],
)
def test_where_there_is_none_the_error_says_what_there_is(value: object, what: str) -> None:
    with pytest.raises(ArtifactError) as caught:
        statedicts.choose("m.pt", value, None)
    assert str(caught.value) == f"'m.pt' holds no state_dict: {what}"


@pytest.mark.parametrize(
    ("names", "prefix", "taken_off"),
    [
        (("module.a", "module.b"), None, "module."),
        (("_orig_mod.a",), None, "_orig_mod."),
        (("module._orig_mod.a",), None, "module._orig_mod."),
        (("_orig_mod.module.a",), None, "_orig_mod.module."),
        (("module.a", "n_averaged"), None, ""),
        (("module.",), None, ""),
        (("a",), None, ""),
        ((), None, ""),
        (("module.a",), "", ""),
        (("net.a", "net.b"), "net.", "net."),
    ],
)
def test_a_prefix_is_taken_off_all_names_or_none(
    names: tuple[str, ...], prefix: str | None, taken_off: str
) -> None:
    assert statedicts.stripped("m.pt", names, prefix) == taken_off


@pytest.mark.parametrize("names", [("net.a", "b"), ("net.",)])
def test_a_prefix_that_a_name_lacks_is_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(ArtifactError, match=r"does not begin with 'net\.'"):
        statedicts.stripped("m.pt", names, "net.")
