"""The fixtures of the library's own tests: a runtime on virtual time, its reports, and no complaint of the loop allowed."""

from tests.supervisors.conftest import clock, reports, runtime, tree

__all__ = ["clock", "reports", "runtime", "tree"]
