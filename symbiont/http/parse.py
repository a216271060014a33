"""What a request means: fields of a JSON object, query parameters and path parts, turned into words of the domain.

Guarantees that what reaches the service is valid, and that each refusal names the field, what was expected and what
came. An unknown field or query parameter is refused rather than ignored: `?dryrun=true`, ignored, would cost money.
A field given as `null` counts as absent.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import TypeVar
from urllib.parse import unquote, unquote_to_bytes

import msgspec

from symbiont.domain.errors import SymbiontError, no_such_task
from symbiont.domain.intake import LONGEST_DELAY_S, Intake
from symbiont.domain.moment import moment_of
from symbiont.domain.task import NewTask, Priority, Source, Status
from symbiont.domain.wording import did_you_mean, listed, quoted

Word = TypeVar("Word", bound=str)

DEFAULT_LIMIT, MAX_LIMIT = 50, 10_000
IDEMPOTENCY_HEADER = "Idempotency-Key"
_SECONDS = re.compile(r"[0-9]{1,9}(\.[0-9]{1,9})?")
_TASK_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}")
_FLAGS = {"true": True, "false": False}


class TaskBody(msgspec.Struct, frozen=True):
    """What `POST /task` and `POST /queue` take: the text, and how it is to be run. Other fields are refused."""

    task: str
    force_tier: str | None = None
    priority: Priority | None = None
    project: str | None = None
    idempotency_key: str | None = None
    run_at: str | None = None
    delay_s: float | None = None
    webhook_url: str | None = None


def new_task(intake: Intake, fields: Mapping[str, object], source: Source) -> NewTask:
    """The task a body asks for, or a SymbiontError about the first thing wrong with it."""
    no_unknown(fields, TaskBody.__struct_fields__, "field")
    if "task" not in fields:
        raise SymbiontError("MISSING_FIELD", "expected task to be present, got: no such field", hint='{"task": "…"}')
    key, run_at = optional("idempotency_key", fields), optional("run_at", fields)
    if key == "":
        raise SymbiontError("BAD_VALUE", 'expected idempotency_key to be some text, got: ""')
    new = NewTask(
        task=_string("task", fields["task"]),
        source=source,
        force_tier=optional("force_tier", fields),
        priority=Priority(word("priority", fields, list(Priority)) or Priority.NORMAL),
        project=optional("project", fields) or "",
        webhook_url=optional("webhook_url", fields) or "",
        key=key or "",
        run_at=None if run_at is None else moment_of("run_at", run_at),
        delay_s=_delay_s(fields),
    )
    return intake.admit(new)


def with_key(fields: dict[str, object], headers: Sequence[str]) -> dict[str, object]:
    """The fields with the key of the header `Idempotency-Key`, plain or as a quoted string, which must not contradict the field."""
    keys = {_unquoted(header) for header in headers}
    given = fields.get("idempotency_key")
    if given is not None:
        keys.add(given if isinstance(given, str) else quoted(given))
    if len(keys) > 1:
        raise SymbiontError("BAD_VALUE", f"expected one idempotency key, got: {len(keys)} different ones")
    return fields if not headers else {**fields, "idempotency_key": keys.pop()}


def _unquoted(header: str) -> str:
    text = header.strip()
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] == '"' else text


def no_unknown(given: Iterable[str], known: Sequence[str], kind: str) -> None:
    """Refuse the first name that is not among the known ones (UNKNOWN_FIELD)."""
    for name in given:
        if name not in known:
            accepted = listed(known) if known else "absent"
            raise SymbiontError(
                "UNKNOWN_FIELD",
                f"expected the {kind} to be {accepted}, got: {quoted(name)}",
                hint=did_you_mean(name, known),
                details={"known": list(known)},
            )


def check_query(raw: str) -> None:
    """The escapes of a query must be UTF-8: what stands in for others would look for something that nobody meant."""
    for part in raw.split("&"):
        name, _, value = part.partition("=")
        try:
            unquote_to_bytes(part).decode()
        except UnicodeDecodeError:
            message = f"expected {quoted(unquote(name))} to be UTF-8, got: {quoted(value)}"
            raise SymbiontError("BAD_VALUE", message, hint="é is written %C3%A9") from None


def query(pairs: Iterable[tuple[str, str]], known: Sequence[str]) -> dict[str, str]:
    """The query parameters, each known and given once."""
    params: dict[str, str] = {}
    for name, value in pairs:
        no_unknown((name,), known, "query parameter")
        if name in params:
            raise SymbiontError("BAD_VALUE", f"expected {name} to be given once, got: {quoted(value)} again")
        params[name] = value
    return params


def limit(params: Mapping[str, str]) -> int:
    """`limit`, 1..MAX_LIMIT, DEFAULT_LIMIT when absent."""
    text = params.get("limit", str(DEFAULT_LIMIT))
    # `isdigit` alone takes digits of other scripts; the length keeps `int` away from a million of them.
    if text.isascii() and text.isdigit() and len(text) <= len(str(MAX_LIMIT)) and 1 <= int(text) <= MAX_LIMIT:
        return int(text)
    raise SymbiontError("BAD_VALUE", f"expected limit to be an integer 1..{MAX_LIMIT}, got: {quoted(text)}")


def status(params: Mapping[str, str]) -> str | None:
    """`status`, a state of a task, or None when absent."""
    text = params.get("status")
    if text is not None and text not in list(Status):
        raise _not_among("status", text, list(Status))
    return text


def wait_s(params: Mapping[str, str], longest_s: float) -> float:
    """`wait_s` in seconds, at most `longest_s`, which it is when absent."""
    text = params.get("wait_s")
    if text is None:
        return longest_s
    # the pattern keeps `nan`, `inf`, exponents and a million digits away from `float`
    if _SECONDS.fullmatch(text) is None:
        raise SymbiontError("BAD_VALUE", f"expected wait_s to be seconds such as 2.5, got: {quoted(text)}")
    return min(float(text), longest_s)


def one_of(params: Mapping[str, str], name: str, words: Sequence[Word]) -> Word | None:
    """A parameter that is one of these words, or None when absent."""
    text = params.get(name)
    for word in words:
        if word == text:
            return word
    if text is not None:
        raise _not_among(name, text, words)
    return None


def flag(params: Mapping[str, str], name: str) -> bool:
    """A parameter that is `true` or `false`; absent means false."""
    text = params.get(name, "false")
    if text not in _FLAGS:
        raise _not_among(name, text, list(_FLAGS))
    return _FLAGS[text]


def task_id(text: str) -> str:
    """A task id of a path; what cannot be one is NOT_FOUND without asking anybody."""
    if _TASK_ID.fullmatch(text) is None:
        raise no_such_task(quoted(text))
    return text


def _string(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise SymbiontError("WRONG_TYPE", f"expected {name} to be a string, got: {quoted(value)}")
    return value


def optional(name: str, fields: Mapping[str, object]) -> str | None:
    value = fields.get(name)
    return None if value is None else _string(name, value)


def word(name: str, fields: Mapping[str, object], known: Sequence[Word]) -> Word | None:
    """A field that is one of these words, None when absent."""
    text = optional(name, fields)
    return None if text is None else one_of({name: text}, name, known)


def true_or_false(name: str, fields: Mapping[str, object]) -> bool:
    """A field that is true or false; absent means false."""
    value = fields.get(name)
    if value is not None and not isinstance(value, bool):
        raise SymbiontError("WRONG_TYPE", f"expected {name} to be true or false, got: {quoted(value)}")
    return bool(value)


def required(name: str, fields: Mapping[str, object], example: str) -> str:
    """A field that must be some text; `example` is a body that has it."""
    text = optional(name, fields)
    if text is None:
        raise SymbiontError("MISSING_FIELD", f"expected {name} to be present, got: no such field", hint=example)
    return text


def _delay_s(fields: Mapping[str, object]) -> float | None:
    value = fields.get("delay_s")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise SymbiontError("WRONG_TYPE", f"expected delay_s to be a number, got: {quoted(value)}")
    if abs(value) > LONGEST_DELAY_S:  # also what no float can hold
        message = f"expected delay_s to be 0..{LONGEST_DELAY_S:.0f} seconds, got: {quoted(value)}"
        raise SymbiontError("BAD_VALUE", message, hint="run_at takes a moment")
    return float(value)


def _not_among(name: str, text: str, known: Sequence[str]) -> SymbiontError:
    message = f"expected {name} to be {listed(known)}, got: {quoted(text)}"
    return SymbiontError("BAD_VALUE", message, hint=did_you_mean(text, known))
