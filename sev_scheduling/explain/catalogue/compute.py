"""The words about a compute host."""

from __future__ import annotations

from collections.abc import Mapping

from sev_scheduling.explain.catalogue.rows import NoteRow
from sev_scheduling.hosts.check import CheckKind, NoteCode

#: The names of checks, as ``node check`` has printed them ever since.
CHECKS: Mapping[CheckKind, str] = {
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

_RESTART = 'Restart libvirt, which keeps what it once found.'


_EXCLUSION = (
    '{model} guests must not run beside {other}{source}, and both are '
    'switched on; nova {release} '
)

NOTES: Mapping[NoteCode, NoteRow] = {
    # Parts of sentences: what one source reports of one model.
    NoteCode.CPUID: NoteRow('CPUID leaf 0x8000001F'),
    NoteCode.CPUID_UNSUPPORTED: NoteRow('the processor does not support it'),
    NoteCode.PARAMETER_ON: NoteRow('{path} is Y'),
    NoteCode.PARAMETER_OFF: NoteRow('{path} is N'),
    NoteCode.PARAMETER_MISSING: NoteRow('{path} is missing'),
    NoteCode.PARAMETER_UNREADABLE: NoteRow('{path} is unreadable'),
    NoteCode.PARAMETER_SHARE: NoteRow(
        '{path} leaves it {share} {share:slot|slots}'
    ),
    NoteCode.CAPACITY: NoteRow('{key} in {path}'),
    NoteCode.CAPABILITY: NoteRow(
        '<{element}> is supported by libvirt and QEMU'
    ),
    NoteCode.CAPABILITY_SLOTS: NoteRow('<{slots}> of <{element}>'),
    NoteCode.CAPABILITY_UNSUPPORTED: NoteRow(
        'libvirt and QEMU do not support <{element}>'
    ),
    NoteCode.LAUNCH_SECURITY_UNSUPPORTED: NoteRow(
        'libvirt and QEMU do not list {sectype} among launchSecurity types'
    ),
    NoteCode.QEMU_TOO_OLD: NoteRow(
        'QEMU {version} is too old; nova needs {least}'
    ),
    NoteCode.NOVA_TOO_OLD: NoteRow(
        'nova {release} does not offer it; nova {since} does'
    ),
    NoteCode.NOVA_CPU_MODE: NoteRow(
        '[libvirt] cpu_mode is {mode}; nova offers it with {needed} only'
    ),
    NoteCode.NOVA_OPTION: NoteRow('[libvirt] {option}'),
    # And what all of them come to.
    NoteCode.EXCLUDED: NoteRow('it must not run beside {other}{source}'),
    NoteCode.NOT_SHOWN: NoteRow('nothing shows it'),
    NoteCode.SLOTS_UNKNOWN: NoteRow('no source has the number of slots'),
    NoteCode.LIBVIRT_NOT_ASKED: NoteRow('libvirt and QEMU were not asked'),
    NoteCode.NO_SLOTS: NoteRow('0 slots'),
    NoteCode.SOURCES_DISAGREE: NoteRow(
        'sources disagree, the smallest counts: {numbers}'
    ),
    NoteCode.SLOTS_DIVIDED: NoteRow(
        '{parameter} leaves it {share} of {total} {total:slot|slots}, and '
        'nova publishes {total}'
    ),
    # Sentences from here on: what checks find.
    NoteCode.UNUSABLE_INPUT: NoteRow('{error}'),
    NoteCode.PROCESSOR_NOT_ASKED: NoteRow(
        'The kernel has it switched on; the processor itself was not asked '
        '(as root, with the cpuid module loaded, it is).'
    ),
    NoteCode.PROCESSOR_UNKNOWN: NoteRow(
        'Nothing shows a processor with memory encryption.',
        'Use one with AMD SEV or Intel TDX, and enable memory encryption '
        '(SMEE, or TME and TDX) in the BIOS.',
    ),
    NoteCode.PROCESSOR_OTHER: NoteRow('The kernel has {models} switched on.'),
    NoteCode.PROCESSOR_WITHOUT_SEV: NoteRow(
        'The processor does not support SEV.',
        'Use one that does, and enable memory encryption (SMEE) in the BIOS.',
    ),
    NoteCode.PROCESSOR_NO_ES_SLOTS: NoteRow(
        '{sev} {sev:slot|slots} for SEV, {es} for SEV-ES and SEV-SNP.',
        'Raise the BIOS setting of the minimum ASID for SEV (SEV-ES ASID '
        'space limit) to have some.',
    ),
    NoteCode.PROCESSOR_SLOTS: NoteRow(
        '{sev} {sev:slot|slots} for SEV, {es} for SEV-ES and SEV-SNP together.'
    ),
    NoteCode.KERNEL_OFF: NoteRow(
        'No model is switched on: {switches}.',
        "Load a model's kernel module with its parameters ({parameters}); "
        'dmesg says what the BIOS keeps from the kernel.',
    ),
    NoteCode.KERNEL_WANTED_OFF: NoteRow(
        'Not switched on: {reasons}.',
        'Load the kernel module with {parameters}; dmesg says what the BIOS '
        'keeps from the kernel.',
    ),
    NoteCode.KERNEL_ON: NoteRow('Switched on: {models}.'),
    NoteCode.LIBVIRT_UNKNOWN: NoteRow(
        'Libvirt was not asked.',
        'Install libvirt-python, or give the output of "virsh '
        'domcapabilities --machine {machine_type}" with '
        '--domain-capabilities.',
    ),
    NoteCode.LIBVIRT_VIRT_TYPE: NoteRow(
        'The domain capabilities are of virt type {virt_type}, and libvirt '
        'offers encryption to KVM guests only.',
        'Ask with "virsh domcapabilities --virttype kvm --machine '
        '{machine_type}".',
    ),
    NoteCode.LIBVIRT_NO_ARCHITECTURE: NoteRow(
        'The domain capabilities have no <arch>, so they may be of any '
        'machine.',
        'Give all that "virsh domcapabilities --virttype kvm --machine '
        '{machine_type}" prints.',
    ),
    NoteCode.LIBVIRT_NOTHING_ON: NoteRow(
        'The kernel has nothing switched on that libvirt could support.'
    ),
    NoteCode.LIBVIRT_LACKS: NoteRow(
        '{reasons}.',
        'Upgrade libvirt and QEMU, and restart libvirt, which keeps what it '
        'once found.',
    ),
    NoteCode.LIBVIRT_QEMU_UNKNOWN: NoteRow(
        'Libvirt and QEMU support all that is switched on; nova also wants '
        'QEMU {least} for {model}, and its version is not known.'
    ),
    NoteCode.LIBVIRT_SUPPORTS: NoteRow(
        'Libvirt and QEMU support all that is switched on.'
    ),
    NoteCode.HOST_OFFERS_NONE: NoteRow('The host offers no model. {reasons}.'),
    NoteCode.HOST_SLOTS_UNKNOWN: NoteRow(
        'Slots: {slots}.',
        'Use libvirt 8.0 or later, or a kernel with the misc cgroup '
        'controller, so that nova counts them.',
    ),
    NoteCode.HOST_SLOTS_NEED_OPTION: NoteRow(
        'Slots: {slots}.',
        'Set [libvirt] {option}: neither libvirt nor the misc cgroup '
        'controller has the number.',
    ),
    NoteCode.HOST_SLOTS_DIVIDED: NoteRow(
        'Slots: {slots}. {reasons}.',
        'Set sev_scheduling:max_guests:{model}={share} on an aggregate of '
        'the host, or {parameter}={total}.',
    ),
    NoteCode.HOST_SLOTS_DISPUTED: NoteRow(
        'Slots: {slots}. {reasons}.', _RESTART
    ),
    NoteCode.HOST_SLOTS: NoteRow('Slots: {slots}.'),
    NoteCode.EXCLUSION_ABSENT: NoteRow('{other} is on, {model} is not.'),
    NoteCode.EXCLUSION_HIDDEN: NoteRow(_EXCLUSION + 'hides {model}.'),
    NoteCode.EXCLUSION_OFFERED: NoteRow(
        _EXCLUSION + 'offers {model} all the same.',
        'Upgrade nova to {hidden_since}, or set {parameters}.',
    ),
    NoteCode.DESCRIPTOR_DANGLING: NoteRow(
        '{path} is a link that leads nowhere'
    ),
    NoteCode.DESCRIPTOR_NO_FILE: NoteRow('{path} is no regular file'),
    NoteCode.DESCRIPTOR_UNREADABLE: NoteRow('{path} cannot be read: {error}'),
    NoteCode.DESCRIPTOR_TOO_LARGE: NoteRow(
        '{path} has more than {limit} {limit:byte|bytes}'
    ),
    NoteCode.DESCRIPTOR_NOT_JSON: NoteRow('{path} is not JSON ({error})'),
    NoteCode.DESCRIPTOR_SHAPE: NoteRow('{path} has no usable {key}'),
    NoteCode.DESCRIPTOR_UNKNOWN_VALUE: NoteRow(
        '{path} has {key} {value}, which libvirt does not know'
    ),
    NoteCode.DESCRIPTOR_TYPE: NoteRow(
        '{path} has a value of a type that nova does not expect'
    ),
    NoteCode.DESCRIPTOR_FORMAT: NoteRow(
        '{path} has flash of format {format}, which this libvirt cannot use'
    ),
    NoteCode.LOADER_REFUSED: NoteRow(
        "libvirt 8.6 to 9.1 refuses the secure='no' that nova writes; use "
        'libvirt 9.2 or later'
    ),
    NoteCode.DESCRIPTORS_STOP: NoteRow(
        'No guest gets UEFI firmware from nova {release}: {reasons}.',
        'Correct or remove the file.',
    ),
    NoteCode.DESCRIPTORS_MAY_STOP: NoteRow(
        'Some versions of libvirt choose no firmware at all here: {reasons}.',
        'Correct or remove the file, or give --libvirt-version.',
    ),
    NoteCode.DESCRIPTORS_PASSED_OVER: NoteRow(
        'Passed over: {reasons}.', 'Correct or remove what should count.'
    ),
    NoteCode.DESCRIPTORS_READ: NoteRow('Files: {count}.'),
    NoteCode.VERSIONS_TOO_OLD: NoteRow(
        'Nova-compute {release} does not start with {name} {version}; it '
        'needs {least}.',
        'Upgrade it.',
    ),
    NoteCode.VERSIONS_MODEL_TOO_OLD: NoteRow(
        '{name} {version} runs no {models} guest; {least} is the first that '
        'does.',
        'Upgrade it.',
    ),
    NoteCode.VERSIONS_NO_STATELESS: NoteRow(
        'Libvirt {version} is too old for stateless firmware, and images '
        'with hw_firmware_stateless=true do not come to this host; {least} '
        'is the first that has it.',
        'Upgrade it where such images are used.',
    ),
    NoteCode.VERSIONS_UNKNOWN: NoteRow(
        'Libvirt {libvirt}, QEMU {qemu}; nova {release} needs {least_libvirt} '
        'and {least_qemu}.',
        'Give --libvirt-version and --qemu-version to check them.',
    ),
    NoteCode.VERSIONS_FIT: NoteRow(
        'Libvirt {libvirt}, QEMU {qemu}; nova {release} needs {least_libvirt} '
        'and {least_qemu}.'
    ),
    NoteCode.EXCLUSION_GUESTS: NoteRow(
        _EXCLUSION + 'hides {model}: nova-compute does not start while '
        'guests have it. Libvirt defines {guests} with it.',
        'Move or delete them (see "virsh dumpxml", <policy>), or set '
        '{parameters} until then.',
    ),
    NoteCode.EXCLUSION_GUESTS_UNKNOWN: NoteRow(
        _EXCLUSION + 'hides {model}: nova-compute does not start while '
        'guests have it. Whether any has is unknown: {folder} cannot be read.',
        'Run this as root on the host, or look for <policy> in "virsh '
        'dumpxml" of its guests.',
    ),
    NoteCode.EXCLUSION_NO_GUESTS: NoteRow(
        _EXCLUSION + 'hides {model}. No guest of libvirt has it.'
    ),
    NoteCode.FIRMWARE_NONE: NoteRow(
        'No firmware descriptor fits {model} on {machine_type}.',
        'Install an OVMF package that does, or add a descriptor to '
        '/etc/qemu/firmware.',
    ),
    NoteCode.FIRMWARE_STATEFUL: NoteRow(
        '{path} keeps variables, and {model} needs stateless firmware.',
        'Install an OVMF package that has it.',
    ),
    NoteCode.FIRMWARE_STATELESS_ONLY: NoteRow(
        '{path} is stateless.',
        'Images need hw_firmware_stateless=true to start with it.',
    ),
    NoteCode.FIRMWARE_FILE_MISSING: NoteRow(
        '{path} names {files}, which is missing.',
        'Install the OVMF package again.',
    ),
    NoteCode.FIRMWARE_FLASH: NoteRow(
        '{path} maps flash, from which QEMU 9.1 and later (Debian 13, Ubuntu '
        '25.04, Fedora 42) start no {model} guest.',
        'Add a descriptor whose device is memory, with a name that sorts '
        'before it.',
    ),
    NoteCode.FIRMWARE_FOUND: NoteRow('{path}.'),
    NoteCode.FIRMWARE_FOUND_TWICE: NoteRow(
        '{path}; with Secure Boot {secure_path}.'
    ),
    NoteCode.FIRMWARE_FOUND_PLAIN: NoteRow(
        '{path}; guests with Secure Boot find none.'
    ),
    NoteCode.FIRMWARE_UNLISTED: NoteRow(
        '{path}, which does not list {model}.',
        'Nova 31 and 32 do not look at that; see that the firmware runs '
        'such guests.',
    ),
    NoteCode.FIRMWARE_SECURE_BOOT_ONLY: NoteRow(
        '{path} has Secure Boot, and libvirt gives it to no other guest.',
        'Images need os_secure_boot=required: openstack image set --property '
        'os_secure_boot=required IMAGE.',
    ),
    NoteCode.FIRMWARE_SECURE_BOOT_HIDDEN: NoteRow(
        '{path} has Secure Boot, which libvirt reports only beside firmware '
        'that requires SMM; without that nova refuses to ask for it.',
        'Install the OVMF package for other guests too (ovmf, edk2-ovmf).',
    ),
    NoteCode.FIRMWARE_SECURE_BOOT_UNSUPPORTED: NoteRow(
        '{path} lists {feature}, for which {model} guests cannot ask.',
        'Install an OVMF package without it.',
    ),
    NoteCode.FIRMWARE_SMM: NoteRow(
        '{path} requires SMM, which {model} guests cannot have.',
        'Install an OVMF package without it.',
    ),
    NoteCode.FIRMWARE_STOPPED: NoteRow('No firmware is chosen: {reasons}.'),
    NoteCode.FIRMWARE_DISPUTED: NoteRow(
        "It depends on libvirt's version, which is not known well enough. "
        '{answers}',
        'Give --libvirt-version.',
    ),
    NoteCode.FIRMWARE_ANSWER: NoteRow('From {since} on: {finding}'),
    NoteCode.COMMAND_LINE: NoteRow(
        'Nothing on the kernel command line keeps a model off.'
    ),
    NoteCode.COMMAND_LINE_KEEPS_OFF: NoteRow(
        'The kernel command line keeps models off: {words}.',
        'Take the words out for guests to have them.',
    ),
    NoteCode.COMMAND_LINE_UNENCRYPTED: NoteRow(
        'mem_encrypt=off leaves memory of the host itself unencrypted; '
        "guests do not depend on it, and nova's guide asks for "
        'mem_encrypt=on.'
    ),
    NoteCode.DEVICE_FOUND: NoteRow('{path} is there.'),
    NoteCode.DEVICE_CLOSED: NoteRow(
        '{path} is open to root alone, and qemu.conf has namespaces = [], '
        'so that libvirt gives QEMU none of its own.',
        'Take namespaces out of qemu.conf, or let the group kvm read it by a '
        'udev rule.',
    ),
    NoteCode.DEVICE_MISSING: NoteRow(
        '{path} is missing, without which QEMU starts no encrypted guest.',
        'Load the kernel module ccp; a container needs the /dev of the host.',
    ),
    NoteCode.QUOTES_SERVED: NoteRow('{path} is there.'),
    NoteCode.QUOTES_MISSING: NoteRow(
        '{path} is missing: TDX guests start, and cannot be attested.',
        'Start the quote generation service (qgsd).',
    ),
    NoteCode.SWAP: NoteRow(
        '{mb} MB of swap; memory of encrypted guests is never in it.'
    ),
    NoteCode.HUGE_PAGES: NoteRow(
        '{mb} MB are in huge pages, which only guests with hw:mem_page_size '
        'take; SEV-SNP and TDX guests have their private memory elsewhere.'
    ),
    NoteCode.NOVA_VERSION: NoteRow('nova {version}.'),
    NoteCode.NOVA_VERSION_UNKNOWN: NoteRow(
        'Before {fixed}, nova gives encrypted guests a VMCoreInfo device, '
        'with which they fail (bug 2117170); its version is not known.'
    ),
    NoteCode.NOVA_VERSION_EARLY: NoteRow(
        'nova {version} gives encrypted guests a VMCoreInfo device, with '
        'which they fail (bug 2117170).',
        'Upgrade to {fixed}.',
    ),
    NoteCode.PROVIDER_FILE: NoteRow(
        'The default machine type of this host, for the scheduler.'
    ),
}
