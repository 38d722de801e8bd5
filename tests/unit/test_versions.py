"""Versions are compared as the library `packaging` compares them."""

import itertools

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from orchestrator.core import versions

INSTALLED = ("2.6.0", "2.6", "0.12.0", "2.0.25", "81.0.0", "2.10.1")
BOUNDS = ("2", "2.6", "2.6.0", "2.5.9", "2.10", "2.0.25", "0.12", "82", "2.6.0.1")
PAIRS = [
    *itertools.product(("==", "!=", ">=", "<=", ">", "<"), BOUNDS),
    *itertools.product(("==", "!="), (f"{bound}.*" for bound in BOUNDS)),
    *itertools.product(("~=",), (bound for bound in BOUNDS if "." in bound)),
]


@pytest.mark.parametrize("installed", INSTALLED)
def test_a_plain_release_is_admitted_when_the_library_admits_it(installed: str) -> None:
    differing = [
        (operator, bound)
        for operator, bound in PAIRS
        if versions.admits([(operator, bound)], installed)
        is not SpecifierSet(operator + bound).contains(installed)
    ]
    assert differing == []


def test_every_specifier_has_to_admit_it() -> None:
    assert versions.admits([(">=", "2"), ("<", "3")], "2.6.0")
    assert not versions.admits([(">=", "2"), ("<", "2.6")], "2.6.0")
    assert versions.admits([], "2.6.0")


@pytest.mark.parametrize(
    ("specifier", "installed"),
    [
        ((">=", "2.0rc1"), "2.6.0"),
        (("==", "2.6.0+cpu"), "2.6.0"),
        (("===", "2.6.0"), "2.6.0"),
        (("<", "3"), "2.7.0.dev1"),
    ],
)
def test_what_takes_more_than_plain_releases_is_not_admitted(
    specifier: versions.Specifier, installed: str
) -> None:
    assert not versions.admits([specifier], installed)


@pytest.mark.parametrize("text", ["2.13.0+cpu", "2.6", "0.12.0"])
def test_a_release_has_the_librarys_numbers(text: str) -> None:
    assert versions.release(text) == Version(text).release


@pytest.mark.parametrize("text", ["", "2.7.0rc1", "v2.6", "2..6", "nightly", "\uff12.6"])
def test_what_is_no_plain_release_has_no_numbers(text: str) -> None:
    assert versions.release(text) is None
