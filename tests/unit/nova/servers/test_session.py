"""Nova's databases for a command, as a nova.conf names them."""

from __future__ import annotations

import subprocess
import sys

import pytest
from keystoneauth1.session import Session
from oslo_db import exception as db_exception

from sev_scheduling.exceptions import InputError
from sev_scheduling.nova.servers import session
from tests.unit.nova.factories import Q35


def run(*args):
    """Run the command line in a process: nova's configuration is global."""
    return subprocess.run(
        [
            *(sys.executable, '-W', 'ignore', '-c'),
            'import sys; from sev_scheduling.cli.main import main; '
            'sys.exit(main())',
            *args,
        ],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def parsed(monkeypatch):
    """Have nova's configuration, which is global, left as it is."""
    asked = []
    monkeypatch.setattr(
        'nova.config.parse_args', lambda argv, **_: asked.append(argv)
    )
    monkeypatch.setattr('nova.utils.get_ksa_adapter', lambda *_: Session())
    return asked


def test_it_reads_the_files_that_are_named(parsed, databases, monkeypatch):
    monkeypatch.setitem(vars(session), 'CONF', _Conf('sqlite://'))
    with session.open_nova(['a', 'b'], ['d']) as (context, client):
        assert context.is_admin
        assert client is not None
    assert parsed == [
        [
            *('nova-manage', '--config-file', 'a', '--config-file', 'b'),
            *('--config-dir', 'd'),
        ]
    ]


class _Conf:
    def __init__(self, connection):
        self.connection = connection

    def __getitem__(self, group):
        return self


def test_a_configuration_without_databases_is_refused(parsed, monkeypatch):
    monkeypatch.setitem(vars(session), 'CONF', _Conf(None))
    with (
        pytest.raises(InputError, match=r'\[api_database\] connection'),
        session.open_nova([]),
    ):
        pass


def test_a_database_that_does_not_answer_is_one_line(parsed, monkeypatch):
    monkeypatch.setitem(vars(session), 'CONF', _Conf('sqlite://'))
    with (
        pytest.raises(InputError, match='cannot be asked'),
        session.open_nova([]),
    ):
        raise db_exception.DBConnectionError('gone')


def test_a_file_that_is_not_there_is_bad_usage(tmp_path):
    done = run('server', 'check', '--config-file', str(tmp_path / 'none'))
    assert done.returncode == 2
    assert done.stdout == ''
    assert len(done.stderr.splitlines()) == 1
    assert '--config-file' in done.stderr


def test_a_placement_that_is_not_there_is_bad_usage(tmp_path, databases):
    databases.boot({}, Q35)
    conf = tmp_path / 'nova.conf'
    conf.write_text(
        f'[api_database]\nconnection = {databases.url("api")}\n'
        f'[database]\nconnection = {databases.url("cell0")}\n'
        '[placement]\nauth_type = admin_token\ntoken = admin\n'
        'endpoint = http://127.0.0.1:1\nendpoint_override = '
        'http://127.0.0.1:1\n'
    )
    done = run('server', 'check', '--config-file', str(conf), '-f', 'json')
    assert (done.returncode, done.stdout) == (2, ''), done.stderr
    assert 'Placement' in done.stderr
