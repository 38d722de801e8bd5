"""What of a record goes to the model, and what of record and answer goes to the output.

SageMaker developer guide, batch-transform-data-processing: a row of CSV is an array whose selected fields
stay as they were written; a record of JSON that is an object gets the answer as ``SageMakerOutput``, any
other becomes ``SageMakerInput`` beside it.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from orchestrator.localcloud.transforms.errors import TransformError
from orchestrator.localcloud.transforms.jsonpath import Path, parse, select
from orchestrator.localcloud.world import Content

CSV, JSON, JSON_LINES = "text/csv", "application/json", "application/jsonlines"
FORMS = (CSV, JSON, JSON_LINES)
"""The content types whose records can be filtered and joined."""

INPUT, OUTPUT = "SageMakerInput", "SageMakerOutput"
_WHOLE = "$"
# RFC 4180: a field with a quote, a comma or a newline in it is in quotes; these stay where they are.
_FIELD = re.compile(r'("(?:[^"]|"")*"|(?!")[^,]*)(,|$)')

Stamp = Callable[[], Sequence[tuple[str, str]]]
"""Returns what is appended to a record of the output, by name."""


@dataclass(frozen=True, slots=True)
class Processing:
    """``DataProcessing`` of a job, read.

    Attributes:
        form: The content type of records and answers, one of `FORMS`, or any if nothing is to be done.
        lines: Whether what the model gets is one record a line, and not one as a whole.
        joins: Whether the record is joined with the answer.
        stamp: What each record of the output gets besides, if anything.
    """

    form: str
    lines: bool
    asked: Path
    joins: bool
    kept: Path
    stamp: Stamp | None = None

    @property
    def is_plain(self) -> bool:
        """Whether the model gets the records, and the output the answers, whatever they are."""
        return self.asked.is_whole and self.is_answers

    def question(self, payload: bytes) -> bytes:
        """Return what the model gets of some records.

        Raises:
            TransformError: If a record has another form, or lacks what is selected.
        """
        if self.asked.is_whole:
            return payload
        rows = (self._written(select(self.asked, self._read(row))) for row in self._rows(payload))
        return b"\n".join(rows) + (b"\n" if payload.endswith(b"\n") else b"")

    def output(self, payload: bytes, answer: bytes) -> bytes:
        """Return what is kept of some records and the model's answer to them.

        Raises:
            TransformError: If they do not fit together, have another form, or lack what is selected.
        """
        if self.is_answers:
            return answer
        if not self.joins:
            return b"\n".join(self._kept(self._read(each)) for each in self._rows(answer))
        rows = self._rows(payload)
        answers = self._answers(answer, len(rows))
        pairs = zip(rows, answers, strict=True)
        return b"\n".join(self._kept(self._joined(self._read(row), self._read(each))) for row, each in pairs)

    @property
    def is_answers(self) -> bool:
        """Whether the output is the answers, whatever they are."""
        return not self.joins and self.kept.is_whole and self.stamp is None

    def _rows(self, content: bytes) -> Sequence[bytes]:
        return content.removesuffix(b"\n").split(b"\n") if self.lines else (content,)

    def _answers(self, answer: bytes, count: int) -> Sequence[bytes]:
        if self.form != CSV and count == 1:
            return (answer,)
        found = self._rows(answer)
        if len(found) != count:
            raise TransformError(
                f"the model answered {count} records with {len(found)}: they cannot be joined"
            )
        return found

    def _read(self, row: bytes) -> Any:  # noqa: ANN401 - JSON, or the fields of a row
        try:
            text = row.decode()
            return _fields(text.removesuffix("\r")) if self.form == CSV else _parsed(text)
        except ValueError as error:
            raise TransformError(f"a record is no valid {self.form}: {error}") from error

    def _written(self, value: object) -> bytes:
        if self.form == CSV:
            return (",".join(value) if isinstance(value, list) else str(value)).encode()
        return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()

    def _joined(self, row: Any, answer: Any) -> Any:  # noqa: ANN401 - JSON, or the fields of a row
        if self.form == CSV:
            return [*row, *answer]
        return {**row, OUTPUT: answer} if isinstance(row, dict) else {INPUT: row, OUTPUT: answer}

    def _kept(self, value: object) -> bytes:
        part = select(self.kept, value)
        if self.stamp is None:
            return self._written(part)
        if self.form == CSV:
            return self._written(
                [*(part if isinstance(part, list) else [part]), *dict(self.stamp()).values()]
            )
        whole = part if isinstance(part, dict) else {OUTPUT: part}
        return self._written({**whole, **dict(self.stamp())})


def processing(content: Content, *, several: bool, stamp: Stamp | None) -> Processing:
    """Return the ``DataProcessing`` of a job.

    Args:
        content: The job as it was asked for.
        several: Whether the model may get several records at once.
        stamp: What each record of the output is to get besides.

    Raises:
        TransformError: If a filter is no JSONPath, or cannot be applied to records of this content type.
    """
    form = form_of(content["TransformInput"].get("ContentType", ""))
    asked, kept = (parse(text) for text in _filters_of(content))
    for path in (asked, kept):
        if form == CSV and not path.is_of_columns:
            raise TransformError(f"Invalid JsonPath: {path.text}: rows of CSV have indexes only")
    # A document of JSON may have lines of its own; the records of other forms have not.
    split = content["TransformInput"].get("SplitType", "None") == "Line"
    return Processing(form, form != JSON or (several and split), asked, _joins(content), kept, stamp)


def is_processed(content: Content) -> bool:
    """Tell whether a job looks into its records, so that they must have one of `FORMS`."""
    stamps = content.get("DataCaptureConfig", {}).get("GenerateInferenceId")
    return _joins(content) or bool(stamps) or _filters_of(content) != (_WHOLE, _WHOLE)


def form_of(content_type: str) -> str:
    """Return a content type without its parameters.

    >>> form_of("Text/CSV; charset=utf-8")
    'text/csv'
    """
    return content_type.partition(";")[0].strip().lower()


def _filters_of(content: Content) -> tuple[str, str]:
    """Return ``InputFilter`` and ``OutputFilter`` of a job."""
    asked = content.get("DataProcessing", {})
    return asked.get("InputFilter") or _WHOLE, asked.get("OutputFilter") or _WHOLE


def _joins(content: Content) -> bool:
    return bool(content.get("DataProcessing", {}).get("JoinSource") == "Input")


def _fields(row: str) -> list[str]:
    fields, position, ends = list[str](), 0, ","
    while ends:
        found = _FIELD.match(row, position)
        if found is None:
            raise ValueError(f"its field {len(fields)} has quotes that do not end with it")
        field, ends = found.groups()
        fields.append(field)
        position = found.end()
    return fields


def _parsed(text: str) -> Any:  # noqa: ANN401 - JSON
    return json.loads(text, parse_constant=_no_number)


def _no_number(word: str) -> None:
    raise ValueError(f"{word} is no number of JSON")
