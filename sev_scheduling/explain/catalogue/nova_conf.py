"""The words about nova.conf of a compute host, and memory it reserves."""

from __future__ import annotations

from collections.abc import Mapping

from sev_scheduling.explain.catalogue.rows import NoteRow
from sev_scheduling.hosts.check import NoteCode

_OPTION = '[libvirt] {option}'
_TAKE_OUT = 'Take it out.'
_LOWER = 'Lower it or take it out.'

_RESERVED = (
    'reserved_host_memory_mb is {reserved}; {guests} encrypted guests and '
    '{base} MB for the host need {needed}.'
)

NOTES: Mapping[NoteCode, NoteRow] = {
    NoteCode.MEMORY_UNKNOWN: NoteRow(
        'machine.slice is limited to {limit} MB, and the memory of the host '
        'is not known.'
    ),
    NoteCode.MEMORY_SLICE_TOO_LARGE: NoteRow(
        'machine.slice may take {limit} MB of {total} MB, which leaves less '
        'than {base} MB to the host.',
        'Set MemoryMax as "node reserve" says.',
    ),
    NoteCode.MEMORY_SLICE_OVERCOMMITTED: NoteRow(
        'machine.slice is limited to {limit} MB, and nova hands out {total} '
        'MB but for reserved_host_memory_mb = {reserved}: with what {guests} '
        'encrypted guests need beside their RAM, that is {short} MB too much.',
        'Set reserved_host_memory_mb = {needed}.',
    ),
    NoteCode.MEMORY_SHARE_UNKNOWN: NoteRow(
        'The memory of the host is not known, of which the kernel keeps a '
        'share for {model}.'
    ),
    NoteCode.MEMORY_FILE_REFUSED: NoteRow(
        'nova-compute does not start with [libvirt] file_backed_memory and '
        '{option} = {value}.',
        'Set {option} = {needed}.',
    ),
    NoteCode.MEMORY_FILE_TOO_LARGE: NoteRow(
        '[libvirt] file_backed_memory is {value}, and memory of encrypted '
        'guests is pinned: the host has room for {room} MB of it beside '
        '{guests} of them.',
        'Lower it to {room}.',
    ),
    NoteCode.MEMORY_FILE: NoteRow(
        '[libvirt] file_backed_memory is {value}, for which the host has room.'
    ),
    NoteCode.MEMORY_FILE_UNKNOWN: NoteRow(
        '[libvirt] file_backed_memory is {value}, and the memory of the host '
        'is not known.'
    ),
    NoteCode.MEMORY_SLICE: NoteRow(
        'machine.slice is limited to {limit} MB, which leaves {left} MB to '
        'the host.'
    ),
    NoteCode.MEMORY_NOT_RESERVED: NoteRow(
        _RESERVED,
        'Raise it, limit machine.slice (see "node reserve"), or give the '
        'number of guests that you expect with --guests.',
    ),
    NoteCode.MEMORY_RESERVED: NoteRow(_RESERVED),
    NoteCode.NOVA_CONF_NOT_READ: NoteRow(
        'No nova.conf was read.', 'Name it with --config-file.'
    ),
    NoteCode.NOVA_CONF_TOO_OLD: NoteRow(
        'nova {release}, {files}. {reasons}.',
        'Upgrade to use it.',
    ),
    NoteCode.NOVA_CONF_NOT_APPLICABLE: NoteRow(
        'nova {release}, {files}. Not applicable: {reasons}.'
    ),
    NoteCode.NOVA_CONF_READ: NoteRow('nova {release}, {files}.'),
    NoteCode.VIRT_TYPE_KVM: NoteRow('[libvirt] virt_type is {value}.'),
    NoteCode.VIRT_TYPE_QEMU: NoteRow(
        '[libvirt] virt_type is {value}, and libvirt offers encryption to '
        'KVM guests only.',
        'Set it to kvm.',
    ),
    NoteCode.VIRT_TYPE_OTHER: NoteRow(
        '[libvirt] virt_type is {value}.',
        'Set it to kvm, with which alone guests can be encrypted.',
    ),
    NoteCode.OPTION_REMOVED: NoteRow(
        f'{_OPTION} is {{value}}; nova {{removed}} has removed it and asks '
        'libvirt.',
        _TAKE_OUT,
    ),
    NoteCode.OPTION_NEEDED_FOR_LIBVIRT: NoteRow(
        f'{_OPTION} is not set, and libvirt has no number: nova '
        'would take 2147483647 slots.',
        'Set it, or use libvirt 8.0 or later.',
    ),
    NoteCode.OPTION_NEEDED_FOR_CGROUP: NoteRow(
        f'{_OPTION} is not set, and misc.capacity has no {{key}}, so nova '
        'offers no slot.',
        "Set it, or let nova-compute see the host's cgroups.",
    ),
    NoteCode.OPTION_UNSET: NoteRow(
        f'{_OPTION} is not set; nova takes the number of the host.'
    ),
    NoteCode.OPTION_ZERO: NoteRow(
        f'{_OPTION} is 0, so nova offers no {{model}} slot.', _TAKE_OUT
    ),
    NoteCode.OPTION_TOO_HIGH: NoteRow(
        f'{_OPTION} is {{value}}, but the hardware has {{slots}} slots.',
        _LOWER,
    ),
    NoteCode.OPTION_TOO_HIGH_COUNTS: NoteRow(
        f'{_OPTION} is {{value}}, but the hardware has {{slots}} slots, and '
        'nova takes the larger number.',
        _LOWER,
    ),
    NoteCode.OPTION_DEPRECATED: NoteRow(
        f'{_OPTION} is {{value}}: deprecated, without effect on other '
        'models, and removed in nova {removed}.',
        'Take it out, unless it is to hold back slots.',
    ),
    NoteCode.OPTION_SET: NoteRow(f'{_OPTION} is {{value}}.'),
    NoteCode.OVERCOMMITTED: NoteRow(
        '{option} is {ratio}, and the memory of {models} guests cannot be '
        'overcommitted.',
        'Set ram_allocation_ratio = 1.0, or give their flavors '
        'hw:mem_page_size.',
    ),
    NoteCode.NOT_OVERCOMMITTED: NoteRow('{option} is {ratio}.'),
    NoteCode.MACHINE_TYPE_ENTRY: NoteRow(
        "[libvirt] hw_machine_type has '{entry}', which nova passes over.",
        'Write host-arch=machine-type, such as {architecture}={needed}.',
    ),
    NoteCode.MACHINE_TYPE_UNFIT: NoteRow(
        '{architecture} guests default to {machine_type}, and encrypted ones '
        'need {needed}.',
        'Set [libvirt] hw_machine_type = {architecture}={needed}, or '
        'hw_machine_type={needed} on each image.',
    ),
    NoteCode.MACHINE_TYPE_FIT: NoteRow(
        '{architecture} guests default to {machine_type}.'
    ),
    NoteCode.CPU_MODE_NEEDED: NoteRow(
        '[libvirt] cpu_mode is {mode}.', '{model} needs {needed}.'
    ),
    NoteCode.CPU_MODE_NONE: NoteRow(
        "[libvirt] cpu_mode is none: QEMU's default CPU lacks what encrypted "
        'guests check for.',
        'Use host-model.',
    ),
    NoteCode.CPU_MODE_UNSUPPORTED: NoteRow(
        '[libvirt] cpu_mode is {mode}, which libvirt does not support on '
        'this host.',
        'Use host-model.',
    ),
    NoteCode.CPU_MODE_FIT: NoteRow('[libvirt] cpu_mode is {mode}.'),
    NoteCode.CPU_MODELS_EMPTY: NoteRow(
        '[libvirt] cpu_mode is custom, and cpu_models is empty.',
        'Name a model of {family}, or use host-model.',
    ),
    NoteCode.CPU_MODELS_UNFIT: NoteRow(
        '[libvirt] cpu_models has {names}, of which none can be encrypted.',
        'Add a model of {family}, or use host-model.',
    ),
    NoteCode.CPU_MODELS_UNUSABLE: NoteRow(
        '[libvirt] cpu_models has {names}, which libvirt cannot use on this '
        'host as it stands, and no other model of {family}.',
        'Name one that "virsh domcapabilities" calls usable, or use '
        'host-model.',
    ),
    NoteCode.CPU_MODELS_PARTLY_UNUSABLE: NoteRow(
        '[libvirt] cpu_models has {names}, which libvirt cannot use on this '
        'host as it stands.',
        _TAKE_OUT,
    ),
    NoteCode.CPU_MODELS_FIT: NoteRow('[libvirt] cpu_models has {names}.'),
    NoteCode.CONFIG_DRIVE_FIT: NoteRow(
        'config_drive_format is {format}, for which {machine_type} needs no '
        'IDE.'
    ),
    NoteCode.CONFIG_DRIVE_IDE: NoteRow(
        'config_drive_format is {format}, which {machine_type} attaches on '
        'IDE.',
        'Set [libvirt] hw_machine_type = {architecture}={needed}.',
    ),
    NoteCode.CONFIG_DRIVE_IDE_FORCED: NoteRow(
        'config_drive_format is {format}, which {machine_type} attaches on '
        'IDE, and force_config_drive gives every guest one.',
        'Set [libvirt] hw_machine_type = {architecture}={needed}.',
    ),
    NoteCode.PUBLISHED: NoteRow('{traits}.'),
    NoteCode.PUBLISHED_NOT: NoteRow(
        'The scheduler does not know that guests default to {machine_type}.',
        'Write "node provider-config" to [compute] provider_config_location '
        'and restart nova-compute.',
    ),
    NoteCode.PUBLISHED_OTHER: NoteRow(
        '{traits} is published, but guests default to {machine_type}.',
        'Write "node provider-config" anew, restart nova-compute, and take '
        'the old trait off the resource provider.',
    ),
    NoteCode.SUM_REGION: NoteRow('{kib:>6} KiB  {region}'),
    NoteCode.SUM_PADDING: NoteRow('{kib:>6} KiB  padding'),
    NoteCode.SUM_VIDEO: NoteRow('{kib:>6} KiB  video memory'),
    NoteCode.SUM_KERNEL: NoteRow(
        '{kernel:>6} MB of {total} MB for the kernel to keep track of pages '
        '(TDX: PAMT)'
    ),
    NoteCode.SUM_GUEST: NoteRow(
        '{kib:>6} KiB  one guest, rounded up to {mb} MB'
    ),
    NoteCode.SUM_HOST: NoteRow(
        '{guests:>6} {guests:guest|guests} x {mb} MB + {base} MB of the '
        'host = {needed} MB'
    ),
    NoteCode.SUM_HOST_KERNEL: NoteRow(
        '{guests:>6} {guests:guest|guests} x {mb} MB + {base} MB of the '
        'host + {kernel} MB of the kernel = {needed} MB'
    ),
    NoteCode.SUM_SLICE_KERNEL: NoteRow(
        '{total} MB of the host - {base} MB for itself - {kernel} MB of the '
        'kernel = {limit} MB'
    ),
    NoteCode.SUM_SLICE: NoteRow(
        '{total} MB of the host - {base} MB for itself = {limit} MB'
    ),
}
