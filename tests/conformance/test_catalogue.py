"""Every case of the catalogue is covered by a test or says why it cannot apply; no test covers a case that does not exist."""

from collections import Counter

from tests.conformance.report import catalogue, covered


def test_no_case_is_listed_twice():
    assert [id_ for id_, count in Counter(case.id for case in catalogue()).items() if count > 1] == []


def test_every_case_has_a_test_or_a_reason_why_not():
    tests = covered()

    assert [case.id for case in catalogue() if not case.not_applicable and not tests[case.id]] == []


def test_every_test_covers_a_case_of_the_catalogue():
    known = {case.id for case in catalogue()}

    assert sorted(set(covered()) - known) == []


def test_the_cases_of_a_group_are_numbered_without_gaps():
    for letter in {case.id[0] for case in catalogue()}:
        numbers = sorted(int(case.id[1:]) for case in catalogue() if case.id[0] == letter)
        assert numbers == list(range(1, len(numbers) + 1))
