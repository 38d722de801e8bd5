"""Traps are reported, answered as the container does, or errors that explain: as one has asked for."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.serving.contract import Fidelity
from orchestrator.serving.traps import TRAPS, TrapError, refused
from tests.support.archives_in_process import Loading, header, loading
from tests.support.entrypoints_samples import ECHO

RETURNING = """
def model_fn(model_dir): return None
def input_fn(data, content_type): return data
def predict_fn(data, model): return eval(data) if data else data
def output_fn(prediction, accept): return prediction
"""
RAISING = RETURNING.replace("return eval(data) if data else data", "raise ValueError(eval(data))")


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Loading]:
    with loading(tmp_path) as load:
        yield load


LOADING = [
    (ECHO.replace("output_fn", "other"), "default-functions", "'inference' lacks output_fn"),
    (ECHO.replace("input_fn", "other"), "unsafe-npy", "'inference' lacks input_fn"),
    (
        ECHO.replace("predict_fn(data, model)", "predict_fn(data, *args)"),
        "star-parameters",
        "'predict_fn' of",
    ),
    (ECHO.replace("predict_fn(data, model)", "predict_fn(data, **kw)"), "star-parameters", "'predict_fn' of"),
    (ECHO.replace("return None", "open('cache', 'w').close()"), "model-folder-written", "'cache'"),
]


@pytest.mark.parametrize(("source", "slug", "found"), LOADING)
def test_a_trap_of_the_archive_is_reported(load: Loading, source: str, slug: str, found: str) -> None:
    traps = dict(load(source).handler.loaded.traps)

    assert traps[slug].startswith(found)


@pytest.mark.parametrize(("source", "slug", "found"), LOADING)
def test_in_strict_fidelity_an_archive_with_a_trap_does_not_load(
    load: Loading, source: str, slug: str, found: str
) -> None:
    with pytest.raises(TrapError):
        load(source, fidelity=Fidelity.STRICT)


def test_an_archive_without_traps_has_none(load: Loading) -> None:
    archive = load(ECHO, fidelity=Fidelity.STRICT)

    assert archive.handler.loaded.traps == ()
    assert (archive.csv("1").status, archive.csv("1").traps) == (200, ())


def test_a_missing_entry_point_is_told_before_the_missing_model(load: Loading) -> None:
    with pytest.raises(TrapError, match="'nope': no module of that name") as caught:
        load(ECHO, module="nope", fidelity=Fidelity.STRICT)

    assert caught.value.trap.slug == "entry-point-missing"
    assert caught.value.hint == TRAPS["entry-point-missing"].instead


ANSWERING = [
    (RETURNING, "{1}", (), "output-not-supported"),
    (RETURNING, "('a', 'b', 'c')", (), "long-tuple"),
    (RETURNING, "'a'", (("Accept", "text/csv, */*"),), "accept-list"),
    (RETURNING, "'a'", (("ACCEPT", "text/csv"),), "header-spelling"),
    (RETURNING, "float('nan')", (), "not-json"),
    (RETURNING, "'x' * 6553501", (), "response-too-large"),
    (RETURNING, "('a', 'caf\\u00e9')", (), "content-type-not-ascii"),
    (RAISING, "'caf\\u00e9'", (), "error-not-ascii"),
    (RAISING, "'x' * 70000", (), "error-too-long"),
]


@pytest.mark.parametrize(("source", "body", "headers", "slug"), ANSWERING)
def test_a_trap_of_a_request_is_reported_with_the_answer(
    load: Loading, source: str, body: str, headers: tuple[tuple[str, str], ...], slug: str
) -> None:
    assert load(source).csv(body, *headers).traps == (slug,)


@pytest.mark.parametrize(("source", "body", "headers", "slug"), ANSWERING)
def test_in_strict_fidelity_a_trap_is_the_answer_and_explains(
    load: Loading, source: str, body: str, headers: tuple[tuple[str, str], ...], slug: str
) -> None:
    response = load(source, fidelity=Fidelity.STRICT).csv(body, *headers)
    content = json.loads(response.body)

    assert (response.status, content["code"], content["type"], content["trap"]) == (
        500,
        500,
        "TrapError",
        slug,
    )
    assert content["message"].endswith(f": {TRAPS[slug].happens}; {TRAPS[slug].instead}")
    assert header(response.headers, "content-type") == "application/json"


@pytest.mark.parametrize(
    ("content_type", "slug"),
    [
        ("application/x-www-form-urlencoded", "form-body"),
        ("multipart/form-data; boundary=b", "form-body"),
        ("application/json; charset=utf-8", "content-type-parameters"),
        ("TEXT/CSV", "content-type-parameters"),
    ],
)
def test_a_content_type_with_a_trap_is_reported(load: Loading, content_type: str, slug: str) -> None:
    assert load(ECHO.replace("bytes(data)", "b''")).ask(b"", ("Content-Type", content_type)).traps == (slug,)


@pytest.mark.parametrize("text", ['{"a": "NaN"}', "{'a': 1}", "NaN at last"])
def test_what_only_looks_like_a_bare_nan_is_no_trap(load: Loading, text: str) -> None:
    assert load(RETURNING).csv(repr(text)).traps == ()


def test_a_text_outside_ascii_is_answered_with_an_escaped_reason(load: Loading) -> None:
    response = load(RAISING).csv("'caf\\u00e9'")

    assert (response.status, response.reason) == (500, "caf\\xe9")
    assert response.body.startswith("café\nTraceback".encode())


@pytest.mark.parametrize(("source", "body"), [(RAISING, "'caf\\u00e9'"), (RETURNING, "('a', 'caf\\u00e9')")])
def test_in_exact_fidelity_what_hangs_the_container_hangs(load: Loading, source: str, body: str) -> None:
    archive = load(source, fidelity=Fidelity.EXACT)
    asking = threading.Thread(target=archive.csv, args=(body,), daemon=True)
    asking.start()
    asking.join(0.2)

    assert asking.is_alive()


def test_every_trap_says_what_happens_and_what_to_do_in_one_line() -> None:
    for slug, trap in TRAPS.items():
        assert trap.slug == slug
        for text in (trap.happens, trap.instead):
            assert text
            assert "\n" not in text
            assert not text.endswith(".")


def test_a_trap_in_the_environment_is_an_error_of_the_spec() -> None:
    error = refused("server-batching", "SAGEMAKER_TS_BATCH_SIZE is 4")

    assert str(error).startswith("SAGEMAKER_TS_BATCH_SIZE is 4: batches take")
    assert error.details == (("trap", "server-batching"),)
