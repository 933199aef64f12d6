"""What the exporter says, and asks for."""

import types

import pytest

from sev_scheduling import Host, SlotPool
from sev_scheduling.cli.commands.exporter import Exporter
from sev_scheduling.cli.metrics import Snapshot
from sev_scheduling.exceptions import PlacementUnavailable
from sev_scheduling.prefilter import ANYWHERE
from tests.unit.cli.test_metrics import FREE, UP, shown

HOST = Host(name='epyc-01', pools={'amd-sev': SlotPool(15, 1, 3)})


class Client:
    """Answers one question after the other."""

    def __init__(self, *answers):
        self.answers = [*answers]

    def hosts(self, *, details, scope):
        assert details
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


def test_an_outage_is_told_once_and_its_end_too(capsys):
    import sys

    away = PlacementUnavailable('No\nanswer.')
    client = Client([HOST], away, away, [HOST])
    command = Exporter(types.SimpleNamespace(stderr=sys.stderr), None)
    snapshot = Snapshot(60)
    seen = []
    while client.answers:
        command._ask(client, ANYWHERE, snapshot)
        found = shown(snapshot)
        seen.append((found[UP], found.get(FREE)))

    assert seen == [(1, 11), (0, None), (0, None), (1, 11)]
    told = capsys.readouterr().err.splitlines()
    assert told == ['No answer.', 'Placement answers again.']


@pytest.mark.parametrize(
    'options',
    [
        pytest.param(['--port', '0'], id='no port'),
        pytest.param(['--port', '65536'], id='a port too high'),
        pytest.param(['--interval', '0'], id='no interval'),
        pytest.param(['--address', 'no such host'], id='no address'),
    ],
)
def test_a_bad_option_is_reported_in_one_line(run, write, options):
    host = {'name': 'a', 'vcpus': 1, 'memory_mb': 1, 'disk_gb': 1}
    cloud = write({'hosts': [host]})
    ran = run('exporter', '--cloud', cloud, *options)

    assert (ran.status, ran.out) == (2, '')
    assert options[0] in ran.err


def test_a_missing_library_is_named(run, write, monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, 'prometheus_client', None)
    host = {'name': 'a', 'vcpus': 1, 'memory_mb': 1, 'disk_gb': 1}
    ran = run('exporter', '--cloud', write({'hosts': [host]}))

    assert (ran.status, ran.out) == (2, '')
    assert 'sev-scheduling[metrics]' in ran.err
