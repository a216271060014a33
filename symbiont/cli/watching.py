"""`--watch`: the same view again and again, until Ctrl-C.

On a terminal each view replaces the one before; into a pipe they follow one another.
"""

import time
from collections.abc import Callable
from typing import NoReturn

from symbiont.cli import output

EVERY_S = 2.0


def watched(show: Callable[[], object], *, sleep: Callable[[float], None] = time.sleep) -> NoReturn:
    """Show for ever. Ends with what `show` raises, or with `KeyboardInterrupt`."""
    while True:
        output.start_afresh()
        show()
        sleep(EVERY_S)
