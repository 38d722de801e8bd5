"""Text of strangers, made fit for a terminal: names, AWS's words, reasons, what a container has written."""

_LONGEST = 1000
"""More of one line tells nobody more. Scripts get all of it: `-o json` goes another way."""


def plain(text: str) -> str:
    r"""Return ``text`` with escapes for all that a terminal would obey, but for the ends of lines.

    >>> print(plain("it says \x1b[31mred\x07, and ends"))
    it says \x1b[31mred\x07, and ends
    """
    return "\n".join(map(one_line, text.split("\n")))


def one_line(text: str) -> str:
    r"""Return ``text`` as `plain` does, ends of lines as well, and not for ever.

    >>> print(one_line("a\nb"), len(one_line("x" * 10_000)))
    a\nb 1000
    """
    if len(text) > _LONGEST:
        text = f"{text[: _LONGEST - 1]}…"
    # Most of it is fit as it is, and a table may be long.
    return text if text.isprintable() else "".join(map(_escaped, text))


def _escaped(mark: str) -> str:
    return mark if mark.isprintable() else mark.encode("unicode_escape").decode("ascii")
