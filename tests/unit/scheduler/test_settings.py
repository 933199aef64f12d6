import pytest

from sev_scheduling.exceptions import InputError
from sev_scheduling.scheduler.settings import (
    RETRIES,
    read_placement_conf,
    read_scheduler_conf,
)


@pytest.fixture
def write(tmp_path):
    def write(name, text):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        return path

    return write


def enabled(conf):
    return conf.get('filter_scheduler', 'enabled_filters')


def filters(*names):
    return f'[filter_scheduler]\nenabled_filters = {",".join(names)}\n'


def test_what_is_not_set_has_novas_and_our_defaults(write):
    conf = read_scheduler_conf([write('nova.conf', '')])

    assert enabled(conf)[0] == 'ComputeFilter'
    assert conf.get('sev_scheduling', 'cache_seconds') == 60.0
    assert conf.errors == {}


def test_the_files_that_are_given_win_over_each_other_in_order(write):
    conf = read_scheduler_conf(
        [write('a.conf', filters('A')), write('b.conf', filters('B'))],
        [write('d/c.conf', filters('C')).parent],
    )

    assert enabled(conf) == ['C']


def test_without_files_those_of_nova_scheduler_are_found(write, tmp_path):
    write('nova.conf', filters('A'))
    write('nova-scheduler.conf', filters('B'))
    assert enabled(read_scheduler_conf([], etc=tmp_path)) == ['B']
    write('nova.conf.d/x.conf', filters('C'))
    assert enabled(read_scheduler_conf([], etc=tmp_path)) == ['C']
    # Nova-compute's own is of another service.
    write('nova-compute.conf', filters('D'))
    assert enabled(read_scheduler_conf([], etc=tmp_path)) == ['C']


def test_no_file_is_an_error_that_names_the_option(tmp_path):
    with pytest.raises(InputError, match='--config-file'):
        read_scheduler_conf([], etc=tmp_path)


def test_placement_without_a_file_is_unknown(tmp_path):
    assert read_placement_conf([], etc=tmp_path) is None


def test_the_file_of_placement_is_found_or_given(write, tmp_path):
    found = write('placement.conf', f'[placement]\n{RETRIES} = 1\n')
    given = write('other.conf', f'[placement]\n{RETRIES} = 2\n')

    for files, value in ([], 1), ([given], 2), ([given, found], 1):
        conf = read_placement_conf(files, etc=tmp_path)
        assert conf.get('placement', RETRIES) == value


def test_a_file_of_placement_that_is_given_must_be_there(tmp_path):
    with pytest.raises(InputError):
        read_placement_conf([tmp_path / 'gone.conf'], etc=tmp_path)
