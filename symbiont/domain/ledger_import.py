"""Lines that are to be taken in from another ledger: of an earlier version, with the eight classic fields, or of ours.

Guarantees: the first line that is no entry is named by its number. Blank lines do not count as lines that are wrong.
"""

from collections.abc import Iterable, Iterator

from symbiont.domain.errors import SymbiontError
from symbiont.domain.ledger import Entry, decode


def entries_of(lines: Iterable[bytes], name: str) -> Iterator[Entry]:
    """The entries of the file `name`, in its order. Raises `SymbiontError("BAD_VALUE")` at the first line that is none."""
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            yield decode(line.strip())
        except SymbiontError as error:
            message = f"{name}: line {number}: {error.message}"
            hint = f"sed -n {number}p {name}"
            raise SymbiontError("BAD_VALUE", message, hint=hint, details={"file": name, "line": number}) from error
