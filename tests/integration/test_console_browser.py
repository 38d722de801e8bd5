"""The console page in a real browser, with a made-up local cloud behind it."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("playwright.sync_api", reason="the browser tests need playwright: pip install playwright")

from playwright.sync_api import Browser, Page, expect

from orchestrator.localcloud.faulting.faults import Fault, Kind
from orchestrator.localcloud.world import Stage
from tests.support.browser import BROWSER, browser
from tests.support.clouds import STANDIN, archive, await_settled, local_cloud, publish
from tests.support.consoles import MadeUp, deployment
from tests.support.servers import eventually

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(BROWSER is None, reason="there is no chromium: apt-get install chromium"),
]

ATTACK = "<img src=x onerror=\"document.title='owned'\"><script>document.title='owned'</script>"


@pytest.fixture(scope="module")
def started() -> Iterator[Browser]:
    with browser() as running:
        yield running


@pytest.fixture
def made_up() -> MadeUp:
    return MadeUp()


@pytest.fixture
def page(started: Browser, made_up: MadeUp) -> Iterator[Page]:
    """The page, which ends the test if the browser complains of anything."""
    with made_up.served() as url, started.new_context(viewport={"width": 1280, "height": 900}) as context:
        opened = context.new_page()
        complaints: list[str] = []
        opened.on("console", lambda said: complaints.append(said.text) if said.type == "error" else None)
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.goto(f"{url}/_local")
        expect(opened.get_by_role("status").first).to_contain_text("live")
        yield opened
        assert complaints == []


def test_a_rollout_is_seen_as_it_moves(page: Page, made_up: MadeUp) -> None:
    expect(page.get_by_text("No endpoints.")).to_be_visible()

    def begin() -> None:
        made_up.put("digits", {"digits-1": 1.0})
        made_up.now += 2

    made_up.do(begin)
    card = page.get_by_role("article").filter(has_text="digits")
    expect(card.get_by_text("InService")).to_be_visible()
    expect(card).to_contain_text("digits-1 / primary: asked for 100 %, got no requests")

    def move() -> None:
        stage = Stage("Baking", "", 2, 0.25)
        pending = deployment("digits-2", stages={"primary": stage})
        made_up.put("digits", {"digits-1": 0.75, "digits-2": 0.25}, "Updating", pending=pending)
        for _ in range(3):
            made_up.answered("digits", "digits-1", 15)
            made_up.answered("digits", "digits-2", 4)
            made_up.answered("digits", "digits-2", 1, status=503, latency_us=90_000)
            made_up.now += 1

    made_up.do(move)
    expect(card).to_contain_text("digits-1 / primary: asked for 75 %, got 75 %")
    expect(card).to_contain_text("digits-2 / primary: asked for 25 %, got 25 %")
    expect(card).to_contain_text("Baking, 25 % of the traffic on 2 instances")
    expect(card.get_by_text("Updating")).to_be_visible()
    expect(card.get_by_role("img", name=re.compile("Share of the requests: digits-1"))).to_be_visible()
    tiles = card.locator(".tiles")
    expect(tiles).to_contain_text("5xx, 60 s3")
    expect(tiles).to_contain_text("p50", use_inner_text=True)
    # Two lines for each fleet: what it was to get and what it got.
    assert card.locator("[data-is=shares] path.stroke").count() == 4
    card.get_by_text("Fleets: 2, processes: 2").click()
    expect(card.get_by_role("row", name="digits-2 / primary i-1 4701 1 0")).to_be_visible()


def test_what_endpoints_and_models_are_called_is_text_and_nothing_else(page: Page, made_up: MadeUp) -> None:
    def put() -> None:
        made_up.alarms = [
            {
                "name": ATTACK,
                "region": "r",
                "state": "ALARM",
                "reason": ATTACK,
                "watches": "x",
                "endpoint": "",
            }
        ]
        made_up.lines = [{"at": 1.5, "stream": "primary/i-0", "message": ATTACK}]
        made_up.put("digits", {ATTACK: 1.0}, "Failed", failure_reason=ATTACK)
        made_up.faults.add(Fault(ATTACK, Kind.RESET, 1))

    made_up.do(put)
    card = page.get_by_role("article")
    expect(card).to_contain_text(f"{ATTACK} / primary")
    card.get_by_text("Container log").click()
    expect(card.get_by_role("log")).to_contain_text(f"00:00:01.500 primary/i-0  {ATTACK}")
    expect(page.get_by_role("region", name="Alarms")).to_contain_text(ATTACK)
    expect(page.get_by_role("region", name="Faults")).to_contain_text(ATTACK)
    assert page.title() == "Local cloud"
    assert page.locator("img").count() == 0


def test_faults_are_added_and_lifted_with_the_keyboard_alone(page: Page, made_up: MadeUp) -> None:
    form = page.get_by_role("form", name="A new fault")
    form.get_by_label("What is to go wrong").select_option("throttle")
    form.get_by_label("Operation, or a pattern").fill("DescribeEndpoint")
    form.get_by_label("Calls per second let through").fill("2.5")
    page.keyboard.press("Enter")
    faults = page.get_by_role("region", name="Faults")
    expect(faults.get_by_role("list")).to_contain_text("throttle · DescribeEndpoint")
    (shown,) = made_up.faults.shown()
    assert (shown["rate"], shown["times"]) == (2.5, None)
    lift = faults.get_by_role("button", name="Lift fault 1, throttle")
    lift.focus()
    page.keyboard.press("Space")
    expect(lift).to_have_count(0)
    assert made_up.faults.shown() == []


def test_a_refused_fault_says_why(started: Browser, made_up: MadeUp) -> None:
    with made_up.served() as url, started.new_page() as page:
        page.goto(f"{url}/_local")
        form = page.get_by_role("form", name="A new fault")
        form.get_by_label("What is to go wrong").select_option("region-down")
        form.get_by_role("button", name="Add the fault").click()
        expect(form.get_by_role("alert")).to_contain_text("region-down needs the name of a region")
    assert made_up.faults.shown() == []


def test_a_reset_is_asked_for_twice(page: Page, made_up: MadeUp) -> None:
    page.get_by_role("button", name="Reset …").click()
    dialog = page.get_by_role("dialog", name="Reset the local cloud?")
    dialog.get_by_role("button", name="Keep it").click()
    expect(dialog).to_be_hidden()
    assert made_up.resets == 0
    page.get_by_role("button", name="Reset …").click()
    dialog.get_by_role("button", name="Reset", exact=True).click()
    eventually(lambda: made_up.resets == 1, "the reset")


def test_the_page_survives_the_local_clouds_restart_and_says_so(started: Browser, made_up: MadeUp) -> None:
    with started.new_page() as page:
        with made_up.served() as url:
            made_up.do(lambda: made_up.put("digits", {"digits-1": 1.0}))
            page.goto(f"{url}/_local")
            expect(page.get_by_role("article")).to_contain_text("digits")
        health = page.locator("#health")
        expect(health).to_have_text("connection lost, trying again", timeout=20_000)
        expect(page.get_by_role("article")).to_contain_text("digits")
        made_up.restart()
        with made_up.served(int(url.rpartition(":")[2])):
            expect(health).to_have_text("live", timeout=20_000)
            expect(page.locator("#notice")).to_contain_text("was reset or started again")


def test_it_fits_on_a_phone_in_the_dark(started: Browser, made_up: MadeUp) -> None:
    made_up.put("an-endpoint-with-a-rather-long-name-that-has-to-be-broken-somewhere", {"c" * 60: 1.0})
    with (
        made_up.served() as url,
        started.new_context(viewport={"width": 360, "height": 740}, color_scheme="dark") as context,
    ):
        page = context.new_page()
        page.goto(f"{url}/_local")
        expect(page.get_by_role("article")).to_be_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= 360
        ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert ground == "rgb(16, 19, 23)"


def test_a_real_local_cloud_lets_its_page_in(started: Browser, tmp_path: Path) -> None:
    with local_cloud(tmp_path / "state", STANDIN) as cloud, started.new_page() as page:
        publish(cloud, "digits", archive({"answer": b"x"}))
        cloud.client("sagemaker").create_endpoint(EndpointName="digits", EndpointConfigName="digits")
        await_settled(cloud, "digits")
        page.goto(f"{cloud.url}/_local")
        card = page.get_by_role("article")
        expect(card).to_contain_text("digits")
        expect(card.get_by_text("InService")).to_be_visible()
        form = page.get_by_role("form", name="A new fault")
        form.get_by_label("What is to go wrong").select_option("stuck")
        form.get_by_role("button", name="Add the fault").click()
        expect(page.get_by_role("region", name="Faults")).to_contain_text("stuck · *")
        page.get_by_role("button", name="Reset …").click()
        page.get_by_role("dialog").get_by_role("button", name="Reset", exact=True).click()
        expect(page.locator("#notice")).to_contain_text("was reset or started again", timeout=20_000)
        expect(page.get_by_text("No endpoints.")).to_be_visible()
        expect(page.get_by_text("Nothing is to go wrong.")).to_be_visible()
