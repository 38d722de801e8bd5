"""Whatever a world holds is the same after it was kept."""

import dataclasses
import enum
import tempfile
import types
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Union, get_args, get_origin, get_type_hints

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.localcloud.keeping import Keeper
from orchestrator.localcloud.world import Scope, World
from orchestrator.localcloud.worlds import Worlds

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NUMBERS = st.integers(-(2**31), 2**31) | st.floats(allow_nan=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=3,
)
PLAIN: Mapping[object, st.SearchStrategy[Any]] = {
    Any: JSON,
    str: TEXT,
    int: st.integers(0, 2**40),
    float: st.floats(allow_nan=False),
    bool: st.booleans(),
    type(None): st.none(),
}


def values(hint: Any) -> st.SearchStrategy[Any]:  # noqa: ANN401 - any type that a world may have
    """Return values of a type, whatever of the types that a world may have it is."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint in PLAIN:
        return PLAIN[hint]
    if origin in {Union, types.UnionType}:
        return st.one_of(*(values(each) for each in inner))
    if origin is tuple:
        return st.lists(values(inner[0]), max_size=2).map(tuple)
    if origin is Mapping:
        return st.dictionaries(TEXT, values(inner[1]), max_size=2)
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return st.sampled_from(hint)
    assert isinstance(hint, type), f"no values of {hint}: does `keeping` read them back?"
    assert dataclasses.is_dataclass(hint), f"no values of {hint}: does `keeping` read them back?"
    hints = get_type_hints(hint)
    return st.builds(hint, **{each.name: values(hints[each.name]) for each in dataclasses.fields(hint)})


SCOPE = Scope("123456789012", "eu-west-1")
WORLDS = values(World).map(lambda world: dataclasses.replace(world, scope=SCOPE))


def kept(folder: Path) -> list[World]:
    keeper = Keeper(folder)
    try:
        return keeper.worlds()
    finally:
        keeper.close()


@given(st.lists(WORLDS, min_size=1, max_size=2))
@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_what_is_kept_is_the_last_world_whatever_it_holds_and_came_from(made: list[World]) -> None:
    with tempfile.TemporaryDirectory() as name:
        keeper = Keeper(Path(name))
        worlds = Worlds(keeper)
        for world in made:
            worlds.change(world)
        keeper.close()
        found = kept(Path(name))
    # A world without anything in it is not kept, nor missed.
    assert found == ([made[-1]] if found else []), found
    assert found or made[-1] == World(SCOPE)
