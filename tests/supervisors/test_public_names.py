"""What the package shows: few names, each explained; and files that can be read in the order its head gives."""

import ast
import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

import supervisors

HEAD = supervisors.__doc__ or ""
FOLDER = Path(supervisors.__file__).parent
MOST_NAMES = 65
IN_ORDER = [
    name.strip()
    for line in HEAD.splitlines()
    if line.startswith("    ")
    for name in re.split(r",\s*", re.split(r"\s{2,}", line.strip())[0])
    if name.strip()
]


def test_the_package_offers_few_names() -> None:
    assert len(supervisors.__all__) <= MOST_NAMES


def test_nothing_is_offered_that_is_not_listed() -> None:
    seen = {
        name
        for name, value in vars(supervisors).items()
        if not name.startswith("_") and not isinstance(value, ModuleType)
    }
    assert seen == set(supervisors.__all__)


@pytest.mark.parametrize("name", supervisors.__all__)
def test_each_class_and_function_that_is_offered_says_what_it_is(name: str) -> None:
    value = getattr(supervisors, name)
    if inspect.isclass(value) or inspect.isfunction(value):
        assert (value.__doc__ or "").strip(), f"{name} has no docstring"
        assert not (value.__doc__ or "").startswith(f"{name}("), f"the docstring of {name} was generated"


def test_the_head_names_every_file_once() -> None:
    files = sorted(path.stem for path in FOLDER.glob("*.py") if not path.stem.startswith("__"))
    assert sorted(IN_ORDER) == files


@pytest.mark.parametrize("name", IN_ORDER)
def test_a_file_imports_only_files_before_it(name: str) -> None:
    before = set(IN_ORDER[: IN_ORDER.index(name)])
    assert _imported(ast.parse((FOLDER / f"{name}.py").read_text(encoding="utf-8"))) <= before


def _imported(tree: ast.Module) -> set[str]:
    """The files of the package that a file needs when it runs; types alone do not count."""
    found = set[str]()
    pending: list[ast.stmt] = list(tree.body)
    while pending:
        node = pending.pop()
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("supervisors."):
            found.add((node.module or "").removeprefix("supervisors."))
        elif isinstance(node, ast.If) and ast.unparse(node.test) != "TYPE_CHECKING":
            pending += node.body + node.orelse
    return found
