"""Lines and their seals: what is written reads back, and the first link of a chain that does not hold is named."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from symbiont.adapters.journal_chain import GENESIS, chained_run, link
from symbiont.adapters.journal_format import Position, checked, is_object, stamp, without_seal

records = st.lists(
    st.sampled_from([b"{}", b'{"a":1}', b'{ "text": "z\xc3\xbcrich" }', b'{"hash":"' + b"0" * 64 + b'"}']), min_size=1
)


def lines_of(some: list[bytes]) -> list[bytes]:
    return stamp(some, Position(), chained=True)[0].splitlines()


@given(records)
def test_a_chain_that_was_written_holds_and_each_line_is_json(some):
    lines = lines_of(some)
    assert chained_run(lines, GENESIS) == (len(some), json.loads(lines[-1])["hash"].encode())
    assert [without_seal(line) for line in lines] == some


@given(records, st.data())
def test_the_first_link_that_does_not_hold_is_found_with_the_head_before_it(some, data):
    lines = lines_of(some)
    place = data.draw(st.integers(0, len(lines) - 1))
    line = lines[place]
    at = data.draw(st.integers(0, len(line) - 1))
    changed = bytes([line[at] ^ data.draw(st.integers(1, 255))])
    lines[place] = data.draw(st.sampled_from([line[:at] + changed + line[at + 1 :], line[:at], line + b" ", b""]))
    before = json.loads(lines[place - 1])["hash"].encode() if place else GENESIS
    assert chained_run(lines, GENESIS) == (place, before)


def test_a_link_covers_the_hash_before_it_and_the_line_up_to_its_own():
    first, second = lines_of([b"{}", b'{"a":1}'])
    assert json.loads(first)["hash"].encode() == link(GENESIS, b'{"seq":1,"batch":1')
    assert json.loads(second)["hash"].encode() == link(json.loads(first)["hash"].encode(), b'{"a":1,"seq":2,"batch":1')


@pytest.mark.parametrize(
    "bad", [b"", b"[]", b"1", b' {"a":1}', b'{"a":1} ', b'{"a":\n1}', b'{"a":1', b'{"a":"\xff"}', b'{"a":1}{"b":2}']
)
def test_what_is_not_one_object_on_one_line_is_no_record(bad):
    with pytest.raises(ValueError, match="expected a record to be one JSON object on one line"):
        checked(bad)


def test_an_object_may_stand_among_blanks_in_a_file_of_an_earlier_version():
    assert is_object(b' \t{"a": 1}\r')
    assert not is_object(b" [1]")
