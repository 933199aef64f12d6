"""What it takes to import the package, and to start the command."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator

import pyperf

from benchmarks.rows import FIXED, Round, Row

#: What the package needs, imported.
DEPENDENCIES = (
    'import os_resource_classes, os_traits, stevedore; '
    'from oslo_utils import strutils'
)

#: The smallest application that cliff makes.
BARE = (
    'import sys; from cliff.app import App; '
    'from cliff.commandmanager import CommandManager; '
    "sys.argv[0] = 'bare'; "
    "sys.exit(App('bare', '1', CommandManager('bare')).run(['--help']))"
)
COMMAND = (
    'import sys; from sev_scheduling.cli.main import main; '
    "sys.argv[0] = 'sev-scheduling'; sys.exit(main(['--help']))"
)


def seconds(code: str) -> float:
    """Return how long a Python takes to start and to run code."""
    started = pyperf.perf_counter()
    subprocess.run(
        [sys.executable, '-c', code], check=True, stdout=subprocess.DEVNULL
    )
    return float(pyperf.perf_counter() - started)


#: Beside this much, in seconds, the package's own modules are measured.
OWN = 0.015

_TIMED = (
    '{}; import time; started = time.perf_counter(); import sev_scheduling; '
    'print(time.perf_counter() - started)'
)


def importing() -> Round:
    """Return the seconds that the package adds to its dependencies."""
    done = subprocess.run(
        [sys.executable, '-c', _TIMED.format(DEPENDENCIES)],
        check=True,
        capture_output=True,
        text=True,
    )
    return float(done.stdout), OWN


def rows(quick: bool) -> Iterator[Row]:
    yield Row(
        name='import sev_scheduling, after its dependencies',
        beside='15 ms',
        measure=importing,
        goal=1.0,
        limit=FIXED,
    )
    yield Row(
        name='sev-scheduling --help',
        beside='a bare cliff application',
        measure=lambda: (seconds(COMMAND), seconds(BARE)),
        goal=1.3,
        limit='It imports its own modules, and lists its commands.',
    )
