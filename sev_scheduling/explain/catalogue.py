"""Every text about a finding: one row a code.

A row's texts are templates of :meth:`str.format` over the values that
:mod:`.values` takes from a finding. ``{n:offers|offer}`` chooses by number.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sev_scheduling.diagnosis import NO_CANDIDATE, Cause, Matter
from sev_scheduling.hosts.verdict import VerdictCode
from sev_scheduling.problems import Advice, Case, Caveat, Code, Source, Target
from sev_scheduling.request.server import Unknown

ASK_OPERATOR = "Ask the cloud's operator."
TRY_LATER = 'Try again later, or delete an encrypted server.'
_SWTPM = 'swtpm, and [libvirt] swtpm_enabled = true in nova.conf'
_ASK_FOR_LESS = 'Use a smaller flavor, or try again later.'

#: Begins a sentence about a guest for which encryption is asked.
ASKED = 'Memory encryption is requested by {who}, but '


@dataclass(frozen=True, slots=True)
class ProblemRow:
    """The text about a problem.

    :ivar text: a sentence without its full stop; in lower case where it
        may follow :data:`ASKED`
    :ivar asked: begin it with who asked, where there is room
    :ivar line: the same below the name of the flavor or image: what is, and
        what is needed; '' where the sentence will do
    """

    text: str
    asked: bool = True
    line: str = ''


@dataclass(frozen=True, slots=True)
class Row:
    """The texts about hosts that are rejected, or about a diagnosis.

    :ivar hosts: what follows the number of hosts, or a host's name
    :ivar advice: what an operator can do, or ''
    :ivar tenant: a sentence without host names and numbers
    :ivar tenant_advice: what a tenant can do
    :ivar host_advice: what to do about one host
    """

    hosts: str
    advice: str = ''
    tenant: str = ''
    tenant_advice: str = ''
    host_advice: str = ''


PROBLEMS: Mapping[tuple[Code, Case], ProblemRow] = {
    (Code.INVALID_BOOLEAN, Case.ONLY): ProblemRow(
        '{what} of {owner} is {value}, which is neither true nor false',
        asked=False,
        line='{key} is {value}, which is neither true nor false',
    ),
    (Code.ENCRYPTION_CONFLICT, Case.ONLY): ProblemRow(
        '{what} of {owner} forbids it',
        line='{key} is {value}, and {other_key} of {other} is {other_value}',
    ),
    (Code.UNKNOWN_MODEL, Case.ONLY): ProblemRow(
        '{owner} names the model {value}, which is not known',
        line='{key} is {value}; known are {needs}',
    ),
    (Code.MODEL_CONFLICT, Case.ONLY): ProblemRow(
        '{other} names the model {other_value} and {owner} names {value}',
        line='{key} is {value}, and {other_key} of {other} is {other_value}',
    ),
    (Code.MODEL_WITHOUT_ENCRYPTION, Case.ONLY): ProblemRow(
        'the model {value} is named by {owner}, and memory encryption is not '
        'asked for, so the guest is not encrypted',
        asked=False,
        line='{key} is {value}, and memory encryption is not asked for',
    ),
    (Code.MODEL_WITHOUT_ENCRYPTION, Case.CALLER): ProblemRow(
        'the caller would take {name}, and memory encryption is not asked '
        'for, so the guest is not encrypted',
        asked=False,
        line='{name} would do, and memory encryption is not asked for',
    ),
    (Code.MISSPELT_KEY, Case.ONLY): ProblemRow(
        '{what} of {owner} is read by nobody; {other_key} seems to be meant',
        asked=False,
        line='{key} is read by nobody; {other_key} seems to be meant',
    ),
    (Code.FIRMWARE_NOT_UEFI, Case.ONLY): ProblemRow(
        '{owner} {has}', line='{key} {is_set}; {model} needs {needs}'
    ),
    (Code.FIRMWARE_NOT_STATELESS, Case.ONLY): ProblemRow(
        '{model} needs stateless firmware, which {owner} does not ask for',
        line='{key} is not true; {model} needs stateless firmware',
    ),
    (Code.SECURE_BOOT_UNSUPPORTED, Case.ONLY): ProblemRow(
        '{owner} {has}, which {model} guests cannot have'
    ),
    (Code.SECURE_BOOT_UNSUPPORTED, Case.OPTIONAL): ProblemRow(
        '{owner} {has}, and on hosts that offer it no {model} guest starts'
    ),
    (Code.SECURE_BOOT_UNSUPPORTED, Case.NOT_ASKED): ProblemRow(
        '{owner} {has}, and the {model} firmware of most distributions needs '
        '{needs}'
    ),
    (Code.MACHINE_TYPE_NOT_Q35, Case.ONLY): ProblemRow(
        '{owner} {has}; {model} needs {needs}',
        line='{key} {is_set}; {model} needs {needs}',
    ),
    (Code.MACHINE_TYPE_NOT_Q35, Case.HOST_DEFAULT): ProblemRow(
        '{owner} {has} and the host defaults to {other_value}; {model} needs '
        '{needs}',
        line='{key} {is_set}, and the host defaults to {other_value}; '
        '{model} needs {needs}',
    ),
    (Code.MACHINE_TYPE_UNSET, Case.ONLY): ProblemRow(
        '{owner} {has}, so each host decides, and only {needs} will do',
        line='{key} {is_set}; {model} needs {needs}, and hosts may default '
        'to pc',
    ),
    (Code.ARCHITECTURE_UNSUPPORTED, Case.ONLY): ProblemRow(
        '{owner} {has}; {model} runs on {needs}',
        line='{key} {is_set}; {model} runs on {needs}',
    ),
    (Code.DISK_BUS_UNSUPPORTED, Case.ONLY): ProblemRow(
        '{owner} {has}', line='{key} {is_set}; {model} needs {needs}'
    ),
    (Code.DISK_BUS_UNSUPPORTED, Case.CONTROLLER): ProblemRow(
        '{owner} has hw_disk_bus=scsi and {has}',
        line='{key} {is_set}; hw_disk_bus=scsi needs {needs}',
    ),
    (Code.DISK_BUS_UNSUPPORTED, Case.ATTACHED): ProblemRow(
        '{other_name} has no IDE controller for the volume'
    ),
    (Code.CDROM_BUS_UNSUPPORTED, Case.ONLY): ProblemRow(
        '{owner} {has}, and {other_name} has no IDE controller',
        line='{key} {is_set}; {other_name} has no IDE controller',
    ),
    (Code.VIDEO_DEVICE_PRESENT, Case.ONLY): ProblemRow(
        '{owner} {has}; {model} allows no video device',
        line='{key} {is_set}; {model} needs {needs}',
    ),
    (Code.HOST_DEVICE, Case.ONLY): ProblemRow(
        '{value} is a device of the host, which cannot reach encrypted memory'
    ),
    (Code.HOST_DEVICE, Case.ATTACHED): ProblemRow(
        'it is a device of the host, which cannot reach encrypted memory'
    ),
    (Code.HOST_DEVICE, Case.PORT): ProblemRow(
        'a port of type {value} is a device of the host, which cannot reach '
        'encrypted memory'
    ),
    (Code.TRAIT_CONFLICT, Case.ONLY): ProblemRow(
        '{owner} requires trait {name}, which contradicts {model}',
        line='{key} requires another model than {model}',
    ),
    (Code.TRAIT_CONFLICT, Case.FORBIDDEN): ProblemRow(
        '{owner} forbids trait {name}, which contradicts {model}',
        line='{key} forbids {model}',
    ),
    (Code.TRAIT_WITHOUT_ENCRYPTION, Case.ONLY): ProblemRow(
        '{owner} requires trait {name}, and memory encryption is not asked '
        'for, so the guest runs on such a host unencrypted',
        asked=False,
        line='{key} is required, and memory encryption is not asked for',
    ),
    (Code.EXPLICIT_SLOT, Case.ONLY): ProblemRow(
        '{owner} asks for a slot by {key} as well, which counts it twice',
        line='{key} asks for a slot as well, which counts it twice',
    ),
    (Code.EXPLICIT_SLOT, Case.UNENCRYPTED): ProblemRow(
        '{owner} holds a slot by {key}, and memory encryption is not asked '
        'for, so the guest is not encrypted',
        asked=False,
        line='{key} holds a slot, and memory encryption is not asked for',
    ),
    (Code.INVALID_RESOURCE_REQUEST, Case.NOT_A_STATE): ProblemRow(
        '{what} of {owner} is {value}, so it is ignored',
        asked=False,
        line='{key} is {value}, so it is ignored',
    ),
    (Code.INVALID_RESOURCE_REQUEST, Case.UNKNOWN_TRAIT): ProblemRow(
        '{what} of {owner} names a trait that os-traits does not know',
        asked=False,
        line='{key} names a trait that os-traits does not know',
    ),
    (Code.INVALID_RESOURCE_REQUEST, Case.UNKNOWN_CLASS): ProblemRow(
        '{what} of {owner} names a resource class that does not exist',
        asked=False,
        line='{key} names a resource class that does not exist',
    ),
    (Code.INVALID_RESOURCE_REQUEST, Case.NOT_AN_AMOUNT): ProblemRow(
        '{what} of {owner} is {value}, which is no amount',
        asked=False,
        line='{key} is {value}, which is no amount',
    ),
    (Code.INVALID_RESOURCE_REQUEST, Case.NO_RESOURCES_IN_GROUP): ProblemRow(
        '{owner} has traits, and no resources, in request group {value}',
        asked=False,
        line='request group {value} has traits and no resources',
    ),
    (Code.INVALID_RESOURCE_REQUEST, Case.REQUIRED_AND_FORBIDDEN): ProblemRow(
        'trait {name} is both required and forbidden by {owner} and {other}',
        asked=False,
    ),
    (Code.INVALID_RESOURCE_REQUEST, Case.NO_RESOURCES): ProblemRow(
        '{owner} asks for no resources at all', asked=False
    ),
    (Code.ACTION_UNSUPPORTED, Case.ONLY): ProblemRow(
        '{key} does not work with encrypted memory'
    ),
    (Code.REBUILD_NEEDS_SLOT, Case.ONLY): ProblemRow(
        'the server holds no slot, and a rebuild takes none'
    ),
    (Code.REBUILD_CHANGES_MODEL, Case.ONLY): ProblemRow(
        'the server holds a slot of {other_name}, not of {model}'
    ),
    (Code.REBUILD_NOT_UNDONE, Case.ONLY): ProblemRow(
        'the server may keep {key} of the refused image', asked=False
    ),
    (Code.RESCUE_DROPS_ENCRYPTION, Case.ONLY): ProblemRow(
        'the rescue image would boot the server unencrypted'
    ),
}

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
    Advice.CORRECT_TRAIT: (
        'correct the name, use a CUSTOM_ trait, or update os-traits'
    ),
    Advice.CORRECT_STATE: 'use {values}',
    Advice.CORRECT_AMOUNT: 'give a whole number from {first} to {last}',
    Advice.ADD_RESOURCES: (
        'add a resources{first}: extra spec, or remove the trait{first}: ones'
    ),
    Advice.REMOVE_ONE_TRAIT: 'remove one of the two',
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
    Caveat.NOT_NEEDED: ('the guest', 'can do without {keys}'),
}

#: The lines before and after a command.
IF = 'if {clauses}'
CHANGE = 'To fix it'

#: About all flavors with all images.
AUDIT: Mapping[str, str] = {
    'headline': (
        'Flavors: {flavors}; images and volumes: {images}. {never} of {pairs} '
        'pairs can never run.'
    ),
    'plain': 'not encrypted',
    'no-model': 'no known model',
    'ready': 'ready',
    'warnings': 'with warnings',
    'errors': 'can never run',
    'left-out': '{n} not active or not bootable, and not looked at',
    'and-more': 'and {more} more',
    'problems': 'What is wrong, and for how many pairs:',
    'where': 'flavors {flavors}; images {images}',
    'values': '(also {values})',
    'more-problems': 'and {n} more {n:problem|problems}: see -f json',
    'fixes': 'What fixes most:',
    'mends': 'to fix {number} {n:pair|pairs}',
    'helps': 'to help {number} {n:pair|pairs}',
    'more-fixes': 'and {n} more {n:change|changes}: see --fix',
}
OTHERWISE = 'Else use another image.'
#: Who makes a change to what others use as well.
PUBLIC: Mapping[Target, str] = {
    Target.FLAVOR: (
        "Flavor {name} is public: ask the cloud's operator, or choose another "
        'flavor.'
    ),
    Target.IMAGE: (
        "Image {name} is public: ask its owner or the cloud's operator, or "
        'make the change to a copy of your own.'
    ),
}
OR = 'Or {others}.'

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
_SET_MACHINE_TYPE = 'set hw_machine_type={needs} on {target}: {command}'
_SET_IT = 'Set {it}: {command}'

#: Code, and the case of it: what is known of the machine type.
VERDICTS: Mapping[tuple[str, str], Row] = {
    (VerdictCode.NO_POOL, ''): Row(
        '{n:offers|offer} no {model} slots',
        tenant='No host offers {model} memory encryption.',
        tenant_advice=ASK_OPERATOR,
        host_advice='Use hosts that offer {model}.',
    ),
    (VerdictCode.NO_POOL, 'offered'): Row(
        '{n:offers|offer} no {model} slots, but {offers}',
        tenant='No host offers {model} memory encryption; hosts offer '
        '{offers}.',
        host_advice='Use hosts that offer {model}.',
    ),
    (VerdictCode.NO_POOL, 'excluded'): Row(
        '{n:offers|offer} {excluded_by} in place of {model}, as the two must '
        'not share a host{source}',
        tenant='Hosts offer {excluded_by} in place of {model}, as the two '
        'must not share a host{source}.',
        host_advice='Use hosts that offer {model} without {excluded_by}.',
    ),
    (VerdictCode.EXCLUDED_BY_MODEL, ''): Row(
        '{n:offers|offer} {excluded_by} too, which {model} must not share a '
        'host with{source}',
        tenant='Hosts that offer {model} also offer {excluded_by}, and the '
        'two must not share a host{source}.',
        host_advice='Use hosts that offer {model} without {excluded_by}.',
    ),
    (VerdictCode.HOST_DISABLED, ''): Row(
        '{n:is|are} disabled',
        advice='enable {these}: openstack compute service set --enable',
        tenant='No host with {model} slots is in service.',
        tenant_advice=ASK_OPERATOR,
        host_advice='Enable {these}, or use another host.',
    ),
    (VerdictCode.HOST_DISABLED, 'unencrypted'): Row(
        '{n:is|are} disabled',
        advice='enable {these}: openstack compute service set --enable',
        tenant='No host is in service.',
        tenant_advice=ASK_OPERATOR,
        host_advice='Enable {these}, or use another host.',
    ),
    (VerdictCode.HYPERVISOR_UNSUPPORTED, ''): Row(
        '{n:runs|run} {hypervisors}; {model} needs {needs_hypervisors}',
        tenant='Hosts with {model} slots cannot run encrypted guests.',
        tenant_advice=ASK_OPERATOR,
        host_advice='Use hosts with libvirt and KVM.',
    ),
    (VerdictCode.MACHINE_TYPE_NOT_Q35, 'default'): Row(
        '{n:defaults|default} to machine type {machine_type}; {model} needs '
        '{needs}',
        advice=_SET_MACHINE_TYPE,
        tenant='The {image} names no machine type, and hosts give it '
        '{machine_type}; {model} needs {needs}.',
        tenant_advice=_SET_IT,
        host_advice='{command}',
    ),
    (VerdictCode.MACHINE_TYPE_NOT_Q35, 'unknown'): Row(
        '{n:does not publish its|do not publish their} default machine type; '
        '{model} needs {needs}',
        advice=_SET_MACHINE_TYPE,
        tenant='The {image} names no machine type; {model} needs {needs}.',
        tenant_advice=_SET_IT,
        host_advice='{command}',
    ),
    (VerdictCode.MACHINE_TYPE_NOT_Q35, 'image'): Row(
        '{n:was|were} asked for {machine_type}; {model} needs {needs}',
        advice=_SET_MACHINE_TYPE,
        tenant='The {image} asks for machine type {machine_type}; {model} '
        'needs {needs}.',
        tenant_advice=_SET_IT,
        host_advice='{command}',
    ),
    (VerdictCode.MEMORY_OVERCOMMITTED, ''): Row(
        '{n:overcommits|overcommit} memory (ram_allocation_ratio {ratios}); '
        '{model} pins it',
        advice='set ram_allocation_ratio = 1.0 in nova.conf of {these}',
        tenant='Hosts with {model} slots are not set up for encrypted guests.',
        tenant_advice=ASK_OPERATOR,
        host_advice='Set ram_allocation_ratio = 1.0 in nova.conf of {these}.',
    ),
    (VerdictCode.NO_FREE_SLOT, ''): Row(
        '{n:has|have} no free {model} slot ({used} of {usable} in use'
        '{reserved})',
        tenant='All {model} slots that it could use are taken now.',
        tenant_advice=TRY_LATER,
        host_advice='Wait until a guest on {these} is deleted, or add hosts.',
    ),
    (VerdictCode.NO_FREE_SLOT, 'uncounted'): Row(
        '{n:has|have} no free {model} slot',
        tenant='All {model} slots that it could use are taken now.',
        tenant_advice=TRY_LATER,
        host_advice='Wait until a guest on {these} is deleted, or add hosts.',
    ),
    (NO_CANDIDATE, ''): Row(
        '{n:lacks|lack} something else that is asked for (resources, traits, '
        'aggregates)',
        tenant='Hosts that could run it are too small or too full, or lack '
        'something else that is asked for.',
        tenant_advice='Use a flavor that asks for less.',
        host_advice='Use a flavor that asks for less.',
    ),
}

#: A model that is offered, where another is asked for.
WEAKER = '{name} (protects less)'

#: One host that fits.
FITS = '{host} can take it: {free} of {usable} {model} slots free.'
FITS_UNLIMITED = '{host} can take it: it reports no limit of {model} slots.'
FITS_UNENCRYPTED = '{host} takes any guest that is not encrypted.'

#: Of several guests.
GUESTS_FIT = '{fit} of {count} guests fit.'

#: Beside - for the slots of such a host.
NO_LIMIT = (
    'A host that reports no limit of slots has - for total and free: set '
    '[libvirt] num_memory_encrypted_guests in its nova.conf.'
)

#: In place of a list of hosts.
NO_HOSTS = (
    'Placement lists no compute host: none has reported to it yet, or the '
    'options leave all of them out.'
)

#: The hosts of a group, below what keeps them out.
NAMES = '{names}'
NAMES_MORE = '{names} and {more} more'

#: What else keeps out hosts of a group: some of them, all of them.
SOME_ALSO = '{count} of them also {text}'
ALL_ALSO = 'also {text}'

#: The hosts that Placement offers, and that fit.
FITS_ON = 'It fits on {names}.'
FITS_ON_MORE = 'It fits on {names} and {more} more.'

#: Hosts that lack one thing alone; ``{what}`` is the row's own text.
BUT_FOR = 'of {total} {such} would do but for {what}'
#: The same, of hosts whose number stands before it.
THESE_BUT_FOR = 'would do but for {what}'
SOME_BUT_FOR = '{such_hosts}; some would do but for {what}'

#: Cause, and the case of it: what is known of hosts and amounts.
CAUSES: Mapping[tuple[Cause, str], Row] = {
    (Cause.NO_MODEL, ''): Row(
        'no host offers {model} slots',
        tenant='No host offers {model} memory encryption.',
        tenant_advice=ASK_OPERATOR,
    ),
    (Cause.NO_MODEL, 'offered'): Row(
        'no host offers {model} slots; hosts offer {offers}',
        tenant='No host offers {model} memory encryption; hosts offer '
        '{offers}.',
    ),
    (Cause.NO_MODEL, 'excluded'): Row(
        'hosts offer {excluded_by} in place of {model}, as the two must not '
        'share a host{source}',
        tenant='Hosts offer {excluded_by} in place of {model}, as the two '
        'must not share a host{source}.',
    ),
    (Cause.SLOTS_USED, ''): Row(
        '{n:host offers|hosts offer} {model}, and {n:its|all their} slots '
        'are taken ({slots_used} of {slots_total} in use)',
        tenant='All {model} slots are taken now.',
        tenant_advice=TRY_LATER,
    ),
    (Cause.SLOTS_USED, 'reserved'): Row(
        '{n:host offers|hosts offer} {model}, with all slots reserved',
        tenant='All {model} slots are taken now.',
        tenant_advice=TRY_LATER,
    ),
    (Cause.SLOTS_USED, 'uncounted'): Row(
        'no host has a free {model} slot',
        tenant='All {model} slots are taken now.',
        tenant_advice=TRY_LATER,
    ),
    (Cause.GUESTS, ''): Row(
        'Placement has room for no more than {fit} of the {count} guests',
        advice='ask for {fit} or fewer, or add hosts',
        tenant='No more than {fit} of {count} fit now, and a request gets '
        'all or none.',
        tenant_advice='Ask for fewer, or try again later.',
    ),
    (Cause.RESOURCES_SHORT, ''): Row(
        '{figures}',
        advice='use a flavor with less {classes}, or add hosts',
        tenant='No {such_host} has enough {classes} left.',
        tenant_advice=_ASK_FOR_LESS,
    ),
    (Cause.RESOURCES_SHORT, 'units'): Row(
        '{figures} (too much at once, or an amount that is not given out)',
        advice='see max_unit, min_unit and step_size of the inventories; use '
        'a flavor with another amount of {classes}',
        tenant='No {such_host} has enough {classes} left.',
        tenant_advice=_ASK_FOR_LESS,
    ),
    (Cause.RESOURCES_SHORT, 'property'): Row(
        '{figures}',
        tenant='No {such_host} has enough {classes} left for {properties}.',
    ),
    (Cause.TRAIT, ''): Row(
        'the traits asked for: {names}',
        advice='change the traits of the flavor or image, or those of the '
        'hosts',
        tenant='No {such_host} meets the traits asked for: {names}.',
        tenant_advice='Remove or change what asks for them in the flavor or '
        'the {image}.',
    ),
    (Cause.TRAIT, 'property'): Row(
        'support of {properties} ({names})',
        tenant='No {such_host} supports {properties}.',
    ),
    (Cause.TRAIT, 'demanded'): Row(
        '{names}; {model} needs {demanded}',
        tenant='No {such_host} supports {demanded}, which {model} needs.',
        tenant_advice=ASK_OPERATOR,
    ),
    (Cause.HOST_TRAIT, ''): Row(
        'what the cloud asks of hosts: {names}',
        advice='see which request filter of the cloud asks for it, or change '
        'the traits of these hosts',
        tenant='No {such_host} meets what the cloud asks of hosts.',
        tenant_advice=ASK_OPERATOR,
    ),
    (Cause.HOST_TRAIT, 'service'): Row(
        'being in service: {names}',
        advice='enable these hosts',
        tenant='No {such_host} is in service.',
        tenant_advice=ASK_OPERATOR,
    ),
    (Cause.HOST_TRAIT, 'property'): Row(
        'support of {properties} ({names})',
        tenant='No {such_host} supports {properties}.',
    ),
    (Cause.HOST_TRAIT, 'demanded'): Row(
        '{names}; {model} needs {demanded}',
        tenant='No {such_host} supports {demanded}, which {model} needs.',
        tenant_advice=ASK_OPERATOR,
    ),
    (Cause.MACHINE_TYPE, ''): Row(
        'their default machine type',
        advice=_SET_MACHINE_TYPE,
        tenant='The {image} names no machine type, and hosts that could run '
        'it default to another than {needs}.',
        tenant_advice=_SET_IT,
    ),
    (Cause.AGGREGATE, ''): Row(
        'the aggregates asked for: {names}',
        advice='add hosts to these aggregates',
        tenant='No {such_host} is available to this project or zone.',
        tenant_advice="Choose another availability zone, or ask the cloud's "
        'operator.',
    ),
    (Cause.HOST, ''): Row(
        'the host asked for: {names}',
        advice='ask for another host, or for none',
        tenant='The host asked for cannot take it.',
        tenant_advice='Ask for no particular host.',
    ),
    (Cause.GROUP, ''): Row(
        'the request groups {names}',
        advice='change these groups of the flavor, or add hosts that serve '
        'them',
        tenant='No {such_host} can serve the request groups {names}.',
        tenant_advice='Use another flavor.',
    ),
    (Cause.PORT, ''): Row(
        '{names}, for {amounts} {traits}',
        advice='use a port that asks for less (its QoS policy), or add hosts '
        'that serve it',
        tenant='No {such_host} can serve {names}, which asks for {amounts}.',
        tenant_advice='Use another port, or one with another QoS policy.',
    ),
    (Cause.DEVICE, ''): Row(
        'the devices of {names}: {amounts} {traits}',
        advice='use another flavor, or add hosts with these devices',
        tenant='No {such_host} has the devices that {names} of the flavor '
        'asks for: {amounts}.',
        tenant_advice='Use another flavor.',
    ),
    (Cause.GROUP_POLICY, ''): Row(
        'group_policy=isolate',
        advice='set group_policy=none on the flavor, or use hosts with nested '
        'pools',
        tenant="The flavor's group_policy=isolate cannot be met.",
        tenant_advice='Use a flavor with group_policy=none.',
    ),
    (Cause.SEVERAL, ''): Row(
        'all of: {figures}',
        advice='relax all of them, or add hosts',
        tenant='No host meets these: {tenant_names}.',
        tenant_advice='Relax all of them, or try again later.',
    ),
    (Cause.SEVERAL, 'property'): Row(
        'all of: {figures}',
        tenant='No host meets these: {tenant_names}.',
    ),
    (Cause.SEVERAL, 'demanded'): Row(
        'all of: {figures}; {model} needs {demanded}',
        tenant='No host meets these: {tenant_names}; {model} itself needs '
        '{demanded}.',
        tenant_advice=ASK_OPERATOR,
    ),
    (Cause.COMBINATION, ''): Row(
        'one of: {figures}',
        advice='relax one of them, or add hosts',
        tenant='No host meets all of these at once: {tenant_names}.',
        tenant_advice='Relax one of them, or try again later.',
    ),
    (Cause.COMBINATION, 'property'): Row(
        'one of: {figures}',
        tenant='No host meets all of these at once: {tenant_names}.',
    ),
    (Cause.UNKNOWN, ''): Row(
        'Placement does not answer',
        advice='check that Placement runs, and see its log',
        tenant='Whether a host can run this encrypted server cannot be found '
        'out now.',
        tenant_advice='Try again later.',
    ),
    (Cause.UNCLEAR, ''): Row(
        '{such}, and no single thing asked for keeps the guest off',
        advice='ask for less, one thing after the other',
        tenant='No host meets all that is asked for at once.',
        tenant_advice='Use a smaller flavor with fewer traits, or try again '
        'later.',
    ),
}

#: A constraint, as an operator reads it.
CONSTRAINTS: Mapping[Cause, str] = {
    Cause.SLOTS_USED: 'a free {name} slot',
    Cause.RESOURCES_SHORT: '{constraint}',
    Cause.TRAIT: 'trait {name}',
    Cause.HOST_TRAIT: 'host trait {name}',
    Cause.MACHINE_TYPE: 'default machine type',
    Cause.AGGREGATE: 'aggregate {name}',
    Cause.HOST: 'host {name}',
    Cause.GROUP: 'request group {name}',
    Cause.PORT: 'port {name}',
    Cause.DEVICE: '{name}',
    Cause.GROUP_POLICY: 'group_policy={name}',
}
SLOTS_IN_USE = '{label} ({slots_used} of {slots_total} in use)'
SHORTFALL = (
    '{name}: {requested} asked for, {best} left on the best ({best_host}), '
    '{missing} short'
)
#: A constraint without what only operators may know.
TENANT_CONSTRAINTS: Mapping[Cause, str] = {
    Cause.AGGREGATE: 'the availability zone or project',
    Cause.HOST: 'the host asked for',
    Cause.HOST_TRAIT: 'what the cloud asks of hosts',
    Cause.MACHINE_TYPE: 'the default machine type',
    Cause.RESOURCES_SHORT: '{name}',
}
TENANT_SERVICE = 'hosts in service'
#: A port that is not known by its uuid.
SOME_PORT = 'a port'
#: What ports ask for; other classes go by their own name.
AMOUNTS: Mapping[str, str] = {
    'NET_BW_EGR_KILOBIT_PER_SEC': '{amount} kbit/s egress',
    'NET_BW_IGR_KILOBIT_PER_SEC': '{amount} kbit/s ingress',
    'NET_PACKET_RATE_KILOPACKET_PER_SEC': '{amount} kpacket/s',
    'NET_PACKET_RATE_EGR_KILOPACKET_PER_SEC': '{amount} kpacket/s egress',
    'NET_PACKET_RATE_IGR_KILOPACKET_PER_SEC': '{amount} kpacket/s ingress',
}
AMOUNT = '{amount} {name}'
#: A property that hosts must support.
PROPERTY = '{what}={value} of {owner}'
PROPERTY_ALONE = '{what} of {owner}'
#: The properties behind a constraint, after it.
ASKED_BY = '(for {properties})'
#: What operators can do in place of a change to flavor or image.
ON_HOSTS = '{change}, or {hosts}'

#: Whether anything but encryption and slots is asked of the hosts.
SUCH_HOSTS = {
    'any': '{n:host|hosts}',
    'offering': '{n:host|hosts} with {model} slots',
    'free': '{n:host|hosts} with a free {model} slot',
}

#: The first line: for operators, for tenants.
HEADLINES: Mapping[str, tuple[str, str]] = {
    'hosts': (
        '{fit} of {total} {n:host|hosts} can run this {guest}{end}',
        'This {guest} can be placed.',
    ),
    'no-host': (
        '{fit} of {total} {n:host|hosts} can run this {guest}{end}',
        'No host can run this {guest}:',
    ),
    'empty': (
        'Placement lists no compute host to run this {guest}: none has '
        'reported to it yet, or the options leave all of them out{end}',
        'No host can run this {guest}:',
    ),
    'candidates': (
        'Placement has candidates for this {guest}.',
        'This {guest} can be placed.',
    ),
    'no-candidate': (
        'Placement has no candidate for this {guest}:',
        'No host can run this {guest}:',
    ),
    'some-guests': (
        '{guests_fit} of {guests} {guest}s fit, on {fit} of {total} '
        '{n:host|hosts}{end}',
        '{guests_fit} of {guests} {guest}s fit:',
    ),
    'guests': (
        'Placement has no room for all {count} {guest}s:',
        'Not all of these {guest}s can be placed:',
    ),
}

#: What a request asks for, and whether anything is against it: with errors,
#: and without.
ASKS: Mapping[bool, str] = {
    True: '{askers} {n:asks|ask} for {model}.',
    False: '{askers} {n:asks|ask} for {model}. Nothing in flavor and image is '
    'against encryption.',
}
NOT_ASKED: Mapping[bool, str] = {
    True: '',
    False: 'The guest will not be encrypted: {nobody} for it.',
}
NOBODY_OF_ONE = '{owner} does not ask'
NOBODY_OF_TWO = 'neither {owner} nor {other} asks'
#: Nothing is known but that there is no problem.
NO_PROBLEMS = 'Nothing is against encryption.'

#: What stands above the problems of one owner: with an error in an
#: encrypted guest, with an error in another, with warnings alone.
OWNERS: Mapping[str, str] = {
    'not-ready': '{owner} is not ready for it:',
    'unusable': '{owner} cannot be used as it is:',
    'warnings': '{owner} has a warning:',
}
OWNER_OF: Mapping[Source, str] = {
    Source.FLAVOR: 'flavor',
    Source.IMAGE: 'image',
    Source.REQUEST: 'the request',
    Source.ACTION: 'the server',
}

#: What a server is, with a fault and without; names are left as they are.
SERVER: Mapping[bool, str] = {
    True: 'Server {name} is in status {status}: {fault}',
    False: 'Server {name} is in status {status}.',
}
LAST_ACTION = 'Its last action, {action} at {time}, failed.'
MACHINE_TYPE = 'Its recorded machine type is {machine_type}.'

#: Why it is not placed; of a server that is on a host, of one like it.
MATTERS: Mapping[Matter, str] = {
    Matter.NONE: 'Today a guest like it can be placed.',
    Matter.REQUEST: 'It is a matter of the request: no host takes it, now or '
    'later.',
    Matter.HOSTS: 'It is a matter of the hosts: it stays so until they, or '
    'what is asked of them, are changed.',
    Matter.MOMENT: 'It is a matter of the moment: it may pass, as other '
    'guests end or hosts come back.',
    Matter.UNKNOWN: 'Nothing is against the request. Whether a host has room '
    'is not known: Placement does not show its hosts to this user.',
}

#: What a change of flavor or image does to a server that is there: they have
#: no error any more, and they have.
SERVER_CHANGED = (
    'What was wrong with its flavor or image when it was created is right '
    'today: delete it, and create it again.'
)
SERVER_COPIES = (
    'A server keeps the flavor and image of its creation: after a change, '
    'delete it and create it again.'
)

#: What is not known of a server, and what was taken in its place.
UNKNOWN: Mapping[Unknown, str] = {
    Unknown.EXTRA_SPECS: 'Not known: the extra specs that the server keeps; '
    'those of its flavor today stand in.',
    Unknown.IMAGE_PROPERTIES: 'Not known: the image properties that the '
    'server keeps; those of its image today stand in.',
    Unknown.VOLUME_PROPERTIES: 'Not known: the image properties that the '
    'server keeps, as it boots from a volume; those of the volume today '
    'stand in.',
    Unknown.IMAGE_TRAITS: 'Not known: the traits that its image required at '
    'its creation; those of today stand in.',
}

#: What a claim of guests found: how many there were to be, and fit.
NO_CAPACITY: Mapping[str, str] = {
    'some': (
        '{fit} of {count} guests fit, so none was placed; ask for {fit}, or '
        'free slots.'
    ),
    'moving': 'No other host can take the guest.',
    'one': 'No host can take the guest.',
    'many': 'No host can take any of the {count} guests.',
}
