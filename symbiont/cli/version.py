"""`symbiont version`."""

import platform
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed

import msgspec

from symbiont.cli import output
from symbiont.cli.options import Json

NOT_INSTALLED = "0+unknown"


def version(*, json: Json = False) -> None:
    """Show the version."""
    if json:
        output.show_json(msgspec.json.encode({"version": current(), "python": platform.python_version()}))
    else:
        output.show_text(f"symbiont {current()}")


def current() -> str:
    """The installed version; a checkout that was never installed has none."""
    try:
        return installed("symbiont")
    except PackageNotFoundError:
        return NOT_INSTALLED
