"""The outbox: what is to be told, to whom, and how far that has come. Pure state; a line of its journal is a `Change`.

Guarantees: a change counts whole or not at all, and the last word about a delivery or an endpoint is the one that counts; so the
deliveries that come of some tasks stand on the same line as the mark (`seen`) up to where an endpoint has heard of tasks, and no
crash can come between the two. Bounded: an endpoint takes no more than `MOST_PENDING` deliveries and `MOST_BYTES` of bodies that
wait (then its mark stays where it is, and the queue keeps the rest), and `MOST_OVER` that are over are remembered in all.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from typing import Final, Literal
from urllib.parse import urlsplit

import msgspec

from symbiont.domain.errors import SymbiontError
from symbiont.domain.line_fold import LineFold
from symbiont.domain.webhook import Message

MOST_PENDING: Final = 10_000
MOST_BYTES: Final = 33_554_432
MOST_OVER: Final = 1_000
MOST_NOTICES: Final = 10_000

State = Literal["pending", "delivered", "failed"]


class Delivery(msgspec.Struct, frozen=True, omit_defaults=True):
    """One message for one endpoint. `next_at` (epoch seconds) is when it is due; the other times are RFC 3339.

    `url` only if the task brought it. A line about a known delivery may leave the body out.
    """

    id: str
    message_id: str
    endpoint: str
    event: str
    created_at: str
    task_id: str = ""
    url: str = ""
    body: str = ""
    state: State = "pending"
    attempts: int = 0
    next_at: float = 0.0
    last_at: str = ""
    last_status: int = 0
    last_error: str = ""

    @property
    def lane(self) -> tuple[str, str]:
        """Of one lane, one delivery is under way at a time: an endpoint, or a host that tasks name."""
        return (self.endpoint, urlsplit(self.url).netloc if self.url else "")


class Endpoint(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is known of an endpoint. `seen`: the number of the last end of a task that it has heard of, or did not want to.

    `failing_since` (epoch seconds) and `failures` count from its last success. `is_gone`: no configuration names it any more.
    """

    name: str
    seen: int
    disabled_at: str | None = None
    disabled_why: str = ""
    failing_since: float | None = None
    failures: int = 0
    delivered: int = 0
    failed: int = 0
    last_at: str = ""
    last_status: int = 0
    last_error: str = ""
    is_gone: bool = False


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """A line: deliveries and endpoints as they are now, and ids of notices (of limits) that were taken in."""

    deliveries: tuple[Delivery, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    notices: tuple[str, ...] = ()


def delivery_of(message: Message, endpoint: str, at: str, url: str = "") -> Delivery:
    return Delivery(
        id=f"{message.id}_{endpoint}",
        message_id=message.id,
        endpoint=endpoint,
        event=message.event,
        created_at=at,
        task_id=message.task_id,
        url=url,
        body=message.body,
    )


class Outbox(LineFold):
    """All endpoints and deliveries. As a fold of journal lines it is fed by `absorb`; it never had a checkpoint to `restore`."""

    def __init__(self) -> None:
        self.endpoints: dict[str, Endpoint] = {}
        self.pending: Counter[str] = Counter()
        self.lines = 0
        self._bytes: Counter[str] = Counter()
        self._deliveries: dict[str, Delivery] = {}
        self._over: dict[str, None] = {}
        self._notices: dict[str, None] = {}
        self._due: dict[tuple[str, str], list[tuple[float, str]]] = defaultdict(list)

    # From and to lines

    def absorb(self, lines: Sequence[bytes]) -> None:
        """Raises `SymbiontError("DATA_CORRUPT")` for a line that means nothing."""
        for index, line in enumerate(lines):
            try:
                self.apply(msgspec.json.decode(line, type=Change))
            except msgspec.MsgspecError as error:
                raise SymbiontError(
                    "DATA_CORRUPT",
                    f"expected every line of the outbox to be a change, got: {error}",
                    hint="move webhooks.jsonl aside and keep it; Symbiont starts with a new one",
                    details={"index": index},
                ) from error

    def whole(self) -> tuple[Change, ...]:
        """Everything, as the fewest lines that come to it; frozen, so any thread may write them."""
        heads = [Change(endpoints=tuple(self.endpoints.values()), notices=tuple(self._notices))]
        over = [self._deliveries[id_] for id_ in self._over]
        rest = [one for one in self._deliveries.values() if one.id not in self._over]
        return tuple(heads + [Change(deliveries=(one,)) for one in over + rest])

    @property
    def size(self) -> int:
        """How many lines `whole` has."""
        return 1 + len(self._deliveries)

    # Changing

    def apply(self, change: Change) -> None:
        self.lines += 1
        for endpoint in change.endpoints:
            self.endpoints[endpoint.name] = endpoint
        for delivery in change.deliveries:
            self._put(delivery)
        for notice in change.notices:
            self._notices[notice] = None
        _keep_newest(self._notices, MOST_NOTICES)
        for id_ in _keep_newest(self._over, MOST_OVER):
            del self._deliveries[id_]

    def _put(self, new: Delivery) -> None:
        old = self._deliveries.get(new.id)
        if old is not None and not new.body and new.state != "delivered":
            new = msgspec.structs.replace(new, body=old.body)
        if old is not None and old.state == "pending":
            self._count(old, -1)
        self._deliveries[new.id] = new
        self._over.pop(new.id, None)
        if new.state == "pending":
            self._count(new, 1)
            heapq.heappush(self._due[new.lane], (new.next_at, new.id))
        else:
            self._over[new.id] = None

    def _count(self, delivery: Delivery, by: int) -> None:
        self.pending[delivery.endpoint] += by
        self._bytes[delivery.endpoint] += by * len(delivery.body)

    # Asking

    def get(self, delivery_id: str) -> Delivery | None:
        return self._deliveries.get(delivery_id)

    def __iter__(self) -> Iterator[Delivery]:
        """In order of arrival."""
        return iter(self._deliveries.values())

    def knows_notice(self, notice: str) -> bool:
        return notice in self._notices

    def has_room(self, endpoint: str, share: float = 1.0) -> bool:
        """Whether less than this share of its bounds waits for an endpoint."""
        return self.pending[endpoint] < share * MOST_PENDING and self._bytes[endpoint] < share * MOST_BYTES

    def next_due(self, closed: Collection[tuple[str, str]], stopped: Collection[str]) -> Delivery | None:
        """The pending delivery that is due first, but none of a closed lane or a stopped endpoint."""
        heads = [
            head
            for lane in list(self._due)
            if lane not in closed and lane[0] not in stopped and (head := self._head(lane)) is not None
        ]
        return self._deliveries[min(heads)[1]] if heads else None

    def _head(self, lane: tuple[str, str]) -> tuple[float, str] | None:
        """The first of a lane; entries of what has changed since are thrown away on the way."""
        heap = self._due[lane]
        while heap:
            next_at, id_ = heap[0]
            found = self._deliveries.get(id_)
            if found is not None and found.state == "pending" and found.next_at == next_at:
                return heap[0]
            heapq.heappop(heap)
        del self._due[lane]
        return None

    def shortened(self, latest: float) -> Sequence[Delivery]:
        """Pending deliveries that wait for later than `latest`, which nothing asks for: the wall clock was wrong."""
        late = [one for one in self if one.state == "pending" and one.next_at > latest]
        return [msgspec.structs.replace(one, next_at=latest) for one in late]


def _keep_newest(ids: dict[str, None], most: int) -> list[str]:
    """Forget the oldest beyond `most`; returns which."""
    forgotten = list(ids)[: len(ids) - most] if len(ids) > most else []
    for id_ in forgotten:
        del ids[id_]
    return forgotten
