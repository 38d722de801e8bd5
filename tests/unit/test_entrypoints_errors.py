import pytest

from entrypoints.errors import InferenceError, guarded, safe_text


class TeapotError(Exception):
    status_code = 418
    message = "short\nand stout ☕"


@pytest.mark.parametrize("text", ["naïve ☕", "two\r\nlines", "x" * 70_000, "", "\x00\x1b[31m", "\udcff"])
def test_what_a_caller_reads_is_one_short_line_of_ascii(text: str) -> None:
    error = InferenceError(400, text)
    for said in (error.message, error.phrase):
        assert said
        assert said.isascii()
        assert said.isprintable()
        assert len(said) <= 200
    assert safe_text(safe_text(text)) == safe_text(text)


def test_the_error_has_what_the_toolkit_makes_an_answer_of() -> None:
    error = InferenceError(422, "no answer")
    assert (error.status_code, error.message, error.args[0]) == (422, "no answer", 422)
    assert InferenceError(599, "x").phrase == "Error"


@pytest.mark.parametrize("error", [ValueError("geheim ☕"), SystemExit(3), MemoryError()])
def test_an_exception_of_the_users_code_becomes_a_500_with_an_id(
    error: BaseException, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(InferenceError) as caught, guarded("preprocess"):
        raise error
    mark = caught.value.message.rpartition(" ")[2]
    logged = capsys.readouterr().err
    assert caught.value.status_code == 500
    assert "geheim" not in caught.value.message
    assert caught.value.__suppress_context__
    assert mark in logged
    assert "Traceback" in logged
    assert type(error).__name__ in logged


def test_the_users_code_may_choose_the_status_of_its_error() -> None:
    with pytest.raises(InferenceError) as caught, guarded("preprocess"):
        raise TeapotError
    assert (caught.value.status_code, caught.value.message) == (418, "short and stout ?")


@pytest.mark.parametrize("status", [200, 399, 600, "400", None])
def test_an_error_with_an_impossible_status_is_a_500(status: object) -> None:
    error = ValueError()
    error.status_code, error.message = status, "x"  # type: ignore[attr-defined]  # as a user's class might
    with pytest.raises(InferenceError) as caught, guarded("preprocess"):
        raise error
    assert caught.value.status_code == 500


def test_an_interrupt_is_nobodys_answer() -> None:
    with pytest.raises(KeyboardInterrupt), guarded("the model"):
        raise KeyboardInterrupt
