"""What may be a state file of the embedded Placement."""

from __future__ import annotations

import os

import pytest

from sev_scheduling.exceptions import InputError
from sev_scheduling.placement.embedded import embedded_placement


def test_a_device_is_refused_and_left_where_it_is(tmp_path):
    """An empty one was taken for a new file, and removed after a fault."""
    device = tmp_path / 'null'
    device.symlink_to(os.devnull)
    with (
        pytest.raises(InputError, match='is no regular file'),
        embedded_placement(device),
    ):
        pass  # pragma: no cover
    assert device.is_symlink()
