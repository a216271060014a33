r"""What a command prints: data on stdout, talk on stderr.

On a terminal tables are drawn to its width; into a pipe they are tab separated, whole and without a header, with tab,
newline and backslash escaped as `\t`, `\n`, `\\`. Colour: never with `NO_COLOR`, always with `FORCE_COLOR`, else on a
terminal. Text of others cannot steer the terminal: its control characters are shown, not sent. A reader that goes away
ends the command quietly (`BrokenPipeError` reaches `main`); a disk that is full is `STORAGE_REFUSED`.
"""

import os
import re
import shutil
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TextIO

import msgspec

from symbiont.domain.errors import SymbiontError

Pairs = Sequence[tuple[str, str]]

_ANSI = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33", "cyan": "36"}
_STATUS_STYLE = {
    "done": "green",
    "healthy": "green",
    "ok": "green",
    "failed": "red",
    "cancelled": "dim",
    "degraded": "yellow",
    "processing": "cyan",
}
_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_ESCAPES = str.maketrans({"\\": "\\\\", "\t": "\\t", "\n": "\\n", "\r": "\\r"})


def on_terminal() -> bool:
    """Whether somebody looks at stdout."""
    return _is_terminal(sys.stdout)


def show_json(body: bytes) -> None:
    """A view exactly as the server sent it; on a terminal it is indented."""
    if on_terminal():
        show_text(msgspec.json.format(body, indent=2).decode())
    else:
        _print(body + b"\n")


def show_bytes(content: bytes) -> None:
    """Data as it is, in as many pieces as it takes."""
    _print(content)


def show_text(text: str) -> None:
    """Text as it is, closed by a newline."""
    whole = text if text.endswith("\n") else text + "\n"
    _print(_encoded(sys.stdout, _tame(whole) if on_terminal() else whole))


def show_record(pairs: Pairs) -> None:
    """One thing: a key and a value a line."""
    if not on_terminal():
        _show_separated(("", ""), pairs)
        return
    width = max(len(key) for key, _ in pairs)
    show_text("\n".join(_record_line(key, value, width) for key, value in pairs))


def show_table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Many things: one a line. Only the last column is shortened, and only on a terminal."""
    if not on_terminal():
        _show_separated(columns, rows)
    elif not rows:
        talk("nothing to show")
    else:
        _draw(columns, rows)


def start_afresh() -> None:
    """Clear the terminal; into a pipe nothing is printed."""
    if on_terminal():
        _print(b"\x1b[H\x1b[2J")


def talk(text: str) -> None:
    """Tell the human something; never data."""
    _say((_tame(text) if _is_terminal(sys.stderr) else text) + "\n")


def talk_coloured(label: str, style: str, text: str) -> None:
    """A line of talk with a coloured label."""
    coloured = _painted(sys.stderr, label, style)
    tame = _tame(text) if _is_terminal(sys.stderr) else text
    _say(f"{coloured} {tame}\n")


def _draw(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    from symbiont.cli import table  # noqa: PLC0415 - brings in rich, which a pipe never needs

    texts = [[_one_line(cell) for cell in row] for row in ([column.upper() for column in columns], *rows)]
    head, *body = table.fitted(texts, shutil.get_terminal_size().columns)
    lines = [[_painted(sys.stdout, cell, "bold") for cell in head]]
    for row, cells in zip(rows, body, strict=True):
        styles = [_style(column, value) for column, value in zip(columns, row, strict=True)]
        lines.append([_painted(sys.stdout, cell, style) for cell, style in zip(cells, styles, strict=True)])
    _print(_encoded(sys.stdout, "".join(f"{table.GAP.join(line).rstrip()}\n" for line in lines)))


def _show_separated(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    lines = ("\t".join(_cell(columns[at], cell) for at, cell in enumerate(row)) for row in rows)
    _print(_encoded(sys.stdout, "".join(f"{line}\n" for line in lines)))


def _cell(column: str, value: str) -> str:
    return _painted(sys.stdout, value.translate(_ESCAPES), _style(column, value))


def _record_line(key: str, value: str, width: int) -> str:
    return f"{key:<{width}}  {value}".rstrip().replace("\n", "\n" + " " * (width + 2))


def _style(column: str, value: str) -> str:
    return _STATUS_STYLE.get(value, "") if column == "status" else ""


def _one_line(text: str) -> str:
    return _tame(" ".join(text.split()))


def _tame(text: str) -> str:
    return _CONTROLS.sub(lambda found: f"\\x{ord(found[0]):02x}", text)


def _painted(stream: TextIO | None, text: str, style: str) -> str:
    return f"\x1b[{_ANSI[style]}m{text}\x1b[0m" if style and _coloured(stream) else text


def _coloured(stream: TextIO | None) -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (_is_terminal(stream) and os.environ.get("TERM") != "dumb")


def _is_terminal(stream: TextIO | None) -> bool:
    return stream is not None and stream.isatty()


def _encoded(stream: TextIO | None, text: str) -> bytes:
    return text.encode((stream and stream.encoding) or "utf-8", "backslashreplace")


def _print(content: bytes) -> None:
    try:
        _write(sys.stdout, content)
    except BrokenPipeError:
        raise
    except OSError as failure:
        message = f"expected the output to take what was printed, got: {failure.strerror}"
        raise SymbiontError("STORAGE_REFUSED", message, hint="df -h") from failure


def _say(text: str) -> None:
    # What cannot be said must not change how a command ends.
    with suppress(OSError):
        _write(sys.stderr, _encoded(sys.stderr, text))


def _write(stream: TextIO | None, content: bytes) -> None:
    # A stream is None when the caller closed its descriptor: nobody listens.
    if stream is None:
        return
    try:
        stream.flush()
        stream.buffer.write(content)
        stream.buffer.flush()
    except OSError:
        _let_go(stream)
        raise


def _let_go(stream: TextIO) -> None:
    """Point a broken stream at nothing, so that the interpreter does not stumble over what is left when it exits."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)
