import pytest
from hypothesis import given
from hypothesis import strategies as st

from sev_scheduling.compute.sources.files import HostFilesystem
from sev_scheduling.compute.sources.memory import (
    HostMemory,
    parse_limit,
    parse_meminfo,
    read_memory,
)
from sev_scheduling.exceptions import InputError
from tests.unit.compute.samples import outcome

V2 = 'sys/fs/cgroup/machine.slice/memory.max'
V1 = 'sys/fs/cgroup/memory/machine.slice/memory.limit_in_bytes'


@pytest.mark.parametrize(
    ('text', 'limit'),
    [
        pytest.param('max\n', None, id='no limit'),
        pytest.param('9223372036854771712\n', None, id='no limit, version 1'),
        pytest.param('1073741824\n', 1024, id='a gibibyte'),
        pytest.param('1073741823\n', 1023, id='a byte less'),
        pytest.param('0\n', 0, id='nothing'),
    ],
)
def test_a_limit_is_read(text, limit):
    assert parse_limit(text, 'memory.max') == limit


@pytest.mark.parametrize('text', ['', '-1', '1G', '1_0', '9' * 21])
def test_another_limit_is_an_error(text):
    with pytest.raises(InputError, match='number of bytes or max'):
        parse_limit(text, 'memory.max')


@given(st.text())
def test_any_text_is_a_limit_or_one_line_of_error(text):
    limit, error = outcome(parse_limit, text, 'memory.max')

    assert error.isprintable()
    assert limit is None or limit >= 0


@pytest.mark.parametrize(
    ('files', 'memory'),
    [
        pytest.param({}, HostMemory(), id='nothing'),
        pytest.param(
            {'proc/meminfo': 'MemTotal: 2048 kB\n'},
            HostMemory(2),
            id='no slice',
        ),
        pytest.param({V2: 'max'}, HostMemory(), id='a slice without limit'),
        pytest.param({V2: str(5 << 20)}, HostMemory(None, 5), id='version 2'),
        pytest.param({V1: str(5 << 20)}, HostMemory(None, 5), id='version 1'),
        pytest.param(
            {V1: str(5 << 20), V2: 'max'},
            HostMemory(),
            id='both, of which version 2 counts',
        ),
    ],
)
def test_the_memory_of_a_host_is_read(tmp_path, files, memory):
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    assert read_memory(HostFilesystem(tmp_path)) == memory


def test_what_cannot_be_read_is_reported(tmp_path):
    for name in ('proc/meminfo', V2):
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text('x')

    found = read_memory(HostFilesystem(tmp_path))

    assert (found.total_mb, found.slice_mb) == (None, None)
    assert len(found.errors) == 2


@pytest.mark.parametrize(
    ('text', 'memory'),
    [
        pytest.param('MemTotal:       527433728 kB\n', 515072, id='alone'),
        pytest.param(
            'Foo: 1 kB\nMemTotal: 1024 kB\nBar: 2 kB\n', 1, id='among others'
        ),
    ],
)
def test_meminfo_has_the_memory_of_a_host(text, memory):
    assert parse_meminfo(text, '/proc/meminfo') == memory


@pytest.mark.parametrize(
    'text',
    [
        pytest.param('', id='nothing'),
        pytest.param('MemTotal: -5 kB\n', id='a negative number'),
        pytest.param('MemTotal: 5 MB\n', id='another unit'),
        pytest.param(f'MemTotal: {"9" * 16} kB\n', id='an absurd number'),
    ],
)
def test_another_meminfo_is_an_error(text):
    with pytest.raises(InputError, match='no MemTotal'):
        parse_meminfo(text, '/proc/meminfo')
