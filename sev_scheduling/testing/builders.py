"""Hosts, flavors and images for tests."""

from __future__ import annotations

import uuid as uuidlib
from collections.abc import Iterable, Mapping
from typing import Any

from sev_scheduling.arguments import (
    AMOUNT,
    NAME,
    RATIO,
    TEXT,
    Items,
    Maybe,
    Pairs,
    Text,
    That,
    checked,
)
from sev_scheduling.hosts.host import Host, SlotPool

#: A model's slots: their number, or a pool with used and reserved ones.
Pools = Mapping[str, int | SlotPool]

DEFAULT_POOLS: Pools = {'amd-sev': 15}


POOLS = Pairs(
    TEXT,
    That(
        lambda value: (
            isinstance(value, SlotPool)
            or (
                isinstance(value, int)
                and not isinstance(value, bool)
                and value >= 0
            )
        ),
        'a number of slots, or a SlotPool',
    ),
)


def pool_of(slots: int | SlotPool) -> SlotPool:
    return SlotPool(slots) if isinstance(slots, int) else slots


@checked(
    name=TEXT,
    pools=POOLS,
    machine_type=Maybe(TEXT),
    ram_allocation_ratio=Maybe(RATIO),
    hypervisor_type=Maybe(TEXT),
    traits=Items(NAME),
)
def make_host(
    name: str = 'host',
    *,
    pools: Pools = DEFAULT_POOLS,
    machine_type: str | None = 'q35',
    ram_allocation_ratio: float | None = 1.0,
    hypervisor_type: str | None = 'QEMU',
    traits: Iterable[str] = (),
) -> Host:
    """Return a host, as :func:`.judge` takes it.

    >>> make_host(pools={'amd-sev': SlotPool(15, used=15)}).pools['amd-sev']
    SlotPool(total=15, reserved=0, used=15, provider_uuid=None)
    """
    return Host(
        name=name,
        uuid=str(uuidlib.uuid5(uuidlib.NAMESPACE_DNS, name)),
        pools={model: pool_of(slots) for model, slots in pools.items()},
        machine_types={'x86_64': machine_type},
        ram_allocation_ratio=ram_allocation_ratio,
        hypervisor_type=hypervisor_type,
        traits=frozenset(traits),
    )


@checked(
    name=TEXT,
    vcpus=AMOUNT,
    memory_mb=AMOUNT,
    disk_gb=AMOUNT,
    extra_specs=Maybe(Pairs(TEXT, Text(0))),
)
def make_flavor(
    name: str = 'm1.sev',
    *,
    vcpus: int = 2,
    memory_mb: int = 4096,
    disk_gb: int = 20,
    extra_specs: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return a flavor as nova's API shows it; it asks for encryption.

    :param extra_specs: instead of ``hw:mem_encryption=true``
    """
    if extra_specs is None:
        extra_specs = {'hw:mem_encryption': 'true'}
    return {
        'name': name,
        'vcpus': vcpus,
        'ram': memory_mb,
        'disk': disk_gb,
        'OS-FLV-EXT-DATA:ephemeral': 0,
        'swap': '',
        'extra_specs': dict(extra_specs),
    }


@checked(name=TEXT, properties=Maybe(Text(0)))
def make_image(
    name: str = 'ubuntu-24.04', **properties: str | None
) -> dict[str, Any]:
    """Return an image as Glance shows it; ``amd-sev`` can boot from it.

    :param properties: more of them, or others; None leaves one out, as in
        ``make_image(hw_machine_type=None)``
    """
    defaults = {
        'hw_firmware_type': 'uefi',
        'hw_machine_type': 'q35',
    }
    shown = {**defaults, **properties}
    return {
        'name': name,
        **{key: value for key, value in shown.items() if value is not None},
    }
