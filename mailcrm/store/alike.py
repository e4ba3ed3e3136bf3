"""Names and addresses compared without regard to case, with the same result on both databases.

`lower()` and LIKE know only ASCII in SQLite, and in PostgreSQL what its locale knows. So each letter
is asked for in all its cases, which Python knows: GLOB and `~` both take sets of characters. A letter
and its other case are one character each; `ß` is not `SS`, and `İ` only itself. Accents count.
"""

import unicodedata
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, kw_only=True, slots=True)
class Alike:
    """Text that is contained in a column, or is the `whole` of it; every character stands for itself."""

    text: str
    whole: bool = False

    def as_glob(self) -> str:
        """Return the pattern for SQLite's GLOB (sqlite.org/lang_expr.html, section 5)."""
        pattern = "".join(
            f"[{cases}]" if len(cases) > 1 or cases in "*?[" else cases for cases in self.cases()
        )
        return pattern if self.whole else f"*{pattern}*"

    def as_regex(self) -> str:
        """Return the regular expression for PostgreSQL's `~` (PostgreSQL manual, 9.7.3)."""
        pattern = "".join(
            f"[{cases}]"
            if len(cases) > 1
            else cases
            if cases.isalnum() or not cases.isascii()
            else f"\\{cases}"
            for cases in self.cases()
        )
        return f"^{pattern}$" if self.whole else pattern

    def cases(self) -> list[str]:
        """Return for each character of the text all that count as the same one."""
        return [_cases(letter) for letter in unicodedata.normalize("NFC", self.text)]


@cache
def _cases(letter: str) -> str:
    found = {letter}
    # Twice, because the other case of a letter may have one more, as the final sigma has.
    for _ in range(2):
        found |= {
            other
            for known in tuple(found)
            for other in (known.lower(), known.upper(), known.casefold())
            if len(other) == 1
        }
    return "".join(sorted(found))
