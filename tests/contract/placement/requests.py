"""Flavors and images that the tests share."""

from __future__ import annotations

from typing import Any

from sev_scheduling import EncryptionRequest, parse

IMAGE = {
    'name': 'debian',
    'hw_firmware_type': 'uefi',
    'hw_machine_type': 'q35',
}
STATELESS = {**IMAGE, 'hw_firmware_stateless': 'true'}


def host(name='epyc', **facts: Any) -> dict[str, Any]:
    """Return an entry of a cloud file, with an amd-sev pool of 4."""
    return {
        'name': name,
        'vcpus': 16,
        'memory_mb': 65536,
        'disk_gb': 1000,
        'pools': {'amd-sev': {'total': 4}},
        **facts,
    }


def request(
    specs=None, models=(), image=IMAGE, encrypted=True, **flavor: Any
) -> EncryptionRequest:
    """Return a request for a small guest, amd-sev unless said."""
    return parse(
        {
            'name': 'm1.sev',
            'vcpus': 1,
            'ram': 1024,
            'disk': 10,
            'extra_specs': {
                **({'hw:mem_encryption': 'true'} if encrypted else {}),
                **(specs or {}),
            },
            **flavor,
        },
        image,
        models=models,
    )
