"""What of records goes to the model, and what of records and answers to the output."""

import json
from typing import Any

import pytest

from orchestrator.localcloud.transforms.capturing import manifests, stamping
from orchestrator.localcloud.transforms.errors import TransformError
from orchestrator.localcloud.transforms.joining import Processing, is_processed, processing

ONE = {"several": False, "stamp": None}
SEVERAL = {"several": True, "stamp": None}


def job(content_type: str, **asked: str) -> dict[str, Any]:
    return {"TransformInput": {"ContentType": content_type, "SplitType": "Line"}, "DataProcessing": asked}


def text(payload: str) -> bytes:
    return payload.encode()


def made(content_type: str, how: dict[str, Any], **asked: str) -> Processing:
    return processing(job(content_type, **asked), **how)


def test_without_data_processing_nothing_is_looked_at() -> None:
    plain = made("application/x-npy", SEVERAL)
    payload = text("{not\njson\n")
    assert plain.question(payload) == b"{not\njson\n"
    assert plain.output(payload, b"\xff\0") == b"\xff\0"
    assert not is_processed(job("text/csv", InputFilter="$", OutputFilter="$", JoinSource="None"))


def test_a_result_that_is_joined_stands_in_the_object_it_is_about() -> None:
    joined = made("application/jsonlines", ONE, JoinSource="Input")
    assert joined.output(text('{"key":1}\n'), b'{"label":1}') == b'{"key":1,"SageMakerOutput":{"label":1}}'


def test_a_result_about_anything_else_stands_beside_it() -> None:
    joined = made("application/json", ONE, JoinSource="Input")
    assert joined.output(text("[1, 2]"), b"[0.5]\n") == b'{"SageMakerInput":[1,2],"SageMakerOutput":[0.5]}'


def test_an_id_is_kept_from_the_model_and_put_back() -> None:
    asked = {"InputFilter": "$.features", "OutputFilter": "$['id','SageMakerOutput']", "JoinSource": "Input"}
    kept = made("application/jsonlines", SEVERAL, **asked)
    payload = text('{"id":1,"features":[1,2]}\n{"id":2,"features":[3,"ä"]}\n')
    assert kept.question(payload).decode() == '[1,2]\n[3,"ä"]\n'
    assert kept.output(payload, b"0.5\n0.25\n") == (
        b'{"id":1,"SageMakerOutput":0.5}\n{"id":2,"SageMakerOutput":0.25}'
    )


def test_columns_are_kept_from_the_model_and_put_back() -> None:
    asked = {"InputFilter": "$[1:]", "OutputFilter": "$[0,-1]", "JoinSource": "Input"}
    kept = made("text/csv; charset=utf-8", SEVERAL, **asked)
    payload = text('id-1,"a ""b"", c",2\r\nid-2,,4\n')
    assert kept.question(payload) == b'"a ""b"", c",2\n,4\n'
    assert kept.output(payload, b"0.5\r\n0.25\r\n") == b"id-1,0.5\nid-2,0.25"


def test_a_row_is_followed_by_its_answer() -> None:
    assert made("text/csv", ONE, JoinSource="Input").output(text("1,2,3"), b"1") == b"1,2,3,1"


def test_an_output_filter_without_a_join_selects_from_the_answers() -> None:
    assert made("text/csv", SEVERAL, OutputFilter="$[0]").output(text("1\n2\n"), b"a,b\nc,d\n") == b"a\nc"
    picked = made("application/json", ONE, OutputFilter="$.label")
    assert picked.output(text("{}"), b'{"label": "cat", "score": 1}') == b'"cat"'


def test_an_answer_with_another_number_of_records_cannot_be_joined() -> None:
    with pytest.raises(TransformError, match="answered 2 records with 1"):
        made("text/csv", SEVERAL, JoinSource="Input").output(text("1\n2\n"), b"0.5\n")


@pytest.mark.parametrize(
    ("content_type", "record"),
    [("application/json", "{'a': 1}"), ("application/jsonlines", "NaN"), ("text/csv", '"a"b,c')],
)
def test_a_record_of_another_form_is_an_error(content_type: str, record: str) -> None:
    with pytest.raises(TransformError, match=f"a record is no valid {content_type}"):
        made(content_type, ONE, JoinSource="Input").output(text(record), b"1")


@pytest.mark.parametrize("path", ["$.features", "$['id']", "$[0][1]", "$.*"])
def test_columns_have_no_names(path: str) -> None:
    with pytest.raises(TransformError, match="rows of CSV have indexes only"):
        made("text/csv", ONE, InputFilter=path)


def test_an_inference_id_follows_each_record_of_the_output() -> None:
    stamp = stamping(1661820555.0, iter(["id-1", "id-2", "id-3"]).__next__)
    csv = processing(job("text/csv"), several=True, stamp=stamp)
    assert (
        csv.output(text("1\n2\n"), b"0\n1\n") == b"0,id-1,2022-08-30T00:49:15Z\n1,id-2,2022-08-30T00:49:15Z"
    )
    objects = processing(job("application/jsonlines"), several=False, stamp=stamp)
    assert json.loads(objects.output(text("1"), b'{"output": 0}')) == {
        "output": 0,
        "SageMakerInferenceId": "id-3",
        "SageMakerInferenceTime": "2022-08-30T00:49:15Z",
    }


def test_captured_are_lists_of_what_was_read_and_written() -> None:
    listed = {"input": ("s3://b/in/", ["x.csv"]), "output": ("s3://b/out/", ["x.csv.out"])}
    assert manifests("j", 1661518800.0, listed) == {
        "input/2022/08/26/13/j.jsonl": b'[{"prefix": "s3://b/in/"}, "x.csv"]',
        "output/2022/08/26/13/j.jsonl": b'[{"prefix": "s3://b/out/"}, "x.csv.out"]',
    }
