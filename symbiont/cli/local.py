"""Running a task in this process, without a server: `task submit --local`, and a dry run when no server is there.

Brings in the whole orchestrator, so it is imported only when asked for. Its answers have the shapes of the HTTP views.
"""

import msgspec

from symbiont import boot
from symbiont.cli import address, output
from symbiont.cli.options import Source
from symbiont.config import Loaded
from symbiont.domain.task import NewTask
from symbiont.http.encode import plain


def run(source: Source, new: NewTask) -> bytes:
    """The answer, as JSON. Raises the task's failure, `CONFIG_INVALID`, or `DATA_DIR_LOCKED` while a server runs."""
    return msgspec.json.encode(plain(boot.run_local(_loaded(source), new)))


def dry_run(source: Source, new: NewTask) -> bytes:
    """What would be sent where, as JSON. No model is called."""
    return msgspec.json.encode(plain(boot.dry_run_local(_loaded(source), new)))


def _loaded(source: Source) -> Loaded:
    loaded = address.loaded(source)
    for warning in loaded.warnings:
        output.talk(f"warning: {warning}")
    return loaded
