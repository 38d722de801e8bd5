"""The pages that are made from the code are those that it makes now."""

from docs import generate
from orchestrator.core.errors import ConflictError, OrchestratorError
from tests.support.pages import ROOT


def test_what_is_generated_is_what_the_code_says() -> None:
    made = generate.pages()
    behind = [str(path.relative_to(ROOT)) for path, text in made.items() if path.read_text("utf-8") != text]
    assert behind == [], "make docs writes them"


def test_every_error_that_a_user_can_see_has_its_text_from_where_it_is_raised() -> None:
    page = generate.errors_page()
    assert {OrchestratorError, ConflictError} <= set(generate.kinds())
    assert all(f"\n## {kind.__name__}\n" in page for kind in generate.kinds())
    assert "| `the local cloud is not running` | `orchestrator local-cloud start` |" in page


def test_a_text_that_an_error_puts_together_itself_and_a_hint_that_has_a_name_are_on_the_page() -> None:
    page = generate.errors_page()
    extra = next(row for row in page.splitlines() if row.startswith("| `… needs the extra '…'"))
    assert "`pip install 'cloud-deployment-orchestrator[…]'`" in extra
    assert "| `torch` |" not in page
    denied = next(row for row in page.splitlines() if row.startswith("| `there are no AWS credentials`"))
    assert "`aws sts get-caller-identity` who AWS thinks you are" in denied


def test_both_hints_of_an_error_that_has_the_choice_are_on_the_page() -> None:
    rows = [row for row in generate.errors_page().splitlines() if row.startswith("| `interrupted`")]
    assert len(rows) == 2
