"""main(): run a command and turn what it raises into an exit status.

====  ======================================================================
0     yes
1     a clean no: an invalid request, no host fits
2     bad usage; a file, standard output or Placement that cannot be used
70    a defect of this program (``EX_SOFTWARE``); ``--debug`` shows where
130   interrupted (Ctrl-C)
141   whoever read the output went away
====  ======================================================================

What goes wrong is told in one line on standard error.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import traceback
from collections.abc import Sequence

from sev_scheduling.exceptions import (
    InvalidRequest,
    NoCapacity,
    SevSchedulingError,
)

NAME = 'sev-scheduling'

EXIT_NO = 1
EXIT_USAGE = 2
EXIT_DEFECT = 70
EXIT_INTERRUPTED = 130
EXIT_BROKEN_PIPE = 141

_FULL = {errno.EDQUOT, errno.EFBIG, errno.EIO, errno.ENOSPC}


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return the exit status.

    :param argv: the arguments after the program's name
    """
    try:
        from sev_scheduling.cli.app import Shell
    except ImportError as error:
        return _say(
            f'The command line needs {error.name}; install it with '
            "pip install 'sev-scheduling[cli]'.",
            EXIT_USAGE,
        )
    shell = Shell()
    with contextlib.suppress(AttributeError, ValueError):
        # Names have any letters; not every terminal has.
        sys.stdout.reconfigure(errors='backslashreplace')  # type: ignore[union-attr]
    try:
        try:
            status = shell.run(sys.argv[1:] if argv is None else list(argv))
        except SystemExit as error:
            # argparse: 2 for bad usage, which it has told; 0 after --help.
            status = error.code if isinstance(error.code, int) else 0
        # What is still in the buffer may find the pipe broken or disk full.
        sys.stdout.flush()
    except BrokenPipeError:
        _silence_stdout()
        status = EXIT_BROKEN_PIPE
    except KeyboardInterrupt:
        status = EXIT_INTERRUPTED
    except Exception as error:
        if shell.debug:
            traceback.print_exc()
        status = _say(*_told(error))
    finally:
        shell.close()
    return status


def _told(error: Exception) -> tuple[str, int]:
    """Return what to say of an exception, and the exit status."""
    if isinstance(error, (InvalidRequest, NoCapacity)):
        return str(error), EXIT_NO
    if isinstance(error, SevSchedulingError):
        return str(error), EXIT_USAGE
    if isinstance(error, OSError) and error.errno in _FULL:
        _silence_stdout()
        return f'The output cannot be written: {error.strerror}.', EXIT_USAGE
    what = ' '.join(str(error).split())[:200]
    return (
        f'This is a defect of {NAME}: {type(error).__name__}: {what}; run '
        'again with --debug, and report what it prints.',
        EXIT_DEFECT,
    )


def _say(what: str, status: int) -> int:
    with contextlib.suppress(OSError):
        print(f'{NAME}: {what}', file=sys.stderr)
    return status


def _silence_stdout() -> None:
    """Keep the interpreter from failing once more when it ends."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())
        os.close(null)
