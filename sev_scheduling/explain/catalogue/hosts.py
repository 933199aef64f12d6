"""The words about hosts, and about guests that fit on them."""

from __future__ import annotations

from collections.abc import Mapping

from sev_scheduling.diagnosis import NO_CANDIDATE
from sev_scheduling.explain.catalogue.fixes import SET_IT
from sev_scheduling.explain.catalogue.rows import ASK_OPERATOR, TRY_LATER, Row
from sev_scheduling.hosts.verdict import VerdictCode

#: Code, and the case of it: what is known of the machine type.
VERDICTS: Mapping[tuple[str, str], Row] = {
    (VerdictCode.NO_POOL, ''): Row(
        '{n:offers|offer} no {model} slots',
        tenant='No host offers {model} memory encryption.',
        asked='{n:offers|offer} no {model} memory encryption',
        tenant_advice=ASK_OPERATOR,
        host_advice='Use hosts that offer {model}.',
    ),
    (VerdictCode.NO_POOL, 'offered'): Row(
        '{n:offers|offer} no {model} slots, but {offers}',
        tenant='No host offers {model} memory encryption; hosts offer '
        '{offers}.',
        asked='{n:offers|offer} no {model} memory encryption, but {offers}',
        host_advice='Use hosts that offer {model}.',
    ),
    (VerdictCode.NO_POOL, 'excluded'): Row(
        '{n:offers|offer} {excluded_by} in place of {model}, as the two must '
        'not share a host{source}',
        tenant='Hosts offer {excluded_by} in place of {model}, as the two '
        'must not share a host{source}.',
        asked='{n:offers|offer} {excluded_by} in place of {model}, as the two '
        'must not share a host{source}',
        host_advice='Use hosts that offer {model} without {excluded_by}.',
    ),
    (VerdictCode.NO_POOL, 'excluded-on-some'): Row(
        '{n:offers|offer} no {model} slots, but {offers}; {excluded_by} must '
        'not share a host with {model}{source}',
        tenant='Hosts offer {excluded_by} in place of {model}, as the two '
        'must not share a host{source}.',
        asked='{n:offers|offer} no {model} memory encryption, but {offers}; '
        '{excluded_by} must not share a host with {model}{source}',
        host_advice='Use hosts that offer {model} without {excluded_by}.',
    ),
    (VerdictCode.NO_POOL, 'reserved'): Row(
        '{n:has|have} {model} slots, all of them reserved',
        advice='lower reserved of MEM_ENCRYPTION_CONTEXT in Placement',
        tenant='All {model} slots are kept for others.',
        asked='{n:keeps|keep} all {model} slots for others',
        tenant_advice=ASK_OPERATOR,
    ),
    (VerdictCode.EXCLUDED_BY_MODEL, ''): Row(
        '{n:offers|offer} {excluded_by} too, which {model} must not share a '
        'host with{source}',
        tenant='Hosts with {model} also offer {excluded_by}, and the '
        'two must not share a host{source}.',
        asked='{n:offers|offer} {excluded_by} too, which {model} must not '
        'share a host with{source}',
        host_advice='Use hosts that offer {model} without {excluded_by}.',
    ),
    (VerdictCode.HOST_DISABLED, ''): Row(
        '{n:is|are} disabled',
        advice='enable {these}',
        tenant='No host with {model} slots is in service.',
        asked='{n:is|are} not in service',
        tenant_advice=ASK_OPERATOR,
        host_advice='Enable {these}, or use another host.',
    ),
    (VerdictCode.HOST_DISABLED, 'unencrypted'): Row(
        '{n:is|are} disabled',
        advice='enable {these}',
        tenant='No host is in service.',
        asked='{n:is|are} not in service',
        tenant_advice=ASK_OPERATOR,
        host_advice='Enable {these}, or use another host.',
    ),
    (VerdictCode.HYPERVISOR_UNSUPPORTED, ''): Row(
        '{n:runs|run} {hypervisors}; {model} needs {needs_hypervisors}',
        tenant='Hosts with {model} slots cannot run encrypted guests.',
        asked='cannot run encrypted guests',
        tenant_advice=ASK_OPERATOR,
        host_advice='Use hosts with libvirt and KVM.',
    ),
    (VerdictCode.MACHINE_TYPE_NOT_Q35, 'default'): Row(
        '{n:defaults|default} to machine type {machine_type}; {model} needs '
        '{needs}',
        tenant='The {image} names no machine type, and hosts give it '
        '{machine_type}; {model} needs {needs}.',
        tenant_advice=SET_IT,
        host_advice='{command}',
    ),
    (VerdictCode.MACHINE_TYPE_NOT_Q35, 'unknown'): Row(
        '{n:does not publish its|do not publish their} default machine type; '
        '{model} needs {needs}',
        tenant='The {image} names no machine type; {model} needs {needs}.',
        tenant_advice=SET_IT,
        host_advice='{command}',
    ),
    (VerdictCode.MACHINE_TYPE_NOT_Q35, 'image'): Row(
        '{n:was|were} asked for {machine_type}; {model} needs {needs}',
        tenant='The {image} asks for machine type {machine_type}; {model} '
        'needs {needs}.',
        tenant_advice=SET_IT,
        host_advice='{command}',
    ),
    (VerdictCode.MEMORY_OVERCOMMITTED, ''): Row(
        '{n:overcommits|overcommit} memory (ram_allocation_ratio {ratios}); '
        '{model} pins it',
        advice='set ram_allocation_ratio = 1.0 in nova.conf of {these}',
        tenant='Hosts with {model} slots are not set up for encrypted guests.',
        asked='{n:is|are} not set up for encrypted guests',
        tenant_advice=ASK_OPERATOR,
        host_advice='Set ram_allocation_ratio = 1.0 in nova.conf of {these}.',
    ),
    (VerdictCode.NO_FREE_SLOT, ''): Row(
        '{n:has|have} no free {model} slot ({used} of {usable} in use'
        '{reserved})',
        tenant='All {model} slots that it could use are taken now.',
        asked='{n:has|have} no free {model} slot now',
        tenant_wait=TRY_LATER,
        host_advice='Wait until a guest on {these} is deleted, or add hosts.',
        wait='wait until a guest on {these} is deleted, or add hosts',
    ),
    (VerdictCode.NO_FREE_SLOT, 'uncounted'): Row(
        '{n:has|have} no free {model} slot',
        tenant='All {model} slots that it could use are taken now.',
        asked='{n:has|have} no free {model} slot now',
        tenant_wait=TRY_LATER,
        host_advice='Wait until a guest on {these} is deleted, or add hosts.',
        wait='wait until a guest on {these} is deleted, or add hosts',
    ),
    (NO_CANDIDATE, ''): Row(
        '{n:lacks|lack} something else that is asked for (resources, traits, '
        'aggregates)',
        tenant='Hosts that could run it are too small or too full, or lack '
        'something else that is asked for.',
        asked='{n:is|are} too small or too full, or {n:lacks|lack} something '
        'else that is asked for',
        tenant_advice='Use a flavor that asks for less.',
        host_advice='Use a flavor that asks for less.',
        wait='use a flavor that asks for less',
    ),
}

#: A model that is offered, where another is asked for.
WEAKER = '{name} (protects less)'

#: The first line: for operators, for tenants.
HEADLINES: Mapping[str, tuple[str, str]] = {
    'hosts': (
        '{fit} of {total} {n:host|hosts} can run this {guest}{left_out}{once}'
        '{end}',
        'This {guest} can be placed{once}.',
    ),
    'no-host': (
        '{fit} of {total} {n:host|hosts} can run this {guest}{left_out}{end}',
        'No {a_host} can run this {guest}:',
    ),
    'empty': (
        'Placement lists no compute host to run this {guest}: none has '
        'reported to it yet, or the options leave all of them out{end}',
        'No host can run this {guest}, as Placement lists none. '
        f'{ASK_OPERATOR}',
    ),
    'left-out': (
        'No host can run this {guest}: the options leave out '
        '{count} of {count} compute {n:host|hosts}{end}',
        'No {a_host} can run this {guest}:',
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
        '{guests_fit} of {guests} {guest}{guests:|s} {guests_fit:fits|fit}, '
        'on {fit} of {total} {n:host|hosts}{end}',
        '{guests_fit} of {guests} {guest}{guests:|s} {guests_fit:fits|fit}:',
    ),
    'guests': (
        'Placement has no room for all {count} {guest}{count:|s}:',
        'Not all of these {guest}s can be placed:',
    ),
}

#: After the number of hosts, where a scope leaves out others.
LEFT_OUT = '(the options leave out {count} more)'

#: Where nova would ask Placement for what it refuses.
ONCE = ', once {owner} has a group_policy'

#: The hosts that were asked for.
A_HOST = 'host'
ASKED_FOR = 'host that was asked for'
ASKED = '{hosts} {text}.'
THE_HOST = 'Host {name}, which was asked for,'
THE_HOST_UNNAMED = 'The host that was asked for'
THE_HOSTS = 'Hosts that were asked for'

#: One host that fits.
FITS = (
    '{host} can take it: {free} of {usable} {model} {usable:slot|slots} free.'
)
FITS_UNLIMITED = '{host} can take it: it reports no limit of {model} slots.'
FITS_UNENCRYPTED = '{host} takes any guest that is not encrypted.'

#: Of several guests.
GUESTS_FIT = '{fit} of {count} {count:guest|guests} {fit:fits|fit}.'

#: The hosts that Placement offers, and that fit.
FITS_ON = 'It fits on {names}.'
FITS_ON_MORE = 'It fits on {names} and {more} more.'

#: What a claim of guests found: how many there were to be, and fit.
NO_CAPACITY: Mapping[str, str] = {
    'some': (
        '{fit} of {count} {count:guest|guests} {fit:fits|fit}, so none was '
        'placed; ask for {fit}.'
    ),
    'moving': 'No other host can take the guest.',
    'one': 'No host can take the guest.',
    'many': 'No host can take any of the {count} {count:guest|guests}.',
}

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

#: A group in a sentence of its own.
GROUP = '{count} {n:host|hosts} {text}.'

#: What a command does to a host that is disabled.
ENABLE = 'enable {host}, by the host name of its compute service'

#: What else is against a host, for tenants and on one line.
TENANT_ALSO = 'Also: {text}'
HOST = '{name} {text}.'

#: What else keeps out hosts of a group: some of them, all of them.
SOME_ALSO = '{count} of them also {text}'
ALL_ALSO = 'also {text}'
