"""The options of nova-scheduler and Placement that encrypted guests need.

Names, types and defaults of nova's and Placement's own follow nova 31
(2025.1) to 34 (2026.2) and Placement 12 to 16.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from oslo_config import cfg

from sev_scheduling import opts
from sev_scheduling.configuration import (
    Configuration,
    GroupedOption,
    read_configuration,
)

#: Option of Placement: how often a claim that collides is written anew.
RETRIES = 'allocation_conflict_retry_count'

ISOLATION = 'enable_isolated_aggregate_filtering'

_NOVAS: Sequence[GroupedOption] = (
    (
        'filter_scheduler',
        cfg.MultiStrOpt(
            'available_filters',
            default=['nova.scheduler.filters.all_filters'],
        ),
    ),
    (
        'filter_scheduler',
        cfg.ListOpt(
            'enabled_filters',
            default=[
                'ComputeFilter',
                'ComputeCapabilitiesFilter',
                'ImagePropertiesFilter',
                'ServerGroupAntiAffinityFilter',
                'ServerGroupAffinityFilter',
            ],
        ),
    ),
    (
        'filter_scheduler',
        cfg.ListOpt(
            'weight_classes', default=['nova.scheduler.weights.all_weighers']
        ),
    ),
    ('scheduler', cfg.BoolOpt(ISOLATION, default=False)),
    # Where nova's servers and aggregates are; read by nova itself.
    ('api_database', cfg.StrOpt('connection', secret=True)),
)

_PLACEMENTS: Sequence[GroupedOption] = (
    ('placement', cfg.IntOpt(RETRIES, default=10)),
)

#: Where nova-scheduler and Placement look, in their own order.
_NOVA_FILES = ('nova.conf', 'nova-scheduler.conf')
_NOVA_DIRECTORIES = ('nova.conf.d', 'nova-scheduler.conf.d')


def read_scheduler_conf(
    files: Sequence[Path],
    directories: Sequence[Path] = (),
    *,
    etc: Path = Path('/etc/nova'),
) -> Configuration:
    """Read nova.conf as nova-scheduler would, except for its environment.

    :param files: later ones win; where neither is given, those that
        nova-scheduler finds by itself
    :param directories: their ``*.conf`` in order of name, after the files
    :param etc: where it looks for them
    :raises InputError: where a file cannot be read, or has no such syntax;
        one bad value spoils only its option
    """
    if not files and not directories:
        files = [p for name in _NOVA_FILES if (p := etc / name).is_file()]
        directories = [
            p for name in _NOVA_DIRECTORIES if (p := etc / name).is_dir()
        ]
    ours = ((opts.GROUP.name, option) for option in opts.OPTS)
    return read_configuration(files, directories, (*_NOVAS, *ours))


def read_placement_conf(
    files: Sequence[Path], *, etc: Path = Path('/etc/placement')
) -> Configuration | None:
    """Read placement.conf; None where none is given and none is found.

    :param files: later ones win
    :param etc: where Placement looks for it
    :raises InputError: as :func:`read_scheduler_conf`
    """
    found = list(files) or [
        p for p in (etc / 'placement.conf',) if p.is_file()
    ]
    if not found:
        return None
    return read_configuration(
        found,
        (),
        _PLACEMENTS,
        service='placement',
        option='--placement-config',
    )
