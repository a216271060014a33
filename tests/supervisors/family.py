"""A supervisor and its children a, b, c …, which write their lives into a diary."""

from collections import Counter
from functools import partial

from supervisors import IGNORE, Actor, ChildSpec, Custom, Flags, Runtime, Stop, Strategy, Supervisor, actor, spawn
from supervisors.testing import settle


class Child(Actor):
    """`+a` when it is up, `!a` when it refuses to come up, `?a` when it finds it is not needed, `-a` when it terminates."""

    def __init__(self, diary: list[str], name: str, plan: "Plan") -> None:
        self.diary, self.name, self.plan = diary, name, plan

    def init(self) -> object:
        if self.plan.refusals[self.name] > 0:
            self.plan.refusals[self.name] -= 1
            self.diary.append(f"!{self.name}")
            return Stop(Custom("cannot"))
        if self.plan.absences[self.name] > 0:
            self.plan.absences[self.name] -= 1
            self.diary.append(f"?{self.name}")
            return IGNORE
        self.diary.append(f"+{self.name}")
        return None

    def handle_cast(self, message):
        return Stop(message)

    def terminate(self, reason) -> None:
        self.diary.append(f"-{self.name}")


ALWAYS = 1_000_000


class Plan:
    """How many of the next starts of each child are refused, or then ignored."""

    def __init__(self) -> None:
        self.refusals: Counter[str] = Counter()
        self.absences: Counter[str] = Counter()


class Tree:
    """`refuse("b", 2)`: the next two starts of b fail."""

    def __init__(self, runtime: Runtime, strategy=Strategy.ONE_FOR_ONE, intensity=3, period_s=60.0, **more) -> None:
        self.runtime = runtime
        self.flags = strategy if isinstance(strategy, Flags) else Flags(strategy, intensity, period_s, **more)
        self.diary: list[str] = []
        self.plan = Plan()

    def child(self, name: str, /, **more: object) -> ChildSpec:
        return ChildSpec(name, actor(partial(Child, self.diary, name, self.plan), name=name), **more)

    async def start(self, *children: ChildSpec):
        self.root = await spawn(self.runtime, Supervisor(self.flags, children), name="root")
        assert self.root is not None
        return self

    async def start_named(self, names: str, **more: object):
        await self.start(*(self.child(name, **more) for name in names))
        self.forget()
        return self

    def refuse(self, name: str, times: int = ALWAYS) -> None:
        self.plan.refusals[name] = times

    def process(self, name: str):
        process = self.runtime.whereis(name)
        assert process is not None
        return process

    async def crash(self, name: str, reason: object = Custom("crash")) -> None:
        self.process(name).cast(reason)
        await settle()

    def forget(self) -> None:
        self.diary.clear()

    @property
    def story(self) -> str:
        return " ".join(self.diary)
