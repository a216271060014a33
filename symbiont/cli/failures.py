"""How an error reaches people and programs: code, message and hint on stderr, and the exit code of its kind.

With `--json` the error is the body the HTTP API would send. Decides nothing about what went wrong.
"""

from enum import Enum, EnumType
from typing import Literal, cast, get_args, get_origin

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
from symbiont.domain.wording import did_you_mean, listed, quoted


def report(error: SymbiontError, *, as_json: bool) -> int:
    """Print the error on stderr; answers the exit code."""
    if as_json:
        output.talk(
            msgspec.json.encode({"error": error.message, "code": error.code, "details": error.told_details}).decode()
        )
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
    message, meant = _told(error, command)
    return SymbiontError(_code(error), message, hint=meant or f"{command} --help")


def _told(error: CycloptsError, command: str) -> tuple[str, str]:
    """The message, and the word that was meant if one is near."""
    match error:
        case UnknownOptionError(token=token, argument_collection=known):
            given = token.keyword or token.value
            names = [name for argument in known for name in argument.names]
            return f"expected an option of `{command}`, got: {given}", did_you_mean(given, names)
        case UnknownCommandError(unused_tokens=[given, *_], app=app) if app is not None:
            names = [name for name in app if not name.startswith("-")]
            return f"expected a command of `{command}`, got: {given}", did_you_mean(given, names)
        case UnusedCliTokensError(unused_tokens=rest):
            return f"expected no more arguments, got: {' '.join(rest or ())}", ""
        case MissingArgumentError(argument=argument) if argument is not None:
            return f"expected {argument.name} to be given, got: nothing", ""
        case CoercionError(token=token, argument=argument) if token is not None and argument is not None:
            choices = _choices(error.target_type)
            expected = listed(choices) if choices else _KINDS.get(error.target_type, "something else")
            name = token.keyword or argument.name
            return f"expected {name} to be {expected}, got: {quoted(token.value)}", did_you_mean(token.value, choices)
        case _:
            return " ".join(str(error).split()), ""


_KINDS: dict[object, str] = {int: "an integer", float: "a number"}


def _choices(kind: object) -> list[str]:
    if get_origin(kind) is Literal:
        return [str(one) for one in get_args(kind)]
    return [str(one.value) for one in cast("type[Enum]", kind)] if isinstance(kind, EnumType) else []


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
