import os

import pytest

from sev_scheduling.compute.sources.files import (
    MAX_NAMES,
    HostFilesystem,
    write_text,
)
from sev_scheduling.exceptions import InputError


def test_a_root_may_be_text(tmp_path):
    (tmp_path / 'file').write_text('text')

    root = HostFilesystem(str(tmp_path))

    assert root.read('/file') == 'text'
    assert root == HostFilesystem(tmp_path)
    assert HostFilesystem() == HostFilesystem('/')


@pytest.mark.parametrize('force', [False, True])
def test_a_pipe_is_never_replaced(tmp_path, force):
    path = tmp_path / 'pipe'
    os.mkfifo(path)

    with pytest.raises(InputError, match='is a pipe or a device'):
        write_text(path, 'text', force=force)

    assert path.is_fifo()
    assert os.listdir(tmp_path) == ['pipe']


def test_a_link_stays_one(tmp_path):
    path = tmp_path / 'link'
    target = tmp_path / 'elsewhere' / 'file'
    target.parent.mkdir()
    target.write_text('old')
    path.symlink_to(target)

    with pytest.raises(InputError, match='link exists; give --force'):
        write_text(path, 'new')
    write_text(path, 'new', force=True)

    assert path.is_symlink()
    assert target.read_text() == 'new'
    assert os.listdir(target.parent) == ['file']


def test_a_file_is_written_for_all_to_read(tmp_path):
    path = tmp_path / 'file'

    write_text(path, 'text')

    assert path.read_text() == 'text'
    assert path.stat().st_mode & 0o777 == 0o644
    assert os.listdir(tmp_path) == ['file']


def test_an_existing_file_is_kept(tmp_path):
    path = tmp_path / 'file'
    path.write_text('old')

    with pytest.raises(InputError, match='exists; give --force'):
        write_text(path, 'new')

    assert path.read_text() == 'old'
    assert os.listdir(tmp_path) == ['file']


def test_an_existing_file_is_replaced_by_force(tmp_path):
    path = tmp_path / 'file'
    path.write_text('old')

    write_text(path, 'new', force=True)

    assert path.read_text() == 'new'
    assert os.listdir(tmp_path) == ['file']


@pytest.mark.parametrize('force', [True, False])
def test_nothing_is_written_over_a_directory(tmp_path, force):
    with pytest.raises(InputError, match='is a directory'):
        write_text(tmp_path, 'text', force=force)


def test_a_directory_that_is_missing_is_reported(tmp_path):
    with pytest.raises(InputError, match='cannot be written'):
        write_text(tmp_path / 'gone' / 'file', 'text')


def test_a_failed_write_leaves_nothing(tmp_path, monkeypatch):
    def full(handle):
        raise OSError(28, 'No space left on device')

    monkeypatch.setattr(os, 'fsync', full)

    with pytest.raises(InputError, match='No space left'):
        write_text(tmp_path / 'file', 'text')

    assert os.listdir(tmp_path) == []


class TestHostFilesystem:
    def test_a_file_is_found_below_the_root(self, tmp_path):
        (tmp_path / 'sys').mkdir()
        (tmp_path / 'sys' / 'file').write_text('Y')

        assert HostFilesystem(tmp_path).read('/sys/file') == 'Y'
        assert HostFilesystem(tmp_path).has('/sys/file')

    def test_a_missing_file_is_none(self, tmp_path):
        assert HostFilesystem(tmp_path).read('/sys/file') is None
        assert not HostFilesystem(tmp_path).has('/sys/file')

    @pytest.mark.parametrize(
        'target',
        [
            pytest.param('/etc/real', id='absolute'),
            pytest.param('real', id='relative'),
            pytest.param('../../../../etc/real', id='above the root'),
            pytest.param('./../etc//real', id='roundabout'),
        ],
    )
    def test_links_stay_in_the_root(self, tmp_path, target):
        (tmp_path / 'etc').mkdir()
        (tmp_path / 'etc' / 'real').write_text('in')
        (tmp_path / 'etc' / 'link').symlink_to(target)

        assert HostFilesystem(tmp_path).read('/etc/link') == 'in'

    def test_linked_directories_stay_in_the_root(self, tmp_path):
        (tmp_path / 'usr').mkdir()
        (tmp_path / 'usr' / 'file').write_text('in')
        (tmp_path / 'etc').symlink_to('/usr')

        assert HostFilesystem(tmp_path).read('/etc/file') == 'in'
        assert HostFilesystem(tmp_path).names('/etc') == ['file']

    @pytest.mark.parametrize(
        'make',
        [
            pytest.param(os.mkfifo, id='a pipe'),
            pytest.param(
                lambda path: path.write_bytes(b'x' * (1 << 20) + b'x'),
                id='more than a megabyte',
            ),
            pytest.param(lambda path: path.write_bytes(b'\xff'), id='no text'),
        ],
    )
    def test_what_is_no_text_file_of_a_megabyte_is_an_error(
        self, tmp_path, make
    ):
        make(tmp_path / 'file')

        with pytest.raises(InputError, match=f"^File '{tmp_path}/file' "):
            HostFilesystem(tmp_path).read('/file')

    def test_links_in_a_circle_are_an_error(self, tmp_path):
        (tmp_path / 'a').symlink_to('b')
        (tmp_path / 'b').symlink_to('a')

        with pytest.raises(InputError, match='too many symbolic links'):
            HostFilesystem(tmp_path).read('/a')

    def test_a_dangling_link_is_a_missing_file(self, tmp_path):
        (tmp_path / 'a').symlink_to('/gone')

        assert HostFilesystem(tmp_path).read('/a') is None

    def test_a_directory_where_a_file_belongs_is_an_error(self, tmp_path):
        (tmp_path / 'sev').mkdir()

        with pytest.raises(InputError, match='directory'):
            HostFilesystem(tmp_path).read('/sev')

    def test_bytes_are_read_at_their_place(self, tmp_path):
        (tmp_path / 'cpuid').write_bytes(b'0123456789')

        assert HostFilesystem(tmp_path).read_at('/cpuid', 4, 3) == b'456'
        assert HostFilesystem(tmp_path).read_at('/gone', 4, 3) is None

    def test_bytes_that_cannot_be_read_are_none(self, tmp_path):
        (tmp_path / 'cpuid').mkdir()

        assert HostFilesystem(tmp_path).read_at('/cpuid', 0, 1) is None

    def test_a_missing_directory_has_no_names(self, tmp_path):
        assert HostFilesystem(tmp_path).names('/gone') == []

    @pytest.mark.parametrize(
        'name',
        [
            pytest.param('/file', id='a file'),
            pytest.param('/a\0b', id='a name that cannot be'),
        ],
    )
    def test_names_of_what_is_no_directory_are_an_error(self, tmp_path, name):
        (tmp_path / 'file').touch()

        with pytest.raises(InputError, match='cannot be read'):
            HostFilesystem(tmp_path).names(name)

    def test_a_huge_directory_is_not_read(self, tmp_path, monkeypatch):
        monkeypatch.setattr(
            os, 'listdir', lambda path: ['x'] * (MAX_NAMES + 1)
        )

        with pytest.raises(InputError, match='more than 1000'):
            HostFilesystem(tmp_path).names('/')
