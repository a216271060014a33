"""What a request about the queue as a whole means: which tasks a bulk command is for, which project is to be stopped."""

from collections.abc import Mapping
from typing import Literal, cast

import msgspec

from symbiont.domain.bulk import Filter
from symbiont.domain.errors import SymbiontError
from symbiont.domain.moment import moment_of
from symbiont.domain.task import Priority, Status
from symbiont.domain.wording import quoted
from symbiont.http import parse

MAX_IDS = 10_000


class FilterBody(msgspec.Struct, frozen=True):
    """What `POST /tasks/retry|cancel|prune` take. All that is given must hold; `all` alone means every task whose state allows it.

    `code`: of the failure. `since`, `until`: RFC 3339, of the creation. `limit`: how many at most.
    """

    status: Literal["pending", "processing", "done", "failed", "cancelled"] | None = None
    project: str | None = None
    code: str | None = None
    since: str | None = None
    until: str | None = None
    priority: Priority | None = None
    ids: list[str] | None = None
    all: bool | None = None
    limit: int | None = None
    dry_run: bool | None = None


class ProjectBody(msgspec.Struct, frozen=True):
    """What `POST /queue/pause|resume|drain` take: a project, or nothing for the whole queue."""

    project: str | None = None


def filter_of(fields: Mapping[str, object]) -> Filter:
    """Raises `SymbiontError` also when nothing is given: a filter that was forgotten must not mean everything."""
    parse.no_unknown(fields, FilterBody.__struct_fields__, "field")
    chosen = _filter_of(fields)
    if chosen == Filter() and not parse.true_or_false("all", fields):
        message = "expected a filter, ids, or all: true, got: none of them"
        raise SymbiontError("BAD_VALUE", message, hint='{"all": true, "dry_run": true}')
    return chosen


def _filter_of(fields: Mapping[str, object]) -> Filter:
    status = parse.word("status", fields, list(Status))
    priority = parse.word("priority", fields, list(Priority))
    return Filter(
        ids=_ids(fields),
        status=None if status is None else Status(status),
        project=parse.optional("project", fields),
        priority=None if priority is None else Priority(priority),
        code=parse.optional("code", fields),
        since=_moment("since", fields),
        until=_moment("until", fields),
    )


def limit_of(fields: Mapping[str, object]) -> int:
    value = fields.get("limit")
    if value is None:
        return MAX_IDS
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= MAX_IDS:
        raise SymbiontError("BAD_VALUE", f"expected limit to be an integer 1..{MAX_IDS}, got: {quoted(value)}")
    return value


def dry_run_of(fields: Mapping[str, object]) -> bool:
    return parse.true_or_false("dry_run", fields)


def project_of(fields: Mapping[str, object]) -> str | None:
    parse.no_unknown(fields, ProjectBody.__struct_fields__, "field")
    return parse.optional("project", fields)


def _ids(fields: Mapping[str, object]) -> frozenset[str] | None:
    value = fields.get("ids")
    if value is None:
        return None
    ids: list[object] = cast("list[object]", value) if isinstance(value, list) else [None]
    shown = quoted(fields.get("ids"))
    if len(ids) > MAX_IDS or not all(isinstance(one, str) for one in ids):
        raise SymbiontError("WRONG_TYPE", f"expected ids to be at most {MAX_IDS} strings, got: {shown}")
    return frozenset(cast("list[str]", ids))


def _moment(name: str, fields: Mapping[str, object]) -> float | None:
    text = parse.optional(name, fields)
    return None if text is None else moment_of(name, text)
