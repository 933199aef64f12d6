"""What the exporter says, and asks for."""

import contextlib
import itertools
import signal
import socket
import time
import types
import urllib.request

import pytest

from sev_scheduling import Host, SlotPool
from sev_scheduling.cli.commands import exporter
from sev_scheduling.cli.commands.exporter import Exporter
from sev_scheduling.cli.metrics import Snapshot
from sev_scheduling.exceptions import InputError, PlacementUnavailable
from sev_scheduling.prefilter import ANYWHERE
from tests.unit.cli.test_metrics import FREE, UP, samples, shown

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


class Clock:
    """Asks the exporter in place of each pause; signals after the last.

    :param pauses: how many; the signal comes in the last one
    """

    monotonic = staticmethod(time.monotonic)

    def __init__(self, port, pauses, number):
        self.url = f'http://127.0.0.1:{port}/metrics'
        self.left = pauses
        self.number = number
        self.seen = []
        self.waited = []

    def sleep(self, seconds):
        self.waited.append(seconds)
        with urllib.request.urlopen(self.url, timeout=20) as answer:
            found = samples(answer.read().decode())
        self.seen.append((found[UP], found.get(FREE)))
        self.left -= 1
        if not self.left:
            signal.raise_signal(self.number)


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGINT])
def test_slots_are_served_question_by_question_until_a_signal(
    run, monkeypatch, number
):
    """It is the exporter's own server, on a port of this machine's."""
    away = PlacementUnavailable('No answer.')
    client = Client([HOST], away, [HOST])
    with socket.socket() as found:
        found.bind(('127.0.0.1', 0))
        port = found.getsockname()[1]
    clock = Clock(port, 3, number)

    @contextlib.contextmanager
    def open_client(parsed_args):
        yield client

    monkeypatch.setattr(exporter, 'open_client', open_client)
    monkeypatch.setattr(exporter, 'time', clock)
    handlers = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)]

    ran = run('exporter', '--port', port, '--interval', '30')

    assert (ran.status, ran.out) == (0, '')
    assert clock.seen == [(1, 11), (0, None), (1, 11)]
    assert all(29 < waited <= 30 for waited in clock.waited)
    assert f'Serving on http://127.0.0.1:{port}/metrics.' in ran.err
    assert [
        signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)
    ] == handlers
    with pytest.raises(OSError, match='refused'):
        urllib.request.urlopen(clock.url, timeout=20)


def test_a_question_longer_than_the_interval_is_followed_by_the_next(
    run, monkeypatch
):
    client = Client([HOST], [HOST])
    with socket.socket() as found:
        found.bind(('127.0.0.1', 0))
        port = found.getsockname()[1]
    clock = Clock(port, 2, signal.SIGTERM)
    ticks = itertools.count(step=100)
    clock.monotonic = lambda: next(ticks)

    @contextlib.contextmanager
    def open_client(parsed_args):
        yield client

    monkeypatch.setattr(exporter, 'open_client', open_client)
    monkeypatch.setattr(exporter, 'time', clock)

    assert run('exporter', '--port', port).status == 0
    assert clock.waited == [0.0, 0.0]


def test_an_address_of_ipv6_is_shown_as_urls_have_it():
    snapshot = Snapshot(60)
    try:
        with exporter._served(snapshot, '::1', 0) as url:
            assert url == 'http://[::1]:0/metrics'
    except InputError as error:
        pytest.skip(f'no IPv6 here: {error}')
