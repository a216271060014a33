"""What can go wrong for a user of the library.

    SupervisorsError
    ├── BadSpec          a child specification or a flag is wrong: a bug of the programmer, found before anything starts
    ├── NotStarted       a start failed: nothing of it is left, its name is free
    │   └── NameTaken    … because a living process holds the name
    ├── CallbackFailed   what `sys` was given to run failed: the actor goes on as it was
    └── MailboxFull      the receiver refuses more messages than its mailbox holds; the sender may try later

A call that finds its server dead raises `CallExit` (see `exits`), which tells the reason as a value.
"""

__all__ = ["BadSpec", "CallbackFailed", "MailboxFull", "NameTaken", "NotStarted", "SupervisorsError"]


class SupervisorsError(Exception):
    """Root of every error raised on purpose by this package."""


class BadSpec(SupervisorsError):
    """A specification is wrong. `code` is OTP's name for the mistake (`invalid_shutdown`, `duplicate_child_name`, …)."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class NotStarted(SupervisorsError):
    """A process did not come up. `reason` is an `ExitReason`; the process is dead, its name free, its exit consumed."""

    def __init__(self, what: str, reason: object) -> None:
        super().__init__(f"{what} did not start: {reason}")
        self.what = what
        self.reason = reason


class NameTaken(NotStarted):
    """OTP's `{already_started, Pid}`: another living process is registered under the name."""

    def __init__(self, name: str) -> None:
        super().__init__(name, "already_started")
        self.name = name


class MailboxFull(SupervisorsError):
    """The mailbox is at its capacity; the message was not taken. Sender and receiver both live on."""

    def __init__(self, name: str, capacity: int) -> None:
        super().__init__(f"expected the mailbox of {name} to hold at most {capacity} messages, got: one more")
        self.capacity = capacity


class CallbackFailed(SupervisorsError):
    """OTP's `callback_failed`: a function handed to `sys` raised, or returned what it must not. `reason` tells."""

    def __init__(self, what: str, reason: object) -> None:
        super().__init__(f"{what} failed: {reason}")
        self.what = what
        self.reason = reason
