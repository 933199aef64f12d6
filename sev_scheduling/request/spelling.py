"""Keys that are nearly one that is read: nova passes over them in silence."""

from __future__ import annotations

import functools
import itertools

from sev_scheduling.problems import Source
from sev_scheduling.request.sources import IMAGE_PROPERTIES

#: The extra specs that are read; ``resources…:`` and ``trait…:`` apart.
EXTRA_SPECS = frozenset(
    {
        'accel:device_profile',
        'group_policy',
        'hw:cpu_dedicated_mask',
        'hw:cpu_policy',
        'hw:cpu_realtime',
        'hw:cpu_realtime_mask',
        'hw:cpu_thread_policy',
        'hw:emulator_threads_policy',
        'hw:maxphysaddr_mode',
        'hw:mem_encryption',
        'hw:mem_encryption_model',
        'hw:mem_page_size',
        'hw:pci_numa_affinity_policy',
        'hw:pmem',
        'hw:tpm_model',
        'hw:tpm_version',
        'os:secure_boot',
        'pci_passthrough:alias',
    }
)
_KEYS = {Source.FLAVOR: EXTRA_SPECS, Source.IMAGE: IMAGE_PROPERTIES}
_LONGEST = max(map(len, EXTRA_SPECS | IMAGE_PROPERTIES))
#: Too short for one edit to say anything.
_SHORT = 10

_ONE_SPELLING = str.maketrans(':-. ', '____')


def _spelling(key: str) -> str:
    return key.strip().lower().translate(_ONE_SPELLING)


_BY_SPELLING = {
    source: {_spelling(key): key for key in sorted(keys)}
    for source, keys in _KEYS.items()
}


@functools.lru_cache(maxsize=1024)
def near_misses(
    source: Source, keys: tuple[str, ...]
) -> tuple[tuple[str, str], ...]:
    """Return the near misses among keys, each with the key that is meant.

    Few sets of keys make many flavors and images.
    """
    found = ((key, meant_key(source, key)) for key in keys)
    return tuple([(key, meant) for key, meant in found if meant is not None])


@functools.lru_cache(maxsize=4096)
def meant_key(source: Source, key: str) -> str | None:
    """Return the key that is meant; None where the key is no near miss.

    One edit, or another spelling: a dash for an underscore, the flavor's
    colon in an image.

    >>> meant_key(Source.IMAGE, 'hw:mem-encryption')
    'hw_mem_encryption'
    """
    if key in _KEYS[source] or len(key) > _LONGEST + 4:
        return None
    spelling = _spelling(key)
    meant = _BY_SPELLING[source]
    if spelling in meant:
        return meant[spelling]
    if len(spelling) < _SHORT:
        return None
    return next(
        (key for near, key in meant.items() if is_one_edit(spelling, near)),
        None,
    )


def is_one_edit(text: str, other: str) -> bool:
    """Whether one letter more, less, other or swapped makes one the other."""
    if text == other or abs(len(text) - len(other)) > 1:
        return False
    begins = sum(
        1
        for _ in itertools.takewhile(
            lambda pair: pair[0] == pair[1], zip(text, other, strict=False)
        )
    )
    a, b = text[begins:], other[begins:]
    return (
        a[1:] == b[1:]
        or a[1:] == b
        or a == b[1:]
        or (a[:2] == b[1::-1] and a[2:] == b[2:])
    )
