"""What is played on both sides. Names of the golden traces of the catalogue (S1, E4, …) are in brackets."""

from tests.conformance.erlang.script import (
    Child,
    Reason,
    Scenario,
    Step,
    Sup,
    admin,
    call,
    ends,
    gated,
    raises,
    signal,
    stop,
    tell,
    together,
)


def word(reason: Reason) -> str:
    return reason if isinstance(reason, str) else "with a term"


STRATEGIES = ("one_for_one", "rest_for_one", "one_for_all")
A, B, C, D = (Child(name) for name in "abcd")


def scenario(name: str, children: tuple[Child | Sup, ...], *steps: Step, differs: str = "", **flags) -> Scenario:
    return Scenario(name, Sup("root", children, **flags), steps, differs)


def crashes_at_every_position() -> list[Scenario]:
    return [
        scenario(f"{strategy}, {name} crashes", (A, B, C), raises(name), stop(), strategy=strategy)
        for strategy in STRATEGIES
        for name in "abc"
    ]


REASONS: tuple[Reason, ...] = ("normal", "shutdown", ("shutdown", "x"), "boom", "kill")


def restart_type_and_reason() -> list[Scenario]:
    """[S9]"""
    return [
        scenario(f"{restart} child ends {word(reason)}", (Child("a", restart, trap=False), B), _ending(reason))
        for restart in ("permanent", "transient", "temporary")
        for reason in REASONS
    ]


def _ending(reason: Reason) -> Step:
    return signal("a", reason) if reason == "kill" else ends("a", reason)


STARTING = [
    scenario("children start in order and stop in reverse", (A, B, C), stop()),
    scenario("a failed start rolls back [S4]", (A, B, Child("c", then="fail"), D)),
    scenario("an exception in init rolls back", (A, B, Child("c", then="raise"))),
    scenario(
        "an ignored child keeps its place unless temporary",
        (A, Child("b", then="ignore"), Child("c", "temporary", then="ignore"), D),
        admin("count_children", "root", None),
        stop(),
    ),
    scenario("a failed start of a nested child", (A, Sup("inner", (B, Child("c", then="fail"))))),
    scenario("no children", (), admin("count_children", "root", None), stop()),
]

RETRYING = [
    scenario(
        "rest_for_one goes on at the child that failed [S2]",
        (A, B, Child("c", starts=("ok", "fail", "fail")), D),
        raises("b"),
        strategy="rest_for_one",
    ),
    scenario(
        "one_for_all starts over when one fails [S3]",
        (A, B, Child("c", starts=("ok", "fail", "fail"))),
        raises("a"),
        strategy="one_for_all",
    ),
    scenario(
        "one_for_one tries again until it is up",
        (A, Child("b", starts=("ok", "fail", "raise"))),
        raises("b"),
    ),
    scenario("a restart that is ignored", (A, Child("b", starts=("ok", "ignore"))), raises("b")),
    scenario("failing restarts use the budget up [S7]", (A, Child("b", starts=("ok",), then="fail"), C), raises("b")),
    scenario("two crashes with intensity 1 [S5]", (A, B), raises("a"), raises("b"), intensity=1),
    scenario("one crash with intensity 0 [S6]", (A, B), raises("a"), intensity=0),
    scenario(
        "temporary and transient siblings of a round [S8]",
        (A, Child("b", "temporary"), Child("c", "transient"), D),
        raises("d"),
        strategy="one_for_all",
    ),
]

FRAIL = tuple(Child(name, trap=False) for name in "abcd")

SIMULTANEOUS = [
    scenario(
        f"{first} and {second} die together under {strategy} [E4]",
        FRAIL,
        together((first, "boom"), (second, "boom")),
        strategy=strategy,
        intensity=1,
    )
    for strategy in STRATEGIES
    for first, second in (("b", "d"), ("d", "b"))
]

GATED = [
    scenario(
        "terminate_child calls a restart off [E5]",
        (A, Child("b", starts=("ok", "gate"))),
        gated("b", "root", admin("terminate_child", "root", "b")),
        admin("restart_child", "root", "b"),
    ),
    scenario(
        "what a restarting child answers",
        (A, Child("b", starts=("ok", "gate"))),
        gated(
            "b",
            "root",
            admin("which_children", "root", None),
            admin("count_children", "root", None),
            admin("restart_child", "root", "b"),
            admin("delete_child", "root", "b"),
            admin("start_child", "root", B),
        ),
    ),
    scenario(
        "those after a restarting child wait undefined",
        (A, Child("b", starts=("ok", "gate")), C),
        gated("b", "root", admin("which_children", "root", None), admin("restart_child", "root", "c")),
        strategy="rest_for_one",
    ),
]

STOPPING = [
    scenario(
        "slow, brutal and not trapping [S11]",
        (
            Child("a", shutdown=50, on_stop=("sleep", 150)),
            Child("b", shutdown="brutal_kill"),
            Child("c", trap=False),
        ),
        stop(),
    ),
    scenario("slow within its time", (Child("a", shutdown=1000, on_stop=("sleep", 30)), B), stop()),
    scenario("slow without a limit", (Child("a", shutdown="infinity", on_stop=("sleep", 30)), B), stop()),
    scenario(
        "a timeout of zero",
        (Child("a", shutdown=0, on_stop=("sleep", 30)), B),
        stop(),
    ),
    *(
        scenario(
            f"a {restart} child turns its shutdown into {word(reason)}",
            (Child("a", restart, on_stop=("exit", reason)),),
            stop(),
        )
        for restart in ("permanent", "transient")
        for reason in ("normal", ("shutdown", "x"), "boom")
    ),
    scenario("terminate raises during a stop", (A, Child("b", on_stop="raise"), C), stop()),
    scenario("terminate raises after a crash", (A, Child("b", on_stop="raise")), raises("b")),
    scenario("terminate replaces the reason", (A, Child("b", on_stop=("exit", "other"))), ends("b", "boom")),
]

ADMIN = [
    scenario(
        "the life of a child by hand",
        (A,),
        admin("start_child", "root", B),
        admin("start_child", "root", B),
        admin("delete_child", "root", "b"),
        admin("restart_child", "root", "b"),
        admin("terminate_child", "root", "b"),
        admin("terminate_child", "root", "b"),
        admin("start_child", "root", B),
        admin("restart_child", "root", "b"),
        admin("terminate_child", "root", "b"),
        admin("delete_child", "root", "b"),
        admin("delete_child", "root", "b"),
        admin("terminate_child", "root", "b"),
        admin("restart_child", "root", "b"),
    ),
    scenario(
        "a child added by hand takes part at the end",
        (A, B),
        admin("start_child", "root", C),
        raises("b"),
        stop(),
        strategy="rest_for_one",
    ),
    scenario(
        "a child that does not come up is not kept",
        (A,),
        admin("start_child", "root", Child("b", then="fail")),
        admin("start_child", "root", Child("c", then="ignore")),
        admin("start_child", "root", Child("d", "temporary", then="ignore")),
        admin("count_children", "root", None),
    ),
    scenario(
        "a restart by hand that fails keeps the specification and costs nothing",
        (A, Child("b", starts=("ok", "fail", "ignore"))),
        admin("terminate_child", "root", "b"),
        admin("restart_child", "root", "b"),
        admin("restart_child", "root", "b"),
        admin("restart_child", "root", "b"),
        intensity=0,
    ),
    scenario(
        "a temporary child terminated by hand is forgotten",
        (A, Child("b", "temporary")),
        admin("terminate_child", "root", "b"),
        admin("restart_child", "root", "b"),
    ),
]

TREES = [
    scenario("an inner restart stays inside", (A, Sup("inner", (B, C)), D), raises("b"), strategy="rest_for_one"),
    scenario(
        "an inner supervisor that gives up takes the later ones along",
        (A, Sup("inner", (B, C), intensity=0), D),
        raises("b"),
        strategy="rest_for_one",
    ),
    scenario(
        "budgets multiply",
        (Sup("inner", (Child("a"),), intensity=1),),
        *([raises("a")] * 4),
        intensity=1,
    ),
    scenario(
        "a transient supervisor that gave up stays down",
        (A, Sup("inner", (B,), intensity=0, restart="transient")),
        raises("b"),
    ),
    scenario(
        "children added by hand are gone with their supervisor",
        (Sup("inner", (A,), intensity=0),),
        admin("start_child", "inner", B),
        raises("a"),
    ),
    scenario("a tree stops in depth", (A, Sup("inner", (B, C)), D), stop()),
    scenario(
        "a nested supervisor is killed and its children follow",
        (A, Sup("inner", (Child("b", trap=False),))),
        signal("inner", "kill"),
    ),
]


def significant(name: str, restart: str = "transient") -> Child:
    return Child(name, restart, significant=True)


AUTO_SHUTDOWN = [
    scenario(
        "any significant child that ends [S10]",
        (A, B, significant("c")),
        ends("c", "normal"),
        auto_shutdown="any_significant",
    ),
    scenario(
        "the last significant child that ends",
        (A, significant("b"), significant("c", "temporary")),
        ends("b", "normal"),
        ends("c", "boom"),
        auto_shutdown="all_significant",
    ),
    scenario(
        "a significant child that is restarted does not count",
        (A, significant("b")),
        ends("b", "boom"),
        auto_shutdown="any_significant",
    ),
    scenario(
        "a significant child terminated by hand does not count",
        (A, significant("b"), significant("c", "temporary")),
        admin("terminate_child", "root", "b"),
        admin("terminate_child", "root", "c"),
        auto_shutdown="any_significant",
    ),
    scenario(
        "a significant bystander of a round does not count",
        (A, significant("b", "temporary"), C),
        raises("a"),
        strategy="one_for_all",
        auto_shutdown="any_significant",
    ),
    scenario(
        "an inner shutdown is significant to the outer",
        (
            A,
            Sup("inner", (significant("b"),), auto_shutdown="any_significant", restart="transient", significant=True),
            C,
        ),
        ends("b", "shutdown"),
        auto_shutdown="any_significant",
    ),
]


def temps(*names: str, trap: bool) -> tuple[Child, ...]:
    return tuple(Child(name, "temporary", trap=trap) for name in names)


SIGNALS = [
    *(
        scenario(
            f"an exit signal {reason} to who {'traps' if trap else 'does not trap'} [X]",
            temps("a", trap=trap),
            signal("a", reason),
        )
        for trap in (True, False)
        for reason in ("normal", "shutdown", "kill", "foo")
    ),
    *(
        scenario(
            f"a linked peer ends {word(reason)}, {'trapped' if trap else 'not trapped'} [X2]",
            (*temps("a", trap=trap), *temps("b", trap=False)),
            tell("a", "link", "b"),
            _peer_ends(reason),
        )
        for trap in (True, False)
        for reason in REASONS
        for _peer_ends in [lambda reason: signal("b", reason) if reason == "kill" else ends("b", reason)]
    ),
    scenario(
        "links are symmetric, and undone",
        temps("a", "b", "c", trap=False),
        tell("a", "link", "b"),
        tell("b", "link", "c"),
        tell("c", "unlink", "b"),
        ends("a", "boom"),
    ),
    scenario(
        "monitors stack",
        temps("a", "b", trap=False),
        tell("a", "monitor", "b"),
        tell("a", "monitor", "b"),
        ends("b", "boom"),
        tell("a", "monitor_dead"),
    ),
    scenario(
        "a monitor tells every reason",
        temps("a", "b", "c", "d", trap=False),
        *(tell("a", "monitor", name) for name in "bcd"),
        ends("b", "normal"),
        ends("c", ("shutdown", "x")),
        signal("d", "kill"),
    ),
    scenario("a link to the dead, trapped", temps("a", trap=True), tell("a", "link_dead")),
    scenario(
        "a link to the dead, not trapped",
        temps("a", trap=False),
        tell("a", "link_dead"),
        differs="link/1 raises noproc in who does not trap, so terminate runs; here it is the exit signal noproc",
    ),
    scenario("who signals itself normal ends", temps("a", trap=False), tell("a", "exit_self", "normal")),
]

CALLS = [
    scenario(
        "calls and how they end",
        (A, B),
        call("a", "ping"),
        call("a", "later"),
        call("a", "never"),
        call("nobody", "ping"),
        call("a", "stop", "normal"),
        call("a", "stop_after_reply", "normal"),
        intensity=9,
    ),
    scenario("a call that crashes the callee", temps("a", trap=False), call("a", "raise"), call("a", "ping")),
    *(
        scenario(
            f"a callee that stops {word(reason)} without an answer", temps("a", trap=True), call("a", "stop", reason)
        )
        for reason in ("shutdown", ("shutdown", "x"), "boom")
    ),
    scenario("a call of oneself", temps("a", trap=True), tell("a", "call", "a")),
    scenario("a call of nobody from within", temps("a", trap=True), tell("a", "call", "nobody")),
    scenario("a call between two", temps("a", "b", trap=True), tell("a", "call", "b")),
]

SCENARIOS = [
    *crashes_at_every_position(),
    *restart_type_and_reason(),
    *STARTING,
    *RETRYING,
    *SIMULTANEOUS,
    *GATED,
    *STOPPING,
    *ADMIN,
    *TREES,
    *AUTO_SHUTDOWN,
    *SIGNALS,
    *CALLS,
]
