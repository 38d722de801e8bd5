"""`orchestrator invoke`."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import BinaryIO

import click

from orchestrator.api.project import Project
from orchestrator.api.selection import Manner
from orchestrator.cli import opening
from orchestrator.cli.options import Options, with_options
from orchestrator.cli.terminal import Terminal
from orchestrator.core.errors import OrchestratorError, RefusedError, SpecError
from orchestrator.core.golden import FIRST_ERROR, JSON_TYPE, TEXT_TYPE, Request, Response

_TYPES = {
    ".csv": "text/csv",
    ".jpeg": "image/jpeg",
    ".jpg": "image/jpeg",
    ".json": JSON_TYPE,
    ".npy": "application/x-npy",
    ".png": "image/png",
    ".txt": TEXT_TYPE,
    ".wav": "audio/wav",
}
# The service model says 6 291 456 bytes; the Model Hosting FAQs of 2026 say 25 MB (4 MB serverless).
_LARGEST_BYTES = 25_000_000
_STDIN = "-"


@dataclass(frozen=True, slots=True)
class Asked:
    """What to send and how, besides the common options."""

    endpoint: str | None = None
    body: str | None = None
    text: str | None = None
    json_: str | None = None
    content_type: str | None = None
    accept: str = JSON_TYPE
    variant: str | None = None
    stream: bool = False
    async_: bool = False
    timeout: float = 3600.0

    def check(self) -> None:
        """Refuse options that contradict each other.

        Raises:
            click.UsageError: If two of them do.
        """
        if sum(source is not None for source in (self.body, self.text, self.json_)) > 1:
            raise click.UsageError("--body, --text and --json exclude each other")
        if self.stream and self.async_:
            raise click.UsageError("--stream and --async exclude each other")
        if self.async_ and self.variant:
            raise click.UsageError("an asynchronous request can't choose its variant")

    def request(self) -> Request:
        """Return the request, its content type by what was said, or by the file's name.

        Raises:
            SpecError: If the file cannot be read.
        """
        body, usual = self._content()
        return Request(body, self.content_type or usual, self.accept)

    def _content(self) -> tuple[bytes, str]:
        if self.text is not None:
            return self.text.encode(), TEXT_TYPE
        if self.json_ is not None:
            return self.json_.encode(), JSON_TYPE
        if self.body in {None, _STDIN}:
            return sys.stdin.buffer.read(), JSON_TYPE
        return _read(str(self.body)), _TYPES.get(PurePath(str(self.body)).suffix.lower(), JSON_TYPE)


def _read(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise SpecError(f"'{path}' cannot be read: {error.strerror}") from error


@click.command("invoke")
@opening.endpoint_argument
@click.option("--body", type=click.Path(allow_dash=True), metavar="FILE", help="What to send [stdin].")
@click.option("--text", metavar="TEXT", help="Send this text.")
@click.option("--json", "json_", metavar="JSON", help="Send this JSON.")
@click.option("--content-type", metavar="TYPE", help="[by the file's name, else application/json]")
@click.option("--accept", metavar="TYPE", default=JSON_TYPE, show_default=True)
@click.option("--target-variant", "variant", metavar="NAME", help="Which variant is to answer.")
@click.option("--stream", is_flag=True, help="Print the parts of the answer as they come.")
@click.option("--async", "async_", is_flag=True, help="Send it by S3, and wait for the answer there.")
@click.option(
    "--timeout",
    type=click.FloatRange(min=1),
    default=3600.0,
    show_default=True,
    metavar="SECONDS",
    help="With --async: how long to wait for the answer.",
)
@with_options
def command(options: Options, **given: object) -> None:
    """Send one request to the endpoint, and write the answer's body to stdout as it came.

    A file's name says what is in it: .json, .npy, .csv, .txt, .png, .jpg, .wav. With `-o json` the body is
    text inside the document; what is not UTF-8 in it is replaced. An asynchronous endpoint takes requests
    with --async only: the input goes to the bucket, and --timeout says how long to wait for the answer.

    \b
    Examples:
      orchestrator invoke --body request.json
      orchestrator invoke digits --body image.npy
      orchestrator invoke --text "as good as it gets"
      orchestrator invoke --stream --json '{"prompt": "once"}'
      orchestrator invoke --async --body film.json --timeout 900
    """  # noqa: D301 - \b is Click's mark for a paragraph that keeps its lines
    asked = Asked(**given)  # type: ignore[arg-type]  # Click has checked them, under the same names
    asked.check()
    project = opening.project(options, asked.endpoint, Manner(deadline_seconds=asked.timeout))
    request = asked.request()
    if len(request.body) > _LARGEST_BYTES and not asked.async_:
        raise RefusedError(
            f"the request has {len(request.body)} bytes",
            details=[("rule", f"real-time endpoints take {_LARGEST_BYTES}: Model Hosting FAQs")],
            hint="orchestrator invoke --async          for an asynchronous endpoint, which takes 1 GB",
        )
    if asked.stream:
        _show_parts(project.invoke_stream(request, asked.variant), project, options)
        return
    response = project.invoke_async(request) if asked.async_ else project.invoke(request, asked.variant)
    _show(response, project, options)


def _show(response: Response, project: Project, options: Options) -> None:
    text = response.body.decode("utf-8", "replace")
    if response.status >= FIRST_ERROR or response.status == 0:
        first, _, rest = text.rstrip().partition("\n")
        answered = f"answered {response.status}" if response.status else "failed"
        raise OrchestratorError(
            f"the model of endpoint '{project.name}' {answered}",
            details=[("model", text.rstrip() if options.verbose or not rest else f"{first} …")],
            hint=f"orchestrator logs {project.name}",
        )
    if options.json:
        document = {"endpoint": project.name, "fingerprint": response.fingerprint, "body": text}
        Terminal(options).result("", document)
        return
    _write(response.body, sys.stdout.buffer)
    _end_line()


def _show_parts(parts: Iterator[bytes], project: Project, options: Options) -> None:
    """Show the parts as they come; a document of them once they are all there."""
    if options.json:
        texts = [part.decode("utf-8", "replace") for part in parts]
        Terminal(options).result("", {"endpoint": project.name, "parts": texts})
        return
    for part in parts:
        _write(part, sys.stdout.buffer)
    _end_line()


def _write(body: bytes, out: BinaryIO) -> None:
    out.write(body)
    out.flush()


def _end_line() -> None:
    if sys.stdout.isatty():
        _write(b"\n", sys.stdout.buffer)
