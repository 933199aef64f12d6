"""What checks find, as data: codes and values, no words; and how they run.

Of a compute host, and of nova-scheduler.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from sev_scheduling.exceptions import InputError
from sev_scheduling.problems import advice, message

Report = TypeVar('Report')


class Status(enum.IntEnum):
    """The values are the exit status of ``nova-status upgrade check``."""

    SUCCESS = 0
    WARNING = 1
    FAILURE = 2


class CheckKind(enum.StrEnum):
    """Which check it is; some are made once for each model or option."""

    PROCESSOR = 'processor'
    KERNEL = 'kernel'
    LIBVIRT = 'libvirt'
    VERSIONS = 'versions'
    SLOTS = 'slots'
    EXCLUSION = 'exclusion'
    DESCRIPTORS = 'descriptors'
    FIRMWARE = 'firmware'
    MEMORY = 'memory'
    NOVA_CONF = 'nova-conf'
    VIRT_TYPE = 'virt-type'
    SLOTS_OPTION = 'slots-option'
    OVERCOMMIT = 'overcommit'
    MACHINE_TYPE = 'machine-type'
    CPU = 'cpu'
    CONFIG_DRIVE = 'config-drive'
    PUBLISHED = 'published'
    COMMAND_LINE = 'command-line'
    DEVICE = 'device'
    QUOTES = 'quotes'
    SWAP = 'swap'
    HUGE_PAGES = 'huge-pages'
    NOVA_VERSION = 'nova-version'
    # Of nova-scheduler, and of the cloud that it serves.
    SCHEDULER_CONF = 'scheduler-conf'
    FILTER = 'filter'
    FILTER_ORDER = 'filter-order'
    WEIGHER = 'weigher'
    SCHEDULER_OPTIONS = 'scheduler-options'
    PLACEMENT_RETRIES = 'placement-retries'
    HOST_MACHINE_TYPES = 'host-machine-types'
    AGGREGATES = 'aggregates'
    SERVERS = 'servers'


class NoteCode(enum.StrEnum):
    """What can be found. Do not change a value: programs compare them."""

    # What one source reports of one model.
    CPUID = 'cpuid'
    CPUID_UNSUPPORTED = 'cpuid-unsupported'
    PARAMETER_ON = 'parameter-on'
    PARAMETER_OFF = 'parameter-off'
    PARAMETER_MISSING = 'parameter-missing'
    PARAMETER_UNREADABLE = 'parameter-unreadable'
    PARAMETER_SHARE = 'parameter-share'
    CAPACITY = 'capacity'
    CAPABILITY = 'capability'
    CAPABILITY_SLOTS = 'capability-slots'
    CAPABILITY_UNSUPPORTED = 'capability-unsupported'
    LAUNCH_SECURITY_UNSUPPORTED = 'launch-security-unsupported'
    QEMU_TOO_OLD = 'qemu-too-old'
    NOVA_TOO_OLD = 'nova-too-old'
    NOVA_CPU_MODE = 'nova-cpu-mode'
    NOVA_OPTION = 'nova-option'
    # What all of them come to.
    EXCLUDED = 'excluded'
    NOT_SHOWN = 'not-shown'
    SLOTS_UNKNOWN = 'slots-unknown'
    LIBVIRT_NOT_ASKED = 'libvirt-not-asked'
    NO_SLOTS = 'no-slots'
    SOURCES_DISAGREE = 'sources-disagree'
    SLOTS_DIVIDED = 'slots-divided'
    # Any check.
    UNUSABLE_INPUT = 'unusable-input'
    # The processor.
    PROCESSOR_NOT_ASKED = 'processor-not-asked'
    PROCESSOR_UNKNOWN = 'processor-unknown'
    PROCESSOR_OTHER = 'processor-other'
    PROCESSOR_WITHOUT_SEV = 'processor-without-sev'
    PROCESSOR_NO_ES_SLOTS = 'processor-no-es-slots'
    PROCESSOR_SLOTS = 'processor-slots'
    # The kernel, libvirt and QEMU.
    KERNEL_OFF = 'kernel-off'
    KERNEL_WANTED_OFF = 'kernel-wanted-off'
    KERNEL_ON = 'kernel-on'
    LIBVIRT_UNKNOWN = 'libvirt-unknown'
    LIBVIRT_VIRT_TYPE = 'libvirt-virt-type'
    LIBVIRT_NO_ARCHITECTURE = 'libvirt-no-architecture'
    LIBVIRT_NOTHING_ON = 'libvirt-nothing-on'
    LIBVIRT_LACKS = 'libvirt-lacks'
    LIBVIRT_QEMU_UNKNOWN = 'libvirt-qemu-unknown'
    LIBVIRT_SUPPORTS = 'libvirt-supports'
    # Versions of libvirt and QEMU.
    VERSIONS_TOO_OLD = 'versions-too-old'
    VERSIONS_MODEL_TOO_OLD = 'versions-model-too-old'
    VERSIONS_NO_STATELESS = 'versions-no-stateless'
    VERSIONS_UNKNOWN = 'versions-unknown'
    VERSIONS_FIT = 'versions-fit'
    # Slots.
    HOST_OFFERS_NONE = 'host-offers-none'
    HOST_SLOTS_UNKNOWN = 'host-slots-unknown'
    HOST_SLOTS_NEED_OPTION = 'host-slots-need-option'
    HOST_SLOTS_DIVIDED = 'host-slots-divided'
    HOST_SLOTS_DISPUTED = 'host-slots-disputed'
    HOST_SLOTS = 'host-slots'
    # Two models that must not share a host.
    EXCLUSION_ABSENT = 'exclusion-absent'
    EXCLUSION_HIDDEN = 'exclusion-hidden'
    EXCLUSION_OFFERED = 'exclusion-offered'
    EXCLUSION_GUESTS = 'exclusion-guests'
    EXCLUSION_GUESTS_UNKNOWN = 'exclusion-guests-unknown'
    EXCLUSION_NO_GUESTS = 'exclusion-no-guests'
    # One file among the firmware descriptors.
    DESCRIPTOR_DANGLING = 'descriptor-dangling'
    DESCRIPTOR_NO_FILE = 'descriptor-no-file'
    DESCRIPTOR_UNREADABLE = 'descriptor-unreadable'
    DESCRIPTOR_TOO_LARGE = 'descriptor-too-large'
    DESCRIPTOR_NOT_JSON = 'descriptor-not-json'
    DESCRIPTOR_SHAPE = 'descriptor-shape'
    DESCRIPTOR_UNKNOWN_VALUE = 'descriptor-unknown-value'
    DESCRIPTOR_TYPE = 'descriptor-type'
    DESCRIPTOR_FORMAT = 'descriptor-format'
    LOADER_REFUSED = 'loader-refused'
    # All of them.
    DESCRIPTORS_STOP = 'descriptors-stop'
    DESCRIPTORS_MAY_STOP = 'descriptors-may-stop'
    DESCRIPTORS_PASSED_OVER = 'descriptors-passed-over'
    DESCRIPTORS_READ = 'descriptors-read'
    # Firmware.
    FIRMWARE_NONE = 'firmware-none'
    FIRMWARE_STATEFUL = 'firmware-stateful'
    FIRMWARE_STATELESS_ONLY = 'firmware-stateless-only'
    FIRMWARE_FILE_MISSING = 'firmware-file-missing'
    FIRMWARE_FLASH = 'firmware-flash'
    FIRMWARE_FOUND = 'firmware-found'
    FIRMWARE_FOUND_TWICE = 'firmware-found-twice'
    FIRMWARE_FOUND_PLAIN = 'firmware-found-plain'
    FIRMWARE_UNLISTED = 'firmware-unlisted'
    FIRMWARE_SECURE_BOOT_ONLY = 'firmware-secure-boot-only'
    FIRMWARE_SECURE_BOOT_HIDDEN = 'firmware-secure-boot-hidden'
    FIRMWARE_SECURE_BOOT_UNSUPPORTED = 'firmware-secure-boot-unsupported'
    FIRMWARE_SMM = 'firmware-smm'
    FIRMWARE_STOPPED = 'firmware-stopped'
    FIRMWARE_DISPUTED = 'firmware-disputed'
    FIRMWARE_ANSWER = 'firmware-answer'
    # Memory.
    MEMORY_UNKNOWN = 'memory-unknown'
    MEMORY_SLICE_TOO_LARGE = 'memory-slice-too-large'
    MEMORY_SLICE_OVERCOMMITTED = 'memory-slice-overcommitted'
    MEMORY_SLICE = 'memory-slice'
    MEMORY_SHARE_UNKNOWN = 'memory-share-unknown'
    MEMORY_FILE_REFUSED = 'memory-file-refused'
    MEMORY_FILE_TOO_LARGE = 'memory-file-too-large'
    MEMORY_FILE = 'memory-file'
    MEMORY_FILE_UNKNOWN = 'memory-file-unknown'
    MEMORY_NOT_RESERVED = 'memory-not-reserved'
    MEMORY_RESERVED = 'memory-reserved'
    # nova.conf.
    NOVA_CONF_NOT_READ = 'nova-conf-not-read'
    NOVA_CONF_TOO_OLD = 'nova-conf-too-old'
    NOVA_CONF_NOT_APPLICABLE = 'nova-conf-not-applicable'
    NOVA_CONF_READ = 'nova-conf-read'
    VIRT_TYPE_KVM = 'virt-type-kvm'
    VIRT_TYPE_QEMU = 'virt-type-qemu'
    VIRT_TYPE_OTHER = 'virt-type-other'
    OPTION_REMOVED = 'option-removed'
    OPTION_NEEDED_FOR_LIBVIRT = 'option-needed-for-libvirt'
    OPTION_NEEDED_FOR_CGROUP = 'option-needed-for-cgroup'
    OPTION_UNSET = 'option-unset'
    OPTION_ZERO = 'option-zero'
    OPTION_TOO_HIGH = 'option-too-high'
    OPTION_TOO_HIGH_COUNTS = 'option-too-high-counts'
    OPTION_DEPRECATED = 'option-deprecated'
    OPTION_SET = 'option-set'
    OVERCOMMITTED = 'overcommitted'
    NOT_OVERCOMMITTED = 'not-overcommitted'
    MACHINE_TYPE_ENTRY = 'machine-type-entry'
    MACHINE_TYPE_UNFIT = 'machine-type-unfit'
    MACHINE_TYPE_FIT = 'machine-type-fit'
    CPU_MODE_NEEDED = 'cpu-mode-needed'
    CPU_MODE_NONE = 'cpu-mode-none'
    CPU_MODE_UNSUPPORTED = 'cpu-mode-unsupported'
    CPU_MODE_FIT = 'cpu-mode-fit'
    CPU_MODELS_EMPTY = 'cpu-models-empty'
    CPU_MODELS_UNFIT = 'cpu-models-unfit'
    CPU_MODELS_UNUSABLE = 'cpu-models-unusable'
    CPU_MODELS_PARTLY_UNUSABLE = 'cpu-models-partly-unusable'
    CPU_MODELS_FIT = 'cpu-models-fit'
    CONFIG_DRIVE_FIT = 'config-drive-fit'
    CONFIG_DRIVE_IDE = 'config-drive-ide'
    CONFIG_DRIVE_IDE_FORCED = 'config-drive-ide-forced'
    PUBLISHED = 'published'
    PUBLISHED_NOT = 'published-not'
    PUBLISHED_OTHER = 'published-other'
    # What operators trip over beside the models.
    COMMAND_LINE = 'command-line'
    COMMAND_LINE_KEEPS_OFF = 'command-line-keeps-off'
    COMMAND_LINE_UNENCRYPTED = 'command-line-unencrypted'
    DEVICE_FOUND = 'device-found'
    DEVICE_CLOSED = 'device-closed'
    DEVICE_MISSING = 'device-missing'
    QUOTES_SERVED = 'quotes-served'
    QUOTES_MISSING = 'quotes-missing'
    SWAP = 'swap'
    HUGE_PAGES = 'huge-pages'
    NOVA_VERSION = 'nova-version'
    NOVA_VERSION_UNKNOWN = 'nova-version-unknown'
    NOVA_VERSION_EARLY = 'nova-version-early'
    # The sum of a reservation, and what stands in files that are written.
    SUM_REGION = 'sum-region'
    SUM_PADDING = 'sum-padding'
    SUM_VIDEO = 'sum-video'
    SUM_KERNEL = 'sum-kernel'
    SUM_GUEST = 'sum-guest'
    SUM_HOST = 'sum-host'
    SUM_HOST_KERNEL = 'sum-host-kernel'
    SUM_SLICE = 'sum-slice'
    SUM_SLICE_KERNEL = 'sum-slice-kernel'
    PROVIDER_FILE = 'provider-file'
    # nova-scheduler, and the cloud that it serves.
    SCHEDULER_CONF_READ = 'scheduler-conf-read'
    FILTER_PATH = 'filter-path'
    FILTER_MISSING = 'filter-missing'
    FILTER_NOT_ENABLED = 'filter-not-enabled'
    FILTER_NOT_AVAILABLE = 'filter-not-available'
    FILTERS_NOT_AVAILABLE = 'filters-not-available'
    FILTER_ENABLED = 'filter-enabled'
    FILTER_AFTER_OTHERS = 'filter-after-others'
    FILTER_BEFORE_COMPUTE = 'filter-before-compute'
    FILTER_PLACED = 'filter-placed'
    WEIGHER_PATH = 'weigher-path'
    WEIGHER_NOT_ENABLED = 'weigher-not-enabled'
    WEIGHER_ALONE = 'weigher-alone'
    WEIGHER_OFF = 'weigher-off'
    WEIGHER_ENABLED = 'weigher-enabled'
    SCHEDULER_OPTIONS_WRONG = 'scheduler-options-wrong'
    SCHEDULER_OPTIONS_FIT = 'scheduler-options-fit'
    SCHEDULER_OPTION_INVALID = 'scheduler-option-invalid'
    SCHEDULER_OPTION_NOT_USED = 'scheduler-option-not-used'
    SCHEDULER_OPTION_MODEL = 'scheduler-option-model'
    SCHEDULER_OPTION_UNKNOWN = 'scheduler-option-unknown'
    SCHEDULER_OPTION_MISPLACED = 'scheduler-option-misplaced'
    SCHEDULER_OPTION_UNUSED = 'scheduler-option-unused'
    RETRIES_UNKNOWN = 'retries-unknown'
    RETRIES_TOO_MANY = 'retries-too-many'
    RETRIES_FIT = 'retries-fit'
    HOSTS_UNKNOWN = 'hosts-unknown'
    HOSTS_WITHOUT_SLOTS = 'hosts-without-slots'
    HOSTS_PUBLISH = 'hosts-publish'
    HOSTS_BY_DEFAULT = 'hosts-by-default'
    HOSTS_REJECTED = 'hosts-rejected'
    HOSTS_WITHOUT_MACHINE_TYPE = 'hosts-without-machine-type'
    AGGREGATES_UNKNOWN = 'aggregates-unknown'
    AGGREGATES_WRONG = 'aggregates-wrong'
    AGGREGATES_FIT = 'aggregates-fit'
    AGGREGATES_CONTRADICT = 'aggregates-contradict'
    AGGREGATE_CONTRADICTS_HOST = 'aggregate-contradicts-host'
    AGGREGATE_VALUE = 'aggregate-value'
    AGGREGATE_NUMBER = 'aggregate-number'
    AGGREGATE_KEY = 'aggregate-key'
    AGGREGATE_ISOLATED = 'aggregate-isolated'
    SERVERS_UNKNOWN = 'servers-unknown'
    SERVERS_VALID = 'servers-valid'
    SERVERS_INVALID = 'servers-invalid'


@dataclass(frozen=True, slots=True)
class Note:
    """Something that was found.

    :ivar values: names, numbers, and further notes, by the names that the
        code's row of the catalogue has for them; None is unknown
    """

    code: NoteCode
    values: Mapping[str, object] = field(default_factory=dict, hash=False)

    @property
    def message(self) -> str:
        """What was found, made by the catalogue."""
        return message(self)

    @property
    def advice(self) -> str:
        """What to do about it, made by the catalogue; '' for nothing."""
        return advice(self)

    def __str__(self) -> str:
        return f'{self.message} {self.advice}'.rstrip()


@dataclass(frozen=True, slots=True)
class Check:
    """The result of one check.

    :ivar note: what it found; among its values ``model``, ``other`` or
        ``option``, where the kind of check is made for each of those
    """

    kind: CheckKind
    status: Status
    note: Note

    @property
    def code(self) -> NoteCode:
        return self.note.code

    @property
    def model(self) -> str | None:
        """The model that it is about, None for the host as a whole."""
        model = self.note.values.get('model')
        return None if model is None else str(model)

    @property
    def name(self) -> str:
        """The name of the check, made by the catalogue."""
        return message(self)

    @property
    def details(self) -> str:
        """What was found and what to do about it, in sentences."""
        return str(self.note)


class NotRead(InputError):
    """Something could not be read, which another check reports for all."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check function found."""

    status: Status
    code: NoteCode
    values: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Entry(Generic[Report]):
    """A check to run.

    :ivar function: returns None where it does not concern the report
    :ivar subject: the values that its name has; all its notes have them
    """

    kind: CheckKind
    function: Callable[[Report], Finding | None]
    subject: Mapping[str, str] = field(default_factory=dict, hash=False)


def run_checks(
    report: Report, entries: Iterable[Entry[Report]]
) -> tuple[Check, ...]:
    """Run checks; input that one cannot use fails that one alone.

    Those that meet :class:`NotRead` are left out.
    """
    results: list[Check] = []
    for entry in entries:
        try:
            finding = entry.function(report)
        except NotRead:
            continue
        except InputError as error:
            finding = failure(NoteCode.UNUSABLE_INPUT, error=str(error))
        if finding is not None:
            values = {**entry.subject, **finding.values}
            note = Note(finding.code, values)
            results.append(Check(entry.kind, finding.status, note))
    return tuple(results)


def success(code: NoteCode, **values: object) -> Finding:
    return Finding(Status.SUCCESS, code, values)


def warning(code: NoteCode, **values: object) -> Finding:
    return Finding(Status.WARNING, code, values)


def failure(code: NoteCode, **values: object) -> Finding:
    return Finding(Status.FAILURE, code, values)
