"""Which models a host offers, with how many slots, and who says so."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from sev_scheduling.compute.sources import kernel
from sev_scheduling.compute.sources.kernel import EncryptionLeaf
from sev_scheduling.compute.sources.libvirt import DomainCapabilities
from sev_scheduling.compute.sources.nova_conf import NovaSettings
from sev_scheduling.hosts.check import Note, NoteCode
from sev_scheduling.models import (
    EncryptionModel,
    excluding_models,
    parameter_name,
    registered_models,
)


class Source(enum.StrEnum):
    """Where something about a model is found."""

    CPUID = 'cpuid'
    KERNEL = 'kernel'
    CGROUP = 'cgroup'
    LIBVIRT = 'libvirt'
    NOVA = 'nova.conf'


#: They count the same slots; the others set limits.
_COUNTING = (Source.CPUID, Source.CGROUP, Source.LIBVIRT)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one source says of one model.

    :ivar supported: None where the source does not say
    :ivar slots: None where the source does not say
    :ivar note: what was read, and where; None where nothing was
    """

    source: Source
    supported: bool | None = None
    slots: int | None = None
    note: Note | None = None

    @property
    def detail(self) -> str:
        """What was read, and where, in words."""
        return '' if self.note is None else str(self.note)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostEvidence:
    """What was read from a host.

    :ivar switches: module parameter -> its value, None where it could not
        be understood; absent where the host does not have it
    :ivar shares: module parameter -> a model's share of the slots
    :ivar capacity: resource -> slots of ``misc.capacity``; None where the
        host does not have the file
    :ivar leaf: CPUID leaf 0x8000001F, None where it was not readable
    :ivar capabilities: of each machine type that libvirt was asked for
    :ivar qemu_version: None where unknown
    :ivar libvirt_version: None where unknown
    """

    switches: Mapping[str, bool | None] = field(
        default_factory=dict, hash=False
    )
    shares: Mapping[str, int] = field(default_factory=dict, hash=False)
    capacity: Mapping[str, int] | None = field(default=None, hash=False)
    leaf: EncryptionLeaf | None = None
    capabilities: tuple[DomainCapabilities, ...] = ()
    qemu_version: tuple[int, int, int] | None = None
    libvirt_version: tuple[int, int, int] | None = None

    @property
    def kvm_capabilities(self) -> tuple[DomainCapabilities, ...]:
        """Those that say something of encrypted guests.

        Libvirt offers encryption to KVM guests only, whatever the host has;
        a document without an architecture may be of any.
        """
        return tuple(
            c
            for c in self.capabilities
            if c.arch and c.virt_type in (None, 'kvm')
        )


#: Its name in version 0.1.
HostFacts = HostEvidence


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelSupport:
    """What a host offers of one model.

    :ivar enabled: the kernel has it on, and no model that excludes it; a
        model without kernel parameters is on where another source has it
    :ivar offered: every source that says something agrees, the kernel among
        them
    :ivar slots: the smallest number of any source, also of a model that is
        not offered; None where none has one
    :ivar evidence: one entry a source, in the order of :class:`Source`
    :ivar notes: why it is not offered, and where sources disagree
    """

    model: str
    enabled: bool
    offered: bool
    slots: int | None
    evidence: tuple[Evidence, ...]
    notes: tuple[Note, ...] = ()

    def says(self, source: Source) -> Evidence:
        """Return what a source says, nothing where it was not asked."""
        for evidence in self.evidence:
            if evidence.source is source:
                return evidence
        return Evidence(source)

    @property
    def numbers(self) -> dict[str, int]:
        """Source -> slots that it has."""
        return {
            str(evidence.source): evidence.slots
            for evidence in self.evidence
            if evidence.slots is not None
        }


def detectable_models() -> tuple[EncryptionModel, ...]:
    """Return the models of which a host can show something."""
    return tuple(
        model
        for model in registered_models().values()
        if model.kernel_parameters
        or model.capacity_key
        or model.domain_capability
    )


def detect(
    facts: HostEvidence, nova: NovaSettings | None = None
) -> tuple[ModelSupport, ...]:
    """Return what a host offers of each model, offered or not.

    :param nova: what nova.conf limits; without it the host's own limits
        alone count

    >>> facts = HostEvidence(switches={'sev': True}, capacity={'sev': 15})
    >>> [(m.model, m.slots) for m in detect(facts) if m.offered]
    [('amd-sev', 15)]
    """
    models = detectable_models()
    evidence = {
        model.name: tuple(
            replace(source, note=_about(model, source.note))
            for source in (
                _cpuid(model, facts.leaf),
                _kernel(model, facts),
                _cgroup(model, facts.capacity),
                _libvirt(model, facts),
                _nova(model, nova),
            )
        )
        for model in models
    }
    on = [
        model.name for model in models if _is_on(model, evidence[model.name])
    ]
    return tuple(_support(model, evidence[model.name], on) for model in models)


def _about(model: EncryptionModel, note: Note | None) -> Note | None:
    if note is None:
        return None
    return Note(note.code, {**note.values, 'model': model.name})


def _is_on(model: EncryptionModel, evidence: Sequence[Evidence]) -> bool:
    if model.kernel_parameters:
        return any(e.supported for e in evidence if e.source is Source.KERNEL)
    return any(e.supported or e.slots for e in evidence)


def _support(
    model: EncryptionModel, evidence: tuple[Evidence, ...], on: list[str]
) -> ModelSupport:
    found = ModelSupport(
        model=model.name,
        enabled=False,
        offered=False,
        slots=None,
        evidence=evidence,
    )
    slots = min(found.numbers.values(), default=None)
    switched_on = model.name in on
    excluding = excluding_models(model, on)
    unreadable = found.says(Source.KERNEL)
    notes = [e.note for e in evidence if e.supported is False]
    notes += [
        Note(
            NoteCode.EXCLUDED,
            {'other': other, 'source': model.exclusion_source},
        )
        for other in excluding
    ]
    if unreadable.note and unreadable.supported is None:
        notes.append(unreadable.note)
    elif not switched_on and not notes:
        notes.append(Note(NoteCode.NOT_SHOWN))
    offered = not notes and slots != 0
    if offered and slots is None:
        notes.append(Note(NoteCode.SLOTS_UNKNOWN))
    if offered and found.says(Source.LIBVIRT).supported is None:
        notes.append(Note(NoteCode.LIBVIRT_NOT_ASKED))
    if not notes and slots == 0:
        notes.append(Note(NoteCode.NO_SLOTS))
    counts = {
        str(e.source): e.slots
        for e in evidence
        if e.source in _COUNTING and e.slots is not None
    }
    if len({*counts.values()}) > 1:
        notes.append(Note(NoteCode.SOURCES_DISAGREE, {'numbers': counts}))
    share, total = (
        found.says(Source.KERNEL).slots,
        min(counts.values(), default=None),
    )
    if share is not None and total is not None and share < total:
        parameter = model.capacity_parameter
        values = {'parameter': parameter, 'share': share, 'total': total}
        notes.append(Note(NoteCode.SLOTS_DIVIDED, values))
    return replace(
        found,
        enabled=switched_on and not excluding,
        offered=offered,
        slots=slots,
        notes=tuple(
            note for note in (_about(model, n) for n in notes) if note
        ),
    )


def _cpuid(model: EncryptionModel, leaf: EncryptionLeaf | None) -> Evidence:
    if leaf is None or model.cpuid_bit is None:
        return Evidence(Source.CPUID)
    if not leaf.supports(model.cpuid_bit):
        return _no(Source.CPUID, NoteCode.CPUID_UNSUPPORTED)
    return Evidence(
        Source.CPUID,
        True,
        leaf.slots(model.capacity_key),
        Note(NoteCode.CPUID),
    )


def _kernel(model: EncryptionModel, facts: HostEvidence) -> Evidence:
    note = None
    for parameter in model.kernel_parameters:
        note, value = parameter_note(parameter, facts.switches)
        if not value:
            return Evidence(Source.KERNEL, value, None, note)
    share = facts.shares.get(parameter_name(model.capacity_parameter))
    if share:
        path = kernel.parameter_path(model.capacity_parameter)
        note = Note(NoteCode.PARAMETER_SHARE, {'path': path, 'share': share})
    return Evidence(Source.KERNEL, True if note else None, share or None, note)


def parameter_note(
    parameter: str, switches: Mapping[str, bool | None]
) -> tuple[Note, bool | None]:
    """Return a kernel parameter's state; None where it is unreadable.

    :param parameter: as in :attr:`.EncryptionModel.kernel_parameters`
    """
    name = parameter_name(parameter)
    value = switches.get(name, False)
    if name not in switches:
        code = NoteCode.PARAMETER_MISSING
    elif value is None:
        code = NoteCode.PARAMETER_UNREADABLE
    else:
        code = NoteCode.PARAMETER_ON if value else NoteCode.PARAMETER_OFF
    return Note(code, {'path': kernel.parameters()[name]}), value


def _cgroup(
    model: EncryptionModel, capacity: Mapping[str, int] | None
) -> Evidence:
    slots = (capacity or {}).get(model.capacity_key)
    if slots is None:
        return Evidence(Source.CGROUP)
    values = {'key': model.capacity_key, 'path': kernel.CAPACITY}
    return Evidence(
        Source.CGROUP, None, slots, Note(NoteCode.CAPACITY, values)
    )


def _libvirt(model: EncryptionModel, facts: HostEvidence) -> Evidence:
    asked = facts.kvm_capabilities
    if not asked or not model.domain_capability:
        return Evidence(Source.LIBVIRT)
    # The document of another architecture says nothing of this model.
    found = [c for c in asked if c.arch in model.architectures]
    element = model.domain_capability
    having = [c for c in found if c.features.get(element)]
    if not having:
        return _no(
            Source.LIBVIRT, NoteCode.CAPABILITY_UNSUPPORTED, element=element
        )
    version = facts.qemu_version
    if version is not None and version < model.since_qemu:
        return _no(
            Source.LIBVIRT,
            NoteCode.QEMU_TOO_OLD,
            version=version,
            least=model.since_qemu,
        )
    sectype = model.launch_security
    if sectype and not any(sectype in c.sectypes for c in found):
        return _no(
            Source.LIBVIRT,
            NoteCode.LAUNCH_SECURITY_UNSUPPORTED,
            sectype=sectype,
        )
    tag = model.domain_capability_slots
    if not tag:
        note = Note(NoteCode.CAPABILITY, {'element': element})
        return Evidence(Source.LIBVIRT, True, None, note)
    return Evidence(
        Source.LIBVIRT,
        True,
        having[0].slots.get(f'{element}/{tag}'),
        Note(NoteCode.CAPABILITY_SLOTS, {'element': element, 'slots': tag}),
    )


def _nova(model: EncryptionModel, nova: NovaSettings | None) -> Evidence:
    if nova is None:
        return Evidence(Source.NOVA)
    if nova.release < model.since_nova:
        return Evidence(Source.NOVA, False, None, too_old(model, nova))
    mode = model.cpu_mode
    if mode and nova.cpu_mode != mode:
        return _no(
            Source.NOVA,
            NoteCode.NOVA_CPU_MODE,
            mode=nova.cpu_mode,
            needed=mode,
        )
    option = model.slots_option
    if not option or not nova.knows(option):
        return Evidence(Source.NOVA)
    return Evidence(
        Source.NOVA,
        None,
        nova.get(option),
        Note(NoteCode.NOVA_OPTION, {'option': option}),
    )


def too_old(model: EncryptionModel, nova: NovaSettings) -> Note:
    """Return that a nova does not offer a model yet."""
    return Note(
        NoteCode.NOVA_TOO_OLD,
        {
            'model': model.name,
            'release': nova.release,
            'since': model.since_nova,
        },
    )


def _no(source: Source, code: NoteCode, **values: object) -> Evidence:
    return Evidence(source, False, None, Note(code, values))
