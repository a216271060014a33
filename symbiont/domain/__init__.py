"""Words and rules of the orchestrator: values and pure functions, no I/O, no clock, no asyncio."""
