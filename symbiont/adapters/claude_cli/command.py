"""How the Claude Code CLI is called: arguments, environment, standard input. Pure but for looking up the executable.

What holds: the prompt travels on standard input alone and is inert there (no slash command, no `@file` that would be read
and sent); no tools, no settings, no memory files, no transcript on disk, so a small task costs hundreds of tokens instead
of tens of thousands; the child gets a named handful of variables and nothing else of ours. A classification and the call
that follows it take less than 4 KB of requests together, with a key as with a subscription.
"""

import os
import shutil
from collections.abc import Mapping
from pathlib import Path

import msgspec

from symbiont.domain.outcome import BadRequest, Outcome, TooLong
from symbiont.ports import ModelCall

MARKER = "SYMBIONT_CALL"
"""The variable by which every descendant of a call can be found again."""

INSTALL_HINT = "install it with `npm install -g @anthropic-ai/claude-code`, or set dispatch.claude_cli (SYMBIONT_CLAUDE_CLI) to its path"

MAX_STDIN_BYTES = 10_000_000

_PREFIX = "Task:\n"

_FORWARDED = (
    "ANTHROPIC_API_KEY",
    "ANTHROPIC_BASE_URL",
    "CLAUDE_CODE_OAUTH_TOKEN",
    "CLAUDE_CONFIG_DIR",
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
)

_FIXED = {
    "TZ": "UTC",
    "LANG": "C.UTF-8",
    "DISABLE_AUTOUPDATER": "1",
    "DISABLE_TELEMETRY": "1",
    "DISABLE_ERROR_REPORTING": "1",
    "DISABLE_BUG_COMMAND": "1",
    "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    "CLAUDE_CODE_DISABLE_ATTACHMENTS": "1",
    "CLAUDE_CODE_DISABLE_CLAUDE_MDS": "1",
    "CLAUDE_CODE_MAX_RETRIES": "1",
    # A call is one request: what it wrote into the cache, at up to twice the price, nobody would ever read.
    "DISABLE_PROMPT_CACHING": "1",
    # Without tools and without a second turn these only make the request longer.
    "CLAUDE_CODE_DISABLE_EXPERIMENTAL_BETAS": "1",
    "CLAUDE_CODE_ATTRIBUTION_HEADER": "0",
}


def find_claude(executable: str, path: str | None) -> str | None:
    """The absolute path of `executable` (a name on `path`, or a path; `~` is expanded), None if it cannot be run."""
    found = shutil.which(str(Path(executable).expanduser()) if executable.startswith("~") else executable, path=path)
    return os.path.abspath(found) if found else None  # noqa: PTH100 -- symlinks stay: an update swaps them


def refusal(call: ModelCall) -> Outcome | None:
    """Why the CLI need not be started at all for this call; None if it should be."""
    if not call.prompt.strip():
        return BadRequest(detail="expected prompt to be text, got: only white space")
    size = len(stdin_of(call))
    if size > MAX_STDIN_BYTES:
        return TooLong(detail=f"expected prompt to be at most {MAX_STDIN_BYTES} bytes, got: {size}")
    return None


def stdin_of(call: ModelCall) -> bytes:
    """The prompt as the CLI reads it. The prefix keeps a leading `/` from being a command."""
    return (_PREFIX + call.prompt).encode("utf-8", "replace")


def argv_of(executable: str, call: ModelCall, *, has_key: bool = False) -> list[str]:
    """The arguments. `--tools ""` comes last: it swallows every word after it that is no option.

    `has_key`: whether the CLI is given an API key, which it then always uses. The barest mode knows no other credential.
    """
    argv = [executable, "-p", *(["--bare"] if has_key else []), "--model", call.model]
    # Partial messages are the signs of life an idle limit needs, and tell what a call cut short had consumed.
    argv += ["--output-format", "stream-json", "--verbose", "--include-partial-messages"]
    argv += ["--no-session-persistence", "--strict-mcp-config", "--setting-sources", "", "--disable-slash-commands"]
    if call.frugal:
        argv += ["--effort", "low"]
    if call.schema is not None:
        argv += ["--json-schema", msgspec.json.encode(call.schema).decode()]
    return [_argument(word) for word in [*argv, "--system-prompt", call.system, "--tools", ""]]


def has_key(base: Mapping[str, str]) -> bool:
    """Whether the CLI will find an API key."""
    return bool(base.get("ANTHROPIC_API_KEY"))


def env_of(base: Mapping[str, str], call: ModelCall, marker: str) -> dict[str, str]:
    """The child's whole environment, built from what `base` has of the few variables it may see."""
    env = {name: base[name] for name in ("PATH", "HOME", *_FORWARDED) if name in base}
    env |= _FIXED
    # The CLI's own limit must never strike before ours, which also tells idle from slow.
    env["API_TIMEOUT_MS"] = str(max(1, round(call.timeout_s * 1000)))
    if call.frugal:
        env |= {"MAX_THINKING_TOKENS": "0", "CLAUDE_CODE_DISABLE_THINKING": "1"}  # older releases know the first alone
    return env | {MARKER: marker}


def marker_of(owner: str, call: ModelCall) -> str:
    """The value of `MARKER` for one call of one owner."""
    return f"{owner}:{call.task_id}:{call.attempt}"


def _argument(word: str) -> str:
    return word.replace("\0", "").encode("utf-8", "replace").decode()
