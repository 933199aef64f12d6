"""The words about compute hosts and nova-scheduler: one row for each code.

A row's texts are templates of :meth:`str.format` over the note's values.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from sev_scheduling.hosts.check import Check, CheckKind, Note, NoteCode
from sev_scheduling.problems import advice, message
from sev_scheduling.text import printable


class Row(NamedTuple):
    """The texts of one code.

    :ivar advice: what to do about it, '' for nothing
    """

    text: str
    advice: str = ''


#: The names of checks, as ``node check`` has printed them ever since.
NAMES: Mapping[CheckKind, str] = {
    CheckKind.PROCESSOR: 'Processor',
    CheckKind.KERNEL: 'Kernel module',
    CheckKind.LIBVIRT: 'Libvirt and QEMU',
    CheckKind.SLOTS: 'Encryption slots',
    CheckKind.EXCLUSION: '{model_name} beside {other_name}',
    CheckKind.VERSIONS: 'Libvirt and QEMU versions',
    CheckKind.DESCRIPTORS: 'Firmware descriptors',
    CheckKind.FIRMWARE: 'UEFI firmware for {model}',
    CheckKind.MEMORY: 'Memory for the host',
    CheckKind.NOVA_CONF: 'Nova configuration',
    CheckKind.VIRT_TYPE: 'Virtualization type',
    CheckKind.SLOTS_OPTION: '{option}',
    CheckKind.OVERCOMMIT: 'Memory overcommit',
    CheckKind.MACHINE_TYPE: 'Default machine type',
    CheckKind.CPU: 'CPU model of guests',
    CheckKind.CONFIG_DRIVE: 'Config drive',
    CheckKind.PUBLISHED: 'Published machine type',
    CheckKind.COMMAND_LINE: 'Kernel command line',
    CheckKind.DEVICE: 'SEV device',
    CheckKind.QUOTES: 'Quote generation',
    CheckKind.SWAP: 'Swap',
    CheckKind.HUGE_PAGES: 'Huge pages',
    CheckKind.NOVA_VERSION: 'Nova version',
    CheckKind.SCHEDULER_CONF: 'Configuration of nova-scheduler',
    CheckKind.FILTER: 'Filter',
    CheckKind.FILTER_ORDER: 'Place of the filter',
    CheckKind.WEIGHER: 'Weigher',
    CheckKind.SCHEDULER_OPTIONS: 'Options of [sev_scheduling]',
    CheckKind.PLACEMENT_RETRIES: 'Claims of the last slot',
    CheckKind.HOST_MACHINE_TYPES: 'Machine types of hosts',
    CheckKind.AGGREGATES: 'Metadata of aggregates',
    CheckKind.SERVERS: 'Encrypted servers',
}

_OPTION = '[libvirt] {option}'
_TAKE_OUT = 'Take it out.'
_LOWER = 'Lower it or take it out.'
_RESTART = 'Restart libvirt, which keeps what it once found.'
_RESERVED = (
    'reserved_host_memory_mb is {reserved}; {guests} encrypted guests and '
    '{base} MB for the host need {needed}.'
)
_EXCLUSION = (
    '{model} guests must not run beside {other}{source}, and both are '
    'switched on; nova {release} '
)

_ADD_FILTER = 'Add a line available_filters = {path} to [filter_scheduler]. '
_ENABLE = 'Set enabled_filters = {enabled}.'
_PUBLISH = (
    'Let hosts publish it ("sev-scheduling node provider-config"), or set '
    '[sev_scheduling] {option} where all have the same.'
)

ROWS: Mapping[NoteCode, Row] = {
    # Parts of sentences: what one source reports of one model.
    NoteCode.CPUID: Row('CPUID leaf 0x8000001F'),
    NoteCode.CPUID_UNSUPPORTED: Row('the processor does not support it'),
    NoteCode.PARAMETER_ON: Row('{path} is Y'),
    NoteCode.PARAMETER_OFF: Row('{path} is N'),
    NoteCode.PARAMETER_MISSING: Row('{path} is missing'),
    NoteCode.PARAMETER_UNREADABLE: Row('{path} is unreadable'),
    NoteCode.PARAMETER_SHARE: Row('{path} leaves it {share} slots'),
    NoteCode.CAPACITY: Row('{key} in {path}'),
    NoteCode.CAPABILITY: Row('<{element}> is supported by libvirt and QEMU'),
    NoteCode.CAPABILITY_SLOTS: Row('<{slots}> of <{element}>'),
    NoteCode.CAPABILITY_UNSUPPORTED: Row(
        'libvirt and QEMU do not support <{element}>'
    ),
    NoteCode.LAUNCH_SECURITY_UNSUPPORTED: Row(
        'libvirt and QEMU do not list {sectype} among launchSecurity types'
    ),
    NoteCode.QEMU_TOO_OLD: Row(
        'QEMU {version} is too old; nova needs {least}'
    ),
    NoteCode.NOVA_TOO_OLD: Row(
        'nova {release} does not offer it; nova {since} does'
    ),
    NoteCode.NOVA_CPU_MODE: Row(
        '[libvirt] cpu_mode is {mode}; nova offers it with {needed} only'
    ),
    NoteCode.NOVA_OPTION: Row(_OPTION),
    # And what all of them come to.
    NoteCode.EXCLUDED: Row('it must not run beside {other}{source}'),
    NoteCode.NOT_SHOWN: Row('nothing shows it'),
    NoteCode.SLOTS_UNKNOWN: Row('no source has the number of slots'),
    NoteCode.LIBVIRT_NOT_ASKED: Row('libvirt and QEMU were not asked'),
    NoteCode.NO_SLOTS: Row('0 slots'),
    NoteCode.SOURCES_DISAGREE: Row(
        'sources disagree, the smallest counts: {numbers}'
    ),
    NoteCode.SLOTS_DIVIDED: Row(
        '{parameter} leaves it {share} of {total} slots, and nova publishes '
        '{total}'
    ),
    # Sentences from here on: what checks find.
    NoteCode.UNUSABLE_INPUT: Row('{error}'),
    NoteCode.PROCESSOR_NOT_ASKED: Row(
        'The kernel has it switched on; the processor itself was not asked '
        '(as root, with the cpuid module loaded, it is).'
    ),
    NoteCode.PROCESSOR_UNKNOWN: Row(
        'Nothing shows a processor with memory encryption.',
        'Use one with AMD SEV or Intel TDX, and enable memory encryption '
        '(SMEE, or TME and TDX) in the BIOS.',
    ),
    NoteCode.PROCESSOR_OTHER: Row('The kernel has {models} switched on.'),
    NoteCode.PROCESSOR_WITHOUT_SEV: Row(
        'The processor does not support SEV.',
        'Use one that does, and enable memory encryption (SMEE) in the BIOS.',
    ),
    NoteCode.PROCESSOR_NO_ES_SLOTS: Row(
        '{sev} slots for SEV, {es} for SEV-ES and SEV-SNP.',
        'Raise the BIOS setting of the minimum ASID for SEV (SEV-ES ASID '
        'space limit) to have some.',
    ),
    NoteCode.PROCESSOR_SLOTS: Row(
        '{sev} slots for SEV, {es} for SEV-ES and SEV-SNP together.'
    ),
    NoteCode.KERNEL_OFF: Row(
        'No model is switched on: {switches}.',
        "Load a model's kernel module with its parameters ({parameters}); "
        'dmesg says what the BIOS keeps from the kernel.',
    ),
    NoteCode.KERNEL_WANTED_OFF: Row(
        'Not switched on: {reasons}.',
        'Load the kernel module with {parameters}; dmesg says what the BIOS '
        'keeps from the kernel.',
    ),
    NoteCode.KERNEL_ON: Row('Switched on: {models}.'),
    NoteCode.LIBVIRT_UNKNOWN: Row(
        'Libvirt was not asked.',
        'Install libvirt-python, or give the output of "virsh '
        'domcapabilities --machine {machine_type}" with '
        '--domain-capabilities.',
    ),
    NoteCode.LIBVIRT_VIRT_TYPE: Row(
        'The domain capabilities are of virt type {virt_type}, and libvirt '
        'offers encryption to KVM guests only.',
        'Ask with "virsh domcapabilities --virttype kvm --machine '
        '{machine_type}".',
    ),
    NoteCode.LIBVIRT_NO_ARCHITECTURE: Row(
        'The domain capabilities have no <arch>, so they may be of any '
        'machine.',
        'Give all that "virsh domcapabilities --virttype kvm --machine '
        '{machine_type}" prints.',
    ),
    NoteCode.LIBVIRT_NOTHING_ON: Row(
        'The kernel has nothing switched on that libvirt could support.'
    ),
    NoteCode.LIBVIRT_LACKS: Row(
        '{reasons}.',
        'Upgrade libvirt and QEMU, and restart libvirt, which keeps what it '
        'once found.',
    ),
    NoteCode.LIBVIRT_QEMU_UNKNOWN: Row(
        'Libvirt and QEMU support all that is switched on; nova also wants '
        'QEMU {least} for {model}, and its version is not known.'
    ),
    NoteCode.LIBVIRT_SUPPORTS: Row(
        'Libvirt and QEMU support all that is switched on.'
    ),
    NoteCode.HOST_OFFERS_NONE: Row('The host offers no model. {reasons}.'),
    NoteCode.HOST_SLOTS_UNKNOWN: Row(
        'Slots: {slots}.',
        'Use libvirt 8.0 or later, or a kernel with the misc cgroup '
        'controller, so that nova counts them.',
    ),
    NoteCode.HOST_SLOTS_NEED_OPTION: Row(
        'Slots: {slots}.',
        'Set [libvirt] {option}: neither libvirt nor the misc cgroup '
        'controller has the number.',
    ),
    NoteCode.HOST_SLOTS_DIVIDED: Row(
        'Slots: {slots}. {reasons}.',
        'Set sev_scheduling:max_guests:{model}={share} on an aggregate of '
        'the host, or {parameter}={total}.',
    ),
    NoteCode.HOST_SLOTS_DISPUTED: Row('Slots: {slots}. {reasons}.', _RESTART),
    NoteCode.HOST_SLOTS: Row('Slots: {slots}.'),
    NoteCode.EXCLUSION_ABSENT: Row('{other} is on, {model} is not.'),
    NoteCode.EXCLUSION_HIDDEN: Row(_EXCLUSION + 'hides {model}.'),
    NoteCode.EXCLUSION_OFFERED: Row(
        _EXCLUSION + 'offers {model} all the same.',
        'Upgrade nova to {hidden_since}, or set {parameters}.',
    ),
    NoteCode.DESCRIPTOR_DANGLING: Row('{path} is a link that leads nowhere'),
    NoteCode.DESCRIPTOR_NO_FILE: Row('{path} is no regular file'),
    NoteCode.DESCRIPTOR_UNREADABLE: Row('{path} cannot be read: {error}'),
    NoteCode.DESCRIPTOR_TOO_LARGE: Row('{path} has more than {limit} bytes'),
    NoteCode.DESCRIPTOR_NOT_JSON: Row('{path} is not JSON ({error})'),
    NoteCode.DESCRIPTOR_SHAPE: Row('{path} has no usable {key}'),
    NoteCode.DESCRIPTOR_UNKNOWN_VALUE: Row(
        '{path} has {key} {value}, which libvirt does not know'
    ),
    NoteCode.DESCRIPTOR_TYPE: Row(
        '{path} has a value of a type that nova does not expect'
    ),
    NoteCode.DESCRIPTOR_FORMAT: Row(
        '{path} has flash of format {format}, which this libvirt cannot use'
    ),
    NoteCode.LOADER_REFUSED: Row(
        "libvirt 8.6 to 9.1 refuses the secure='no' that nova writes; use "
        'libvirt 9.2 or later'
    ),
    NoteCode.DESCRIPTORS_STOP: Row(
        'No guest gets UEFI firmware from nova {release}: {reasons}.',
        'Correct or remove the file.',
    ),
    NoteCode.DESCRIPTORS_MAY_STOP: Row(
        'Some versions of libvirt choose no firmware at all here: {reasons}.',
        'Correct or remove the file, or give --libvirt-version.',
    ),
    NoteCode.DESCRIPTORS_PASSED_OVER: Row(
        'Passed over: {reasons}.', 'Correct or remove what should count.'
    ),
    NoteCode.DESCRIPTORS_READ: Row('Files: {count}.'),
    NoteCode.VERSIONS_TOO_OLD: Row(
        'Nova-compute {release} does not start with {name} {version}; it '
        'needs {least}.',
        'Upgrade it.',
    ),
    NoteCode.VERSIONS_MODEL_TOO_OLD: Row(
        '{name} {version} runs no {models} guest; {least} is the first that '
        'does.',
        'Upgrade it.',
    ),
    NoteCode.VERSIONS_NO_STATELESS: Row(
        'Libvirt {version} is too old for stateless firmware, and images '
        'with hw_firmware_stateless=true do not come to this host; {least} '
        'is the first that has it.',
        'Upgrade it where such images are used.',
    ),
    NoteCode.VERSIONS_UNKNOWN: Row(
        'Libvirt {libvirt}, QEMU {qemu}; nova {release} needs {least_libvirt} '
        'and {least_qemu}.',
        'Give --libvirt-version and --qemu-version to check them.',
    ),
    NoteCode.VERSIONS_FIT: Row(
        'Libvirt {libvirt}, QEMU {qemu}; nova {release} needs {least_libvirt} '
        'and {least_qemu}.'
    ),
    NoteCode.EXCLUSION_GUESTS: Row(
        _EXCLUSION + 'hides {model}: nova-compute does not start while '
        'guests have it. Libvirt defines {guests} with it.',
        'Move or delete them (see "virsh dumpxml", <policy>), or set '
        '{parameters} until then.',
    ),
    NoteCode.EXCLUSION_GUESTS_UNKNOWN: Row(
        _EXCLUSION + 'hides {model}: nova-compute does not start while '
        'guests have it. Whether any has is unknown: {folder} cannot be read.',
        'Run this as root on the host, or look for <policy> in "virsh '
        'dumpxml" of its guests.',
    ),
    NoteCode.EXCLUSION_NO_GUESTS: Row(
        _EXCLUSION + 'hides {model}. No guest of libvirt has it.'
    ),
    NoteCode.FIRMWARE_NONE: Row(
        'No firmware descriptor fits {model} on {machine_type}.',
        'Install an OVMF package that does, or add a descriptor to '
        '/etc/qemu/firmware.',
    ),
    NoteCode.FIRMWARE_STATEFUL: Row(
        '{path} keeps variables, and {model} needs stateless firmware.',
        'Install an OVMF package that has it.',
    ),
    NoteCode.FIRMWARE_STATELESS_ONLY: Row(
        '{path} is stateless.',
        'Images need hw_firmware_stateless=true to start with it.',
    ),
    NoteCode.FIRMWARE_FILE_MISSING: Row(
        '{path} names {files}, which is missing.',
        'Install the OVMF package again.',
    ),
    NoteCode.FIRMWARE_FLASH: Row(
        '{path} maps flash, from which QEMU 9.1 and later (Debian 13, Ubuntu '
        '25.04, Fedora 42) start no {model} guest.',
        'Add a descriptor whose device is memory, with a name that sorts '
        'before it.',
    ),
    NoteCode.FIRMWARE_FOUND: Row('{path}.'),
    NoteCode.FIRMWARE_FOUND_TWICE: Row(
        '{path}; with Secure Boot {secure_path}.'
    ),
    NoteCode.FIRMWARE_FOUND_PLAIN: Row(
        '{path}; guests with Secure Boot find none.'
    ),
    NoteCode.FIRMWARE_UNLISTED: Row(
        '{path}, which does not list {model}.',
        'Nova 31 and 32 do not look at that; see that the firmware runs '
        'such guests.',
    ),
    NoteCode.FIRMWARE_SECURE_BOOT_ONLY: Row(
        '{path} has Secure Boot, and libvirt gives it to no other guest.',
        'Images need os_secure_boot=required: openstack image set --property '
        'os_secure_boot=required IMAGE.',
    ),
    NoteCode.FIRMWARE_SECURE_BOOT_HIDDEN: Row(
        '{path} has Secure Boot, which libvirt reports only beside firmware '
        'that requires SMM; without that nova refuses to ask for it.',
        'Install the OVMF package for other guests too (ovmf, edk2-ovmf).',
    ),
    NoteCode.FIRMWARE_SECURE_BOOT_UNSUPPORTED: Row(
        '{path} lists {feature}, for which {model} guests cannot ask.',
        'Install an OVMF package without it.',
    ),
    NoteCode.FIRMWARE_SMM: Row(
        '{path} requires SMM, which {model} guests cannot have.',
        'Install an OVMF package without it.',
    ),
    NoteCode.FIRMWARE_STOPPED: Row('No firmware is chosen: {reasons}.'),
    NoteCode.FIRMWARE_DISPUTED: Row(
        "It depends on libvirt's version, which is not known well enough. "
        '{answers}',
        'Give --libvirt-version.',
    ),
    NoteCode.FIRMWARE_ANSWER: Row('From {since} on: {finding}'),
    NoteCode.MEMORY_UNKNOWN: Row(
        'machine.slice is limited to {limit} MB, and the memory of the host '
        'is not known.'
    ),
    NoteCode.MEMORY_SLICE_TOO_LARGE: Row(
        'machine.slice may take {limit} MB of {total} MB, which leaves less '
        'than {base} MB to the host.',
        'Set MemoryMax as "node reserve" says.',
    ),
    NoteCode.MEMORY_SLICE_OVERCOMMITTED: Row(
        'machine.slice is limited to {limit} MB, and nova hands out {total} '
        'MB but for reserved_host_memory_mb = {reserved}: with what {guests} '
        'encrypted guests need beside their RAM, that is {short} MB too much.',
        'Set reserved_host_memory_mb = {needed}.',
    ),
    NoteCode.MEMORY_SHARE_UNKNOWN: Row(
        'The memory of the host is not known, of which the kernel keeps a '
        'share for {model}.'
    ),
    NoteCode.MEMORY_FILE_REFUSED: Row(
        'nova-compute does not start with [libvirt] file_backed_memory and '
        '{option} = {value}.',
        'Set {option} = {needed}.',
    ),
    NoteCode.MEMORY_FILE_TOO_LARGE: Row(
        '[libvirt] file_backed_memory is {value}, and memory of encrypted '
        'guests is pinned: the host has room for {room} MB of it beside '
        '{guests} of them.',
        'Lower it to {room}.',
    ),
    NoteCode.MEMORY_FILE: Row(
        '[libvirt] file_backed_memory is {value}, for which the host has room.'
    ),
    NoteCode.MEMORY_FILE_UNKNOWN: Row(
        '[libvirt] file_backed_memory is {value}, and the memory of the host '
        'is not known.'
    ),
    NoteCode.MEMORY_SLICE: Row(
        'machine.slice is limited to {limit} MB, which leaves {left} MB to '
        'the host.'
    ),
    NoteCode.MEMORY_NOT_RESERVED: Row(
        _RESERVED,
        'Raise it, limit machine.slice (see "node reserve"), or give the '
        'number of guests that you expect with --guests.',
    ),
    NoteCode.MEMORY_RESERVED: Row(_RESERVED),
    NoteCode.NOVA_CONF_NOT_READ: Row(
        'No nova.conf was read.', 'Name it with --config-file.'
    ),
    NoteCode.NOVA_CONF_TOO_OLD: Row(
        'nova {release}, {files}. {reasons}.',
        'Upgrade to use it.',
    ),
    NoteCode.NOVA_CONF_NOT_APPLICABLE: Row(
        'nova {release}, {files}. Not applicable: {reasons}.'
    ),
    NoteCode.NOVA_CONF_READ: Row('nova {release}, {files}.'),
    NoteCode.VIRT_TYPE_KVM: Row('[libvirt] virt_type is {value}.'),
    NoteCode.VIRT_TYPE_QEMU: Row(
        '[libvirt] virt_type is {value}, and libvirt offers encryption to '
        'KVM guests only.',
        'Set it to kvm.',
    ),
    NoteCode.VIRT_TYPE_OTHER: Row(
        '[libvirt] virt_type is {value}.',
        'Set it to kvm, with which alone guests can be encrypted.',
    ),
    NoteCode.OPTION_REMOVED: Row(
        f'{_OPTION} is {{value}}; nova {{removed}} has removed it and asks '
        'libvirt.',
        _TAKE_OUT,
    ),
    NoteCode.OPTION_NEEDED_FOR_LIBVIRT: Row(
        f'{_OPTION} is not set, and libvirt has no number: nova '
        'would take 2147483647 slots.',
        'Set it, or use libvirt 8.0 or later.',
    ),
    NoteCode.OPTION_NEEDED_FOR_CGROUP: Row(
        f'{_OPTION} is not set, and misc.capacity has no {{key}}, so nova '
        'offers no slot.',
        "Set it, or let nova-compute see the host's cgroups.",
    ),
    NoteCode.OPTION_UNSET: Row(
        f'{_OPTION} is not set; nova takes the number of the host.'
    ),
    NoteCode.OPTION_ZERO: Row(
        f'{_OPTION} is 0, so nova offers no {{model}} slot.', _TAKE_OUT
    ),
    NoteCode.OPTION_TOO_HIGH: Row(
        f'{_OPTION} is {{value}}, but the hardware has {{slots}} slots.',
        _LOWER,
    ),
    NoteCode.OPTION_TOO_HIGH_COUNTS: Row(
        f'{_OPTION} is {{value}}, but the hardware has {{slots}} slots, and '
        'nova takes the larger number.',
        _LOWER,
    ),
    NoteCode.OPTION_DEPRECATED: Row(
        f'{_OPTION} is {{value}}: deprecated, without effect on other '
        'models, and removed in nova {removed}.',
        'Take it out, unless it is to hold back slots.',
    ),
    NoteCode.OPTION_SET: Row(f'{_OPTION} is {{value}}.'),
    NoteCode.OVERCOMMITTED: Row(
        '{option} is {ratio}, and the memory of {models} guests cannot be '
        'overcommitted.',
        'Set ram_allocation_ratio = 1.0, or give their flavors '
        'hw:mem_page_size.',
    ),
    NoteCode.NOT_OVERCOMMITTED: Row('{option} is {ratio}.'),
    NoteCode.MACHINE_TYPE_ENTRY: Row(
        "[libvirt] hw_machine_type has '{entry}', which nova passes over.",
        'Write host-arch=machine-type, such as {architecture}={needed}.',
    ),
    NoteCode.MACHINE_TYPE_UNFIT: Row(
        '{architecture} guests default to {machine_type}, and encrypted ones '
        'need {needed}.',
        'Set [libvirt] hw_machine_type = {architecture}={needed}, or '
        'hw_machine_type={needed} on each image.',
    ),
    NoteCode.MACHINE_TYPE_FIT: Row(
        '{architecture} guests default to {machine_type}.'
    ),
    NoteCode.CPU_MODE_NEEDED: Row(
        '[libvirt] cpu_mode is {mode}.', '{model} needs {needed}.'
    ),
    NoteCode.CPU_MODE_NONE: Row(
        "[libvirt] cpu_mode is none: QEMU's default CPU lacks what encrypted "
        'guests check for.',
        'Use host-model.',
    ),
    NoteCode.CPU_MODE_UNSUPPORTED: Row(
        '[libvirt] cpu_mode is {mode}, which libvirt does not support on '
        'this host.',
        'Use host-model.',
    ),
    NoteCode.CPU_MODE_FIT: Row('[libvirt] cpu_mode is {mode}.'),
    NoteCode.CPU_MODELS_EMPTY: Row(
        '[libvirt] cpu_mode is custom, and cpu_models is empty.',
        'Name a model of {family}, or use host-model.',
    ),
    NoteCode.CPU_MODELS_UNFIT: Row(
        '[libvirt] cpu_models has {names}, of which none can be encrypted.',
        'Add a model of {family}, or use host-model.',
    ),
    NoteCode.CPU_MODELS_UNUSABLE: Row(
        '[libvirt] cpu_models has {names}, which libvirt cannot use on this '
        'host as it stands, and no other model of {family}.',
        'Name one that "virsh domcapabilities" calls usable, or use '
        'host-model.',
    ),
    NoteCode.CPU_MODELS_PARTLY_UNUSABLE: Row(
        '[libvirt] cpu_models has {names}, which libvirt cannot use on this '
        'host as it stands.',
        _TAKE_OUT,
    ),
    NoteCode.CPU_MODELS_FIT: Row('[libvirt] cpu_models has {names}.'),
    NoteCode.CONFIG_DRIVE_FIT: Row(
        'config_drive_format is {format}, for which {machine_type} needs no '
        'IDE.'
    ),
    NoteCode.CONFIG_DRIVE_IDE: Row(
        'config_drive_format is {format}, which {machine_type} attaches on '
        'IDE.',
        'Set [libvirt] hw_machine_type = {architecture}={needed}.',
    ),
    NoteCode.CONFIG_DRIVE_IDE_FORCED: Row(
        'config_drive_format is {format}, which {machine_type} attaches on '
        'IDE, and force_config_drive gives every guest one.',
        'Set [libvirt] hw_machine_type = {architecture}={needed}.',
    ),
    NoteCode.PUBLISHED: Row('{traits}.'),
    NoteCode.PUBLISHED_NOT: Row(
        'The scheduler does not know that guests default to {machine_type}.',
        'Write "node provider-config" to [compute] provider_config_location '
        'and restart nova-compute.',
    ),
    NoteCode.PUBLISHED_OTHER: Row(
        '{traits} is published, but guests default to {machine_type}.',
        'Write "node provider-config" anew, restart nova-compute, and take '
        'the old trait off the resource provider.',
    ),
    NoteCode.COMMAND_LINE: Row(
        'Nothing on the kernel command line keeps a model off.'
    ),
    NoteCode.COMMAND_LINE_KEEPS_OFF: Row(
        'The kernel command line keeps models off: {words}.',
        'Take the words out for guests to have them.',
    ),
    NoteCode.COMMAND_LINE_UNENCRYPTED: Row(
        'mem_encrypt=off leaves memory of the host itself unencrypted; '
        "guests do not depend on it, and nova's guide asks for "
        'mem_encrypt=on.'
    ),
    NoteCode.DEVICE_FOUND: Row('{path} is there.'),
    NoteCode.DEVICE_CLOSED: Row(
        '{path} is open to root alone, and qemu.conf has namespaces = [], '
        'so that libvirt gives QEMU none of its own.',
        'Take namespaces out of qemu.conf, or let the group kvm read it by a '
        'udev rule.',
    ),
    NoteCode.DEVICE_MISSING: Row(
        '{path} is missing, without which QEMU starts no encrypted guest.',
        'Load the kernel module ccp; a container needs the /dev of the host.',
    ),
    NoteCode.QUOTES_SERVED: Row('{path} is there.'),
    NoteCode.QUOTES_MISSING: Row(
        '{path} is missing: TDX guests start, and cannot be attested.',
        'Start the quote generation service (qgsd).',
    ),
    NoteCode.SWAP: Row(
        '{mb} MB of swap; memory of encrypted guests is never in it.'
    ),
    NoteCode.HUGE_PAGES: Row(
        '{mb} MB are in huge pages, which only guests with hw:mem_page_size '
        'take; SEV-SNP and TDX guests have their private memory elsewhere.'
    ),
    NoteCode.NOVA_VERSION: Row('nova {version}.'),
    NoteCode.NOVA_VERSION_UNKNOWN: Row(
        'Before {fixed}, nova gives encrypted guests a VMCoreInfo device, '
        'with which they fail (bug 2117170); its version is not known.'
    ),
    NoteCode.NOVA_VERSION_EARLY: Row(
        'nova {version} gives encrypted guests a VMCoreInfo device, with '
        'which they fail (bug 2117170).',
        'Upgrade to {fixed}.',
    ),
    NoteCode.SUM_REGION: Row('{kib:>6} KiB  {region}'),
    NoteCode.SUM_PADDING: Row('{kib:>6} KiB  padding'),
    NoteCode.SUM_VIDEO: Row('{kib:>6} KiB  video memory'),
    NoteCode.SUM_KERNEL: Row(
        '{kernel:>6} MB of {total} MB for the kernel to keep track of pages '
        '(TDX: PAMT)'
    ),
    NoteCode.SUM_GUEST: Row('{kib:>6} KiB  one guest, rounded up to {mb} MB'),
    NoteCode.SUM_HOST: Row(
        '{guests:>6} guests x {mb} MB + {base} MB of the host = {needed} MB'
    ),
    NoteCode.SUM_HOST_KERNEL: Row(
        '{guests:>6} guests x {mb} MB + {base} MB of the host + {kernel} MB '
        'of the kernel = {needed} MB'
    ),
    NoteCode.SUM_SLICE_KERNEL: Row(
        '{total} MB of the host - {base} MB for itself - {kernel} MB of the '
        'kernel = {limit} MB'
    ),
    NoteCode.SUM_SLICE: Row(
        '{total} MB of the host - {base} MB for itself = {limit} MB'
    ),
    NoteCode.PROVIDER_FILE: Row(
        'The default machine type of this host, for the scheduler.'
    ),
    NoteCode.SCHEDULER_CONF_READ: Row('{files}.'),
    NoteCode.FILTER_PATH: Row(
        'nova-scheduler does not start: [filter_scheduler] available_filters '
        'has {paths}, and there is no such class.',
        'Write available_filters = {right}.',
    ),
    NoteCode.FILTER_MISSING: Row(
        'It is neither available nor enabled.', _ADD_FILTER + _ENABLE
    ),
    NoteCode.FILTER_NOT_ENABLED: Row(
        'It is available and not enabled.', _ENABLE
    ),
    NoteCode.FILTER_NOT_AVAILABLE: Row(
        'nova-scheduler does not start: the filter is enabled and not '
        'available.',
        _ADD_FILTER.rstrip(),
    ),
    NoteCode.FILTERS_NOT_AVAILABLE: Row(
        'nova-scheduler does not start: {names} enabled, and '
        '[filter_scheduler] available_filters has no such filter.',
        'Add a line available_filters = '
        'nova.scheduler.filters.all_filters, or correct the name.',
    ),
    NoteCode.FILTER_ENABLED: Row('It is available and enabled.'),
    NoteCode.FILTER_AFTER_OTHERS: Row(
        'It stands after {others}, which may refuse a rebuild before it; '
        'then the new image stays written down for the server, and the next '
        'hard reboot takes it.',
        _ENABLE,
    ),
    NoteCode.FILTER_BEFORE_COMPUTE: Row(
        'It stands before ComputeFilter, and looks at hosts that are down, '
        'too.',
        'Put ComputeFilter first.',
    ),
    NoteCode.FILTER_PLACED: Row(
        'It stands before every filter that looks at rebuilds.'
    ),
    NoteCode.WEIGHER_PATH: Row(
        'nova-scheduler does not start: [filter_scheduler] weight_classes '
        'has {paths}, and there is no such class.',
        'Write {right}.',
    ),
    NoteCode.WEIGHER_NOT_ENABLED: Row(
        'It is not enabled: guests without encryption fill hosts with slots '
        'as any other.',
        'Set [filter_scheduler] weight_classes = '
        'nova.scheduler.weights.all_weighers,{right}.',
    ),
    NoteCode.WEIGHER_ALONE: Row(
        "[filter_scheduler] weight_classes has none of nova's own weighers.",
        'Add nova.scheduler.weights.all_weighers.',
    ),
    NoteCode.WEIGHER_OFF: Row(
        'It is enabled, and both its multipliers are 0: it counts only in '
        'aggregates that set theirs.'
    ),
    NoteCode.WEIGHER_ENABLED: Row('It is enabled.'),
    NoteCode.SCHEDULER_OPTIONS_WRONG: Row('{reasons}.'),
    NoteCode.SCHEDULER_OPTIONS_FIT: Row('Set: {count}.'),
    NoteCode.SCHEDULER_OPTION_INVALID: Row('nova-scheduler fails: {error}'),
    NoteCode.SCHEDULER_OPTION_NOT_USED: Row('{name} is not used: {error}'),
    NoteCode.SCHEDULER_OPTION_MODEL: Row(
        '{name} has model {unknown}; known are {known}'
    ),
    NoteCode.SCHEDULER_OPTION_UNKNOWN: Row(
        '[sev_scheduling] has no option {name}{close}'
    ),
    NoteCode.SCHEDULER_OPTION_MISPLACED: Row(
        '{name} stands in [{group}] and belongs in [sev_scheduling]'
    ),
    NoteCode.SCHEDULER_OPTION_UNUSED: Row(
        '{name} has no effect without {needs}'
    ),
    NoteCode.RETRIES_UNKNOWN: Row(
        'The configuration of Placement is not known.',
        'Give --placement-config, or see that [placement] {option} is 1: '
        'else Placement may give one slot to two guests.',
    ),
    NoteCode.RETRIES_TOO_MANY: Row(
        '[placement] {option} is {value}: Placement may give one slot to two '
        'guests whose claims collide.',
        'Set {option} = 1 in placement.conf.',
    ),
    NoteCode.RETRIES_FIT: Row('[placement] {option} is 1.'),
    NoteCode.HOSTS_UNKNOWN: Row('Placement was not asked: {error}'),
    NoteCode.HOSTS_WITHOUT_SLOTS: Row(
        'No host offers slots, of {count}.',
        'Run "sev-scheduling node check" on a host that should.',
    ),
    NoteCode.HOSTS_PUBLISH: Row('Known of every host with slots: {total}.'),
    NoteCode.HOSTS_BY_DEFAULT: Row(
        'Published by {total} hosts with slots but {count} ({names}), for '
        'which [sev_scheduling] {option} counts.'
    ),
    NoteCode.HOSTS_REJECTED: Row(
        'Not known of {count} of {total} hosts with slots ({names}), which '
        'require_known_machine_type keeps from images that name none.',
        _PUBLISH,
    ),
    NoteCode.HOSTS_WITHOUT_MACHINE_TYPE: Row(
        'Not known of {count} of {total} hosts with slots ({names}): an '
        'image that names none is tried there, and fails where it is pc.',
        _PUBLISH,
    ),
    NoteCode.AGGREGATES_UNKNOWN: Row('Aggregates were not read: {error}'),
    NoteCode.AGGREGATES_WRONG: Row('{reasons}.'),
    NoteCode.AGGREGATES_FIT: Row('Aggregates: {count}.'),
    NoteCode.AGGREGATES_CONTRADICT: Row(
        'aggregate {first} has machine type {one} and {second} has {other}, '
        'so that it counts as unknown for {hosts}'
    ),
    NoteCode.AGGREGATE_CONTRADICTS_HOST: Row(
        'aggregate {name} has machine type {one}, and {hosts} publish {own}, '
        'which counts'
    ),
    NoteCode.AGGREGATE_VALUE: Row(
        '{key} of aggregate {name} is not used: {error}'
    ),
    NoteCode.AGGREGATE_NUMBER: Row(
        '{key} of aggregate {name} is {value}, which is no number'
    ),
    NoteCode.AGGREGATE_KEY: Row(
        'nothing reads {key} of aggregate {name}{close}'
    ),
    NoteCode.AGGREGATE_ISOLATED: Row(
        'aggregate {name} requires {traits}, which no guest has together; '
        'with enable_isolated_aggregate_filtering it takes no encrypted guest'
    ),
    NoteCode.SERVERS_UNKNOWN: Row('Servers were not read: {error}'),
    NoteCode.SERVERS_VALID: Row('Encrypted servers: {total}, all valid.'),
    NoteCode.SERVERS_INVALID: Row(
        '{count} of {total} encrypted servers would not be built today '
        '({codes}): {servers}. Moves of them are not refused for that, and '
        'end in ERROR on a host that cannot start them.',
        'Before you move or evacuate one, run "openstack memory encryption '
        'explain --server" for what is wrong with it.',
    ),
}


@message.register
def _note_message(note: Note) -> str:
    return ROWS[note.code].text.format_map(_shown(note.values))


@advice.register
def _note_advice(note: Note) -> str:
    return ROWS[note.code].advice.format_map(_shown(note.values))


@message.register
def _check_name(check: Check) -> str:
    values = check.note.values
    return NAMES[check.kind].format_map(
        {
            **values,
            'model_name': _short(values.get('model')),
            'other_name': _short(values.get('other')),
        }
    )


def _short(model: object) -> str:
    """Return ``SEV-ES`` for ``amd-sev-es``, as people name it."""
    vendor, _, name = str(model).partition('-')
    return (name or vendor).upper()


def _shown(values: Mapping[str, object]) -> Mapping[str, object]:
    shown = {name: _text(value) for name, value in values.items()}
    if 'close' in values:
        close = shown['close']
        shown['close'] = f' (is it {close}?)' if close else ''
    if 'source' in values:
        shown['source'] = f' ({shown["source"]})' if values['source'] else ''
    return shown


def _text(value: object) -> object:
    """Return a value as it stands in a sentence; a number stays one."""
    if value is None:
        return 'unknown'
    if isinstance(value, Note):
        about = f'{value.values["model"]}: ' if 'model' in value.values else ''
        return about + value.message
    if isinstance(value, Mapping):
        return ', '.join(f'{k} {_text(v)}' for k, v in value.items())
    if isinstance(value, tuple):
        if all(isinstance(item, int) for item in value):
            return '.'.join(map(str, value))
        return _separator(value).join(str(_text(v)) for v in value)
    return printable(value) if isinstance(value, str) else value


def _separator(items: tuple[object, ...]) -> str:
    """Return what stands between sentences, parts of one, or words."""
    codes = [item.code for item in items if isinstance(item, Note)]
    if NoteCode.FIRMWARE_ANSWER in codes:
        return ' '
    return '; ' if codes else ', '
