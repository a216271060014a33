"""The conformance suite runs on virtual time, with the fixtures of the library's own tests, on asyncio and on uvloop."""

from tests.supervisors.conftest import clock, reports, runtime, tree

__all__ = ["clock", "reports", "runtime", "tree"]
