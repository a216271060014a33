"""A view that is shown again and again."""

import signal
import subprocess

import pytest

from symbiont.cli.watching import EVERY_S, watched


def test_a_watched_view_is_shown_at_a_steady_pace_until_ctrl_c():
    done = []

    def sleep(seconds):
        done.append(seconds)
        if len(done) == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        watched(lambda: done.append("shown"), sleep=sleep)

    assert done == ["shown", EVERY_S] * 3


@pytest.mark.parametrize("words", [("status",), ("queue", "list")], ids=" ".join)
def test_watching_goes_on_until_ctrl_c(start, api, a_status, a_page, a_task, words):
    api.answers("GET", "/status", a_status())
    api.answers("GET", "/queue", a_page(a_task()))
    process = start(*words, "--watch", "--url", api.url, stdout=subprocess.PIPE)

    assert process.stdout.readline()
    assert process.poll() is None
    process.send_signal(signal.SIGINT)

    assert process.wait(10) == 130
