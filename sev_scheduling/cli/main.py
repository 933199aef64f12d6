"""Run a command, and turn what it raises into an exit status.

What goes wrong is reported in one line on standard error.
"""

from __future__ import annotations

import contextlib
import errno
import io
import logging
import os
import signal
import sys
import threading
import traceback
from collections.abc import Iterator, Sequence
from typing import Any, NoReturn

from sev_scheduling.cli import (
    EXIT_BROKEN_PIPE,
    EXIT_DEFECT,
    EXIT_USAGE,
    NAME,
)
from sev_scheduling.exceptions import InputError, SevSchedulingError, needed
from sev_scheduling.text import one_line, printable_lines

_DEFAULTS = (signal.SIG_DFL, signal.default_int_handler)

_DISK = ('SQLITE_FULL', 'SQLITE_IOERR', 'SQLITE_READONLY')
_FULL = {errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status.

    :param argv: the arguments after the program's name
    """
    if sys.stderr is None:
        # Or print() would take standard output for it.
        sys.stderr = io.StringIO()
    if sys.stdout is None:
        return _say('Standard output is closed; send it somewhere.')
    with contextlib.suppress(AttributeError, ValueError):
        # Names have any letters; not every terminal has.
        sys.stdout.reconfigure(errors='backslashreplace')  # type: ignore[union-attr]
    try:
        with _ending_cleanly():
            return _run(sys.argv[1:] if argv is None else list(argv))
    except KeyboardInterrupt as ended:
        return 128 + getattr(ended, 'signal', signal.SIGINT)


def _run(argv: list[str]) -> int:
    try:
        with needed('cli', 'The command line'):
            from sev_scheduling.cli.app import Shell
    except InputError as error:
        return _say(str(error))
    shell = Shell()
    try:
        try:
            status = shell.run(argv)
        except SystemExit as error:
            # argparse: 2 for bad usage, which it has reported; 0 after --help.
            status = error.code if isinstance(error.code, int) else 0
        # What is still in the buffer may find the pipe broken or disk full.
        sys.stdout.flush()
    except BrokenPipeError:
        _silence_stdout()
        status = EXIT_BROKEN_PIPE
    except Exception as error:
        if shell.debug:
            traceback.print_exc()
        what, status = _outcome(error)
        if status == EXIT_USAGE:
            status = shell.usage_status
        _say(what)
    finally:
        shell.close()
    return status


class _Ended(KeyboardInterrupt):
    """Somebody wants this process to end, and has it clean up first."""

    signal = signal.SIGINT


@contextlib.contextmanager
def _ending_cleanly() -> Iterator[None]:
    """Have signals that end a process leave nothing behind."""
    ours = threading.current_thread() is threading.main_thread()
    before = {
        number: signal.signal(number, _end)
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
        # nohup ignores SIGHUP, and whoever calls main() may have their own.
        if ours and signal.getsignal(number) in _DEFAULTS
    }
    hook = sys.unraisablehook
    try:
        yield
    finally:
        sys.unraisablehook = hook
        for number, handler in before.items():
            signal.signal(number, handler)
        logging.disable(logging.NOTSET)


def _end(number: int, _: object) -> NoReturn:
    # What breaks now is no news.
    logging.disable()
    sys.unraisablehook = _once_more
    ended = _Ended()
    ended.signal = signal.Signals(number)
    raise ended


def _once_more(lost: Any) -> None:
    """Send a signal again that ended a finalizer instead of the command."""
    if isinstance(lost.exc_value, _Ended):
        number = lost.exc_value.signal
        threading.Timer(0.05, os.kill, (os.getpid(), number)).start()


def _outcome(error: Exception) -> tuple[str, int]:
    """Return what to say of an exception, and the exit status."""
    if isinstance(error, SevSchedulingError):
        from sev_scheduling.cli.output import status_of

        return str(error), status_of(error)
    if isinstance(error, OSError) and error.errno in _FULL:
        _silence_stdout()
        return f'The output cannot be written: {error.strerror}.', EXIT_USAGE
    # SQLAlchemy has the database's own error; what the disk does to it is no
    # defect.
    origin = getattr(error, 'orig', None)
    if getattr(origin, 'sqlite_errorname', '').startswith(_DISK):
        return f'The database cannot be written: {origin}.', EXIT_USAGE
    return (
        f'This is a defect of {NAME}: {type(error).__name__}: '
        f'{one_line(error)}; run again with --debug, and report what it '
        'prints.',
        EXIT_DEFECT,
    )


def _say(what: str, status: int = EXIT_USAGE) -> int:
    with contextlib.suppress(OSError):
        print(f'{NAME}: {printable_lines(what)}', file=sys.stderr)
    return status


def _silence_stdout() -> None:
    """Keep the interpreter from failing once more when it ends."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
