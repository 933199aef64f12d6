"""Resources and traits that other extra specs and properties imply.

These are nova's own translations (nova 34) of the features that encrypted
guests are combined with: pinned CPUs, secure boot, vTPM, stateless firmware.
"""

from __future__ import annotations

from collections.abc import Mapping

import os_resource_classes as orc
import os_traits

from sev_scheduling.specs import FlavorView

_THREAD_POLICY = {'isolate': False, 'require': True}
_TPM_VERSION = {
    '1.2': os_traits.COMPUTE_SECURITY_TPM_1_2,
    '2.0': os_traits.COMPUTE_SECURITY_TPM_2_0,
}
_TPM_MODEL = {
    'tpm-tis': os_traits.COMPUTE_SECURITY_TPM_TIS,
    'tpm-crb': os_traits.COMPUTE_SECURITY_TPM_CRB,
}


def either(
    extra_specs: Mapping[str, str],
    properties: Mapping[str, str],
    key: str,
    prefix: str = 'hw',
) -> str | None:
    """Return the flavor's value, else the image's."""
    return extra_specs.get(f'{prefix}:{key}') or properties.get(
        f'{prefix}_{key}'
    )


def implied_traits(
    extra_specs: Mapping[str, str],
    properties: Mapping[str, str],
    *,
    stateless_firmware: bool,
) -> dict[str, bool]:
    """Return trait -> whether it is required (else it is forbidden)."""
    traits = {}
    if stateless_firmware and properties.get('hw_firmware_type') == 'uefi':
        traits[os_traits.COMPUTE_SECURITY_STATELESS_FIRMWARE] = True
    if either(extra_specs, properties, 'secure_boot', 'os') == 'required':
        traits[os_traits.COMPUTE_SECURITY_UEFI_SECURE_BOOT] = True
    version = either(extra_specs, properties, 'tpm_version')
    if version in _TPM_VERSION:
        model = either(extra_specs, properties, 'tpm_model') or 'tpm-tis'
        traits[_TPM_VERSION[version]] = True
        if model in _TPM_MODEL:
            traits[_TPM_MODEL[model]] = True
    threads = either(extra_specs, properties, 'cpu_thread_policy')
    if threads in _THREAD_POLICY:
        traits[os_traits.HW_CPU_HYPERTHREADING] = _THREAD_POLICY[threads]
    return traits


def implied_cpus(
    flavor: FlavorView, properties: Mapping[str, str]
) -> dict[str, int]:
    """Return VCPU and PCPU amounts as the CPU policy has them."""
    specs = flavor.extra_specs
    policy = either(specs, properties, 'cpu_policy')
    pinned = 0
    if policy == 'dedicated':
        pinned = flavor.vcpus
    elif policy == 'mixed':
        pinned = len(
            _cpu_set(specs.get('hw:cpu_dedicated_mask', ''), flavor.vcpus)
        )
    amounts = {orc.VCPU: flavor.vcpus - pinned}
    if pinned:
        isolate = specs.get('hw:emulator_threads_policy') == 'isolate'
        amounts[orc.PCPU] = pinned + isolate
    return amounts


def _cpu_set(mask: str, vcpus: int) -> set[int]:
    """Read such as ``0-2,^1``; only ``^`` means all others (nova)."""
    chosen: set[int] = set()
    dropped: set[int] = set()
    if mask.strip().startswith('^'):
        chosen.update(range(vcpus))
    for part in mask.split(','):
        first, _, last = part.strip().removeprefix('^').partition('-')
        if not first.isdecimal() or not (last or first).isdecimal():
            continue
        cpus = range(int(first), min(int(last or first), vcpus) + 1)
        (dropped if part.strip().startswith('^') else chosen).update(cpus)
    return {cpu for cpu in chosen - dropped if cpu < vcpus}
