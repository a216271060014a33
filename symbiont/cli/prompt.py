"""The text of a task, from where the caller has it: an argument, a file, or standard input.

Guarantees text: valid UTF-8, not empty, of bounded size; what comes is passed on as it is but for a byte order mark and
the newlines at its end. Judges nothing else about it; the server does.
"""

import re
import sys
from pathlib import Path
from typing import BinaryIO

from symbiont.cli import output
from symbiont.domain.errors import SymbiontError

MAX_BYTES = 16 * 1024 * 1024
STDIN = "-"
_LIKE_AN_OPTION = re.compile(r"--?[A-Za-z][\w-]*(=.*)?", re.DOTALL)
_EXAMPLE = 'symbiont task submit "Summarise this text: …"'


def read(text: str | None, file: str | None) -> str:
    """The task's text. Raises `MISSING_FIELD`, `BAD_VALUE`, `NOT_FOUND`, `EMPTY_TASK` or `TASK_TOO_LONG`."""
    if text is not None and file is not None:
        raise SymbiontError("BAD_VALUE", "expected TEXT or --file, got: both", hint=_EXAMPLE)
    if file is not None and file != STDIN:
        return _checked(_from_file(Path(file)), file)
    if text is not None and text != STDIN:
        return _checked(_from_argument(text), "TEXT")
    return _checked(_from_stdin(asked=STDIN in {text, file}), "standard input")


def _from_argument(text: str) -> bytes:
    # A mistyped option must not become a task that costs money.
    if _LIKE_AN_OPTION.fullmatch(text):
        message = f"expected TEXT to be a task, got what looks like an option: {text}"
        raise SymbiontError("UNKNOWN_FIELD", message, hint="symbiont task submit --help")
    return text.encode("utf-8", "surrogateescape")


def _from_file(path: Path) -> bytes:
    try:
        with path.open("rb") as source:
            return _bounded(source, str(path))
    except FileNotFoundError as missing:
        raise SymbiontError("NOT_FOUND", f"expected --file to be a file, got: {path} (there is none)") from missing
    except IsADirectoryError as directory:
        raise SymbiontError("BAD_VALUE", f"expected --file to be a file, got: {path} (a directory)") from directory
    except (OSError, ValueError) as failure:
        message = f"expected --file to be a readable file, got: {path} ({_reason(failure)})"
        raise SymbiontError("BAD_VALUE", message) from failure


def _from_stdin(*, asked: bool) -> bytes:
    if sys.stdin is None or (sys.stdin.isatty() and not asked):
        message = "expected a task as TEXT, --file or standard input, got: nothing"
        raise SymbiontError("MISSING_FIELD", message, hint=_EXAMPLE)
    if sys.stdin.isatty():
        output.talk("reading the task from the terminal; end it with Ctrl-D on a line of its own")
    return _bounded(sys.stdin.buffer, "standard input")


def _bounded(source: BinaryIO, name: str) -> bytes:
    content = source.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise SymbiontError("TASK_TOO_LONG", f"expected {name} to be at most {MAX_BYTES} bytes, got: more")
    return content


def _checked(content: bytes, name: str) -> str:
    try:
        text = content.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as broken:
        message = f"expected {name} to be UTF-8 text, got: byte 0x{content[broken.start]:02x} at offset {broken.start}"
        hint = "iconv -f latin1 -t utf-8 FILE | symbiont task submit -"
        raise SymbiontError("BAD_VALUE", message, hint=hint) from broken
    if not text.strip():
        raise SymbiontError(
            "EMPTY_TASK", f"expected {name} to hold a task, got: nothing but white space", hint=_EXAMPLE
        )
    return text


def _reason(failure: Exception) -> str:
    text = failure.strerror if isinstance(failure, OSError) else str(failure)
    return (text or type(failure).__name__).lower()
