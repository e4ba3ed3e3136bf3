"""A text cut by its spans: into what its sender wrote now and what they did not.

Finding the spans is left to those who read the text.
"""

from collections.abc import Iterator, Sequence

from mailcrm.core.parsed import Span


def pieces(text: str, spans: Sequence[Span]) -> Iterator[tuple[str, Span | None]]:
    """Yield the stretches of a text in order, each with its span, or with None where it is new."""
    position = 0
    for span in spans:
        if position < span.start:
            yield text[position : span.start], None
        yield text[span.start : span.end], span
        position = span.end
    if position < len(text):
        yield text[position:], None


def new_and_quoted(text: str, spans: Sequence[Span]) -> tuple[str, str]:
    """Return what is new in a text, and all the rest of it."""
    if not spans:
        return text, ""
    new: list[str] = []
    quoted: list[str] = []
    for piece, span in pieces(text, spans):
        (new if span is None else quoted).append(piece)
    return "\n".join(new), "\n".join(quoted)
