"""The words about what emptied Placement's answer."""

from __future__ import annotations

from collections.abc import Mapping

from sev_scheduling.diagnosis import Cause
from sev_scheduling.explain.catalogue.fixes import SET_IT
from sev_scheduling.explain.catalogue.rows import ASK_OPERATOR, TRY_LATER, Row

#: Whether anything but encryption and slots is asked of the hosts.
SUCH_HOSTS = {
    'any': '{n:host|hosts}',
    'offering': '{n:host|hosts} with {model} slots',
    'free': '{n:host|hosts} with a free {model} slot',
}

#: Hosts that lack one thing alone; ``{what}`` is the row's own text.
BUT_FOR = 'of {total} {such} would do but for {what}'

#: What hosts lack, as far as Placement shows it.
FAILS = '{n:fails|fail} on {what}'
TENANT_FAILS = 'Hosts lack some of what is asked for: {tenant_names}.'

#: What is left where what can be changed solves a part.
REST = 'ask for less of the rest (now {rest}), or wait for it'

#: The same where it is slots alone.
REST_TO_WAIT_FOR = 'wait for {rest}'

#: Beside what else is left.
REST_AND_SLOTS = '{text}, and wait for {slots}'

#: The same where no host has enough of it, used or not.
REST_THAT_STAYS = 'ask for less of the rest (now {rest})'

#: The same as BUT_FOR, of hosts whose number stands before it.
THESE_BUT_FOR = 'would do but for {what}'
SOME_BUT_FOR = '{such}; some would do but for {what}'
_ASK_FOR_LESS = 'Use a smaller flavor.'
_TRY_LATER = 'try again later'
_OR_WAIT = 'Use a smaller flavor, or try again later.'

#: Cause, and the case of it: what is known of hosts and amounts.
CAUSES: Mapping[tuple[Cause, str], Row] = {
    (Cause.UNKNOWN_NAME, ''): Row(
        '{unknown}',
        tenant='The cloud does not know {unknown}.',
    ),
    (Cause.NO_MODEL, ''): Row(
        'no {a_host} offers {model} slots',
        tenant='No host offers {model} memory encryption.',
        asked='{n:offers|offer} no {model} memory encryption',
        tenant_advice=ASK_OPERATOR,
    ),
    (Cause.NO_MODEL, 'offered'): Row(
        'no {a_host} offers {model} slots; hosts offer {offers}',
        tenant='No host offers {model} memory encryption; hosts offer '
        '{offers}.',
        asked='{n:offers|offer} no {model} memory encryption, but {offers}',
    ),
    (Cause.NO_MODEL, 'excluded'): Row(
        'hosts offer {excluded_by} in place of {model}, as the two must not '
        'share a host{source}',
        tenant='Hosts offer {excluded_by} in place of {model}, as the two '
        'must not share a host{source}.',
        asked='{n:offers|offer} {excluded_by} in place of {model}, as the two '
        'must not share a host{source}',
    ),
    (Cause.SLOTS_USED, ''): Row(
        '{n:host offers|hosts offer} {model}, and {n:its|all their} slots '
        'are taken ({slots_used} of {slots_total} in use)',
        tenant='All {model} slots are taken now.',
        asked='{n:has|have} no free {model} slot now',
        tenant_wait=TRY_LATER,
    ),
    (Cause.SLOTS_USED, 'reserved'): Row(
        '{n:host offers|hosts offer} {model}, with all slots reserved',
        tenant='All {model} slots are kept for others.',
        asked='{n:keeps|keep} all {model} slots for others',
        tenant_advice=ASK_OPERATOR,
    ),
    (Cause.SLOTS_USED, 'uncounted'): Row(
        'no {a_host} has a free {model} slot',
        tenant='All {model} slots are taken now.',
        asked='{n:has|have} no free {model} slot now',
        tenant_wait=TRY_LATER,
    ),
    (Cause.GUESTS, ''): Row(
        'Placement has room for no more than {fit} of the {count} '
        '{count:guest|guests}{if_empty}{limits}',
        advice='ask for at most {fit}, or add hosts',
        tenant='No more than {fit} of {count} {fit:fits|fit} now{never}, '
        'and a request gets all or none.',
        tenant_advice='Ask for fewer.',
        tenant_wait='Ask for fewer, or try again later.',
    ),
    (Cause.GUESTS, 'never'): Row(
        'if hosts were empty, {if_empty_n} of the {count} '
        '{count:guest|guests} would fit at the most',
        advice='ask for at most {if_empty_n}, or add hosts',
        tenant='Not all {count} would fit on empty hosts, and a request gets '
        'all or none.',
        tenant_advice='Ask for fewer.',
    ),
    (Cause.GUESTS, 'amount'): Row(
        'Placement has room for no more than {fit} of the {count} '
        '{count:guest|guests}{if_empty}{limits}',
        advice='ask for at most {fit}, use a flavor with less {classes}, or '
        'add hosts',
        tenant='No more than {fit} of {count} {fit:fits|fit} now{never}, by '
        'what is left of {classes}, and a request gets all or none.',
        tenant_advice='Ask for fewer, or use a smaller flavor.',
        tenant_wait='Ask for fewer, use a smaller flavor, or try again later.',
    ),
    (Cause.GUESTS, 'shared'): Row(
        'Placement has room for no more than {fit} of the {count} '
        '{count:guest|guests}{if_empty}{limits}',
        advice='ask for at most {fit}, use a flavor with less {classes}, or '
        'add {classes} to {shared_by}',
        tenant='No more than {fit} of {count} {fit:fits|fit} now{never}, by '
        'what is left of {classes}, and a request gets all or none.',
        tenant_advice='Ask for fewer, or use a smaller flavor.',
        tenant_wait='Ask for fewer, use a smaller flavor, or try again later.',
    ),
    (Cause.RESOURCES_SHORT, ''): Row(
        '{figures}',
        advice='use a flavor with less {classes}, or add {more_of_it}',
        tenant='No {such_host} has enough {classes} left.',
        asked='{n:does|do} not have enough {classes} left',
        tenant_advice=_ASK_FOR_LESS,
        tenant_wait=_OR_WAIT,
    ),
    (Cause.RESOURCES_SHORT, 'disk'): Row(
        '{figures}',
        advice='use a flavor with less {classes}, boot from a volume, or add '
        '{more_of_it}',
        tenant='No {such_host} has enough {classes} left.',
        asked='{n:does|do} not have enough {classes} left',
        tenant_advice='Use a smaller flavor, or boot from a volume.',
        tenant_wait='Use a smaller flavor, boot from a volume, or try again '
        'later.',
    ),
    (Cause.RESOURCES_SHORT, 'units'): Row(
        '{figures} (too much at once, or an amount that is not given out)',
        advice='see max_unit, min_unit and step_size of the inventories; use '
        'a flavor with another amount of {classes}',
        tenant='No {such_host} can give this amount of {classes} now.',
        asked='cannot give this amount of {classes} now',
        tenant_advice='Use a flavor with another amount.',
        tenant_wait='Use a flavor with another amount, or try again later.',
    ),
    (Cause.RESOURCES_SHORT, 'property'): Row(
        '{figures}',
        tenant='No {such_host} has enough {classes} left for {properties}.',
        asked='{n:does|do} not have enough {classes} left for {properties}',
        or_wait=_TRY_LATER,
    ),
    (Cause.TRAIT, ''): Row(
        'the traits asked for: {names}',
        advice='change the traits of the flavor or image, or those of the '
        'hosts',
        tenant='No {such_host} meets the traits asked for: {names}.',
        asked='{n:does|do} not meet the traits asked for: {names}',
        tenant_advice='Remove or change what asks for them in the flavor or '
        'the {image}.',
    ),
    (Cause.TRAIT, 'property'): Row(
        'support of {properties} ({names})',
        tenant='No {such_host} supports {properties}.',
        asked='{n:does|do} not support {properties}',
    ),
    (Cause.TRAIT, 'forbidden'): Row(
        'being without {forbidden} (for {properties})',
        tenant='No {such_host} is without {forbidden}, as {properties} '
        'demands.',
        asked='{n:has|have} {forbidden}, against {properties}',
    ),
    (Cause.TRAIT, 'contradicted'): Row(
        'support of {properties}: only hosts without {names} are asked for',
        tenant='No {such_host} supports {properties}: only hosts without '
        '{names} are asked for.',
        asked='{n:does|do} not support {properties}: only hosts without '
        '{names} are asked for',
    ),
    (Cause.TRAIT, 'demanded'): Row(
        '{names}; {model} needs {demanded}',
        tenant='No {such_host} supports {demanded}, which {model} needs.',
        asked='{n:does|do} not support {demanded}, which {model} needs',
        tenant_advice=ASK_OPERATOR,
    ),
    (Cause.HOST_TRAIT, 'scope'): Row(
        'what is asked of hosts by {scope}: {names}',
        advice='ask for other hosts, or change the traits of these',
        tenant='No {such_host} meets what is asked of hosts by {scope}: '
        '{names}.',
        tenant_advice='Ask for other hosts.',
    ),
    (Cause.HOST_TRAIT, ''): Row(
        'what the cloud asks of hosts: {names}',
        advice='see which request filter of the cloud asks for it, or change '
        'the traits of these hosts',
        tenant='No {such_host} meets what the cloud asks of hosts.',
        asked='{n:does|do} not meet what the cloud asks of hosts',
        tenant_advice=ASK_OPERATOR,
    ),
    (Cause.HOST_TRAIT, 'service'): Row(
        'being in service: {names}',
        advice='enable these hosts',
        tenant='No {such_host} is in service.',
        asked='{n:is|are} not in service',
        tenant_advice=ASK_OPERATOR,
    ),
    (Cause.HOST_TRAIT, 'property'): Row(
        'support of {properties} ({names})',
        tenant='No {such_host} supports {properties}.',
        asked='{n:does|do} not support {properties}',
    ),
    (Cause.HOST_TRAIT, 'forbidden'): Row(
        'being without {forbidden} (for {properties})',
        tenant='No {such_host} is without {forbidden}, as {properties} '
        'demands.',
        asked='{n:has|have} {forbidden}, against {properties}',
    ),
    (Cause.HOST_TRAIT, 'demanded'): Row(
        '{names}; {model} needs {demanded}',
        tenant='No {such_host} supports {demanded}, which {model} needs.',
        asked='{n:does|do} not support {demanded}, which {model} needs',
        tenant_advice=ASK_OPERATOR,
    ),
    (Cause.MACHINE_TYPE, ''): Row(
        'their default machine type',
        tenant='The {image} names no machine type, and hosts that could run '
        'it default to another than {needs}.',
        tenant_advice=SET_IT,
    ),
    (Cause.AGGREGATE, ''): Row(
        'the aggregates asked for: {names}',
        advice='add hosts to these aggregates',
        tenant='No {such_host} is available to this project or zone.',
        asked='{n:is|are} not available to this project or zone',
        tenant_advice="Choose another availability zone, or ask the cloud's "
        'operator.',
    ),
    (Cause.HOST, ''): Row(
        'being asked for by name: Placement gives it nothing that others '
        'share then',
        advice='ask for no particular host',
        tenant='The host asked for could take it, were it not asked for by '
        'name.',
        tenant_advice='Ask for no particular host.',
    ),
    (Cause.GROUP, ''): Row(
        '{names}',
        advice='change what the flavor asks for there, or add hosts that '
        'serve it',
        tenant='No {such_host} can serve {names}.',
        asked='cannot serve {names}',
        tenant_advice='Use another flavor.',
    ),
    (Cause.PORT, ''): Row(
        '{names}, for {amounts} {traits}',
        advice='use a port that asks for less (its QoS policy), or add hosts '
        'that serve it',
        tenant='No {such_host} can serve {names}, which asks for {amounts}.',
        asked='cannot serve {names}, which asks for {amounts}',
        tenant_advice='Use another port, or one with another QoS policy.',
    ),
    (Cause.DEVICE, ''): Row(
        'the devices of {names}: {amounts} {traits}',
        advice='use another flavor, or add hosts with these devices',
        tenant='No {such_host} has the devices that {names} of the flavor '
        'asks for: {amounts}.',
        asked='{n:does|do} not have the devices that {names} of the flavor '
        'asks for: {amounts}',
        tenant_advice='Use another flavor.',
    ),
    (Cause.GROUP_POLICY, ''): Row(
        'group_policy=isolate',
        advice='use hosts with nested pools',
        tenant="The flavor's group_policy=isolate cannot be met.",
        tenant_advice='Use a flavor with group_policy=none.',
    ),
    (Cause.SEVERAL, ''): Row(
        'all of: {figures}',
        advice='relax all of them, or add hosts',
        tenant='No host meets these: {tenant_names}.',
        asked='{n:does|do} not meet these: {tenant_names}',
        tenant_advice='Relax all of them.',
        tenant_wait='Relax all of them, or try again later.',
    ),
    (Cause.SEVERAL, 'slots'): Row(
        'all of: {figures}',
        advice='relax the others and wait for a free slot, or add hosts',
        tenant='No host meets these: {tenant_names}.',
        asked='{n:does|do} not meet these: {tenant_names}',
        tenant_advice='Relax the others, and wait for a free slot.',
        tenant_wait='Try again later.',
    ),
    (Cause.SEVERAL, 'property'): Row(
        'all of: {figures}',
        tenant='No host meets these: {tenant_names}.',
        asked='{n:does|do} not meet these: {tenant_names}',
        or_wait=_TRY_LATER,
    ),
    (Cause.SEVERAL, 'demanded'): Row(
        'all of: {figures}; {model} needs {demanded}',
        tenant='No host meets these: {tenant_names}; {model} itself needs '
        '{demanded}.',
        asked='{n:does|do} not meet these: {tenant_names}; {model} itself '
        'needs {demanded}',
        tenant_advice=ASK_OPERATOR,
    ),
    (Cause.COMBINATION, ''): Row(
        'one of: {figures}',
        advice='relax one of them, or add hosts',
        tenant='No host meets all of these at once: {tenant_names}.',
        asked='{n:does|do} not meet all of these at once: {tenant_names}',
        tenant_advice='Relax one of them.',
        tenant_wait='Relax one of them, or try again later.',
    ),
    (Cause.COMBINATION, 'property'): Row(
        'one of: {figures}',
        tenant='No host meets all of these at once: {tenant_names}.',
        asked='{n:does|do} not meet all of these at once: {tenant_names}',
        or_wait=_TRY_LATER,
    ),
    (Cause.COMBINATION, 'property-of-some'): Row(
        'one of: {figures}',
        advice='relax another of them, or add hosts',
        tenant='No host meets all of these at once: {tenant_names}.',
        asked='{n:does|do} not meet all of these at once: {tenant_names}',
        or_advice='relax another of them',
        or_wait='relax another of them, or try again later',
    ),
    (Cause.COMBINATION, 'operators'): Row(
        'one of: {figures}',
        advice='relax one of them, or add hosts',
        tenant='No host meets all of these at once: {tenant_names}.',
        asked='{n:does|do} not meet all of these at once: {tenant_names}',
        tenant_advice=ASK_OPERATOR,
    ),
    (Cause.UNKNOWN, ''): Row(
        'Placement does not answer',
        advice='check that Placement runs, and see its log',
        tenant='Whether a host can run this encrypted server cannot be found '
        'out now.',
        tenant_wait='Try again later.',
    ),
    (Cause.UNCLEAR, ''): Row(
        '{such}, and no single thing asked for keeps the guest off',
        advice='ask for less, one thing after the other, or see min_unit and '
        'step_size of the inventories',
        tenant='No host meets all that is asked for at once.',
        asked='{n:does|do} not meet all that is asked for at once',
        tenant_advice='Use a smaller flavor with fewer traits, or ask the '
        "cloud's operator.",
    ),
}

#: Where what is short of comes from.
MORE_HOSTS = 'hosts'
MORE_SHARED = '{classes} to {shared_by}'

#: What keeps one more of several guests off.
LIMITS = '; {limits}'
LIMIT = '{name}: {each} for each, {left} left'
LIMIT_SHARED = '{name}: {each} for each, {left} left on {shared_by}'
LIMIT_OF_SLOTS = '{model} slots: {left} free'

#: The same where waiting would not be enough.
IF_EMPTY = '({if_empty} if hosts were empty)'
TENANT_NEVER = '(not all would fit on empty hosts)'

#: What Placement does not know, and by which it is asked.
UNKNOWN_TRAIT = 'trait {name}'
UNKNOWN_CLASS = 'resource class {name}'
UNKNOWN_NAMES = 'Placement does not know {what}'
BUT_FOR_NAMES = 'would do but for {what}, which Placement does not know'

#: What to do about it.
CREATE_TRAIT = 'create it, and give it to the hosts that are meant'
CREATE_FORBIDDEN = 'create it, if hosts are to be marked with it later'
CREATE_CLASS = 'create it, and give hosts an inventory of it'
UPDATE_NAMES = (
    'update os-traits and os-resource-classes of Placement, which has '
    '{name} from a later release'
)
CORRECT_OPTION = 'correct or leave out {asker}{near}'
NEAR = ', such as to {near}'

#: Who asks for something of hosts beside flavor, image and cloud.
OPTION = '{key}'
CALLER = '{key} of the scope'
LABEL = '{what} (for {asker})'
ASKED_BY_NAME = '{asker} {name}'

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

SHORTFALL_OF_ONE = (
    '{name}: {requested} asked for, {best} left, {missing} short'
)

SHORTFALL_ON_ONE = (
    '{name}: {requested} asked for, {best} left on {best_host}, {missing} '
    'short'
)

SHORTFALL_SHARED = (
    '{name}: {requested} asked for, {best} left on {shared_by}, which '
    'shares it; {missing} short'
)

SHORTFALL = (
    '{name}: {requested} asked for, at most {best} left on one host '
    '({best_host}), {missing} short'
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

#: A request group by what it asks for.
GROUP_THAT_ASKS = 'request group {name} ({asks})'

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
