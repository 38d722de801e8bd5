"""Record what the real container answers, and compare it with what is committed.

``python -m tests.conformance.recording [--write] [--only stack|worker] [CASE ...]`` asks the whole stack over
HTTP where root and Java are there, and the worker alone everywhere; it prints every difference, and fails if
there is one. What differs from run to run is left out or replaced: see `tests.conformance.wire`.
"""

import argparse
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path

from tests.conformance import catalogue, environment, stack, toolkit
from tests.conformance.cases import Case
from tests.conformance.wire import Recorded, ask, recorded

ANSWERS = Path(__file__).parent / "answers"
_AT_ONCE = 2

CaseAnswers = dict[str, Recorded]


def committed(theme: str) -> dict[str, CaseAnswers]:
    """Return the recorded answers of a theme's cases, by case and request."""
    path = ANSWERS / f"{theme}.json"
    if not path.exists():
        return {}
    content: dict[str, CaseAnswers] = json.loads(path.read_text())
    return content


def from_stack(venv: Path, case: Case) -> CaseAnswers:
    """Ask the whole stack every request of ``case``, in order.

    Raises:
        StackError: If it does not start though it should.
    """
    try:
        with stack.running(venv, case) as port:
            found = {
                request.name: recorded(request, lambda one: ask(port, one, case.patience_seconds))
                for request in case.requests
            }
            return _certain(case, found)
    except stack.StackError:
        if case.load_fails is None:
            raise
        return {request.name: {"no_answer": True} for request in case.requests}


def from_worker(venv: Path, case: Case) -> CaseAnswers:
    """Ask a worker alone, in order, what does not depend on the front end."""
    requests = [request for request in case.requests if not request.front and request.copies == 1]
    if not requests:
        return {}
    with toolkit.running(venv, case) as (send, places):
        return _certain(case, {request.name: recorded(request, send, places) for request in requests})


def _certain(case: Case, found: CaseAnswers) -> CaseAnswers:
    """Leave out what is chance: while a model fails to load, a request waits, or gets 500 "Worker died."."""
    if case.load_fails is None or any(
        answer.get("status", 500) != HTTPStatus.INTERNAL_SERVER_ERROR for answer in found.values()
    ):
        return found
    return {name: {"no_answer": True} for name in found}


def write(theme: str, answers: Mapping[str, CaseAnswers]) -> None:
    """Commit answers: those given replace the file's, and cases that are no more are dropped."""
    names = {case.name for case in catalogue.THEMES[theme]}
    kept = {name: found for name, found in {**committed(theme), **answers}.items() if name in names}
    text = json.dumps(kept, indent=1, sort_keys=True, ensure_ascii=True)
    (ANSWERS / f"{theme}.json").write_text(text + "\n")


def main(arguments: Sequence[str]) -> int:
    """Record as ``arguments`` say, and return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance.recording")
    parser.add_argument(
        "cases", nargs="*", metavar="CASE", help="only these; a theme stands for all of its cases"
    )
    parser.add_argument(
        "--write", action="store_true", help="replace what is committed by what the stack answers"
    )
    parser.add_argument("--only", choices=("stack", "worker"))
    parser.add_argument("--environment", type=Path, default=environment.default())
    options = parser.parse_args(arguments)
    known = {*catalogue.THEMES, *(case.name for cases in catalogue.THEMES.values() for case in cases)}
    if unknown := set(options.cases) - known:
        parser.error(f"there is no case or theme {', '.join(sorted(unknown))}")
    venv = environment.ensure(options.environment)
    lacking = stack.missing(venv)
    if lacking and (options.write or options.only == "stack"):
        parser.error(f"the whole stack needs {lacking}, which is not there")
    count = 0
    for theme, cases in catalogue.THEMES.items():
        wanted = [case for case in cases if not options.cases or {theme, case.name} & set(options.cases)]
        if not wanted:
            continue
        if not lacking and options.only != "worker":
            for name, answers in _asked(from_stack, venv, wanted):
                if options.write:
                    write(theme, {name: answers})
                count += _tell("stack", theme, name, answers)
        if options.only != "stack":
            for name, answers in _asked(from_worker, venv, wanted):
                count += _tell("worker", theme, name, answers)
    sys.stdout.write(f"{count} differences\n")
    return int(count > 0)


def _asked(
    ask_all: Callable[[Path, Case], CaseAnswers], venv: Path, cases: Sequence[Case]
) -> Iterator[tuple[str, CaseAnswers]]:
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = pool.map(lambda case: ask_all(venv, case), cases)
        yield from zip((case.name for case in cases), found, strict=True)


def _tell(asked: str, theme: str, name: str, found: CaseAnswers) -> int:
    lines = list(differences(committed(theme).get(name, {}), found, name))
    sys.stdout.writelines(f"{asked}: {line}\n" for line in lines)
    sys.stdout.flush()
    return len(lines)


def differences(wanted: CaseAnswers, found: CaseAnswers, case: str) -> Iterator[str]:
    """Yield a readable line for each fact of ``found`` that is not the one ``wanted``."""
    for request, answer in found.items():
        known = wanted.get(request, {})
        for fact in sorted({*known, *answer}):
            if known.get(fact) != answer.get(fact):
                both = f"    recorded {known.get(fact)!r}\n    found    {answer.get(fact)!r}"
                yield f"{case} / {request}: {fact}\n{both}"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
