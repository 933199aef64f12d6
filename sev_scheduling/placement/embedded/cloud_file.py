"""Cloud files: hosts in a few lines of YAML, read strictly."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sev_scheduling.exceptions import CloudFileError
from sev_scheduling.placement.embedded.cloudentry import MAX_HOSTS, Entry
from sev_scheduling.placement.embedded.cloudhost import CloudHost
from sev_scheduling.text import quoted

__all__ = ['Cloud', 'CloudHost', 'parse_cloud', 'read_cloud_file']

#: Each is a row in Placement.
MAX_USED_SLOTS = 100_000


@dataclass(frozen=True, slots=True)
class Cloud:
    """The hosts of a cloud file, those made by ``count`` one by one."""

    label: str
    hosts: tuple[CloudHost, ...]


def read_cloud_file(path: str | Path) -> Cloud:
    """Read a cloud file.

    :raises InputError: where the file cannot be read
    :raises CloudFileError: where it is wrong; names file, entry and key
    """
    # Clouds that are not read from files need no PyYAML.
    from sev_scheduling.documents import named, read_document

    return parse_cloud(read_document(path), f'Cloud file {named(path)}')


def parse_cloud(document: Any, label: str) -> Cloud:
    """Read what a cloud file holds.

    :param label: begins every error
    :raises CloudFileError: where it is wrong
    """
    if not isinstance(document, dict):
        raise CloudFileError(f'{label} is no mapping; give it a hosts: list.')
    for key in document:
        if key != 'hosts':
            raise CloudFileError(
                f'{label} has the key {quoted(key)}; only hosts is known.'
            )
    entries = document.get('hosts')
    if not isinstance(entries, list) or not entries:
        raise CloudFileError(
            f'{label} has no list of hosts; give at least one.'
        )
    hosts: list[CloudHost] = []
    names: set[str] = set()
    used = 0
    for position, entry in enumerate(entries, 1):
        where = f'{label}, host {position}'
        for host in Entry(entry, where).hosts(MAX_HOSTS - len(hosts)):
            for name in host.provider_names:
                if name in names:
                    raise CloudFileError(
                        f'{where}: name {quoted(name)} stands twice (count '
                        'and nested pools make names too); give each host '
                        'its own.'
                    )
                names.add(name)
            hosts.append(host)
            used += sum(pool.used for pool in host.pools.values())
            if used > MAX_USED_SLOTS:
                raise CloudFileError(
                    f'{where}: pools: more than {MAX_USED_SLOTS} slots are '
                    'used in all; use fewer.'
                )
    return Cloud(label, tuple(hosts))
