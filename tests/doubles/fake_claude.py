#!/usr/bin/env python3
"""A stand-in for the Claude Code CLI: does what `script.json` in CLAUDE_CONFIG_DIR says, standard library only.

It leaves `seen.json` (arguments, environment, standard input, working directory) beside the script, so a test can look at
what a call really looked like from the other side. `steps` of the script are run in order:

    {"say": "text"}            a line on standard output          {"event": {...}}     the same, as JSON
    {"raw": "text"}            bytes without a newline            {"giant": N}         a line of N bytes
    {"grumble": "text"}        standard error                     {"flood": N}         N bytes of standard error
    {"hang": true}             wait to be stopped                 {"exit": N}          end with this code
    {"die": N}                 end by this signal                 {"touch": "name"}    make a file beside the script
    {"close": true}            close standard output              {"await": "name"}    wait until that file exists
    {"grandchild": "name"}     start a process in a session of its own that sleeps; its pid goes into that file
    {"pause": [a, b]}          think for a random time between a and b seconds

`ignore` names signals that are ignored; `on_sigint` lists the steps to run when interrupted.
"""

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(os.environ["CLAUDE_CONFIG_DIR"])


def main() -> None:
    script = json.loads((HERE / "script.json").read_text("utf-8"))
    for name in script.get("ignore", ()):
        signal.signal(signal.Signals[name], signal.SIG_IGN)
    if "on_sigint" in script:
        signal.signal(signal.SIGINT, lambda *_: run(script["on_sigint"]))
    heard = sys.stdin.buffer.read() if script.get("reads", True) else b""
    seen = {"argv": sys.argv[1:], "env": dict(os.environ), "cwd": str(Path.cwd()), "stdin": heard.decode("utf-8")}
    (HERE / "seen.json").write_text(json.dumps(seen), "utf-8")
    run(script["steps"])


def run(steps: list[dict]) -> None:
    for step in steps:
        for verb, argument in step.items():
            VERBS[verb](argument)


def say(text: str) -> None:
    raw(text + "\n")


def raw(text: str) -> None:
    sys.stdout.buffer.write(text.encode("utf-8"))
    sys.stdout.buffer.flush()


def giant(size: int) -> None:
    piece = b"x" * (1 << 20)
    for start in range(0, size, len(piece)):
        sys.stdout.buffer.write(piece[: size - start])
    say("")


def grumble(text: str) -> None:
    sys.stderr.write(text)
    sys.stderr.flush()


def hang(_: object) -> None:
    while True:
        time.sleep(60)


def die(number: int) -> None:
    os.kill(os.getpid(), number)


def wait_for(name: str) -> None:
    while not (HERE / name).exists():
        time.sleep(0.005)


def grandchild(name: str) -> None:
    code = "import signal, time; signal.signal(signal.SIGINT, signal.SIG_IGN); time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-I", "-S", "-c", code], start_new_session=True)
    (HERE / (name + ".part")).write_text(str(child.pid))
    (HERE / (name + ".part")).rename(HERE / name)


VERBS = {
    "say": say,
    "event": lambda event: say(json.dumps(event)),
    "raw": raw,
    "giant": giant,
    "grumble": grumble,
    "flood": lambda size: grumble("e" * size),
    "hang": hang,
    "exit": os._exit,
    "die": die,
    "touch": lambda name: (HERE / name).touch(),
    "close": lambda _: os.close(1),
    "await": wait_for,
    "grandchild": grandchild,
    "pause": lambda bounds: time.sleep(random.uniform(*bounds)),
}


if __name__ == "__main__":
    main()
