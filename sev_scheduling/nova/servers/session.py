"""Nova's databases and its Placement, for a command."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import nova.conf
from nova import config, objects, utils
from nova import context as nova_context
from oslo_config import cfg
from oslo_db import exception as db_exception

from sev_scheduling.exceptions import InputError
from sev_scheduling.placement.client import PlacementClient
from sev_scheduling.text import one_line

CONF = nova.conf.CONF


@contextmanager
def open_nova(
    files: Iterable[str], directories: Iterable[str] = ()
) -> Iterator[tuple[Any, PlacementClient]]:
    """Give a context for nova's databases, and its Placement.

    As ``nova-manage`` does, in a process of its own.

    :param files: of nova's configuration; where there are none, those that
        nova itself looks for
    :param directories: of further files
    :raises InputError: where one cannot be read, or a database not be asked
    """
    arguments = ['nova-manage']
    for name in files:
        arguments += ['--config-file', name]
    for name in directories:
        arguments += ['--config-dir', name]
    try:
        config.parse_args(arguments, init_rpc=False)
    except cfg.Error as error:
        raise InputError(f'nova.conf: {one_line(error)}') from None
    for group in ('api_database', 'database'):
        if not CONF[group].connection:
            raise InputError(
                f'nova.conf: [{group}] connection is not set; give the '
                'nova.conf of nova-api with --config-file.'
            )
    objects.register_all()
    try:
        yield (
            nova_context.get_admin_context(),
            PlacementClient(utils.get_ksa_adapter('placement')),
        )
    except db_exception.DBError as error:
        raise InputError(
            "Nova's database cannot be asked; check [api_database] "
            f'connection in nova.conf: {one_line(error)}'
        ) from None
