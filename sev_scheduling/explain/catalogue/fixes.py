"""The words about what to change."""

from __future__ import annotations

from collections.abc import Mapping

from sev_scheduling.audit.results import Outcome
from sev_scheduling.problems import Advice, Caveat, Target

#: What to do, as it follows "or"; a full sentence is made of it.
ADVICE: Mapping[Advice, str] = {
    Advice.ANOTHER_MODEL: 'name another of {listed}',
    Advice.ANOTHER_ARCHITECTURE: (
        'boot from an image for {values}, or without encryption'
    ),
    Advice.LEAVE_DEVICE_OUT: (
        'leave the device out, or attach it to an unencrypted server'
    ),
    Advice.CORRECT_NAME: 'correct the name',
    Advice.LEAVE_TO_OTHER_MODEL: 'leave it where {first} will do',
    Advice.CORRECT_TRAIT: (
        'correct the name, use a CUSTOM_ trait, or update os-traits'
    ),
    Advice.CORRECT_STATE: 'use {values}',
    Advice.USE_CAPITALS: 'write {first}',
    Advice.CORRECT_AMOUNT: 'give a whole number from {first} to {last}',
    Advice.ADD_RESOURCES: (
        'add a resources{first}: extra spec, or remove the trait{first}: ones'
    ),
    Advice.GIVE_RESOURCES: (
        'give it vcpus, ram or disk, or a resources: extra spec'
    ),
    Advice.COLD_MIGRATE: (
        'use a cold migration (openstack server migrate SERVER)'
    ),
    Advice.STOP_OR_SHELVE: (
        'stop or shelve the server instead (openstack server shelve SERVER)'
    ),
    Advice.ANOTHER_BUS: 'attach it on bus virtio, sata or scsi',
    Advice.NORMAL_PORT: (
        'attach a port of vnic_type normal, or use an unencrypted server'
    ),
    Advice.NEW_SERVER: 'create a new server from the image',
    Advice.ANOTHER_FLAVOR: 'resize the server to another flavor',
    Advice.ENCRYPTED_RESCUE_IMAGE: (
        'use a rescue image with hw_mem_encryption=true'
    ),
    Advice.BEFORE_HARD_REBOOT: (
        "ask the cloud's operator before a hard reboot"
    ),
    Advice.USE_HOSTS_WITH: 'use hosts with {provided}',
}

_SWTPM = 'swtpm, and [libvirt] swtpm_enabled = true in nova.conf'

#: What gives a host a trait or a resource class; others go by their name.
PROVIDED: Mapping[str, str] = {
    'COMPUTE_ADDRESS_SPACE_EMULATED': 'libvirt 8.7 or later',
    'COMPUTE_ADDRESS_SPACE_PASSTHROUGH': 'libvirt 8.7 or later',
    'COMPUTE_SECURITY_STATELESS_FIRMWARE': 'libvirt 8.6 or later',
    'COMPUTE_SECURITY_TPM_1_2': _SWTPM,
    'COMPUTE_SECURITY_TPM_2_0': _SWTPM,
    'COMPUTE_SECURITY_TPM_CRB': _SWTPM,
    'COMPUTE_SECURITY_TPM_TIS': _SWTPM,
    'COMPUTE_SECURITY_UEFI_SECURE_BOOT': 'UEFI firmware for Secure Boot',
    'PCPU': 'free CPUs in [compute] cpu_dedicated_set of nova.conf',
}

#: What must be true for a fix to be the right one: of what, and what.
CAVEATS: Mapping[Caveat, tuple[str, str]] = {
    Caveat.ENCRYPTED: ('the guest', 'is to be encrypted'),
    Caveat.UNENCRYPTED: ('the guest', 'may run unencrypted'),
    Caveat.MODEL_WANTED: ('{first}', 'is wanted'),
    Caveat.BOOTS_WITH_UEFI: ('the image', 'boots with UEFI'),
    Caveat.BOOTS_WITH_STATELESS_FIRMWARE: (
        'the image',
        'keeps nothing in UEFI variables',
    ),
    Caveat.RUNS_ON_Q35: ('the image', 'runs on q35'),
    Caveat.HAS_VIRTIO_DRIVER: ('the image', 'has drivers for virtio'),
    Caveat.HAS_SATA_DRIVER: ('the image', 'has drivers for SATA'),
    Caveat.NEEDS_NO_DISPLAY: ('the image', 'needs no display'),
    Caveat.BOOTS_WITH_SECURE_BOOT: ('the image', 'boots with Secure Boot'),
    Caveat.BOOTS_WITH_PROPERTY: ('the image', 'boots with {keys}'),
    Caveat.NAME_MEANT: ('{first}', 'is meant'),
    Caveat.SHARED_PROVIDER: ('one provider', 'may answer several groups'),
    Caveat.OWN_PROVIDERS: (
        'each request group',
        'is to have a provider of its own',
    ),
    Caveat.HOSTS_WITH_TRAIT: ('the guest', 'is to run on hosts with {first}'),
    Caveat.HOSTS_WITHOUT_TRAIT: (
        'the guest',
        'is to run on hosts without {first}',
    ),
    Caveat.NOT_NEEDED: ('the guest', 'can do without {keys}'),
}

#: The lines before and after a command.
IF = 'if {clauses}'
CHANGE = 'To fix it'
#: One way of several.
CHOICE = '{condition} (--accept{accept})'
OTHERWISE: Mapping[Target | None, str] = {
    Target.IMAGE: 'Else use another image.',
    Target.VOLUME: 'Else use another volume.',
    Target.SERVER: 'Else create another server, from another image.',
    # What a flavor asks for is the image's to bear.
    Target.FLAVOR: 'Else use another image.',
}

#: Who makes a change to what others use as well.
PUBLIC: Mapping[Target, str] = {
    Target.FLAVOR: (
        "Flavor {name} is public: ask the cloud's operator, or choose another "
        'flavor.'
    ),
    Target.IMAGE: (
        'Every project can use image {name}: ask its owner or the '
        "cloud's operator, or make the change to a copy of your own."
    ),
}

OR = 'Or {others}.'

#: How one thing to do follows another: beside it, in its place, for some of
#: the hosts alone.
AND = 'and {text}'
OTHER = 'or {text}'
OF_SOME = 'for {count} of them, {text}'

#: A change to what a target holds, in brief.
CHANGES: Mapping[tuple[Target, bool], str] = {
    (Target.FLAVOR, True): 'set {keys} on {owner}',
    (Target.FLAVOR, False): 'remove {keys} from {owner}',
    (Target.IMAGE, True): 'set {keys} on {owner}',
    (Target.IMAGE, False): 'remove {keys} from {owner}',
    (Target.VOLUME, True): 'set {keys} on {owner}',
    (Target.VOLUME, False): 'remove {keys} from {owner}',
    (Target.HOST, True): 'set {keys} in nova.conf of {hosts}',
    (Target.HOST, False): 'remove {keys} from nova.conf of {hosts}',
    (Target.SERVER, True): 'set {keys} with nova-manage image_property on '
    '{owner}',
    (Target.SERVER, False): 'remove {keys} from the image properties of '
    '{owner}',
}

#: What gets an image property: the image or the volume of a new server, or a
#: server that exists.
PROPERTY_OF: Mapping[Target | None, str] = {
    Target.IMAGE: 'the image',
    Target.VOLUME: 'the volume',
    Target.SERVER: 'the stopped server',
}

#: The same where the image was named just before.
PROPERTY_OF_IT: Mapping[Target | None, str] = {
    Target.IMAGE: 'it',
    Target.VOLUME: 'it',
    Target.SERVER: 'it on the stopped server',
}

#: What sets the machine type, for tenants on one line.
SET_IT = 'Set {it}: {command}'

#: About what is to be changed.
PLAN: Mapping[str, str] = {
    'nothing': 'There is nothing to fix.',
    'no-command': (
        'No command fixes what is wrong; leave --fix and --apply out to see '
        'it.'
    ),
    'nothing-unconditional': 'There is nothing to fix without a condition.',
    'changes': 'To change:',
    'left-out': (
        'Left out, as it depends on what is not known here; --accept NAME|ID '
        'of what meets its condition:'
    ),
    'question': 'Make {n:this|these} {n} {n:change|changes}? [y/N]',
    'not-made': 'Nothing was changed.',
}

#: What became of a change.
OUTCOMES: Mapping[Outcome, str] = {
    Outcome.DONE: 'done',
    Outcome.NOT_NEEDED: 'was right already',
    Outcome.REFUSED: 'refused',
    Outcome.CHANGED_MEANWHILE: 'not done: changed by somebody else meanwhile',
    Outcome.UNKNOWN: 'not known whether done',
    Outcome.NOT_TRIED: 'not done',
    Outcome.LEFT_OUT: 'left out',
}

#: About what was changed.
MADE: Mapping[str, str] = {
    'done': '{n} {n:change|changes} made.',
    'stopped': '{count} of {n} {n:change|changes} made, then stopped.',
    'line': '{number} of {count} {outcome}: {commands}',
    'in-part': 'In part: {keys} changed.',
}
