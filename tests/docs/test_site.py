"""The site of the documentation: built twice, equal, whole, and usable without a network."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.support.pages import ROOT, documents

pytestmark = pytest.mark.slow

_PUBLISHED = [
    path.relative_to(ROOT)
    for path in documents()
    if path.is_relative_to(ROOT / "docs") or path in {ROOT / "README.md", ROOT / "examples" / "README.md"}
]
_IN_STYLE = re.compile(r"url\(([^)]*)\)|@import")
# Their address is what browsers load by themselves; that of an <a> is where a reader may go.
_LOADED = {"img": "src", "script": "src", "link": "href", "iframe": "src", "source": "src"}


@dataclass
class Page(HTMLParser):
    """What a page loads, where it leads, and where it can be led to."""

    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)
    said: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.anchors.add(given["id"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if address := given.get(_LOADED.get(tag, "")):
            self.loads.append(address)

    def handle_data(self, text: str) -> None:
        self.said.append(text)


def read(path: Path) -> Page:
    page = Page()
    page.feed(path.read_text("utf-8"))
    page.close()
    return page


@pytest.fixture(scope="module")
def sites(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Build the site twice, as `make docs` does, with other chance in each."""
    folder = tmp_path_factory.mktemp("sites")
    builds = []
    for seed in ("1", "2"):
        command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-n", "-c", "docs"]
        command += ["-d", str(folder / f"doctrees-{seed}"), ".", str(folder / seed)]
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        builds.append(
            subprocess.Popen(
                command,
                cwd=ROOT,
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    told = [build.communicate(timeout=300)[0] for build in builds]
    assert [build.returncode for build in builds] == [0, 0], told
    return [folder / "1", folder / "2"]


@pytest.fixture(scope="module")
def site(sites: list[Path]) -> Path:
    return sites[0]


@pytest.fixture(scope="module")
def read_pages(site: Path) -> dict[Path, Page]:
    return {path: read(path) for path in sorted(site.rglob("*.html"))}


def test_two_builds_are_equal_and_hold_no_path_of_this_machine(sites: list[Path]) -> None:
    first, second = (
        {path.relative_to(site): path.read_bytes() for path in site.rglob("*") if path.is_file()}
        for site in sites
    )
    assert first == second
    holding = [str(path) for path, content in first.items() if os.fsencode(ROOT) in content]
    assert holding == []


def within(site: Path, page: Path, address: str) -> Path:
    """Return the file of the site that an address in ``page`` means."""
    path = unquote(urlsplit(address).path)
    return (page.parent / path).resolve() if path else page


def test_nothing_that_a_page_links_or_loads_is_missing(site: Path, read_pages: dict[Path, Page]) -> None:
    broken = []
    for path, page in read_pages.items():
        for address in [*page.links, *page.loads]:
            parts = urlsplit(address)
            if parts.scheme or parts.netloc:
                continue
            target = within(site, path, address)
            anchor = unquote(parts.fragment)
            known = read_pages[target].anchors if target in read_pages else set()
            if not target.is_file() or (anchor and target.suffix == ".html" and anchor not in known):
                broken.append(f"{path.relative_to(site)}: {address}")
    assert broken == []


def test_every_page_can_be_reached_from_the_first(site: Path, read_pages: dict[Path, Page]) -> None:
    reached: set[Path] = set()
    waiting = [site / "index.html"]
    while waiting:
        path = waiting.pop()
        if path in read_pages and path not in reached:
            reached.add(path)
            waiting += (
                within(site, path, link) for link in read_pages[path].links if not urlsplit(link).netloc
            )
    assert [str(path) for path in _PUBLISHED if site / path.with_suffix(".html") not in reached] == []


def test_the_site_needs_no_network(site: Path, read_pages: dict[Path, Page]) -> None:
    loads = [address for page in read_pages.values() for address in page.loads]
    assert loads
    assert [address for address in loads if urlsplit(address).netloc] == []
    assert [found for found in _outside(site) if not found.startswith("data:")] == []


def _outside(site: Path) -> Iterator[str]:
    for sheet in site.rglob("*.css"):
        for found in _IN_STYLE.finditer(sheet.read_text("utf-8")):
            address = (found[1] or found[0]).strip("'\"")
            if not (sheet.parent / urlsplit(address).path).is_file():
                yield address


def test_links_that_leave_the_site_are_addresses_that_a_browser_takes(read_pages: dict[Path, Page]) -> None:
    """They are not fetched: a test that needs others' servers fails with them."""
    leaving = [urlsplit(link) for page in read_pages.values() for link in page.links if urlsplit(link).scheme]
    assert leaving
    assert [link.geturl() for link in leaving if link.scheme != "https" or "." not in link.netloc] == []


def test_no_page_says_that_something_is_undefined(read_pages: dict[Path, Page]) -> None:
    words = {path.name: set(" ".join(page.said).split()) for path, page in read_pages.items()}
    assert [name for name, said in words.items() if "undefined" in said] == []


def test_the_search_knows_every_page(site: Path) -> None:
    text = (site / "searchindex.js").read_text("utf-8")
    index = json.loads(text.removeprefix("Search.setIndex(").removesuffix(")"))
    assert {str(path.with_suffix("")) for path in _PUBLISHED} <= set(index["docnames"])
    assert "journal" in index["terms"]
