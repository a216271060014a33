"""`python -m symbiont.cli`: the same as the `symbiont` command."""

import sys

from symbiont.cli.main import main

sys.exit(main())
