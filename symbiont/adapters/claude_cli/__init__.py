"""The Claude Code CLI as a worker: one spawned process per call, every way it can end turned into an outcome.

command   arguments, environment, standard input          events, stream   what it says, folded into a transcript
session   one process from start to reaped                verdict, truth   what it meant: the truth table
orphans   descendants found again by their marker         limits, reset_text   usage limits and when they end
worker    `ClaudeCli`, which puts these together
"""

from symbiont.adapters.claude_cli.command import INSTALL_HINT, find_claude
from symbiont.adapters.claude_cli.orphans import reap_orphans
from symbiont.adapters.claude_cli.worker import ClaudeCli, Counts

__all__ = ["INSTALL_HINT", "ClaudeCli", "Counts", "find_claude", "reap_orphans"]
