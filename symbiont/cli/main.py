"""The `symbiont` command: the tree of commands, and the one place where errors become exit codes.

Guarantees: data on stdout and nothing else; every error prints its code, message and hint on stderr (as JSON with
`--json`); a reader that goes away ends the command quietly; Ctrl-C exits 130. A bug shows its traceback.
Commands are loaded by name when they are used, so that none pays for the imports of another.
"""

import sys
from collections.abc import Sequence

from cyclopts import App, CycloptsError, Group

from symbiont.cli import failures, output
from symbiont.domain.errors import INTERRUPTED, OK, SymbiontError

PROGRAM = "symbiont"

_EPILOGUE = """\
Examples:
  symbiont serve
  symbiont task submit "Classify this feedback: …"
  cat report.md | symbiont task submit - --tier sonnet > summary.md
  symbiont task list --status failed
  symbiont ledger stats --json | jq .total_cost_estimated_usd

Output:
  tables on a terminal; into a pipe tab separated lines without a header;
  with --json the view of the HTTP API, errors (on stderr) included

Exit codes:
  0 ok             3 not found            6 conflict
  1 failed         4 not allowed          7 timeout
  2 usage          5 server unreachable   8 still pending   130 interrupted

Environment:
  SYMBIONT_URL, SYMBIONT_CONFIG, SYMBIONT_DATA_DIR, SYMBIONT_HOST,
  SYMBIONT_PORT, NO_COLOR, FORCE_COLOR"""

_WORK = Group("Work", sort_key=1)
_SERVER = Group("Server", sort_key=2)
_SETUP = Group("Setup", sort_key=3)

_COMMANDS = (
    ("task", "symbiont.cli.task:app", _WORK, "Submit, look at, wait for, cancel, retry and prune tasks."),
    ("queue", "symbiont.cli.queue:app", _WORK, "See what waits, and what for; pause, resume and drain."),
    ("ledger", "symbiont.cli.ledger:app", _WORK, "See what was called and what it cost."),
    ("budget", "symbiont.cli.budget:app", _WORK, "See what may still be spent."),
    ("schedule", "symbiont.cli.schedule:app", _WORK, "See what is done when; pause and resume it."),
    ("webhook", "symbiont.cli.webhook:app", _WORK, "See who is told of what, and send again what did not arrive."),
    ("serve", "symbiont.cli.serve:serve", _SERVER, "Run the server until SIGTERM or Ctrl-C."),
    ("demo", "symbiont.cli.demo:demo", _SERVER, "Run everything once in a temporary place, and show what happens."),
    ("status", "symbiont.cli.status:status", _SERVER, "Show how the server is."),
    ("heartbeat", "symbiont.cli.status:heartbeat", _SERVER, "Check health and sweep the queue now."),
    ("wake", "symbiont.cli.status:wake", _SERVER, "Lift every usage limit by hand and try again."),
    ("config", "symbiont.cli.config:app", _SETUP, "See, check and write the configuration."),
    ("completion", "symbiont.cli.completion:completion", _SETUP, "Print the completion script of a shell."),
    ("version", "symbiont.cli.version:version", _SETUP, "Show the version."),
)


def _tree() -> App:
    root = App(
        name=PROGRAM,
        help="Runs tasks on the cheapest model that can do them, and books every call.",
        help_format="plaintext",
        help_epilogue=_EPILOGUE,
        version_flags=(),
        exit_on_error=False,
        print_error=False,
        result_action="return_value",
        suppress_keyboard_interrupt=False,
    )
    for name, place, group, summary in _COMMANDS:
        noun = place.endswith(":app")
        root.command(place, name=name, group=group, help=summary, **({} if noun else {"help_epilogue": ""}))
    root["--help"].group = (_SETUP,)
    root.command("symbiont.cli.version:version", name="--version", group=_SETUP, help="Show the version.")
    return root


app = _tree()


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line (default: the process's own) and answer its exit code."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    try:
        return _guarded(arguments)
    except BrokenPipeError:
        return OK
    except KeyboardInterrupt:
        output.talk("interrupted")
        return INTERRUPTED


def _guarded(arguments: list[str]) -> int:
    as_json = "--json" in _before_delimiter(arguments)
    try:
        result: object = app(arguments)
    except CycloptsError as mistake:
        return failures.report(failures.of_usage(mistake, PROGRAM), as_json=as_json)
    except SymbiontError as error:
        return failures.report(error, as_json=as_json)
    return result if isinstance(result, int) else OK


def _before_delimiter(arguments: Sequence[str]) -> Sequence[str]:
    return arguments[: arguments.index("--")] if "--" in arguments else arguments
