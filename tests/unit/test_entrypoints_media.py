import pytest

from entrypoints.errors import InferenceError
from entrypoints.media import choose, essence

OFFERED = ("application/json", "text/csv", "application/x-npy")


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        (None, "application/json"),
        ("", "application/json"),
        ("*/*", "application/json"),
        ("TEXT/CSV; header=absent", "text/csv"),
        ("text/*", "text/csv"),
        ("application/json;q=0.2, text/csv;q=0.9", "text/csv"),
        ("application/json;q=0, */*", "text/csv"),
        ("application/*;q=0.1, application/x-npy", "application/x-npy"),
        ("image/png, text/csv;q=0.001", "text/csv"),
        ("text/csv, application/json", "application/json"),
    ],
)
def test_the_answer_is_of_the_type_the_caller_likes_best(accept: str | None, chosen: str) -> None:
    assert choose(accept, OFFERED) == chosen


@pytest.mark.parametrize("accept", ["image/png", "text/csv;q=0", "*/*;q=0", "json"])
def test_a_caller_who_accepts_nothing_on_offer_gets_406(accept: str) -> None:
    with pytest.raises(InferenceError) as caught:
        choose(accept, OFFERED)
    assert caught.value.status_code == 406


@pytest.mark.parametrize("quality", ["x", "2", "-1", "nan", ""])
def test_a_q_value_that_is_no_number_from_0_to_1_gets_400(quality: str) -> None:
    with pytest.raises(InferenceError) as caught:
        choose(f"text/csv;q={quality}", OFFERED)
    assert caught.value.status_code == 400


def test_media_types_are_compared_without_case_and_parameters() -> None:
    assert essence(" Application/JSON ; charset=UTF-8") == "application/json"
