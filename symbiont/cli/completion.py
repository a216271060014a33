"""`symbiont completion SHELL`: the script that lets a shell complete commands, options and their values."""

from typing import Annotated, Literal

from cyclopts import Parameter

from symbiont.cli import output

Shell = Literal["bash", "zsh", "fish"]


def completion(shell: Annotated[Shell, Parameter(name="SHELL", help="Shell to write the script for.")], /) -> None:
    """Print the completion script of a shell."""
    from symbiont.cli.main import app  # noqa: PLC0415 - main loads this file by name; the script describes its tree

    output.show_text(app.generate_completion(prog_name="symbiont", shell=shell))
