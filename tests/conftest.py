"""Every asynchronous test runs twice: on asyncio's own loop and on uvloop. No test leaves its logging to the next."""

import asyncio
from collections.abc import Callable, Iterator

import pytest
import structlog
import uvloop
from hypothesis import strategies as st


def pytest_asyncio_loop_factories(
    config: pytest.Config, item: pytest.Item
) -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    return {"asyncio": asyncio.SelectorEventLoop, "uvloop": uvloop.new_event_loop}


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
