"""The only place that wires everything.

parts       what the tree is made of, from a configuration
program     a whole Symbiont: its start, its end, the server
local       one piece of work without a server
"""

from symbiont.boot.local import dry_run_local, import_local, run_local
from symbiont.boot.parts import Only
from symbiont.boot.program import Symbiont, our_version, running, serve

__all__ = ["Only", "Symbiont", "dry_run_local", "import_local", "our_version", "run_local", "running", "serve"]
