"""How errors quote what a caller sent."""

import pytest

from symbiont.domain.wording import did_you_mean, encodable, has_visible_text, listed, quoted


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "null"),
        (True, "true"),
        (42, "42"),
        (1.5, "1.5"),
        ("a", '"a"'),
        ('say "hi"\n', r'"say \"hi\"\n"'),
        ([1, 2], "an array"),
        ({"a": 1}, "an object"),
        ("\ud800", '"?"'),
        ("x" * 61, '"' + "x" * 60 + '"… (61 characters)'),
        ("x" * 60, '"' + "x" * 60 + '"'),
    ],
)
def test_a_value_is_quoted_as_json_and_kept_short(value, shown):
    assert quoted(value) == shown


def test_a_number_of_many_digits_is_cut():
    assert quoted(float("1" * 300)) == "1.1111111111111112e299"
    assert quoted(10**18) == "1000000000000000000"


@pytest.mark.parametrize(("words", "text"), [(["a"], "a"), (["a", "b"], "a or b"), (["a", "b", "c"], "a, b or c")])
def test_words_are_listed_as_one_says_them(words, text):
    assert listed(words) == text


def test_a_near_miss_is_guessed_and_a_far_one_is_not():
    assert did_you_mean("Sonet", ["haiku", "sonnet"]) == "did you mean sonnet?"
    assert not did_you_mean("gpt", ["haiku", "sonnet"])
    assert not did_you_mean("task" * 10_000, ["task"])


def test_lone_surrogates_become_question_marks():
    assert encodable("a\udfffb") == "a?b"


@pytest.mark.parametrize(
    "text", ["", " \n\t", "\u200b\u00a0", "\ufeff", "\u2060\u2028", "\u3164\u2800", "\x1b\x00", "\u00ad"]
)
def test_what_nobody_can_see_is_no_text(text):
    assert not has_visible_text(text)


@pytest.mark.parametrize("text", [".", " a ", "\u200bx", "你好", "é", "🙂"])
def test_one_visible_character_is_enough(text):
    assert has_visible_text(text)
