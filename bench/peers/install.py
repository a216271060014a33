"""Installs each Python peer from PyPI into a virtual environment of its own, outside the checkout.

    python bench/peers/install.py [PEER …]

The environments live in `$XDG_CACHE_HOME/symbiont-bench` (`~/.cache` unless set) and are kept; a peer that does not install
leaves the last line of pip's complaint in `NAME.failed` there, which becomes its row in the table. Removing the folder starts
afresh. Stdlib only.
"""

import os
import subprocess
import sys
import venv
from pathlib import Path

__all__ = ["CACHE", "PEERS", "interpreter", "why_not"]

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "symbiont-bench"

PEERS: dict[str, tuple[str, ...]] = {
    "pykka": ("pykka",),
    "thespian": ("thespian",),
    "xoscar": ("xoscar", "uvloop"),
    "otpylib": ("otpylib", "uvloop"),
    "triotp": ("triotp",),
    "mode": ("mode-streaming", "uvloop"),
    "ray": ("ray",),
    "queues": ("huey", "persist-queue", "litequeue"),
}
"""The newest version of each that installs; which one it was is part of the table. The last are those of bench_queue.py."""


def interpreter(peer: str) -> Path:
    return CACHE / peer / "bin" / "python"


def why_not(peer: str) -> str | None:
    """None when the peer is there, else the reason it is not."""
    failed = CACHE / f"{peer}.failed"
    if failed.exists():
        return failed.read_text(encoding="utf-8").strip()
    return None if (CACHE / f"{peer}.installed").exists() else "python bench/peers/install.py has not been run"


def install(peer: str) -> None:
    installed, failed = CACHE / f"{peer}.installed", CACHE / f"{peer}.failed"
    if installed.exists():
        return
    failed.unlink(missing_ok=True)
    venv.create(CACHE / peer, with_pip=True, clear=True)
    pip = [str(interpreter(peer)), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    done = subprocess.run([*pip, *PEERS[peer]], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        installed.write_text(_versions(peer), encoding="utf-8")
    else:
        failed.write_text((done.stderr.strip().splitlines() or ["pip failed without a word"])[-1], encoding="utf-8")


def _versions(peer: str) -> str:
    script = f"from importlib.metadata import version; print(version({PEERS[peer][0]!r}), end='')"
    return subprocess.run([interpreter(peer), "-c", script], capture_output=True, text=True, check=True).stdout


def main(wanted: list[str]) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    for peer in wanted or PEERS:
        install(peer)
        reason = why_not(peer)
        sys.stdout.write(f"{peer}: {'installed' if reason is None else 'not installed: ' + reason}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
