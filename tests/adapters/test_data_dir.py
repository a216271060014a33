"""The data directory: one owner, private, and errors that say what to do."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from symbiont.adapters.data_dir import DataDir, ServerInfo, read_server_info
from symbiont.domain.errors import SymbiontError

NOON = 1_767_268_800.0


@pytest.fixture
def data_dir(tmp_path: Path) -> Iterator[DataDir]:
    opened = DataDir.open(tmp_path / "data", wall=lambda: NOON)
    yield opened
    opened.close()


def test_everything_has_its_place(data_dir: DataDir, tmp_path: Path):
    places = [data_dir.ledger, data_dir.queue, data_dir.heartbeat, data_dir.limits]
    assert [place.name for place in places] == ["ledger.jsonl", "queue.jsonl", "heartbeat.jsonl", "limits.jsonl"]
    assert {place.parent for place in places} == {tmp_path / "data"}


def test_directories_and_files_are_private(data_dir: DataDir):
    data_dir.write_server_info("http://127.0.0.1:1", 1)
    assert data_dir.path.stat().st_mode & 0o777 == 0o700
    assert data_dir.cli_cwd.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in data_dir.path.iterdir() if file.is_file()} == {0o600}


def test_the_working_directory_of_the_cli_is_empty(data_dir: DataDir):
    assert list(data_dir.cli_cwd.iterdir()) == []


def test_a_second_opener_is_told_who_holds_it(data_dir: DataDir):
    with pytest.raises(
        SymbiontError, match=rf"is held by process {os.getpid()}, started 2026-01-01T12:00:00Z"
    ) as error:
        DataDir.open(data_dir.path)
    assert error.value.code == "DATA_DIR_LOCKED"
    assert error.value.details == {"data_dir": str(data_dir.path), "pid": os.getpid()}
    assert "SYMBIONT_DATA_DIR" in error.value.hint


def test_a_holder_that_has_not_signed_yet_is_no_riddle(data_dir: DataDir):
    (data_dir.path / "lock").write_bytes(b"")
    with pytest.raises(SymbiontError, match="is held by a process that has just started"):
        DataDir.open(data_dir.path)


def test_a_closed_directory_can_be_opened_again(data_dir: DataDir):
    data_dir.close()
    data_dir.close()
    again = DataDir.open(data_dir.path)
    with pytest.raises(SymbiontError, match="expected data_dir to be used by one process"):
        DataDir.open(data_dir.path)
    again.close()


def test_a_process_that_was_killed_holds_nothing(tmp_path: Path):
    program = (
        "import os, pathlib, sys; from symbiont.adapters.data_dir import DataDir;"
        "held = DataDir.open(pathlib.Path(sys.argv[1])); print('held', flush=True); os.kill(os.getpid(), 9)"
    )
    root = Path(__file__).parents[2]
    command = [sys.executable, "-c", program, str(tmp_path / "data")]
    child = subprocess.run(command, stdout=subprocess.PIPE, check=False, cwd=root)
    assert (child.stdout, child.returncode) == (b"held\n", -9)
    DataDir.open(tmp_path / "data").close()


def test_a_server_tells_where_it_is_until_it_closes(data_dir: DataDir):
    assert read_server_info(data_dir.path) is None
    data_dir.write_server_info("http://127.0.0.1:41237", 17)
    assert read_server_info(data_dir.path) == ServerInfo("http://127.0.0.1:41237", 17)
    data_dir.close()
    assert read_server_info(data_dir.path) is None


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"url":1}', b'{"url":"\xff","pid":1}'])
def test_unreadable_server_information_is_none(data_dir: DataDir, content: bytes):
    (data_dir.path / "server.json").write_bytes(content)
    assert read_server_info(data_dir.path) is None


async def test_free_space_is_that_of_the_disk(data_dir: DataDir):
    assert 0 < await data_dir.free_bytes() < 2**60


def test_a_file_in_the_way_is_named(tmp_path: Path):
    (tmp_path / "data").write_text("")
    with pytest.raises(
        SymbiontError, match=r"expected data_dir to be a directory, got: .*/data \(File exists\)"
    ) as error:
        DataDir.open(tmp_path / "data")
    assert error.value.code == "CONFIG_INVALID"


def test_a_file_on_the_way_is_named(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(SymbiontError, match="expected data_dir to be a directory"):
        DataDir.open(tmp_path / "file" / "data")


def test_a_missing_parent_is_named_with_the_command_that_makes_it(tmp_path: Path):
    with pytest.raises(
        SymbiontError, match=r"expected data_dir to be inside an existing directory, got: .*/missing/data"
    ) as error:
        DataDir.open(tmp_path / "missing" / "data")
    assert error.value.hint == f"mkdir -p {tmp_path}/missing"


@pytest.mark.parametrize("place", ["/etc/passwd", "/proc/data"])
def test_no_command_is_advised_that_would_do_harm_or_nothing(place: str):
    with pytest.raises(SymbiontError) as error:
        DataDir.open(Path(place))
    assert error.value.hint.startswith("set SYMBIONT_DATA_DIR to a directory")
    assert place.rpartition("/")[0] not in error.value.hint


def test_missing_parents_are_made_on_request(tmp_path: Path):
    opened = DataDir.open(tmp_path / "a" / "b" / "data", make_parents=True)
    opened.close()
    assert opened.path.is_dir()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_directory_one_may_not_write_is_named(tmp_path: Path):
    (tmp_path / "data").mkdir(mode=0o500)
    with pytest.raises(SymbiontError, match=r"expected data_dir to be writable, got: .* \(Permission denied\)"):
        DataDir.open(tmp_path / "data")


def test_a_place_where_nothing_can_be_made_is_an_error_that_says_so():
    with pytest.raises(SymbiontError, match="expected data_dir to be") as error:
        DataDir.open(Path("/proc/symbiont"))
    assert error.value.code == "CONFIG_INVALID"
