"""What the checks say of nova-scheduler is what nova-scheduler does."""

import subprocess
import sys

import pytest

pytest.importorskip('nova', reason='nova is not installed')

import nova.conf
from nova import exception
from nova.scheduler import filters, weights

from sev_scheduling.hosts.check import CheckKind, Status
from sev_scheduling.nova.options import Options
from sev_scheduling.scheduler.checks import check
from sev_scheduling.scheduler.conf import (
    ALL_FILTERS,
    NOVAS_FILTERS,
    REBUILD_FILTERS,
)
from sev_scheduling.scheduler.report import SchedulerReport
from sev_scheduling.scheduler.settings import _NOVAS, read_scheduler_conf


def loaded():
    handler = filters.HostFilterHandler()
    return {
        one.__name__: one
        for one in handler.get_matching_classes([ALL_FILTERS])
    }


def test_novas_filters_are_known_by_name_and_by_rebuild():
    found = loaded()

    assert found.keys() <= NOVAS_FILTERS
    assert {n for n, one in found.items() if one.RUN_ON_REBUILD} == (
        REBUILD_FILTERS
    )


@pytest.fixture
def configured(tmp_path):
    """Write a nova.conf; return it as nova reads it, and as we do."""
    conf = nova.conf.CONF

    def configured(text):
        path = tmp_path / 'nova.conf'
        path.write_text(text)
        conf([], project='nova', default_config_files=[str(path)])
        found = check(SchedulerReport(conf=read_scheduler_conf([path])))
        return conf, {one.kind: one.status for one in found}

    yield configured
    conf.clear()


OURS = 'sev_scheduling.nova.MemoryEncryptionFilter'
SETTINGS = {
    'nothing': '',
    'ready': f"""
available_filters = {ALL_FILTERS}
available_filters = {OURS}
enabled_filters = ComputeFilter,MemoryEncryptionFilter
""",
    'by the path of its module': f"""
available_filters = {ALL_FILTERS}
available_filters = sev_scheduling.nova.filter.MemoryEncryptionFilter
enabled_filters = MemoryEncryptionFilter
""",
    'enabled and not available': """
enabled_filters = MemoryEncryptionFilter
""",
    'a path that leads nowhere': f"""
available_filters = {ALL_FILTERS}
available_filters = sev_scheduling.nova.Filter
enabled_filters = ComputeFilter
""",
    'without those of nova': f"""
available_filters = {OURS}
enabled_filters = ComputeFilter,MemoryEncryptionFilter
""",
    'a misspelt name': f"""
available_filters = {ALL_FILTERS}
available_filters = {OURS}
enabled_filters = ComputFilter,MemoryEncryptionFilter
""",
}


@pytest.mark.parametrize('name', SETTINGS)
def test_the_filter_fails_where_nova_scheduler_does_not_load_it(
    configured, name
):
    conf, found = configured(f'[filter_scheduler]\n{SETTINGS[name]}')
    options = conf.filter_scheduler

    assert found[CheckKind.FILTER] == (
        Status.SUCCESS if loads(options) else Status.FAILURE
    )


def loads(options):
    """Whether nova-scheduler loads its filters, and ours among them."""
    try:
        classes = filters.HostFilterHandler().get_matching_classes(
            options.available_filters
        )
    except (exception.ClassNotFound, ImportError):
        return False
    names = {one.__name__ for one in classes}
    return 'MemoryEncryptionFilter' in options.enabled_filters and names >= {
        *options.enabled_filters
    }


@pytest.mark.parametrize(
    ('classes', 'status'),
    [
        ('sev_scheduling.nova.MemoryEncryptionWeigher', Status.SUCCESS),
        (
            'sev_scheduling.nova.weigher.MemoryEncryptionWeigher',
            Status.SUCCESS,
        ),
        ('sev_scheduling.nova.Weigher', Status.FAILURE),
    ],
)
def test_the_weigher_fails_where_nova_scheduler_does_not_load_it(
    configured, classes, status
):
    conf, found = configured(
        '[filter_scheduler]\nweight_classes = '
        f'nova.scheduler.weights.all_weighers,{classes}\n'
    )
    handler = weights.HostWeightHandler()

    try:
        handler.get_matching_classes(conf.filter_scheduler.weight_classes)
        ours = Status.SUCCESS
    except (exception.ClassNotFound, ImportError):
        ours = Status.FAILURE

    assert found[CheckKind.WEIGHER] == status == ours


@pytest.mark.parametrize(
    'line',
    [
        'max_guests = -1',
        'max_guests = 3',
        'on_placement_failure = maybe',
        'request_filter = maybe',
        'cache_seconds = -0.1',
        'cache_seconds = 0',
        'placement_answer_limit = 0',
        'max_guests_per_model = amd-sev',
        'max_guests_per_model = amd-sev:1',
        'default_machine_type = =',
    ],
)
def test_an_option_fails_where_the_filter_cannot_read_it(configured, line):
    conf, found = configured(f'[sev_scheduling]\n{line}\n')

    try:
        Options.read(conf)
        failed = False
    except ValueError:
        failed = True

    assert (found[CheckKind.SCHEDULER_OPTIONS] is Status.FAILURE) is failed


@pytest.mark.parametrize('name', ['max-guests', 'MAX_GUESTS', 'max_guests'])
@pytest.mark.parametrize('group', ['sev_scheduling', 'SEV_SCHEDULING'])
def test_an_option_is_misspelt_where_nova_does_not_read_it(
    configured, group, name
):
    conf, found = configured(f'[{group}]\n{name} = 3\n')

    read = Options.read(conf).max_guests == 3

    assert (found[CheckKind.SCHEDULER_OPTIONS] is Status.SUCCESS) is read


def test_defaults_are_those_of_nova():
    conf = nova.conf.CONF
    for group, option in _NOVAS:
        registered = conf._get_opt_info(option.dest, group)['opt']
        assert registered.default == option.default


def test_the_sample_configuration_of_this_nova_is_read(tmp_path):
    """All options of nova, with its defaults, and with values set."""
    sample = tmp_path / 'nova.conf'
    subprocess.run(
        [
            *(sys.executable, '-W', 'ignore', '-m', 'oslo_config.generator'),
            *('--namespace', 'nova.conf', '--output-file', str(sample)),
        ],
        check=True,
        capture_output=True,
    )
    text = sample.read_text()
    assert '#enabled_filters = ComputeFilter' in text
    chosen = [
        line.removeprefix('#')
        if line.startswith('#enabled_filters')
        or line.startswith('#weight_classes')
        else line
        for line in text.splitlines()
    ]
    sample.write_text('\n'.join(chosen))

    found = check(SchedulerReport(conf=read_scheduler_conf([sample])))

    by_kind = {one.kind: one.status for one in found}
    assert by_kind[CheckKind.SCHEDULER_OPTIONS] is Status.SUCCESS
    assert by_kind[CheckKind.WEIGHER] is Status.WARNING
    assert by_kind[CheckKind.FILTER] is Status.FAILURE
