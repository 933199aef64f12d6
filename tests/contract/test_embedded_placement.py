"""The embedded Placement: its file, its threads, and what it leaves behind."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import subprocess
import sys
import warnings

import pytest
from sqlalchemy import event

from sev_scheduling.exceptions import InputError
from sev_scheduling.placement import (
    PlacementClient,
    embedded_placement,
    load_cloud,
)
from sev_scheduling.placement.embedded import parse_cloud
from tests.contract.placement.requests import host, request


def cloud(*hosts, label='Cloud file x'):
    return parse_cloud({'hosts': list(hosts)}, label)


def names(adapter):
    return [h.name for h in PlacementClient(adapter).hosts(details=False)]


def assert_refused(state, words):
    with pytest.raises(InputError, match=words), embedded_placement(state):
        pass  # pragma: no cover


class TestStateFile:
    @pytest.mark.parametrize(
        'name', ['a.db', 'a b.db', 'a?b.db', 'a%41b#c.db', '$a.db', 'ü.db']
    )
    def test_guests_are_kept_in_the_very_file(self, tmp_path, name):
        """A question mark or a percent sign led to another file."""
        path = tmp_path / name
        with embedded_placement(path) as adapter:
            load_cloud(adapter, cloud(host()))
            (placed,) = PlacementClient(adapter).schedule(request())
        assert [p.name for p in tmp_path.iterdir()] == [name]
        with embedded_placement(path) as adapter:
            load_cloud(adapter, cloud(host()))
            (claim,) = PlacementClient(adapter).claims()
        assert claim.instance == placed.instance

    def test_another_cloud_is_not_mixed_in(self, tmp_path):
        path = tmp_path / 'a.db'
        with embedded_placement(path) as adapter:
            load_cloud(adapter, cloud(host()))
            for other in (host('other'), host(vcpus=17)):
                with pytest.raises(InputError, match='is not the cloud that'):
                    load_cloud(adapter, cloud(other))
            assert names(adapter) == ['epyc']

    @pytest.mark.parametrize(
        ('made', 'left'),
        [
            pytest.param(None, [], id='a new one is removed'),
            # Somebody made it, as mktemp does.
            pytest.param(b'', [b''], id='an empty one stays empty'),
        ],
    )
    def test_what_stays_if_the_body_raises(self, tmp_path, made, left):
        path = tmp_path / 'a.db'
        if made is not None:
            path.write_bytes(made)
        with pytest.raises(ZeroDivisionError), embedded_placement(path):
            raise ZeroDivisionError
        assert [p.read_bytes() for p in tmp_path.iterdir()] == left

    @pytest.mark.parametrize('empty', [False, True], ids=['new', 'empty'])
    def test_an_old_one_is_kept_if_the_body_raises(self, tmp_path, empty):
        path = tmp_path / 'a.db'
        if empty:
            path.touch()
        with embedded_placement(path) as adapter:
            load_cloud(adapter, cloud(host()))
        with pytest.raises(ZeroDivisionError), embedded_placement(path):
            raise ZeroDivisionError
        with embedded_placement(path) as adapter:
            assert names(adapter) == ['epyc']

    def test_a_device_is_refused_and_left_where_it_is(self, tmp_path):
        """An empty one was taken for a new file, and removed after a fault."""
        device = tmp_path / 'null'
        device.symlink_to(os.devnull)
        assert_refused(device, 'is no regular file')
        assert device.is_symlink()

    def test_a_database_of_something_else_is_refused(self, tmp_path):
        path = tmp_path / 'a.db'
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute('CREATE TABLE t (a)')
        assert_refused(path, 'is no database of Placement')

    @pytest.mark.parametrize(
        'content', [b'text', b'SQLite format 3\0', b'SQLite format 3\0' * 99]
    )
    def test_any_other_file_is_refused_and_left_alone(self, tmp_path, content):
        path = tmp_path / 'a.db'
        path.write_bytes(content)
        assert_refused(path, 'is no database of Placement')
        assert path.read_bytes() == content

    @pytest.mark.parametrize(
        ('name', 'words'),
        [('missing/a.db', 'No such file'), ('', 'is no regular file')],
    )
    def test_a_path_that_will_not_do(self, tmp_path, name, words):
        assert_refused(tmp_path / name, words)

    def test_one_that_another_process_uses_is_refused(self, tmp_path):
        path = tmp_path / 'a.db'
        code = (
            'import fcntl, sys\n'
            'stream = open(sys.argv[1], "ab")\n'
            'fcntl.flock(stream, fcntl.LOCK_EX)\n'
            'print("locked", flush=True)\n'
            'sys.stdin.read()\n'
        )
        with subprocess.Popen(
            [sys.executable, '-c', code, path],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout.readline() == b'locked\n'
            assert_refused(path, 'in use by another command')
        assert path.exists()


class TestInOneProcess:
    def test_two_at_a_time_are_refused(self):
        """The second one's hosts would have shown in the first one."""
        with (
            embedded_placement(),
            pytest.raises(RuntimeError, match='runs in this process'),
            embedded_placement(),
        ):
            pass  # pragma: no cover

    def test_one_after_the_other_know_nothing_of_each_other(self):
        for name in ('a', 'b'):
            with embedded_placement() as adapter:
                traits = [f'CUSTOM_{name.upper()}']
                load_cloud(adapter, cloud(host(name, traits=traits)))
                assert names(adapter) == [name]

    def test_loggers_are_as_they_were(self):
        logger = logging.getLogger('placement')
        before = logger.level
        with embedded_placement():
            assert logger.level == logging.ERROR
        assert logger.level == before

    def test_without_openstack_placement_it_says_what_to_install(
        self, monkeypatch
    ):
        monkeypatch.setitem(sys.modules, 'wsgi_intercept.interceptor', None)
        assert_refused(None, r"pip install 'sev-scheduling\[")
        monkeypatch.undo()
        with embedded_placement() as adapter:
            assert names(adapter) == []


#: A process with a configuration and logging of its own, such as nova's; it
#: prints what an embedded Placement has changed of them.
_PROCESS = """
import contextlib, logging, sys, tempfile

from oslo_config import cfg

with contextlib.suppress(ImportError):
    import nova.conf
CONF = cfg.CONF
CONF([], project='host', default_config_files=[], default_config_dirs=[])
logging.basicConfig(level=logging.INFO, stream=sys.stderr)
logging.getLogger('sqlalchemy').setLevel(logging.CRITICAL)
logging.getLogger('placement').setLevel(logging.CRITICAL)
logging.getLogger('mine').addHandler(logging.NullHandler())
logging.captureWarnings(True)


def known(group):
    found = {}
    for name in group:
        value = group[name]
        is_group = isinstance(value, cfg.ConfigOpts.GroupAttr)
        found[name] = known(value) if is_group else repr(value)
    return found


def logger(one):
    return one.level, one.propagate, one.disabled, [*one.handlers]


def facts(during):
    root = logging.getLogger()
    loggers = {
        name: logger(one)
        for name, one in root.manager.loggerDict.items()
        if isinstance(one, logging.Logger)
        and not (during and name.partition('.')[0] in ('alembic', 'placement'))
    }
    return {
        'root': logger(root),
        'handlers': [(h.level, h.formatter) for h in root.handlers],
        'loggers': loggers,
        'disabled': root.manager.disable,
        'options': known(CONF),
        'files': CONF.config_file,
    }


def changed(before, after, path=()):
    # Libraries of Placement's may add loggers and options when imported.
    if isinstance(before, dict):
        for name in before.keys() & after.keys():
            yield from changed(before[name], after[name], (*path, name))
    elif before != after:
        yield path, before, after


from sev_scheduling.placement import embedded_placement, load_cloud
from sev_scheduling.placement.embedded import parse_cloud

before = facts(False)
host = {'name': 'a', 'vcpus': 1, 'memory_mb': 1, 'disk_gb': 1}
with tempfile.TemporaryDirectory() as folder:
    # A new one, and then an old one, which may be migrated.
    for _ in range(2):
        with embedded_placement(folder + '/state.db') as adapter:
            load_cloud(adapter, parse_cloud({'hosts': [host]}, 'x'))
            assert adapter.get('/resource_providers').ok
            print(*changed(before, facts(True)), end='')
        print(*changed(before, facts(False)), end='')
print('done')
"""


def test_the_host_process_keeps_its_logging_and_its_configuration():
    ran = subprocess.run(
        [sys.executable, '-c', _PROCESS],
        capture_output=True,
        text=True,
        timeout=120,
    )

    assert (ran.returncode, ran.stdout) == (0, 'done\n'), ran.stderr


def test_a_thousand_hosts_are_one_transaction(monkeypatch):
    """By its API they would take minutes; so the work counts, not a clock."""
    with embedded_placement() as adapter:
        statements = []

        def count(connection, cursor, statement, *rest):
            statements.append(statement)

        event.listen(adapter.engine, 'before_cursor_execute', count)
        pools = {'amd-sev': {'total': 15, 'used': 3}}
        load_cloud(adapter, cloud(host(count=1000, pools=pools)))
        event.remove(adapter.engine, 'before_cursor_execute', count)
        assert len(statements) < 20
        assert len(names(adapter)) == 1000


def test_warnings_of_the_callers_own_code_are_not_hidden():
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter('always')
        with embedded_placement() as adapter:
            warnings.warn('of the caller', UserWarning, stacklevel=1)
            adapter.get('/resource_providers')
            PlacementClient(adapter).hosts()

    assert [str(w.message) for w in seen if w.filename == __file__] == [
        'of the caller'
    ]
