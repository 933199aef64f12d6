"""An audit of a cloud in which almost all images differ."""

from __future__ import annotations

import functools
import random
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

from benchmarks.rows import FIXED, Round, Row
from sev_scheduling.audit import audit

FLAVORS = 200
IMAGES = 10_000

#: Seconds and bytes that it may take.
SECONDS = 10.0
BYTES = 500 * 10**6

_MODELS = ('amd-sev', 'amd-sev-es', 'amd-sev-snp', 'intel-tdx')
_PROPERTIES = {
    'hw_firmware_type': ('uefi', 'bios'),
    'hw_firmware_stateless': ('true',),
    'hw_machine_type': ('q35', 'pc', 'pc-q35-8.2'),
    'hw_disk_bus': ('virtio', 'ide', 'scsi', 'sata'),
    'hw_scsi_model': ('virtio-scsi', 'lsilogic'),
    'hw_cdrom_bus': ('ide', 'sata'),
    'hw_video_model': ('none', 'virtio', 'qxl'),
    'hw_architecture': ('x86_64', 'aarch64'),
    'os_secure_boot': ('required', 'optional'),
}
_REQUESTS = {
    'hw_mem_encryption': ('true', 'false'),
    'hw_mem_encryption_model': _MODELS,
}


def flavor(number: int, random: random.Random) -> dict[str, Any]:
    specs = {'quota:disk_read_iops_sec': str(number)}
    for key, values, share in (
        ('hw:mem_encryption', ('true',), 0.3),
        ('hw:mem_encryption_model', _MODELS, 0.3),
        ('hw:cpu_policy', ('dedicated', 'shared'), 0.3),
        ('pci_passthrough:alias', ('gpu:1',), 0.1),
        ('os:secure_boot', ('required',), 0.1),
        (f'trait:CUSTOM_{number}', ('required',), 0.1),
    ):
        if random.random() < share:
            specs[key] = random.choice(values)
    size = {'vcpus': 1 + number % 64, 'ram': 1024 * (1 + number % 7)}
    name = f'f{number}'
    return {'id': name, 'name': name, **size, 'extra_specs': specs}


def image(number: int, random: random.Random) -> dict[str, Any]:
    facts = {f'trait:CUSTOM_I{number}': 'required'}
    for keys, share in ((_PROPERTIES, 0.5), (_REQUESTS, 0.05)):
        for key, values in keys.items():
            if random.random() < share:
                facts[key] = random.choice(values)
    name = f'i{number}'
    return {'id': name, 'name': name, 'visibility': 'public', **facts}


def main() -> None:
    """Audit a cloud; print the seconds and the most bytes in use."""
    chosen = random.Random(1)
    flavors = [flavor(n, chosen) for n in range(int(sys.argv[1]))]
    images = [image(n, chosen) for n in range(int(sys.argv[2]))]
    started = time.perf_counter()
    audit(flavors, images)
    seconds = time.perf_counter() - started
    usage = resource.getrusage(resource.RUSAGE_SELF)
    print(seconds, usage.ru_maxrss * 1024)


@functools.cache
def measured(flavors: int, images: int) -> tuple[float, float]:
    """Return what :func:`main` prints, in a process of its own."""
    done = subprocess.run(
        [sys.executable, '-m', 'benchmarks.audit', str(flavors), str(images)],
        check=True,
        capture_output=True,
        text=True,
    )
    seconds, used = map(float, done.stdout.split())
    return seconds, used


def rows(quick: bool) -> Iterator[Row]:
    size = (4, 20) if quick else (FLAVORS, IMAGES)

    def seconds() -> Round:
        return measured(*size)[0], SECONDS

    def used() -> Round:
        return measured(*size)[1], BYTES

    what = f'{size[0]} flavors and {size[1]:,} images that differ'
    yield Row(
        name=what,
        beside='10 s',
        measure=seconds,
        goal=1.0,
        rounds=1,
        limit=FIXED,
    )
    yield Row(
        name=f'{what}: memory',
        beside='500 MB',
        measure=used,
        goal=1.0,
        unit='byte',
        rounds=1,
        limit=FIXED,
    )


if __name__ == '__main__':
    main()
