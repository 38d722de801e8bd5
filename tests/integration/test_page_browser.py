"""The page for developers in a real browser, served by the real application in front of a made-up model."""

import json
import struct
from collections.abc import Iterator

import pytest

pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright: pip install playwright")

from playwright.sync_api import Browser, Page, expect

from orchestrator.core.golden import Case
from orchestrator.core.golden import Request as GoldenRequest
from orchestrator.serving.messages import Request, Response
from orchestrator.serving.ports import Situation, WorkerState
from tests.support.browser import BROWSER, Stage, browser, served

pytestmark = pytest.mark.skipif(BROWSER is None, reason="there is no chromium: apt-get install chromium")

JSON = (("Content-Type", "application/json"),)
TEXT = (("Content-Type", "text/plain"),)
ATTACK = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"
TRACE = (
    f'Traceback (most recent call last):\n  File "predict.py", line 3, in predict_fn\nValueError: {ATTACK}\n'
)
SITUATION = Situation(
    (WorkerState(1, 4711, "idle", 3, 0, 182_000_000), WorkerState(2, 4712, "busy", 5, 1, 181_000_000)),
    describes={"task": "image-classification", "inputs": {"image": {"dtype": "float32", "shape": [1, 4, 4]}}},
)
CASES = (
    Case("a seven", GoldenRequest(b'{"image": "seven"}'), {"label": "7", "score": 0.8}),
    Case("wrongly a one", GoldenRequest(b'{"image": "one"}'), {"label": "1"}),
)
SEVEN = {"label": "7", "score": 0.8, "probabilities": {"7": 0.8, "1": 0.15, "3": 0.05}}


def _model(request: Request) -> Response:
    """Answer as the body asks for it."""
    match request.body:
        case b'"fail"':
            return Response(500, TEXT, ATTACK.encode(), model_seconds=0.001, trace=TRACE)
        case b'"attack"':
            answer = {"label": ATTACK, "score": 0.5, "probabilities": {ATTACK: 0.5, "else": 0.5}}
        case b'"picture"':
            return Response(200, JSON, json.dumps([[x * y for x in range(8)] for y in range(8)]).encode())
        case b'"npy"':
            return Response(200, (("content-type", "application/x-npy"),), _npy(0.25, 0.75))
        case b'"attacking picture"':
            body = b"<svg xmlns='http://www.w3.org/2000/svg'><script>document.title='owned'</script></svg>"
            return Response(200, (("content-type", "image/svg+xml"),), body)
        case _:
            answer = SEVEN
    return Response(200, JSON, json.dumps(answer).encode(), traps=("not-json",))


def _npy(*numbers: float) -> bytes:
    header = f"{{'descr': '<f4', 'fortran_order': False, 'shape': (1, {len(numbers)}), }}".ljust(117) + "\n"
    head = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header.encode()
    return head + struct.pack(f"<{len(numbers)}f", *numbers)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as started:
        yield started


@pytest.fixture
def stage() -> Stage:
    return Stage(_model, SITUATION, CASES)


@pytest.fixture
def page(stage: Stage, chromium: Browser) -> Iterator[Page]:
    """Give the page, loaded; when the test is over the browser must have had nothing to complain about."""
    with served(stage) as address:
        context = chromium.new_context(viewport={"width": 1200, "height": 900})
        page = context.new_page()
        said: list[str] = []
        asked: list[str] = []
        page.on("console", lambda message: said.append(message.text))
        page.on("pageerror", lambda error: said.append(str(error)))
        context.on("request", lambda request: asked.append(request.url))
        page.goto(address)
        expect(page.locator("#workers tr")).to_have_count(2)
        yield page
        context.close()
        foreign = [url for url in asked if not url.startswith((address, "blob:", "data:"))]
        assert foreign == []
        # The browser itself reports answers 4xx and 5xx.
        assert [line for line in said if "the server responded with a status of" not in line] == []


def _send_json(page: Page, value: object) -> None:
    page.check("[name=kind][value=json]")
    page.fill("#json", json.dumps(value))
    page.click("#send")


def test_a_golden_case_is_answered_with_bars_of_probabilities(page: Page, stage: Stage) -> None:
    page.click("#send")
    expect(page.locator("#verdict")).to_have_text("as the golden case expects")
    expect(page.locator(".bars .name")).to_have_text(["7", "1", "3"])
    expect(page.locator(".bars .number")).to_have_text(["80.0 %", "15.0 %", "5.0 %"])
    assert stage.received[0].body == CASES[0].request.body
    assert dict(stage.received[0].headers)["Content-Type"] == "application/json"


def test_an_answer_that_a_golden_case_does_not_expect_is_told_apart(page: Page) -> None:
    page.select_option("#case", "wrongly a one")
    page.click("#send")
    expect(page.locator("#verdict")).to_have_text('body.label is "7", not "1"')


def test_an_error_and_its_traceback_are_shown_as_text(page: Page) -> None:
    title = page.title()
    _send_json(page, "fail")
    expect(page.locator("#status")).to_contain_text("500")
    expect(page.locator("#body")).to_have_text(ATTACK)
    error = page.locator("#errors details")
    error.locator("summary").click()
    expect(error.locator("pre")).to_contain_text("ValueError: <img src=x onerror")
    assert page.title() == title
    assert page.locator("#errors img, #answer img").count() == 0


@pytest.mark.parametrize("body", ["attack", "attacking picture"])
def test_what_a_model_answers_never_becomes_a_part_of_the_page(page: Page, body: str) -> None:
    title = page.title()
    _send_json(page, body)
    expect(page.locator("#status")).to_contain_text("200")
    expect(page.locator("#rendered > *").first).to_be_visible()
    assert page.title() == title
    assert page.locator("#rendered script").count() == 0


def test_a_script_that_gets_onto_the_page_does_not_run(stage: Stage, chromium: Browser) -> None:
    with served(stage) as address, chromium.new_context() as context:
        page = context.new_page()
        page.goto(address)
        with page.expect_console_message() as refusal:
            page.evaluate(INJECTION)
        assert "TrustedScript" in refusal.value.text or "Content Security Policy" in refusal.value.text
        assert page.title() != "owned"


def test_an_array_of_rows_is_shown_as_a_picture(page: Page) -> None:
    _send_json(page, "picture")
    expect(page.locator("#rendered canvas")).to_have_attribute(
        "aria-label", "8 by 8 numbers as a picture, 0 to 49"
    )


def test_an_npy_answer_is_read(page: Page) -> None:
    _send_json(page, "npy")
    expect(page.locator("#rendered")).to_contain_text("array of <f4, shape (1, 2)")
    expect(page.locator(".bars .number")).to_have_text(["25.0 %", "75.0 %"])


def test_a_drawing_is_sent_as_numbers_of_the_models_shape(page: Page, stage: Stage) -> None:
    page.check("[name=kind][value=image]")
    pad = page.locator("#pad").bounding_box()
    assert pad
    page.mouse.move(pad["x"] + 20, pad["y"] + 28)
    page.mouse.down()
    page.mouse.move(pad["x"] + 200, pad["y"] + 28, steps=12)
    page.mouse.up()
    page.click("#send")
    expect(page.locator("#status")).to_contain_text("200")
    (rows,) = json.loads(stage.received[0].body)["image"]
    assert [len(row) for row in rows] == [4, 4, 4, 4]
    assert max(rows[0]) > 0.2
    assert max(rows[3]) == 0.0


def test_an_image_file_is_sent_byte_by_byte(page: Page, stage: Stage) -> None:
    page.check("[name=kind][value=image]")
    picture = page.locator("#pad").screenshot()
    page.set_input_files("#image", {"name": "seven.png", "mimeType": "image/png", "buffer": picture})
    page.select_option("#image-form", "file")
    expect(page.locator("#content-type")).to_have_value("image/png")
    page.click("#send")
    expect(page.locator("#status")).to_contain_text("200")
    assert stage.received[0].body == picture
    assert dict(stage.received[0].headers)["Content-Type"] == "image/png"


def test_a_file_is_sent_with_the_type_of_its_name_and_an_accept_of_ones_choice(
    page: Page, stage: Stage
) -> None:
    page.check("[name=kind][value=file]")
    page.set_input_files("#file", {"name": "rows.csv", "mimeType": "", "buffer": b"1,2\n"})
    expect(page.locator("#content-type")).to_have_value("text/csv")
    page.fill("#accept", "application/x-npy")
    page.click("#send")
    expect(page.locator("#status")).to_contain_text("200")
    headers = dict(stage.received[0].headers)
    assert (stage.received[0].body, headers["Content-Type"]) == (b"1,2\n", "text/csv")
    assert headers["Accept"] == "application/x-npy"


def test_a_shell_gets_the_same_request(page: Page) -> None:
    page.check("[name=kind][value=text]")
    page.fill("#text", "it's @here")
    command = page.locator("#curl")
    expect(command).to_contain_text("--data-raw 'it'\\''s @here'")
    expect(command).to_contain_text("-H 'Content-Type: text/plain'")
    expect(command).to_contain_text(f"'{page.url}invocations'")


def test_workers_and_traps_are_followed(page: Page, stage: Stage) -> None:
    expect(page.locator("#health")).to_have_text("2 of 2 workers ready")
    stage.situation = Situation((WorkerState(1, None, "waiting to start", 0, 4, 0),), 7)
    stage.recent.happened("trap", trap="unsafe-npy", found="predict.py")
    expect(page.locator("#workers tr")).to_have_count(1)
    expect(page.locator("#workers")).to_contain_text("waiting to start")
    expect(page.locator("#health")).to_have_text("0 of 1 worker ready")
    expect(page.locator("#waiting")).to_have_text("7")
    expect(page.locator("#traps")).to_contain_text("a caller can run code")


def test_a_change_that_is_not_live_is_announced_until_it_is(page: Page, stage: Stage) -> None:
    expect(page.get_by_role("alert")).to_be_hidden()
    stage.recent.happened("reload-failed", error="SyntaxError: '(' was never closed", traceback=ATTACK)
    expect(page.get_by_role("alert")).to_contain_text("'(' was never closed")
    stage.recent.happened("reloaded")
    expect(page.get_by_role("alert")).to_be_hidden()


def test_the_form_works_with_the_keyboard_alone(page: Page, stage: Stage) -> None:
    page.locator("[name=kind][value=case]").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Tab")
    page.keyboard.press("Control+A")
    page.keyboard.type('"fail"')
    page.keyboard.press("Control+Enter")
    expect(page.locator("#status")).to_contain_text("500")
    assert stage.received[0].body == b'"fail"'


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_is_readable_and_nothing_is_cut_off_on_a_telephone(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    page.set_viewport_size({"width": 360, "height": 740})
    page.click("#send")
    expect(page.locator("#verdict")).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") == 360
    assert page.evaluate(CONTRASTS) == []


def test_every_control_has_a_name(page: Page) -> None:
    assert page.evaluate(NAMELESS) == []


INJECTION = """() => {
  const script = document.createElement("script");
  script.append("document.title = 'owned'");
  document.body.append(script);
}"""

NAMELESS = """() => {
  const controls = [...document.querySelectorAll("input, select, textarea, button, canvas")];
  const isNamed = (control) =>
    control.labels?.length || control.textContent.trim() || control.getAttribute("aria-label");
  return controls.filter((control) => !isNamed(control)).map((control) => control.outerHTML);
}"""

# WCAG 2.2, 1.4.3: a text has a contrast of at least 4.5 to 1 against what is behind it.
CONTRASTS = """() => {
  const numbers = (color) => color.match(/[\\d.]+/g).map(Number);
  const level = (part) => (part /= 255) <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  const shares = [0.2126, 0.7152, 0.0722];
  const luminance = (color) => shares.reduce((sum, share, part) => sum + share * level(color[part]), 0);
  const behind = (element) => {
    for (let part = element; part; part = part.parentElement) {
      const color = numbers(getComputedStyle(part).backgroundColor);
      if (color.length === 3 || color[3] === 1) return color;
    }
    return [255, 255, 255];
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const poor = [];
  while (texts.nextNode()) {
    const element = texts.currentNode.parentElement;
    const text = texts.currentNode.data.trim();
    if (!text || !element.checkVisibility() || element.tagName === "SCRIPT") continue;
    const both = [luminance(numbers(getComputedStyle(element).color)), luminance(behind(element))];
    const contrast = (Math.max(...both) + 0.05) / (Math.min(...both) + 0.05);
    if (contrast < 4.5) poor.push([text, contrast]);
  }
  return poor;
}"""
