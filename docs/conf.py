"""How the site is built from the Markdown of this repository; run by `make docs`.

The pages are plain Markdown that reads as well on a forge, so nothing in them is Sphinx's: the source
folder is the repository itself, which lets a link to the README or to a source file mean the same in both
places. The navigation is made from the lists of `docs/README.md`, so a page is listed once.
"""  # noqa: INP001 - a folder of pages, not a package; Sphinx runs this file by its name

import re
from pathlib import Path

from sphinx.application import Sphinx

_ROOT = Path(__file__).parents[1]
_INDEX = "docs/README"
_SECTION = re.compile(r"^## +(.*)$", re.MULTILINE)
_PAGE = re.compile(r"\]\(([^)#:\s]+)\.md\)")
_START = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><title>orchestrator</title>
<meta http-equiv="refresh" content="0; url={target}"></head>
<body><p><a href="{target}">orchestrator</a></p></body>
</html>
"""

project = "orchestrator"
author = "the authors of orchestrator"
html_title = "orchestrator"
extensions = ["myst_parser"]
root_doc = _INDEX
include_patterns = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "examples/README.md", "docs/**.md"]
# Sphinx walks through everything that is not excluded, an installed environment included.
_PAGES = {"docs", "examples", *include_patterns}
exclude_patterns = sorted({path.name for path in _ROOT.iterdir()} - _PAGES)
html_theme = "furo"
html_show_sourcelink = False
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_use_index = False
smartquotes = False  # what is shown is what the page says, options included
# Summaries are fetched from the pages, which a browser refuses for files of a disk.
html_show_search_summary = False
pygments_style = "friendly"
myst_heading_anchors = 6  # as many levels as a forge gives anchors to


def _navigation(_app: Sphinx, docname: str, content: list[str]) -> None:
    """Add the navigation to the index: a toctree for each of its lists."""
    if docname != _INDEX:
        return
    before, *sections = _SECTION.split(content[0])
    listed = [("", before), *zip(sections[::2], sections[1::2], strict=True)]
    content[0] += "".join(_toctree(caption, _PAGE.findall(text)) for caption, text in listed)


def _toctree(caption: str, pages: list[str]) -> str:
    shown = "\n".join(dict.fromkeys(pages))
    options = ":hidden:\n" + (f":caption: {caption}\n" if caption else "")
    return f"\n```{{toctree}}\n{options}\n{shown}\n```\n" if pages else ""


def _start_page(app: Sphinx, failed: Exception | None) -> None:
    """Write the page that a server or a browser opens first."""
    if failed is None:
        (Path(app.outdir) / "index.html").write_text(_START.format(target=f"{_INDEX}.html"), "utf-8")


def setup(app: Sphinx) -> dict[str, bool]:
    """Have Sphinx call us."""
    app.connect("source-read", _navigation)
    app.connect("build-finished", _start_page)
    return {"parallel_read_safe": True}
