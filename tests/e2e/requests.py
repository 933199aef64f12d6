"""Flavors, images and clouds that the suites share."""

from __future__ import annotations

from typing import Any

from sev_scheduling import EncryptionRequest, parse

FLAVOR = {
    'name': 'm1.small.sev',
    'vcpus': 1,
    'ram': 1024,
    'disk': 1,
    'extra_specs': {'hw:mem_encryption': 'true'},
}
IMAGE = {
    'name': 'debian-13',
    'hw_firmware_type': 'uefi',
    'hw_machine_type': 'q35',
}


def sev_request(**flavor: Any) -> EncryptionRequest:
    """Return a valid request for one amd-sev guest."""
    return parse({**FLAVOR, **flavor}, IMAGE)


def hosts(count: int, slots: int, **more: Any) -> list[dict[str, Any]]:
    """Return a cloud of equal hosts, with room for more than the slots."""
    return [
        {
            'name': 'epyc',
            'count': count,
            'vcpus': 128,
            'memory_mb': 1024 * 1024,
            'disk_gb': 2000,
            'machine_types': {'x86_64': 'q35'},
            'pools': {'amd-sev': {'total': slots}},
            **more,
        }
    ]
