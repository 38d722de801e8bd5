"""The JSONPath of batch transform: what the developer guide documents of it, and what it does not."""

from typing import Any

import pytest

from orchestrator.localcloud.transforms.errors import TransformError
from orchestrator.localcloud.transforms.jsonpath import parse, select

ROW = ["a", "b", "c", "d", "e", "f"]
RECORD = {"id": 7, "features": [1, 2, 3], "nested": {"x": 1, "y": {"z": 2}}, "SageMakerOutput": 0.5}


# Of a slice the developer guide says that it "specifies the second through fifth columns", where 1 and 4 are
# its bounds.
@pytest.mark.parametrize(
    ("path", "value", "selected"),
    [
        ("$", ROW, ROW),
        ("$", RECORD, RECORD),
        ("$[1]", ROW, "b"),
        ("$[-1]", ROW, "f"),
        ("$[1,3,5]", ROW, ["b", "d", "f"]),
        ("$[0,-1]", ROW, ["a", "f"]),
        ("$[1:]", ROW, ["b", "c", "d", "e", "f"]),
        ("$[1:4]", ROW, ["b", "c", "d", "e"]),
        ("$[:5]", ROW, ROW),
        ("$[5:]", ROW, ["f"]),
        ("$[-2:]", ROW, ["e", "f"]),
        ("$[:-1]", ROW, ROW),
        ("$[:]", ROW, ROW),
        ("$[0,5:]", ROW, ["a", "f"]),
        ("$[ 0 , 2:3 ]", ROW, ["a", "c", "d"]),
        ("$.id", RECORD, 7),
        ("$['id']", RECORD, 7),
        ("$['id','SageMakerOutput']", RECORD, {"id": 7, "SageMakerOutput": 0.5}),
        ("$['id', 'features']", RECORD, {"id": 7, "features": [1, 2, 3]}),
        ("$.features", RECORD, [1, 2, 3]),
        ("$.features[1:]", RECORD, [2, 3]),
        ("$.nested.y.z", RECORD, 2),
        ("$['nested']['x']", RECORD, 1),
        ("$.nested.['x','y']", RECORD, {"x": 1, "y": {"z": 2}}),
        ("$.nested.*", RECORD, [1, {"z": 2}]),
        ("$.features[*]", RECORD, [1, 2, 3]),
        ("$.*.x", {"a": {"x": 1}, "b": {"x": 2}}, [1, 2]),
    ],
)
def test_a_documented_path_selects(path: str, value: Any, selected: Any) -> None:  # noqa: ANN401 - JSON
    assert select(parse(path), value) == selected


@pytest.mark.parametrize(
    "path",
    [
        "",
        "features",
        "$.",
        "$..id",
        "$[?(@.id>1)]",
        "$[1:5:2]",
        "$[",
        "$[]",
        "$[a]",
        "$['id",
        "$.id.length()",
    ],
)
def test_what_sagemaker_does_not_document_is_no_path(path: str) -> None:
    with pytest.raises(TransformError, match="Invalid JsonPath"):
        parse(path)


def test_two_ranges_are_refused_in_the_words_of_aws() -> None:
    with pytest.raises(TransformError) as refused:
        parse("$[0:2,246:]")
    assert str(refused.value) == (
        "Invalid JsonPath: $[0:2,246:]: only single range filters of format (eg: [1:5]) are supported. "
        "Format [0:2,246:] is not supported"
    )


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("$[6]", ROW),
        ("$[-7]", ROW),
        ("$[0,6]", ROW),
        ("$[2:6]", ROW),
        ("$[6:]", ROW),
        ("$.missing", RECORD),
        ("$['id','missing']", RECORD),
        ("$.id.x", RECORD),
        ("$[0]", RECORD),
        ("$.id", ROW),
        ("$.id.*", RECORD),
    ],
)
def test_what_is_not_there_is_an_error(path: str, value: Any) -> None:  # noqa: ANN401 - JSON
    with pytest.raises(TransformError, match="selects what is not in the record"):
        select(parse(path), value)
