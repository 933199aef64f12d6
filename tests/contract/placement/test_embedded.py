"""What becomes of the file that keeps the embedded Placement's database."""

from __future__ import annotations

import pytest

from sev_scheduling.placement import embedded_placement


class Stopped(Exception):
    pass


def stop(path):
    with embedded_placement(path):
        assert path.stat().st_size
        raise Stopped


def stopped(path):
    with pytest.raises(Stopped):
        stop(path)


def test_a_new_file_goes_where_nothing_comes_of_it(tmp_path):
    stopped(tmp_path / 'new.db')
    assert list(tmp_path.iterdir()) == []


def test_an_empty_file_stays_empty_where_nothing_comes_of_it(tmp_path):
    """Somebody made it, as mktemp does."""
    path = tmp_path / 'empty.db'
    path.touch()
    stopped(path)
    assert path.read_bytes() == b''
    assert list(tmp_path.iterdir()) == [path]


def test_what_was_kept_before_stays(tmp_path):
    path = tmp_path / 'kept.db'
    with embedded_placement(path):
        pass
    kept = path.read_bytes()
    stopped(path)
    assert path.read_bytes()[:16] == kept[:16] == b'SQLite format 3\0'
