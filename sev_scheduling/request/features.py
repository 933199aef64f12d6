"""Resources and traits that other features of flavor and image need.

These are nova's own translations (nova 34) of the features that encrypted
guests are combined with: pinned CPUs, secure boot, vTPM, stateless firmware,
persistent memory, width of addresses, PCI affinity.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping

import os_resource_classes as orc
import os_traits
from oslo_utils import strutils

from sev_scheduling.problems import Source
from sev_scheduling.request.sources import FlavorView
from sev_scheduling.text import whole_number

_THREAD_POLICY = {'isolate': False, 'require': True}
_TPM_VERSION = {
    '1.2': os_traits.COMPUTE_SECURITY_TPM_1_2,
    '2.0': os_traits.COMPUTE_SECURITY_TPM_2_0,
}
_ADDRESS_BITS = {
    'emulate': os_traits.COMPUTE_ADDRESS_SPACE_EMULATED,
    'passthrough': os_traits.COMPUTE_ADDRESS_SPACE_PASSTHROUGH,
}
_TPM_MODEL = {
    'tpm-tis': os_traits.COMPUTE_SECURITY_TPM_TIS,
    'tpm-crb': os_traits.COMPUTE_SECURITY_TPM_CRB,
}


#: An extra spec, and the property that means the same of an image.
Keys = tuple[str, str]


def keys_of(name: str, prefix: str = 'hw') -> Keys:
    return f'{prefix}:{name}', f'{prefix}_{name}'


MEM_PAGE_SIZE = keys_of('mem_page_size')
SECURE_BOOT = keys_of('secure_boot', 'os')
_ADDRESSES = keys_of('maxphysaddr_mode')
_AFFINITY = keys_of('pci_numa_affinity_policy')
_CPU_POLICY = keys_of('cpu_policy')
_THREADS = keys_of('cpu_thread_policy')
_TPM_MODEL_KEYS = keys_of('tpm_model')
_TPM_VERSION_KEYS = keys_of('tpm_version')

#: Without any of these, nothing asks for a trait.
KEYS_OF_TRAITS = frozenset(
    ('hw_firmware_stateless',)
    + (SECURE_BOOT + _TPM_VERSION_KEYS + _ADDRESSES + _AFFINITY + _THREADS)
)


def either(
    extra_specs: Mapping[str, str], properties: Mapping[str, str], keys: Keys
) -> str | None:
    """Return the flavor's value, else the image's."""
    return extra_specs.get(keys[0]) or properties.get(keys[1])


def feature_traits(
    extra_specs: Mapping[str, str],
    properties: Mapping[str, str],
    *,
    stateless_firmware: bool,
) -> dict[str, bool]:
    """Return trait -> whether it is required (else it is forbidden)."""
    traits = {}
    if stateless_firmware and properties.get('hw_firmware_type') == 'uefi':
        traits[os_traits.COMPUTE_SECURITY_STATELESS_FIRMWARE] = True
    if either(extra_specs, properties, SECURE_BOOT) == 'required':
        traits[os_traits.COMPUTE_SECURITY_UEFI_SECURE_BOOT] = True
    version = either(extra_specs, properties, _TPM_VERSION_KEYS)
    if version in _TPM_VERSION:
        model = either(extra_specs, properties, _TPM_MODEL_KEYS) or 'tpm-tis'
        traits[_TPM_VERSION[version]] = True
        if model in _TPM_MODEL:
            traits[_TPM_MODEL[model]] = True
    address_bits = either(extra_specs, properties, _ADDRESSES)
    if address_bits in _ADDRESS_BITS:
        traits[_ADDRESS_BITS[address_bits]] = True
    affinity = either(extra_specs, properties, _AFFINITY)
    if affinity == 'socket':
        traits[os_traits.COMPUTE_SOCKET_PCI_NUMA_AFFINITY] = True
    threads = either(extra_specs, properties, _THREADS)
    if threads in _THREAD_POLICY:
        traits[os_traits.HW_CPU_HYPERTHREADING] = _THREAD_POLICY[threads]
    return traits


#: What nova 31 to 34 make a trait of (``nova.scheduler.request_filter`` and
#: ``nova.scheduler.utils``): the trait, or what stands before the value.
_IMAGE_TRAITS = {
    'disk_format': 'COMPUTE_IMAGE_TYPE',
    'hw_architecture': 'HW_ARCH',
    'hw_cdrom_bus': 'COMPUTE_STORAGE_BUS',
    'hw_disk_bus': 'COMPUTE_STORAGE_BUS',
    'hw_emulation_architecture': 'COMPUTE_ARCH',
    'hw_firmware_stateless': os_traits.COMPUTE_SECURITY_STATELESS_FIRMWARE,
    'hw_video_model': 'COMPUTE_GRAPHICS_MODEL',
    'hw_vif_model': 'COMPUTE_NET_VIF_MODEL',
}
#: The same of flavors and images, by prefix and key.
_EITHER_TRAITS = {
    ('hw', 'cpu_thread_policy'): os_traits.HW_CPU_HYPERTHREADING,
    ('hw', 'ephemeral_encryption'): 'COMPUTE_EPHEMERAL_ENCRYPTION',
    ('hw', 'ephemeral_encryption_format'): 'COMPUTE_EPHEMERAL_ENCRYPTION',
    ('hw', 'pci_numa_affinity_policy'): (
        os_traits.COMPUTE_SOCKET_PCI_NUMA_AFFINITY
    ),
    ('hw', 'sound_model'): 'COMPUTE_SOUND_MODEL',
    ('hw', 'tpm_model'): 'COMPUTE_SECURITY',
    ('hw', 'tpm_secret_security'): 'COMPUTE_SECURITY_TPM_SECRET_SECURITY',
    ('hw', 'tpm_version'): 'COMPUTE_SECURITY_TPM',
    ('hw', 'virtio_packed_ring'): 'COMPUTE_NET_VIRTIO_PACKED',
    ('os', 'secure_boot'): os_traits.COMPUTE_SECURITY_UEFI_SECURE_BOOT,
    ('accel', 'device_profile'): 'COMPUTE_ACCELERATORS',
}


#: A trait or a resource class, and the source, key and value that ask for it.
AskedBy = tuple[str, Source, str, str]


def asked_by(
    extra_specs: Mapping[str, str], properties: Mapping[str, str]
) -> Iterator[AskedBy]:
    """Yield what extra specs and properties may ask of hosts.

    Whether nova asks for a trait depends on its options and on the value;
    where it does, this is why.
    """
    yield from _trait_sources(extra_specs, properties)
    for source, key, value in _either(extra_specs, properties, 'cpu_policy'):
        if value in ('dedicated', 'mixed'):
            yield orc.PCPU, source, key, value
    for name in _namespaces(extra_specs):
        yield name, Source.FLAVOR, 'hw:pmem', extra_specs['hw:pmem']


def _either(
    extra_specs: Mapping[str, str],
    properties: Mapping[str, str],
    name: str,
    prefix: str = 'hw',
) -> Iterator[tuple[Source, str, str]]:
    """Yield source, key and value, the flavor's first."""
    for source, key, held in zip(
        (Source.FLAVOR, Source.IMAGE),
        keys_of(name, prefix),
        (extra_specs, properties),
        strict=True,
    ):
        if key in held:
            yield source, key, held[key]


def _trait_sources(
    extra_specs: Mapping[str, str], properties: Mapping[str, str]
) -> Iterator[AskedBy]:
    keys = [
        (trait, Source.IMAGE, key, properties[key])
        for key, trait in _IMAGE_TRAITS.items()
        if key in properties
    ]
    for (prefix, name), trait in _EITHER_TRAITS.items():
        keys.extend(
            (trait, *asker)
            for asker in _either(extra_specs, properties, name, prefix)
        )
    for trait, source, key, value in keys:
        yield trait, source, key, value
        suffix = re.sub('[^A-Z0-9]', '_', value.upper())
        yield f'{trait}_{suffix}', source, key, value
    for source, key, value in _either(
        extra_specs, properties, 'maxphysaddr_mode'
    ):
        if value in _ADDRESS_BITS:
            yield _ADDRESS_BITS[value], source, key, value
    if not either(extra_specs, properties, _TPM_MODEL_KEYS):
        # It has a default.
        for asker in _either(extra_specs, properties, 'tpm_version'):
            yield os_traits.COMPUTE_SECURITY_TPM_TIS, *asker


def feature_resources(
    flavor: FlavorView, properties: Mapping[str, str]
) -> dict[str, int]:
    """Return amounts by CPU policy and of persistent memory."""
    specs = flavor.extra_specs
    policy = either(specs, properties, _CPU_POLICY)
    pinned = 0
    if policy == 'dedicated':
        pinned = flavor.vcpus
    elif policy == 'mixed':
        pinned = _pinned(flavor, properties)
    amounts = {orc.VCPU: flavor.vcpus - pinned}
    if policy in ('dedicated', 'mixed'):
        isolate = specs.get('hw:emulator_threads_policy') == 'isolate'
        amounts[orc.PCPU] = pinned + isolate
    if 'hw:pmem' in specs:
        for name in _namespaces(specs):
            amounts[name] = amounts.get(name, 0) + 1
    return amounts


def _namespaces(extra_specs: Mapping[str, str]) -> Iterator[str]:
    """Yield the resource classes of persistent memory, one each."""
    for label in extra_specs.get('hw:pmem', '').split(','):
        if label.strip():
            yield str(orc.normalize_name(f'PMEM_NAMESPACE_{label.strip()}'))


def _pinned(flavor: FlavorView, properties: Mapping[str, str]) -> int:
    """Count the dedicated CPUs of a mixed guest."""
    specs = flavor.extra_specs
    mask = specs.get('hw:cpu_dedicated_mask')
    if not mask and strutils.bool_from_string(specs.get('hw:cpu_realtime')):
        # The image's mask goes before the flavor's (nova).
        mask = properties.get('hw_cpu_realtime_mask') or specs.get(
            'hw:cpu_realtime_mask'
        )
        if not mask:
            return flavor.vcpus
    return _count(mask or '', flavor.vcpus)


def _count(mask: str, vcpus: int) -> int:
    """Count the CPUs of such as ``0-2,^1``.

    A mask that begins with ``^`` means all the others (nova). Ranges are
    not written out, whatever size a flavor claims to have.

    >>> _count('^0-1', 8)
    6
    """
    #: Where a range begins or ends: how many more choose or drop CPUs.
    steps: dict[int, list[int]] = {0: [0, 0], vcpus: [0, 0]}
    steps[0][0] += mask.strip().startswith('^')
    for part in mask.split(','):
        text = part.strip()
        first, dash, last = text.removeprefix('^').partition('-')
        low = whole_number(first)
        high = whole_number(last) if dash else low
        if low is None or high is None or low > high:
            continue
        drops = text.startswith('^')
        for position, change in ((low, 1), (high + 1, -1)):
            steps.setdefault(min(position, vcpus), [0, 0])[drops] += change
    count = chosen = dropped = 0
    for start, end in itertools.pairwise(sorted(steps)):
        chosen += steps[start][0]
        dropped += steps[start][1]
        if chosen and not dropped:
            count += end - start
    return count
