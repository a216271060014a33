"""Every asynchronous test runs twice: on asyncio's own loop and on uvloop. No test leaves its logging to the next. Whoever started
the tests may ignore signals (`nohup`, `&` in a script); programs that are started here do not, unless a test says so.
"""

import asyncio
import signal
from collections.abc import Callable, Iterator

import pytest
import structlog
import uvloop
from hypothesis import strategies as st


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


def pytest_configure() -> None:
    """A program inherits what is ignored, and ours leave it so."""
    for number, handler in {signal.SIGINT: signal.default_int_handler, signal.SIGHUP: signal.SIG_DFL}.items():
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, handler)


@pytest.fixture(scope="session", autouse=True)
def all_characters() -> None:
    """The first text that is drawn makes a table of all characters, in seconds on a busy machine: not in anybody's test."""
    st.text().validate()


@pytest.fixture(autouse=True)
def same_logging() -> Iterator[None]:
    """A command line that is run in this process sets logging up as for a process of its own."""
    before = structlog.get_config()
    yield
    structlog.configure(**before)
