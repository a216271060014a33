"""`symbiont demo`: everything once, in a directory of its own, and what happened as tables."""

from typing import Annotated

from cyclopts import Parameter

from symbiont.cli.options import FLAG


def demo(
    *, real: Annotated[bool, FLAG, Parameter(help="Have models do the tasks, through the Claude Code CLI.")] = False
) -> int:
    """Run the whole of Symbiont once, in a temporary data directory, and show what happens.

    Seven tasks go in over HTTP, each is classified, run and booked; then the ledger is killed, and one more task follows.
    Exits 1 if anything failed. Calls no model and spends nothing unless --real is given.
    """
    from symbiont.cli import demo_run  # noqa: PLC0415 - brings in the whole orchestrator

    return demo_run.run(real=real)
