"""What the cases of supervision share: children under dynamic supervisors, and short questions."""

from functools import partial

from supervisors import (
    Actor,
    ChildSpec,
    Custom,
    DynamicSupervisor,
    Process,
    Runtime,
    Started,
    Stop,
    Supervisor,
    actor,
    spawn,
)
from supervisors.admin import Answer, CountChildren, StartDynamic, WhichChildren
from supervisors.simple import Apply, SimpleOneForOne
from supervisors.testing import settle

CRASH = Custom("crash")
NOT_NOW = Stop(Custom("not now"))
EVER = [NOT_NOW] * 100_000


class Moody(Actor):
    """Takes each `init` from a list shared by all its lives; ends as it is told."""

    def __init__(self, moods: list[object], *arguments: object) -> None:
        self.moods = moods
        self.arguments = arguments

    def init(self) -> object:
        mood = self.moods.pop(0) if self.moods else None
        return mood() if callable(mood) else mood

    def handle_cast(self, message: object) -> object:
        return Stop(message)


def moody(*moods: object, id: str = "moody", **more: object) -> ChildSpec:  # noqa: A002 -- the field is called so
    return ChildSpec(id, actor(partial(Moody, list(moods))), **more)


async def start_moody(runtime: Runtime, parent: Process, moods: list[object], *arguments: object) -> Process | None:
    return await actor(partial(Moody, moods, *arguments))(runtime, parent)


async def dynamic(runtime: Runtime, **options: object) -> Process:
    process = await spawn(runtime, DynamicSupervisor(**options), name="dynamic")
    assert process is not None
    return process


async def simple(runtime: Runtime, *moods: object, flags=None, **more: object) -> Process:
    """A `simple_one_for_one` of moody children."""
    template = ChildSpec("moody", Apply(start_moody, (list(moods),)), **more)
    process = await spawn(runtime, SimpleOneForOne(template, *([] if flags is None else [flags])), name="simple")
    assert process is not None
    return process


async def static(runtime: Runtime, flags, *children: ChildSpec) -> Process:
    process = await spawn(runtime, Supervisor(flags, children), name="static")
    assert process is not None
    return process


async def up(root: Process, request: object) -> Process:
    """The process of a child that a supervisor is asked to start."""
    answer = await root.call(StartDynamic(request) if isinstance(request, ChildSpec) else request)
    assert isinstance(answer, Started), answer
    return answer.process


async def ends(process: Process, reason: object = CRASH) -> None:
    """It ends by itself."""
    process.cast(reason)
    await settle()


async def rows(root: Process) -> list[tuple[str, str]]:
    """Ids and states, latest started first."""
    return [(info.id, state(info)) for info in await root.call(WhichChildren())]


def state(info) -> str:
    return "restarting" if info.restarting else "undefined" if info.process is None else "running"


async def processes(root: Process) -> list[Process | None]:
    return [info.process for info in await root.call(WhichChildren())]


async def counts(root: Process) -> tuple[int, int, int, int]:
    """Specifications, active, supervisors, workers."""
    of = await root.call(CountChildren())
    return of.specs, of.active, of.supervisors, of.workers


def contexts(reports) -> list[str]:
    """What supervisors reported, in order."""
    return [str(event.context) for event in reports.events if hasattr(event, "context")]


OK = Answer.OK
NOT_FOUND = Answer.NOT_FOUND
