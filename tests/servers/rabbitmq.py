"""RabbitMQ on a free loopback port, in a directory."""

from __future__ import annotations

import contextlib
import secrets
import signal
from collections.abc import Iterator
from dataclasses import dataclass

from tests.servers.process import (
    HOST,
    Server,
    answers,
    find_program,
    free_port,
    give_away,
    server_directory,
)


@dataclass(frozen=True, slots=True)
class RabbitMQ:
    """A running RabbitMQ.

    :ivar url: for oslo.messaging's ``transport_url``
    """

    server: Server
    url: str


@contextlib.contextmanager
def rabbitmq() -> Iterator[RabbitMQ]:
    """Start RabbitMQ and the Erlang port mapper that it needs.

    :raises ServerMissing: where it is not installed
    """
    package = 'rabbitmq-server'
    # Not the wrapper in /usr/sbin, which insists on the packaged service's
    # user.
    program = find_program(
        'rabbitmq-server', package, 'lib/rabbitmq/lib/*/sbin'
    )
    mapper = find_program('epmd', package)
    password = secrets.token_hex(16)
    port, mapper_port, node_port = free_port(), free_port(), free_port()
    with server_directory('rabbitmq') as directory:
        config = directory / 'rabbitmq.conf'
        config.write_text(
            f'listeners.tcp.1 = {HOST}:{port}\n'
            'default_user = tester\n'
            f'default_pass = {password}\n'
            'disk_free_limit.absolute = 1MB\n'
        )
        plugins = directory / 'enabled_plugins'
        plugins.write_text('[].\n')
        for path in (config, plugins):
            give_away(path)
        env = {
            'HOME': str(directory),
            'ERL_EPMD_ADDRESS': HOST,
            'ERL_EPMD_PORT': str(mapper_port),
            'RABBITMQ_CONFIG_FILE': str(config),
            'RABBITMQ_CONF_ENV_FILE': '/dev/null',
            'RABBITMQ_DIST_PORT': str(node_port),
            'RABBITMQ_ENABLED_PLUGINS_FILE': str(plugins),
            'RABBITMQ_LOGS': '-',
            'RABBITMQ_LOG_BASE': str(directory),
            'RABBITMQ_MNESIA_BASE': str(directory / 'mnesia'),
            'RABBITMQ_NODENAME': f'sev{port}@localhost',
            'RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS': (
                '-kernel inet_dist_use_interface {127,0,0,1} +sbwt none'
            ),
            # Its script then becomes the server instead of its parent.
            'RUNNING_UNDER_SYSTEMD': 'true',
        }
        with (
            Server('epmd', [mapper], directory=directory, env=env) as epmd,
            # It takes its time to leave in order, for nothing here.
            Server(
                'rabbitmq',
                [program],
                directory=directory,
                env=env,
                stop_signal=signal.SIGKILL,
            ) as it,
        ):
            epmd.start(lambda: answers(mapper_port))
            it.start(
                lambda: (
                    answers(port)
                    and 'startup complete'
                    in it.log.read_text(errors='replace')
                )
            )
            yield RabbitMQ(it, f'rabbit://tester:{password}@{HOST}:{port}/')
