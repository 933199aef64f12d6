"""The real Placement service, in this process, on an SQLite file."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import sqlite3
import tempfile
import threading
import uuid
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from keystoneauth1 import session as ks_session
from keystoneauth1 import token_endpoint
from keystoneauth1.adapter import Adapter

from sev_scheduling.arguments import PATH, Maybe, checked
from sev_scheduling.exceptions import InputError, needed
from sev_scheduling.text import quoted

_ONE_AT_A_TIME = threading.Lock()


class EmbeddedAdapter(Adapter):
    """An adapter onto a Placement in this process; threads may share it.

    :ivar engine: the SQLAlchemy engine of its database
    """

    def __init__(self, *args: Any, engine: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.engine = engine
        # SQLite has one writer, and refuses others that have read before.
        self._lock = threading.Lock()

    def request(self, url: str, method: str, **kwargs: Any) -> Any:
        with self._lock:
            return super().request(url, method, **kwargs)


@checked(state=Maybe(PATH))
@contextlib.contextmanager
def embedded_placement(
    state: str | Path | None = None,
) -> Iterator[EmbeddedAdapter]:
    """Run openstack-placement in this process; give an adapter onto it.

    One at a time in a process: Placement keeps its database and its caches
    in module globals, which are put back at the end.

    :param state: the SQLite file to use and keep; a temporary one is made,
        and removed at the end, if there is none. A file that is made
        here is removed again if the body raises.
    :raises InputError: if openstack-placement is not installed, or
        ``state`` is not a database of Placement or is in use
    :raises RuntimeError: if one runs in this process already
    """
    if not _ONE_AT_A_TIME.acquire(blocking=False):
        raise RuntimeError('An embedded Placement runs in this process.')
    with contextlib.ExitStack() as stack:
        stack.callback(_ONE_AT_A_TIME.release)
        if state is None:
            folder = tempfile.TemporaryDirectory(prefix='sev-scheduling-')
            path = Path(stack.enter_context(folder)) / 'placement.db'
            new = True
        else:
            path = Path(state)
            new = stack.enter_context(_kept_file(path))
        yield stack.enter_context(_running(path, new))


@contextlib.contextmanager
def _kept_file(path: Path) -> Iterator[bool]:
    """Lock a state file; yield whether it is new, or empty."""
    created = not path.exists()
    label = f'State file {quoted(path)}'
    if not created and not path.is_file():
        raise InputError(
            f'{label} is no regular file; give the path of a file.'
        )
    try:
        stream = path.open('ab' if created else 'r+b')
    except OSError as error:
        raise InputError(
            f'{label} cannot be used: {error.strerror}; give the path of a '
            'file in a folder that exists.'
        ) from None
    with stream:
        try:
            # SQLite's own locks are of another kind and do not clash.
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(
                f'{label} is in use by another command; wait for it to end.'
            ) from None
        new = path.stat().st_size == 0
        if not new:
            _check_database(path, label)
        try:
            yield new
        except BaseException:
            if created:
                path.unlink(missing_ok=True)
            elif new:
                # Whoever made it keeps it. It may not be what it looks like.
                with contextlib.suppress(OSError):
                    stream.truncate(0)
            raise


def _check_database(path: Path, label: str) -> None:
    try:
        with contextlib.closing(sqlite3.connect(path)) as database:
            database.execute('SELECT uuid FROM resource_providers LIMIT 1')
    except sqlite3.Error:
        raise InputError(
            f'{label} is no database of Placement; give a file that --state '
            'made, or a new path.'
        ) from None


@contextlib.contextmanager
def _running(path: Path, new: bool) -> Iterator[EmbeddedAdapter]:
    with (
        needed('embedded', 'The embedded Placement'),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter('ignore')
        from oslo_config import cfg
        from oslo_db.sqlalchemy import enginefacade
        from placement import conf as placement_conf
        from placement import db_api, deploy, policy
        from placement.db.sqlalchemy import migration
        from placement.objects import resource_class, trait
        from sqlalchemy.engine import URL
        from wsgi_intercept.interceptor import RequestsInterceptor

    def forget() -> None:
        policy.reset()
        trait._TRAITS_SYNCED = False
        resource_class._RESOURCE_CLASSES_SYNCED = False

    conf = cfg.ConfigOpts()
    placement_conf.register_opts(conf)
    # A path may hold what means something in a URL: ? and %.
    url = str(URL.create('sqlite', database=str(path)))
    conf.set_override('connection', url, 'placement_database')
    conf.set_override('auth_strategy', 'noauth2', 'api')
    # Neither the machine's placement.conf nor this program's arguments.
    conf([], 'placement', default_config_files=[], default_config_dirs=[])
    manager = enginefacade.transaction_context()
    manager.configure(
        connection=url,
        # A temporary file need not survive a power failure.
        sqlite_synchronous=not new,
    )
    with contextlib.ExitStack() as stack:
        stack.enter_context(_quiet_loggers())
        stack.callback(db_api.placement_context_manager.patch_factory(manager))
        forget()
        stack.callback(forget)
        engine = db_api.get_placement_engine()
        stack.callback(engine.dispose)
        # Only here: later warnings may be of the caller's own code.
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')
            if new:
                migration.create_schema(engine)
                migration.stamp('head')
            else:
                migration.upgrade('head')
            application = deploy.loadapp(conf)
        # A name that no real service has.
        endpoint = f'http://{uuid.uuid4()}/placement'
        stack.enter_context(
            RequestsInterceptor(lambda: application, url=endpoint)
        )
        auth = token_endpoint.Token(endpoint=endpoint, token='admin')
        yield EmbeddedAdapter(
            ks_session.Session(auth=auth),
            service_type='placement',
            endpoint_override=endpoint,
            raise_exc=False,
            engine=engine,
        )


@contextlib.contextmanager
def _quiet_loggers() -> Iterator[None]:
    """Keep alembic's and Placement's chatter out of a command's output."""
    loggers = [logging.getLogger(n) for n in ('alembic', 'placement')]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
