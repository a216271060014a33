"""What the README, CONTRIBUTING and the rest name is there: paths, routes, commands, settings, make targets."""

import re
import subprocess
from pathlib import Path

import pytest

from symbiont.cli.main import app
from symbiont.config.keys import CLASSIC_VARIABLES, catalogue
from symbiont.config.load import FILE_VARIABLE
from symbiont.domain.errors import MEANINGS
from symbiont.http.routes import ROUTES
from tests.docs.readme import README, ROOT

TEXT = README.read_text("utf-8")
CONTRIBUTING = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
FOLDERS = "supervisors|symbiont|tests|config|deploy|bench|\\.ci"
PATH = re.compile(rf"`((?:{FOLDERS})/[\w./-]*|[A-Z]+(?:\.md)?|Makefile|pyproject\.toml)`")
WORDS_IN_CAPITALS = {*MEANINGS, "HOME"}


def paths_in(text):
    return sorted(set(PATH.findall(text)) - WORDS_IN_CAPITALS)


@pytest.mark.parametrize("path", paths_in(TEXT + CONTRIBUTING + (ROOT / "bench" / "RESULTS.md").read_text("utf-8")))
def test_a_path_that_is_named_exists(path):
    assert (ROOT / path).exists()


def test_the_table_of_where_to_change_what_names_a_good_part_of_the_code():
    assert len([path for path in paths_in(TEXT) if path.endswith(".py")]) >= 20


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method} {route.path}")
def test_every_route_is_shown(route):
    assert f"**`{route.method} {route.path}`**" in TEXT


def test_every_route_that_is_shown_exists():
    shown = set(re.findall(r"\*\*`(GET|POST) (/[^`]*)`\*\*", TEXT))

    assert shown == {(route.method, route.path) for route in ROUTES}


def test_every_command_that_is_named_exists():
    for named in re.findall(r"(?:`|^|\| )symbiont ((?:[a-z]+ ?)+)", TEXT, re.MULTILINE):
        first, *rest = named.split()
        command = app[first]
        assert not rest or rest[0] in set(command) or not set(command) - {"--help", "-h"}, named


@pytest.mark.parametrize("name", [name for name in app if not name.startswith("-")])
def test_every_top_level_command_is_named(name):
    assert f"symbiont {name}" in TEXT


def test_every_variable_that_is_named_is_read():
    known = {*CLASSIC_VARIABLES, FILE_VARIABLE, "SYMBIONT_URL", *(key.variable for key in catalogue().values())}

    assert set(re.findall(r"\bSYMBIONT_[A-Z_]+\b", TEXT)) <= known


def test_every_error_code_that_is_named_exists():
    named = set(re.findall(r"`([A-Z]+_[A-Z_]+)`", TEXT)) - set(re.findall(r"SYMBIONT_[A-Z_]+", TEXT))

    assert named <= set(MEANINGS)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\bmake ([a-z]+)", TEXT + CONTRIBUTING))))
def test_every_make_target_that_is_named_exists(target):
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr


def test_the_service_unit_leaves_model_calls_time_to_be_booked():
    unit = (ROOT / "deploy" / "symbiont.service").read_text("utf-8")

    assert "KillMode=mixed\n" in unit
    assert (
        int(re.search(r"^TimeoutStopSec=(\d+)$", unit, re.MULTILINE)[1]) > catalogue()["supervision.shutdown_s"].default
    )


def test_the_pinned_versions_are_names_and_versions_and_nothing_else():
    pins = (ROOT / "config" / "constraints.txt").read_text("utf-8").splitlines()

    assert [pin for pin in pins if not pin.startswith("#") and not re.fullmatch(r"[a-z0-9-]+==[\w.]+", pin)] == []


def test_every_dependency_is_pinned():
    declared = re.findall(r'^    "([a-z-]+)>=', (ROOT / "pyproject.toml").read_text("utf-8"), re.MULTILINE)
    pinned = Path(ROOT / "config" / "constraints.txt").read_text("utf-8")

    assert [name for name in declared if f"\n{name}==" not in pinned] == []


def test_contributing_stays_short():
    assert len(CONTRIBUTING.splitlines()) <= 80
