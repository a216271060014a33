"""Why a journal refuses a record. All are `OSError`, so a caller that handles a refusing disk handles these too.

- `SyncFailed`: the disk could not say that earlier bytes are safe; what it holds now is unknown until it is opened anew.
- `JournalFull`: the disk is slower than its callers; nothing is wrong with it.
- `JournalClosed`: nobody writes any more (or not yet).
"""

import errno

from symbiont import ports


class SyncFailed(ports.SyncFailed):
    """A sync failed once, so nothing of this journal is acknowledged until it is opened anew.

    It is final because the kernel marks pages clean after a failed sync: asking again would succeed and save nothing.
    """

    def __init__(self, path: object, cause: object) -> None:
        super().__init__(errno.EIO, f"expected {path} to be synced to disk, got: {cause}")


class JournalFull(OSError):
    """More records wait for the disk than are allowed; this one was not taken."""

    def __init__(self, path: object, limit: int) -> None:
        super().__init__(
            errno.ENOBUFS, f"expected at most {limit} records of {path} to wait for the disk, got: one more"
        )


class JournalClosed(OSError):
    """The journal is not open; this record was not taken."""

    def __init__(self, path: object) -> None:
        super().__init__(
            errno.EBADF, f"expected journal {path} to be open, got: a record before open() or after close()"
        )
