"""The language scenarios are written in: plain data, understood by `driver.erl` (as Erlang terms) and by `ours.py`.

A reason is `"normal"`, `"shutdown"`, `("shutdown", term)`, `"kill"` or any other word, which is a reason of the program's own.
A child writes what it lives through into the trace: `start`, `fail`, `ignore`, `terminate`, and what its messages made it see.
"""

from dataclasses import dataclass, fields, is_dataclass

Reason = str | tuple[str, str]
Step = tuple[object, ...]
ALWAYS = "always"


@dataclass(frozen=True)
class Child:
    """`starts` are the outcomes of the first starts, `then` of all later ones: ok, fail, raise, ignore, gate (wait, then fail)."""

    name: str
    restart: str = "permanent"
    shutdown: object = 5000
    trap: bool = True
    starts: tuple[str, ...] = ()
    then: str = "ok"
    on_stop: object = "ok"
    """What `terminate` does: ok, raise, ("sleep", ms), ("exit", reason)."""
    significant: bool = False


@dataclass(frozen=True)
class Sup:
    name: str
    children: tuple["Child | Sup", ...]
    strategy: str = "one_for_one"
    intensity: int = 3
    period: int = 5
    auto_shutdown: str = "never"
    restart: str = "permanent"
    shutdown: object = "infinity"
    significant: bool = False


@dataclass(frozen=True)
class Scenario:
    name: str
    tree: Sup
    steps: tuple[Step, ...]
    differs: str = ""
    """Why ours is known to differ here; the test is then expected to fail."""
    strict: bool = True
    """False where the difference is about to go."""


# Steps


def stop() -> Step:
    """The root is asked to stop, and does."""
    return ("stop",)


def ends(name: str, reason: Reason) -> Step:
    """The child stops itself."""
    return ("tell", name, ("stop", reason))


def raises(name: str) -> Step:
    return ("tell", name, "raise")


def tell(name: str, *message: object) -> Step:
    return ("tell", name, message)


def signal(name: str, reason: Reason) -> Step:
    return ("signal", ((name, reason),))


def together(*deaths: tuple[str, Reason]) -> Step:
    """Exit signals that reach all of them before the supervisor hears of the first."""
    return ("signal", deaths)


def admin(operation: str, sup: str, argument: object) -> Step:
    """terminate_child, restart_child, delete_child with a child's id; start_child with a `Child`; count_children with None."""
    return (operation, sup, argument)


def call(name: str, *request: object) -> Step:
    """From outside of any actor; 50 ms are the limit."""
    return ("call", name, request)


def gated(name: str, sup: str, *requests: Step) -> Step:
    """`name` crashes and its next start waits while `requests` line up in the mailbox of `sup`; then that start fails."""
    return ("gated", name, sup, requests)


# As Erlang terms


def term(value: object) -> str:
    match value:
        case bool():
            return str(value).lower()
        case int():
            return str(value)
        case str():
            return f"'{value}'"
        case None:
            return "undefined"
        case tuple():
            return "{" + ",".join(map(term, value)) + "}"
        case list():
            return "[" + ",".join(map(term, value)) + "]"
        case _ if is_dataclass(value):
            return _record(value)
        case _:
            raise TypeError(f"expected a value of a scenario, got: {value!r}")


_LISTS = {"children", "starts", "steps"}


def _record(value) -> str:
    """A tuple of the class and a map of its fields."""
    parts = []
    for field in fields(value):
        content = getattr(value, field.name)
        if field.name not in {"differs", "strict"}:
            parts.append(f"{field.name}=>{term(list(content) if field.name in _LISTS else content)}")
    return "{" + type(value).__name__.lower() + ",#{" + ",".join(parts) + "}}"
