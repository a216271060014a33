"""Files that only the newest lines of are of use do not grow without end."""

from symbiont.actors import heartbeat, names
from symbiont.actors import limits as limits_module
from symbiont.actors.dispatcher import ReadLimits
from symbiont.actors.heartbeat import BeatNow

LIMIT = b'{"worker":"claude","limit":"%b","resets_at":1800001000.0,"opens_at":1800001000.0%b}'


async def test_the_newest_beats_are_kept(start, monkeypatch):
    monkeypatch.setattr(heartbeat, "KEPT_BEATS", 5)
    system = await start()
    for _ in range(25):
        await system.advance(1.0)
        beat = await system.ask(names.HEARTBEAT, BeatNow())
        assert len(system.lines("heartbeat")) < 10
        assert system.lines("heartbeat")[-1]["timestamp"] == beat.timestamp


async def test_what_was_kept_over_a_restart_counts(start, monkeypatch):
    monkeypatch.setattr(heartbeat, "KEPT_BEATS", 3)
    system = await start(disk={"heartbeat": tuple(b'{"old":%d}' % number for number in range(7))})
    beats = system.lines("heartbeat")
    assert [line.get("old") for line in beats] == [5, 6, None]
    assert [line["seq"] for line in beats] == [1, 2, 3]


async def test_a_file_of_limits_that_says_little_new_is_made_small(start, monkeypatch):
    monkeypatch.setattr(limits_module, "SPARE_LINES", 10)
    lines = [LIMIT % (b"five_hour", b""), *[LIMIT % (b"weekly", b"")] * 12, LIMIT % (b"other", b',"lifted":true')]
    system = await start(disk={"limits": tuple(lines)})
    assert [line["limit"] for line in system.lines("limits")] == ["five_hour", "weekly"]
    assert [limit.limit for limit in await system.ask(names.DISPATCHER, ReadLimits())] == ["five_hour", "weekly"]
