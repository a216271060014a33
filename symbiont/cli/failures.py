"""How an error reaches people and programs: code, message and hint on stderr, and the exit code of its kind.

With `--json` the error is the body the HTTP API would send. Decides nothing about what went wrong.
"""

from typing import cast

import msgspec
from cyclopts import (
    CoercionError,
    CycloptsError,
    MissingArgumentError,
    UnknownCommandError,
    UnknownOptionError,
    UnusedCliTokensError,
)

from symbiont.cli import output
from symbiont.domain.errors import FAILED, MEANINGS, SymbiontError


def report(error: SymbiontError, *, as_json: bool) -> int:
    """Print the error on stderr; answers the exit code."""
    if as_json:
        output.talk(msgspec.json.encode(_body(error)).decode())
    else:
        output.talk_coloured(f"error {error.code}:", "red", error.message)
        if error.hint:
            output.talk_coloured("hint:", "cyan", error.hint)
    return exit_code(error.code)


def exit_code(code: str) -> int:
    """The exit code of an error code; one that a newer server invented counts as a plain failure."""
    meaning = MEANINGS.get(code)
    return meaning.exit_code if meaning else FAILED


def of_usage(error: CycloptsError, program: str) -> SymbiontError:
    """What the parser of the command line says, in our own words for errors."""
    command = " ".join((program, *(error.command_chain or ())))
    return SymbiontError(_code(error), _message(error), hint=f"{command} --help")


def _message(error: CycloptsError) -> str:
    if isinstance(error, UnusedCliTokensError):
        return f"expected no more arguments, got: {' '.join(error.unused_tokens or ())}"
    return " ".join(str(error).split())


def _code(error: CycloptsError) -> str:
    match error:
        case MissingArgumentError():
            return "MISSING_FIELD"
        case CoercionError():
            return "WRONG_TYPE"
        case UnknownOptionError() | UnknownCommandError() | UnusedCliTokensError():
            return "UNKNOWN_FIELD"
        case _:
            return "BAD_VALUE"


def _body(error: SymbiontError) -> dict[str, object]:
    details = _object(error.details) | ({"hint": error.hint} if error.hint else {})
    return {"error": error.message, "code": error.code, "details": details}


def _object(details: object) -> dict[str, object]:
    if details is None:
        return {}
    return cast("dict[str, object]", details) if isinstance(details, dict) else {"value": details}
