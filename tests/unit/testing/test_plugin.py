"""The fixtures for pytest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from sev_scheduling.placement import PlacementClient
from sev_scheduling.testing import FakePlacement, add_host
from sev_scheduling.testing.plugin import fake_placement, placement_client

__all__ = ['fake_placement', 'placement_client']

ROOT = Path(__file__).parents[3]


def test_the_fixtures_belong_together(
    fake_placement: FakePlacement, placement_client: PlacementClient
) -> None:
    add_host(fake_placement, 'epyc')
    assert [host.name for host in placement_client.hosts()] == ['epyc']


def test_the_example_of_the_documentation_passes() -> None:
    run = subprocess.run(
        [
            sys.executable,
            '-m',
            'pytest',
            '-q',
            '-p',
            'no:cacheprovider',
            'doc/source/user/example_tests',
        ],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert '2 passed' in run.stdout
