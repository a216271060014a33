"""`symbiont ledger verify`, `ledger repair` and `queue repair`: whether the files are sound, and mending those that are not.

They read the files of the data directory themselves, without a server. Verifying works beside one; repairing refuses.
"""

from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from symbiont.adapters.data_dir import DataDir
from symbiont.adapters.file_ops import FileOps
from symbiont.adapters.journal_reading import Journalled
from symbiont.adapters.journal_repair import Repair, repair
from symbiont.adapters.journal_verify import Verified
from symbiont.adapters.journal_verify import verify as verified
from symbiont.cli import address, output
from symbiont.cli.options import FLAG, SOURCE_DEFAULTS, Json, SharedSource
from symbiont.cli.rendering import counted
from symbiont.config import data_dir
from symbiont.domain.backlog import Backlog
from symbiont.domain.errors import SymbiontError
from symbiont.domain.ledger_fold import LedgerFold
from symbiont.domain.queue_file import Loaded
from symbiont.ports import Damage, Fold

REPAIR_LEDGER = "symbiont ledger repair"
REPAIR_QUEUE = "symbiont queue repair"

DryRun = Annotated[bool, FLAG, Parameter(help="Say what would be done, and do nothing.")]


def verify(*, source: SharedSource = SOURCE_DEFAULTS, json: Json = False) -> None:
    """Read the whole ledger and check its chain; exit 1 with the first bad line if there is one."""
    path = _existing(source) / "ledger.jsonl"
    found = verified(FileOps(), Journalled(path, chained=True, repair=REPAIR_LEDGER), LedgerFold())
    if found.damage is not None:
        raise _corrupt(found.damage, found)
    if json:
        output.show_json(msgspec.json.encode(found))
        return
    output.show_text(f"ok {counted(found.count, 'line')}, head {found.head}, {counted(found.files, 'file')}")
    if found.unfinished_bytes:
        output.talk(f"{found.unfinished_bytes} bytes behind them are no whole line (yet)")


def repair_ledger(*, dry_run: DryRun = False, source: SharedSource = SOURCE_DEFAULTS, json: Json = False) -> None:
    """Mend a damaged ledger: keep every readable call, and what was there in a directory of its own. Needs the server stopped."""
    directory = _existing(source)
    journal = Journalled(directory / "ledger.jsonl", chained=True, repair=REPAIR_LEDGER)
    _repair(directory, journal, LedgerFold(), dry_run=dry_run, json=json)


def repair_queue(*, dry_run: DryRun = False, source: SharedSource = SOURCE_DEFAULTS, json: Json = False) -> None:
    """Mend a damaged queue: keep every readable task, and what was there in a directory of its own. Needs the server stopped."""
    directory = _existing(source)
    journal = Journalled(directory / "queue.jsonl", chained=False, repair=REPAIR_QUEUE)
    _repair(directory, journal, Loaded(Backlog()), dry_run=dry_run, json=json)


def _repair(directory: Path, journal: Journalled, fold: Fold, *, dry_run: bool, json: bool) -> None:
    data = DataDir.open(directory)
    try:
        done = repair(FileOps(), journal, fold, dry_run=dry_run)
    finally:
        data.close()
    if json:
        output.show_json(msgspec.json.encode(done))
    else:
        _tell(done, dry_run=dry_run)


def _tell(done: Repair, *, dry_run: bool) -> None:
    if done.damage is None:
        output.show_text(f"ok {counted(done.kept, 'line')}, nothing to repair")
        return
    output.show_text(f"damage: {done.damage.reason}")
    output.show_text(f"kept: {counted(done.kept, 'line')} before it, {counted(done.appended, 'line')} behind it")
    for lost in done.lost:
        output.show_text(f"lost: line {lost.line} of {lost.file} (byte {lost.offset}): {lost.why}")
    output.show_text("nothing was changed" if dry_run else f"everything as it was: {done.quarantine}")


def _existing(source: SharedSource) -> Path:
    path = data_dir(address.loaded(source).config)
    if not path.is_dir():
        message = f"expected data_dir to be a directory, got: {path} (there is none)"
        raise SymbiontError("NOT_FOUND", message, hint="set SYMBIONT_DATA_DIR, or: symbiont config show")
    return path


def _corrupt(damage: Damage, found: Verified) -> SymbiontError:
    details = {
        "file": damage.file,
        "line": damage.line,
        "offset": damage.offset,
        "count": found.count,
        "head": found.head,
    }
    return SymbiontError("DATA_CORRUPT", damage.reason, hint=damage.hint, details=details)
