"""``scheduler check``: what it reads, and how it answers."""

import contextlib
import sys
import types

import pytest

from sev_scheduling.cli.commands import scheduler
from sev_scheduling.exceptions import InputError, PlacementUnavailable
from sev_scheduling.hosts.host import Host, SlotPool
from tests.unit.cli.conftest import EXAMPLES

READY = """\
[filter_scheduler]
available_filters = nova.scheduler.filters.all_filters
available_filters = sev_scheduling.nova.MemoryEncryptionFilter
enabled_filters = ComputeFilter,MemoryEncryptionFilter
weight_classes = nova.scheduler.weights.all_weighers,\
sev_scheduling.nova.MemoryEncryptionWeigher
[api_database]
connection = sqlite://
"""
PLACEMENT = '[placement]\nallocation_conflict_retry_count = 1\n'
HOST = Host(
    name='a',
    pools={'amd-sev': SlotPool(1)},
    machine_types={'x86_64': 'q35'},
)


class Nova:
    """Stands for the modules that look into nova's databases."""

    def __init__(self):
        self.asked = None
        self.refusal = None
        self.unavailable = False

    @contextlib.contextmanager
    def open_nova(self, files, directories):
        self.asked = [*files], [*directories]
        if self.refusal:
            raise InputError(self.refusal)
        yield 'context', self

    def read_aggregates(self, context):
        return ()

    def read_encrypted(self, context, as_warnings):
        self.as_warnings = as_warnings
        return ()

    def hosts(self, details):
        if self.unavailable:
            raise PlacementUnavailable('no answer')
        return [HOST]


@pytest.fixture(autouse=True)
def nova(monkeypatch):
    """Stand in for nova, whose options are read once in a process."""
    fake = Nova()
    part = types.SimpleNamespace(facts=fake, session=fake)
    monkeypatch.setitem(sys.modules, 'sev_scheduling.nova.servers', part)
    return fake


@pytest.fixture
def check(run, write):
    """Run it on a nova.conf; return status and result of each check."""

    def check(text, *arguments):
        file = write(text, 'nova.conf')
        done = run(
            *('scheduler', 'check', '-f', 'json', '--config-file', file),
            *arguments,
        )
        return done.status, {
            one['check']: one['result'] for one in done.json()['checks']
        }

    return check


def test_a_ready_scheduler_is_status_0(check, nova, write):
    placement = write(PLACEMENT, 'placement.conf')

    status, found = check(READY, '--placement-config', placement)

    assert status == 0
    assert set(found.values()) == {0}
    assert len(found) == 9
    assert nova.asked[0][0].endswith('nova.conf')
    assert nova.as_warnings == ()


def test_the_worst_result_is_the_status(check, nova):
    assert check(READY)[0] == 1
    assert check(READY.replace('ComputeFilter', 'Computfilter'))[0] == 2


def test_without_databases_nova_is_not_asked(check, nova):
    status, found = check(READY.partition('[api_database]')[0])

    assert (status, nova.asked) == (1, None)
    assert found['Encrypted servers'] == 1
    assert found['Filter'] == 0


def test_hosts_of_a_cloud_file_go_before_those_of_nova(check, nova):
    nova.unavailable = True

    _, found = check(READY, '--cloud', EXAMPLES / 'cloud.yaml')

    assert found['Machine types of hosts'] in (0, 1)
    assert found['Encrypted servers'] == 0


@pytest.mark.parametrize(
    ('change', 'unknown'),
    [
        (
            {'refusal': 'no database'},
            {
                'Encrypted servers',
                'Metadata of aggregates',
                'Machine types of hosts',
            },
        ),
        ({'unavailable': True}, {'Machine types of hosts'}),
    ],
)
def test_what_cannot_be_asked_is_a_warning(
    check, nova, write, change, unknown
):
    vars(nova).update(change)
    placement = write(PLACEMENT, 'placement.conf')

    _, found = check(READY, '--placement-config', placement)

    assert {name for name, result in found.items() if result} == unknown


def test_a_placement_that_does_not_answer_is_a_warning(
    check, nova, monkeypatch
):
    nova.unavailable = True

    @contextlib.contextmanager
    def open_client(parsed_args):
        yield nova

    monkeypatch.setattr(scheduler, 'open_client', open_client)

    _, found = check(READY, '--placement-url', 'http://127.0.0.1:1/placement')

    assert found['Machine types of hosts'] == 1


def test_without_nova_the_rest_is_checked(check, monkeypatch):
    monkeypatch.setitem(sys.modules, 'sev_scheduling.nova.servers', None)

    status, found = check(READY)

    assert (status, found['Encrypted servers'], found['Filter']) == (1, 1, 0)


def test_an_option_for_devices_counts(check, nova):
    check(f'{READY}[sev_scheduling]\nallow_host_devices = true\n')

    assert nova.as_warnings == ('host-device',)


def test_files_that_cannot_be_read_fail(run, write, tmp_path):
    gone = tmp_path / 'gone.conf'

    done = run(
        *('scheduler', 'check', '--json', '--config-file', gone),
        *('--placement-config', gone),
    )

    assert done.status == 2
    results = {c['check']: c['result'] for c in done.json()['checks']}
    assert results['Configuration of nova-scheduler'] == 2
    assert results['Claims of the last slot'] == 2
    assert 'Filter' not in results


def test_people_get_a_table(run, write):
    done = run('scheduler', 'check', '--config-file', write(READY, 'n.conf'))

    assert done.out.startswith('+---')
    assert 'Memory Encryption Scheduler Check Results' in done.out


@pytest.mark.parametrize(
    'value',
    [
        pytest.param(f'a.{"VeryLong" * 9}Name', id='a long name'),
        pytest.param('-'.join(['hyphens'] * 12), id='hyphens'),
        pytest.param(f'{"long/" * 14}file', id='a path'),
    ],
)
def test_no_value_of_a_table_is_broken(run, write, value):
    conf = READY.replace('ComputeFilter,', f'ComputeFilter,{value},')

    out = run(
        'scheduler', 'check', '--config-file', write(conf, 'nova.conf')
    ).out

    assert value in out
    assert len({len(line) for line in out.splitlines()}) == 1


def test_a_setting_stays_on_one_line(run, write):
    conf = READY.replace('ImageP', 'X').replace(
        'ComputeFilter,', 'ComputeFilter,ImagePropertiesFilter,'
    )

    out = run('scheduler', 'check', '--config-file', write(conf, 'n.conf')).out

    right = 'ComputeFilter,MemoryEncryptionFilter,ImagePropertiesFilter'
    assert f'enabled_filters = {right}' in out
