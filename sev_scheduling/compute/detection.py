"""Which models a host offers, with how many slots, and who says so."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field

from sev_scheduling.compute.sources.kernel import EncryptionLeaf
from sev_scheduling.compute.sources.libvirt import DomainCapabilities
from sev_scheduling.compute.sources.nova_conf import MODEL_SINCE, NovaSettings

#: Module parameter -> where it is found.
SWITCHES = {
    'sev': '/sys/module/kvm_amd/parameters/sev',
    'sev_es': '/sys/module/kvm_amd/parameters/sev_es',
    'sev_snp': '/sys/module/kvm_amd/parameters/sev_snp',
    'tdx': '/sys/module/kvm_intel/parameters/tdx',
}
CAPACITY = '/sys/fs/cgroup/misc.capacity'

#: Nova asks for it before it offers SEV-ES.
MIN_QEMU_SEV_ES = (8, 0, 0)

_ARCHITECTURE = 'x86_64'


class Source(enum.StrEnum):
    """Who can tell something of a model."""

    CPUID = 'cpuid'
    KERNEL = 'kernel'
    CGROUP = 'cgroup'
    LIBVIRT = 'libvirt'
    NOVA = 'nova.conf'


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one source says of one model.

    :ivar supported: None where the source does not tell
    :ivar slots: None likewise
    :ivar detail: what was read, and where
    """

    source: Source
    supported: bool | None = None
    slots: int | None = None
    detail: str = ''


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """What was read from a host.

    :ivar switches: module parameter -> its value, None where it could not
        be understood; absent where the host does not have it
    :ivar capacity: resource -> slots of ``misc.capacity``; None where the
        host does not have the file
    :ivar leaf: CPUID leaf 0x8000001F, None where it was not readable
    :ivar capabilities: of each machine type that libvirt was asked for
    :ivar qemu_version: None where unknown
    """

    switches: Mapping[str, bool | None] = field(
        default_factory=dict, hash=False
    )
    capacity: Mapping[str, int] | None = field(default=None, hash=False)
    leaf: EncryptionLeaf | None = None
    capabilities: tuple[DomainCapabilities, ...] = ()
    qemu_version: tuple[int, int, int] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSupport:
    """What a host offers of one model.

    :ivar offered: every source that tells agrees, the kernel among them
    :ivar slots: the smallest number that a source tells, also of a model
        that is not offered; None where none tells one
    :ivar evidence: one entry a source, in the order of :class:`Source`
    :ivar notes: why it is not offered, and where sources disagree
    """

    model: str
    offered: bool
    slots: int | None
    evidence: tuple[Evidence, ...]
    notes: tuple[str, ...] = ()

    def says(self, source: Source) -> Evidence:
        """Return what a source tells, nothing where it was not asked."""
        for evidence in self.evidence:
            if evidence.source is source:
                return evidence
        return Evidence(source)


@dataclass(frozen=True, slots=True)
class _Recipe:
    """How one model shows in each source.

    :ivar switches: module parameters that must all be on
    :ivar capacity: its resource in ``misc.capacity``; SEV-SNP shares the
        ASIDs of SEV-ES
    """

    switches: tuple[str, ...]
    capacity: str


_RECIPES = {
    'amd-sev': _Recipe(('sev',), 'sev'),
    'amd-sev-es': _Recipe(('sev', 'sev_es'), 'sev_es'),
    'amd-sev-snp': _Recipe(('sev', 'sev_snp'), 'sev_es'),
    'intel-tdx': _Recipe(('tdx',), 'tdx'),
}


def detect(
    facts: HostFacts, nova: NovaSettings | None = None
) -> tuple[ModelSupport, ...]:
    """Return what a host offers of each model, offered or not.

    :param nova: what nova.conf limits; without it the host's own limits
        alone count

    >>> facts = HostFacts(switches={'sev': True}, capacity={'sev': 15})
    >>> [(m.model, m.slots) for m in detect(facts) if m.offered]
    [('amd-sev', 15)]
    """
    return tuple(_support(model, facts, nova) for model in _RECIPES)


def _support(
    model: str, facts: HostFacts, nova: NovaSettings | None
) -> ModelSupport:
    recipe = _RECIPES[model]
    evidence = (
        _cpuid(model, facts.leaf),
        _kernel(recipe, facts.switches),
        _cgroup(recipe, facts.capacity),
        _libvirt(model, facts),
        _nova(model, nova),
    )
    numbers = {e.slots for e in evidence if e.slots is not None}
    slots = min(numbers, default=None)
    notes = [e.detail for e in evidence if e.supported is False]
    excluded = model == 'amd-sev-es' and facts.switches.get('sev_snp') is True
    if excluded:
        notes.append(
            'SEV-SNP is on, and an SEV-ES guest is not safe beside it '
            '(CVE-2025-48514)'
        )
    if evidence[1].supported is None:
        notes.append(evidence[1].detail)
    offered = not notes and slots != 0
    if offered and slots is None:
        notes.append('no source tells the number of slots')
    if offered and evidence[3].supported is None:
        notes.append('libvirt and QEMU were not asked')
    if not notes and slots == 0:
        notes.append('0 slots')
    if len(numbers) > 1:
        told = ', '.join(
            f'{e.source} {e.slots}' for e in evidence if e.slots is not None
        )
        notes.append(f'sources disagree, the smallest counts: {told}')
    return ModelSupport(
        model=model,
        offered=offered,
        slots=slots,
        evidence=evidence,
        notes=tuple(notes),
    )


def _cpuid(model: str, leaf: EncryptionLeaf | None) -> Evidence:
    if leaf is None or model == 'intel-tdx':
        return Evidence(Source.CPUID)
    supported = {
        'amd-sev': leaf.sev,
        'amd-sev-es': leaf.sev_es,
        'amd-sev-snp': leaf.sev_snp,
    }[model]
    if not supported:
        return Evidence(
            Source.CPUID, False, None, 'the processor does not support it'
        )
    slots = leaf.sev_slots if model == 'amd-sev' else leaf.es_slots
    return Evidence(Source.CPUID, True, slots, 'CPUID leaf 0x8000001F')


def _kernel(recipe: _Recipe, switches: Mapping[str, bool | None]) -> Evidence:
    for name in recipe.switches:
        path = SWITCHES[name]
        value = switches.get(name, False)
        if value is None:
            return Evidence(Source.KERNEL, None, None, f'{path} is unreadable')
        if not value:
            state = 'N' if name in switches else 'missing'
            return Evidence(Source.KERNEL, False, None, f'{path} is {state}')
    return Evidence(
        Source.KERNEL, True, None, f'{SWITCHES[recipe.switches[-1]]} is Y'
    )


def _cgroup(recipe: _Recipe, capacity: Mapping[str, int] | None) -> Evidence:
    slots = (capacity or {}).get(recipe.capacity)
    if slots is None:
        return Evidence(Source.CGROUP)
    return Evidence(
        Source.CGROUP, None, slots, f'{recipe.capacity} in {CAPACITY}'
    )


def _libvirt(model: str, facts: HostFacts) -> Evidence:
    found = facts.capabilities
    if not found:
        return Evidence(Source.LIBVIRT)
    # The document of another architecture tells nothing of these models.
    found = tuple(c for c in found if c.arch == _ARCHITECTURE)
    if model == 'intel-tdx':
        tdx = any(c.tdx for c in found)
        return Evidence(
            Source.LIBVIRT,
            tdx,
            None,
            f'<tdx> is {"" if tdx else "not "}supported by libvirt and QEMU',
        )
    sev = next((c for c in found if c.sev), None)
    if sev is None:
        return Evidence(
            Source.LIBVIRT, False, None, 'libvirt and QEMU do not support SEV'
        )
    if model == 'amd-sev':
        return Evidence(
            Source.LIBVIRT, True, sev.max_guests, '<maxGuests> of <sev>'
        )
    if model == 'amd-sev-es':
        version = facts.qemu_version
        if version is not None and version < MIN_QEMU_SEV_ES:
            shown = '.'.join(map(str, version))
            return Evidence(
                Source.LIBVIRT,
                False,
                None,
                f'QEMU {shown} is too old for SEV-ES; nova needs 8.0.0',
            )
    elif not any('sev-snp' in (c.sectypes or ()) for c in found):
        return Evidence(
            Source.LIBVIRT,
            False,
            None,
            'libvirt and QEMU do not list sev-snp among launchSecurity types',
        )
    return Evidence(
        Source.LIBVIRT, True, sev.max_es_guests, '<maxESGuests> of <sev>'
    )


def _nova(model: str, nova: NovaSettings | None) -> Evidence:
    if nova is None:
        return Evidence(Source.NOVA)
    since = MODEL_SINCE[model]
    if nova.release < since:
        return Evidence(
            Source.NOVA,
            False,
            None,
            f'nova {nova.release} does not offer it; nova {since} does',
        )
    if model == 'intel-tdx':
        if nova.cpu_mode != 'host-passthrough':
            return Evidence(
                Source.NOVA,
                False,
                None,
                f'[libvirt] cpu_mode is {nova.cpu_mode}; nova offers '
                'intel-tdx with host-passthrough only',
            )
        limit = nova.get('num_intel_tdx_guests')
        return Evidence(
            Source.NOVA, None, limit, '[libvirt] num_intel_tdx_guests'
        )
    if model == 'amd-sev' and nova.release < 34:
        limit = nova.get('num_memory_encrypted_guests')
        return Evidence(
            Source.NOVA, None, limit, '[libvirt] num_memory_encrypted_guests'
        )
    return Evidence(Source.NOVA)
