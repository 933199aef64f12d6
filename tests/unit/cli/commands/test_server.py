import contextlib
import sys
import types

import pytest

from sev_scheduling.cli.commands import server

UUID = '11111111-2222-3333-4444-555555555555'


class Servers:
    """Stands for the modules that look into nova's databases."""

    def __init__(self, *found):
        self.found = found
        self.repaired = []
        self.asked = None

    @contextlib.contextmanager
    def open_nova(self, files):
        self.files = files
        yield 'context', 'placement'

    def check_servers(self, context, api, servers):
        assert (context, api) == ('context', 'placement')
        self.asked = servers
        return list(self.found)

    def repair(self, context, api, finding):
        self.repaired.append(finding)
        return finding.remedy != 'by-hand'


def finding(**facts):
    return types.SimpleNamespace(
        **{
            'server': UUID,
            'host': 'epyc-01',
            'disagreement': 'slot-of-another-model',
            'model': 'amd-sev',
            'held': ('amd-sev-es',),
            'remedy': 'exchange-slot',
            **facts,
        }
    )


@pytest.fixture
def servers(monkeypatch):
    def install(*found):
        fake = Servers(*found)
        monkeypatch.setattr(server, 'load_servers', lambda: (fake, fake))
        return fake

    return install


def rows(run, *args):
    done = run('server', *args, '-f', 'json')
    return done.status, done.json(), done.err


def test_nothing_found_is_status_0(run, servers, write):
    fake = servers()
    file = str(write('', 'a'))
    assert rows(run, 'check', '--config-file', file)[:2] == (0, [])
    assert fake.files == [file]
    assert rows(run, 'repair')[:2] == (0, [])


def test_what_is_found_is_a_row_and_status_1(run, servers):
    fake = servers(finding(), finding(model=None, held=()))
    status, found, _ = rows(run, 'check', UUID)
    assert status == 1
    assert found[0] == {
        'Server': UUID,
        'Host': 'epyc-01',
        'Code': 'slot-of-another-model',
        'Model': 'amd-sev',
        'Held': ['amd-sev-es'],
        'Remedy': 'exchange-slot',
    }
    assert (found[1]['Model'], found[1]['Held']) == (None, [])
    assert fake.asked == [UUID]
    assert fake.repaired == []


@pytest.mark.parametrize(
    ('options', 'done'), [((), [True, False]), (('--dry-run',), [False] * 2)]
)
def test_a_repair_says_what_was_done(run, servers, options, done):
    fake = servers(finding(), finding(remedy='by-hand'))
    status, found, _ = rows(run, 'repair', *options)
    assert status == 1
    assert [row['Done'] for row in found] == done
    assert bool(fake.repaired) is not bool(options)


def test_bad_usage_is_status_2(run):
    assert run('server', 'check', 'no-uuid').status == 2


def test_without_nova_the_extra_is_named(run, monkeypatch):
    for name in [*sys.modules]:
        if name.startswith('sev_scheduling.nova'):
            monkeypatch.delitem(sys.modules, name)
    for name in [*sys.modules, 'nova']:
        if name.partition('.')[0] == 'nova':
            monkeypatch.setitem(sys.modules, name, None)
    done = run('server', 'check')
    assert (done.status, done.out) == (2, '')
    assert 'needs nova,' in done.err
    assert 'sev-scheduling[nova,placement]' in done.err


def test_the_modules_are_the_library_s():
    pytest.importorskip('nova')
    check, session = server.load_servers()
    assert callable(check.check_servers)
    assert callable(session.open_nova)
