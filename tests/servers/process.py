"""Start a server as a child, wait until it is ready, and end it always.

A child runs in a process group of its own and gets SIGKILL from the kernel
when the thread that started it ends, so that a killed test run leaves no
server behind. Start servers from the main thread.
"""

from __future__ import annotations

import contextlib
import os
import pathlib
import pwd
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence

HOST = '127.0.0.1'

#: Below the ports that the kernel gives to outgoing connections, so that a
#: port that is free now is not taken by a client a moment later.
_PORTS = range(20000, 32000)
_POLL = 0.05
_LOG_TAIL = 4000

#: Database servers refuse to run as root; this user owns nothing else.
_UNPRIVILEGED = 'nobody'


class ServerMissing(Exception):
    """A server's program is not installed; the message says how to."""


class ServerFailed(Exception):
    """A server did not start; the message ends with its log."""


def free_port() -> int:
    """Return a port of the loopback address without a listener."""
    for port in random.sample(_PORTS, 100):
        with socket.socket() as probe:
            try:
                probe.bind((HOST, port))
            except OSError:
                continue
            return port
    raise ServerFailed('No free port among 100 tried.')


def find_program(name: str, package: str, places: str = '') -> str:
    """Return the path of a program.

    :param package: the Debian package that has it
    :param places: a glob under ``/usr`` of further directories to look in,
        the last match first
    :raises ServerMissing: where it is not installed
    """
    directories = sorted(
        (str(path) for path in pathlib.Path('/usr').glob(places or 'sbin')),
        reverse=True,
    )
    path = os.pathsep.join([*directories, os.environ.get('PATH', '')])
    program = shutil.which(name, path=f'{path}{os.pathsep}/usr/sbin')
    if program is None:
        raise ServerMissing(
            f'{name} is not installed; on Debian: apt-get install {package}'
        )
    return program


def run_once(
    command: Sequence[str],
    *,
    directory: pathlib.Path,
    env: Mapping[str, str] | None = None,
    user: str | None = None,
    given: str = '',
    what: str,
    timeout: float = 120,
) -> None:
    """Run a program that ends by itself.

    :param env: all of its environment, that of the tests where None
    :param user: who runs it, where not who runs the tests
    :param given: its standard input
    :param what: names it where it fails
    :raises ServerFailed: where it fails, with the end of what it printed
    """
    done = subprocess.run(
        command,
        cwd=directory,
        env=env,
        user=user,
        extra_groups=user and [],
        input=given,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
    )
    if done.returncode:
        raise ServerFailed(f'{what} failed:\n{done.stdout[-_LOG_TAIL:]}')


def unprivileged() -> str | None:
    """Return the user that servers run as, None for the user's own."""
    return _UNPRIVILEGED if os.geteuid() == 0 else None


@contextlib.contextmanager
def server_directory(name: str) -> Iterator[pathlib.Path]:
    """Make a directory that an unprivileged server can write to.

    Not pytest's ``tmp_path``, which only its owner can enter.
    """
    with tempfile.TemporaryDirectory(
        prefix=f'sev-{name}-', ignore_cleanup_errors=True
    ) as made:
        directory = pathlib.Path(made)
        give_away(directory)
        yield directory


def give_away(path: pathlib.Path) -> None:
    """Let the unprivileged user own a file or directory."""
    if user := unprivileged():
        shutil.chown(path, user, pwd.getpwnam(user).pw_gid)


def wait_until(
    ready: Callable[[], object], *, timeout: float, what: str
) -> None:
    """Poll until ``ready()`` is true; its OSErrors count as not yet.

    :raises TimeoutError: after ``timeout`` seconds
    """
    deadline = time.monotonic() + timeout
    while True:
        with contextlib.suppress(OSError):
            if ready():
                return
        if time.monotonic() > deadline:
            raise TimeoutError(f'{what}: not within {timeout:.0f} s')
        time.sleep(_POLL)


def answers(port: int) -> bool:
    """Report whether something accepts connections on a loopback port."""
    with socket.create_connection((HOST, port), timeout=1):
        return True


class Server:
    """One server process and what it forks.

    :param command: program and arguments
    :param directory: where it runs and where ``<name>.log`` goes
    :param env: added to the environment
    :param keep_user: keep the user that runs the tests even if that is root
    :param stop_signal: asks it to end
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        directory: pathlib.Path,
        env: Mapping[str, str] | None = None,
        keep_user: bool = False,
        stop_signal: signal.Signals = signal.SIGTERM,
    ) -> None:
        setpriv = find_program('setpriv', 'util-linux')
        self.name = name
        self.command = [setpriv, '--pdeathsig', 'KILL', '--', *command]
        self.directory = directory
        self.env = {**os.environ, **(env or {})}
        self.stop_signal = stop_signal
        self.user = None if keep_user else unprivileged()
        self.log = directory / f'{name}.log'
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    @property
    def pid(self) -> int:
        assert self.process is not None, f'{self.name} was never started'
        return self.process.pid

    def start(self, ready: Callable[[], object], timeout: float = 60) -> None:
        """Start it and wait until ``ready()`` is true.

        :raises ServerFailed: where it ends or is not ready in time
        """

        def alive_and_ready() -> object:
            self.check()
            return ready()

        with self.log.open('ab') as log:
            self.process = subprocess.Popen(
                self.command,
                cwd=self.directory,
                env=self.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                user=self.user,
                group=self.user and pwd.getpwnam(self.user).pw_gid,
                extra_groups=self.user and [],
            )
        try:
            wait_until(alive_and_ready, timeout=timeout, what=self.name)
        except BaseException as error:
            self.kill()
            if isinstance(error, TimeoutError):
                raise self._failed(str(error)) from None
            raise

    def check(self) -> None:
        """Notice a process that ended by itself.

        :raises ServerFailed: with the end of its log
        """
        if not self.running:
            raise self._failed('ended')

    def _failed(self, what: str) -> ServerFailed:
        tail = self.log.read_text(errors='replace')[-_LOG_TAIL:]
        return ServerFailed(f'{self.name}: {what}. Its log ends:\n{tail}')

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process and what it forked."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, number)

    def pause(self) -> None:
        """Freeze it: connections are accepted, but nothing answers."""
        self.signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.signal(signal.SIGCONT)

    def kill(self) -> None:
        """End it at once, as a crash would."""
        if self.process is not None:
            self.signal(signal.SIGKILL)
            self.process.wait()

    def stop(self, timeout: float = 10) -> None:
        """End it as an operator would; kill it if that takes too long."""
        if self.process is None:
            return
        if self.running:
            self.resume()
            # The leader alone: it ends its own workers in order.
            self.process.send_signal(self.stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout)
        self.kill()

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.stop()
