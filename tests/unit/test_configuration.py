"""Configuration files of any service; nova's own are with its reader."""

import pytest
from oslo_config import cfg

from sev_scheduling.configuration import read_configuration
from sev_scheduling.exceptions import InputError

RETRIES = cfg.IntOpt('retries', default=10)
NAMES = cfg.MultiStrOpt('filters', default=['all'])


@pytest.fixture
def read(tmp_path):
    def read(text, *options, **keywords):
        path = tmp_path / 'placement.conf'
        path.write_text(text)
        return read_configuration(
            [path], [], options, service='placement', **keywords
        )

    return read


def test_values_are_by_group_and_name(read):
    found = read(
        '[placement]\nretries = 1\n[b]\nretries = x\n',
        ('placement', RETRIES),
        ('b', RETRIES),
        ('c', RETRIES),
    )

    assert found.get('placement', 'retries') == 1
    assert found.get('c', 'retries') == 10
    assert [*found.errors] == [('b', 'retries')]
    with pytest.raises(InputError, match=r'\[b\] retries in placement.conf'):
        found.get('b', 'retries')


def test_a_repeated_option_has_all_its_values(read):
    text = '[a]\nfilters = x\nfilters = y\n'

    assert read(text, ('a', NAMES)).get('a', 'filters') == ['x', 'y']
    assert read('', ('a', NAMES)).get('a', 'filters') == ['all']


def test_all_that_is_written_is_there_whether_asked_for_or_not(read):
    found = read('[a]\nfoo = 1\nfoo = 2\n[b]\nbar =\n')

    assert found.written == {'a': {'foo': ['1', '2']}, 'b': {'bar': ['']}}


def test_no_file_names_the_option_that_gives_one():
    with pytest.raises(InputError, match=r'No x\.conf .* with --x-config'):
        read_configuration([], [], [], service='x', option='--x-config')
