import re
from dataclasses import replace

import pytest

from sev_scheduling import (
    Cause,
    Constraint,
    Diagnosis,
    Shortfall,
    explain,
    parse,
)
from sev_scheduling.diagnosis import Limit, UnknownName
from sev_scheduling.explain.catalogue.rows import ASK_OPERATOR, TRY_LATER
from sev_scheduling.models import registered_models
from sev_scheduling.problems import Field, Source
from sev_scheduling.request.groups import RequestGroup
from tests.unit.factories import ON, READY, encrypted, flavor, image, plain

CONTEXT = 'MEM_ENCRYPTION_CONTEXT'
LATER = 'Use a smaller flavor, or try again later.'
VCPU = Constraint(Cause.RESOURCES_SHORT, 'VCPU', 8)
MEMORY = Constraint(Cause.RESOURCES_SHORT, 'MEMORY_MB', 9000)
GOLD = Constraint(Cause.TRAIT, 'CUSTOM_GOLD')
OWNER = Constraint(Cause.HOST_TRAIT, '!COMPUTE_STATUS_DISABLED')
ZONE = Constraint(Cause.AGGREGATE, 'ec1a')
HOST = Constraint(Cause.HOST, 'epyc-7')
CLOUD = Constraint(Cause.HOST_TRAIT, 'CUSTOM_LICENSED')
XEN = Constraint(Cause.HOST_TRAIT, 'COMPUTE_GRAPHICS_MODEL_XEN')
STATELESS = Constraint(Cause.TRAIT, 'COMPUTE_SECURITY_STATELESS_FIRMWARE')
GROUP = Constraint(Cause.GROUP, '_nic')
ACCELERATOR = Constraint(
    Cause.GROUP,
    '1',
    groups=(
        RequestGroup(
            '1',
            {'CUSTOM_ACCEL': 2},
            (frozenset({'CUSTOM_FAST'}),),
            frozenset({'CUSTOM_SLOW'}),
        ),
    ),
)
PORT = Constraint(
    Cause.PORT,
    '5e1f',
    groups=(
        RequestGroup(
            '5e1f',
            {'NET_BW_EGR_KILOBIT_PER_SEC': 1000},
            (frozenset({'CUSTOM_PHYSNET_PUBLIC'}),),
        ),
        RequestGroup(
            '5e20',
            {'NET_PACKET_RATE_KILOPACKET_PER_SEC': 5},
            (frozenset({'CUSTOM_PHYSNET_PUBLIC'}),),
        ),
    ),
)
ALIAS = Constraint(
    Cause.DEVICE,
    'pci_passthrough:alias',
    groups=(
        RequestGroup('a-0', {'CUSTOM_PCI_8086_1515': 1}),
        RequestGroup('a-1', {'CUSTOM_PCI_8086_1515': 1}),
    ),
)
POLICY = Constraint(Cause.GROUP_POLICY, 'isolate')
SLOT = Constraint(Cause.SLOTS_USED, 'amd-sev')
SHORT = Shortfall('VCPU', 8, 3, 'epyc-1')


def reason(cause, *constraints, request=None, **figures):
    (found,) = explain(
        Diagnosis(
            request=request or encrypted(),
            cause=cause,
            constraints=constraints,
            **figures,
        )
    ).reasons
    return found


def steps(found):
    """Return what operators can do, on one line."""
    return '; '.join(
        f'{step.words}: {step.command}' if step.command else step.words
        for step in found.steps()
    )


def figures(free=4, but_for=2, **more):
    return {'hosts_with_free_slot': free, 'hosts_but_for': but_for, **more}


@pytest.mark.parametrize(
    ('found', 'words'),
    [
        pytest.param(
            reason(Cause.NO_MODEL),
            (0, 'no host offers amd-sev slots', '',
             'No host offers amd-sev memory encryption.', ASK_OPERATOR),
            id='no model',
        ),
        pytest.param(
            reason(Cause.SLOTS_USED),
            (0, 'no host has a free amd-sev slot', '',
             'All amd-sev slots are taken now.', TRY_LATER),
            id='slots used, without figures',
        ),
        pytest.param(
            reason(Cause.GUESTS, guests=4, guests_fit=3),
            (0, 'Placement has room for no more than 3 of the 4 guests',
             'ask for at most 3, or add hosts',
             'No more than 3 of 4 fit now, and a request gets all or none.',
             'Ask for fewer, or try again later.'),
            id='room for some of them',
        ),
        pytest.param(
            reason(Cause.GUESTS, guests=4, guests_fit=1, guests_if_empty=3,
                   limits=(Limit(CONTEXT, 1, 1),)),
            (0, 'Placement has room for no more than 1 of the 4 guests (3 if '
                'hosts were empty); amd-sev slots: 1 free',
             'ask for at most 1, or add hosts',
             'No more than 1 of 4 fits now (not all would fit on empty '
             'hosts), and a request gets all or none.', 'Ask for fewer.'),
            id='never room for all, by slots',
        ),
        pytest.param(
            reason(Cause.GUESTS, guests=4, guests_fit=3, guests_if_empty=9,
                   limits=(Limit('VCPU', 8, 30), Limit(CONTEXT, 1, 3))),
            (0, 'Placement has room for no more than 3 of the 4 guests; VCPU: '
                '8 for each, 30 left, amd-sev slots: 3 free',
             'ask for at most 3, use a flavor with less VCPU, or add hosts',
             'No more than 3 of 4 fit now, by what is left of VCPU, and a '
             'request gets all or none.',
             'Ask for fewer, use a smaller flavor, or try again later.'),
            id='room for some of them, by an amount',
        ),
        pytest.param(
            reason(Cause.GUESTS, guests=4, guests_fit=3, guests_if_empty=3,
                   limits=(Limit('DISK_GB', 10, 35, 'ceph'),)),
            (0, 'Placement has room for no more than 3 of the 4 guests (3 if '
                'hosts were empty); DISK_GB: 10 for each, 35 left on ceph',
             'ask for at most 3, use a flavor with less DISK_GB, or add '
             'DISK_GB to ceph',
             'No more than 3 of 4 fit now (not all would fit on empty '
             'hosts), by what is left of DISK_GB, and a request gets all or '
             'none.', 'Ask for fewer, or use a smaller flavor.'),
            id='never room for all, by what is shared',
        ),
        pytest.param(
            reason(Cause.RESOURCES_SHORT, VCPU, shortfalls=(SHORT,),
                   **figures()),
            (2, 'of 4 hosts with a free amd-sev slot would do but for VCPU: '
                '8 asked for, at most 3 left on one host (epyc-1), 5 short',
             'use a flavor with less VCPU, or add hosts',
             'No host with a free amd-sev slot has enough VCPU left.', LATER),
            id='short of VCPU',
        ),
        pytest.param(
            reason(Cause.RESOURCES_SHORT, VCPU, MEMORY, shortfalls=(SHORT,),
                   **figures(1, 1)),
            (1, 'of 1 host with a free amd-sev slot would do but for VCPU: '
                '8 asked for, 3 left on epyc-1, 5 short; MEMORY_MB:9000',
             'use a flavor with less VCPU and MEMORY_MB, or add hosts',
             'No host with a free amd-sev slot has enough VCPU and MEMORY_MB '
             'left.', LATER),
            id='short of two, one host',
        ),
        pytest.param(
            reason(Cause.RESOURCES_SHORT, VCPU, **figures(4, None)),
            (4, 'hosts with a free amd-sev slot; some would do but for '
                'VCPU:8 (too much at once, or an amount that is not given '
                'out)',
             'see max_unit, min_unit and step_size of the inventories; use a '
             'flavor with another amount of VCPU',
             'No host with a free amd-sev slot can give this amount of VCPU '
             'now.',
             'Use a flavor with another amount, or try again later.'),
            id='enough is left, but not given out',
        ),
        pytest.param(
            reason(Cause.RESOURCES_SHORT, VCPU, request=plain(),
                   shortfalls=(SHORT,), **figures()),
            (2, 'of 4 hosts would do but for VCPU: 8 asked for, at '
                'most 3 left on one host (epyc-1), 5 short',
             'use a flavor with less VCPU, or add hosts',
             'No host has enough VCPU left.', LATER),
            id='without encryption',
        ),
        pytest.param(
            reason(Cause.TRAIT, GOLD, **figures()),
            (2, 'of 4 hosts with a free amd-sev slot would do but for the '
                'traits asked for: CUSTOM_GOLD',
             'change the traits of the flavor or image, or those of the '
             'hosts',
             'No host with a free amd-sev slot meets the traits asked for: '
             'CUSTOM_GOLD.',
             'Remove or change what asks for them in the flavor or the '
             'image.'),
            id='trait',
        ),
        pytest.param(
            reason(Cause.HOST_TRAIT, OWNER, **figures()),
            (2, 'of 4 hosts with a free amd-sev slot would do but for being '
                'in service: !COMPUTE_STATUS_DISABLED',
             'enable these hosts',
             'No host with a free amd-sev slot is in service.',
             ASK_OPERATOR),
            id='host trait of nova',
        ),
        pytest.param(
            reason(Cause.HOST_TRAIT, OWNER, CLOUD, **figures()),
            (2, 'of 4 hosts with a free amd-sev slot would do but for what '
                'the cloud asks of hosts: !COMPUTE_STATUS_DISABLED, '
                'CUSTOM_LICENSED',
             'see which request filter of the cloud asks for it, or change '
             'the traits of these hosts',
             'No host with a free amd-sev slot meets what the cloud asks of '
             'hosts.',
             ASK_OPERATOR),
            id='host trait of the cloud',
        ),
        pytest.param(
            reason(Cause.HOST_TRAIT, XEN, **figures(),
                   request=encrypted({}, {'hw_video_model': 'xen'})),
            (2, 'of 4 hosts with a free amd-sev slot would do but for '
                'support of property hw_video_model=xen of image ubuntu '
                '(COMPUTE_GRAPHICS_MODEL_XEN)',
             'if the guest can do without hw_video_model: openstack image '
             'unset --property hw_video_model ubuntu; or use hosts with '
             'COMPUTE_GRAPHICS_MODEL_XEN',
             'No host with a free amd-sev slot supports property '
             'hw_video_model=xen of image ubuntu.',
             'If the guest can do without hw_video_model: openstack image '
             'unset --property hw_video_model ubuntu'),
            id='host trait that nova makes of a property',
        ),
        pytest.param(
            reason(Cause.TRAIT, STATELESS, **figures(),
                   request=encrypted({}, {'hw_firmware_stateless': 'true'})),
            (2, 'of 4 hosts with a free amd-sev slot would do but for '
                'support of property hw_firmware_stateless=true of image '
                'ubuntu (COMPUTE_SECURITY_STATELESS_FIRMWARE)',
             'if the guest can do without hw_firmware_stateless: openstack '
             'image unset --property hw_firmware_stateless ubuntu; or use '
             'hosts with libvirt 8.6 or later',
             'No host with a free amd-sev slot supports property '
             'hw_firmware_stateless=true of image ubuntu.',
             'If the guest can do without hw_firmware_stateless: openstack '
             'image unset --property hw_firmware_stateless ubuntu'),
            id='trait that nova makes of a property',
        ),
        pytest.param(
            reason(Cause.PORT, PORT, **figures()),
            (2, 'of 4 hosts with a free amd-sev slot would do but for port '
                '5e1f, for 1000 kbit/s egress, 5 kpacket/s '
                '(CUSTOM_PHYSNET_PUBLIC)',
             'use a port that asks for less (its QoS policy), or add hosts '
             'that serve it',
             'No host with a free amd-sev slot can serve port 5e1f, which '
             'asks for 1000 kbit/s egress, 5 kpacket/s.',
             'Use another port, or one with another QoS policy.'),
            id='port',
        ),
        pytest.param(
            reason(Cause.PORT, replace(PORT, name=''), **figures()),
            (2, 'of 4 hosts with a free amd-sev slot would do but for a '
                'port, for 1000 kbit/s egress, 5 kpacket/s '
                '(CUSTOM_PHYSNET_PUBLIC)',
             'use a port that asks for less (its QoS policy), or add hosts '
             'that serve it',
             'No host with a free amd-sev slot can serve a port, which asks '
             'for 1000 kbit/s egress, 5 kpacket/s.',
             'Use another port, or one with another QoS policy.'),
            id='a port that is not known',
        ),
        pytest.param(
            reason(Cause.DEVICE, ALIAS, **figures()),
            (2, 'of 4 hosts with a free amd-sev slot would do but for the '
                'devices of pci_passthrough:alias: 2 CUSTOM_PCI_8086_1515 '
                '(no traits)',
             'use another flavor, or add hosts with these devices',
             'No host with a free amd-sev slot has the devices that '
             'pci_passthrough:alias of the flavor asks for: 2 '
             'CUSTOM_PCI_8086_1515.',
             'Use another flavor.'),
            id='devices of a PCI alias',
        ),
        pytest.param(
            reason(Cause.AGGREGATE, ZONE, **figures()),
            (2, 'of 4 hosts with a free amd-sev slot would do but for the '
                'aggregates asked for: ec1a',
             'add hosts to these aggregates',
             'No host with a free amd-sev slot is available to this project '
             'or zone.',
             "Choose another availability zone, or ask the cloud's "
             'operator.'),
            id='aggregate',
        ),
        pytest.param(
            reason(Cause.HOST, HOST, **figures()),
            (2, 'of 4 hosts with a free amd-sev slot would do but for being '
                'asked for by name: Placement gives it nothing that others '
                'share then',
             'ask for no particular host',
             'The host asked for could take it, were it not asked for by '
             'name.',
             'Ask for no particular host.'),
            id='one host',
        ),
        pytest.param(
            reason(Cause.GROUP_POLICY, POLICY, **figures()),
            (2, 'of 4 hosts with a free amd-sev slot would do but for '
                'group_policy=isolate',
             'if one provider may answer several groups: openstack flavor '
             'set --property group_policy=none m1; or use hosts with nested '
             'pools',
             "The flavor's group_policy=isolate cannot be met.",
             'Use a flavor with group_policy=none.'),
            id='group policy',
        ),
        pytest.param(
            reason(Cause.GROUP, GROUP, **figures()),
            (2, 'of 4 hosts with a free amd-sev slot would do but for '
                'request group _nic',
             'change what the flavor asks for there, or add hosts that serve '
             'it',
             'No host with a free amd-sev slot can serve request group _nic.',
             'Use another flavor.'),
            id='group',
        ),
        pytest.param(
            reason(Cause.GROUP, ACCELERATOR, **figures()),
            (2, 'of 4 hosts with a free amd-sev slot would do but for request '
                'group 1 (2 CUSTOM_ACCEL, trait !CUSTOM_SLOW, trait '
                'CUSTOM_FAST)',
             'change what the flavor asks for there, or add hosts that serve '
             'it',
             'No host with a free amd-sev slot can serve request group 1 (2 '
             'CUSTOM_ACCEL, trait !CUSTOM_SLOW, trait CUSTOM_FAST).',
             'Use another flavor.'),
            id='group, by what it asks for',
        ),
        pytest.param(
            reason(Cause.SEVERAL, VCPU, GOLD, shortfalls=(SHORT,),
                   **figures()),
            (2, 'of 4 hosts with a free amd-sev slot would do but for all '
                'of: VCPU: 8 asked for, at most 3 left on one host (epyc-1), '
                '5 short; trait CUSTOM_GOLD',
             'relax all of them, or add hosts',
             'No host meets these: VCPU, trait CUSTOM_GOLD.',
             'Relax all of them.'),
            id='several',
        ),
        pytest.param(
            reason(Cause.SEVERAL, SLOT, GOLD, hosts_with_model=3,
                   slots_total=45, slots_used=45, **figures(0, 1)),
            (1, 'of 3 hosts with amd-sev slots would do but for all of: a '
                'free amd-sev slot (45 of 45 in use); trait CUSTOM_GOLD',
             'relax the others and wait for a free slot, or add hosts',
             'No host meets these: a free amd-sev slot, trait CUSTOM_GOLD.',
             'Relax the others, and wait for a free slot.'),
            id='slots among several',
        ),
        pytest.param(
            reason(Cause.COMBINATION, OWNER, CLOUD, ZONE, HOST, GROUP, PORT,
                   ALIAS, POLICY, VCPU, **figures()),
            (2, 'of 4 hosts with a free amd-sev slot would do but for one '
                'of: host trait !COMPUTE_STATUS_DISABLED; host trait '
                'CUSTOM_LICENSED; aggregate ec1a; host epyc-7; request group '
                '_nic; port 5e1f; pci_passthrough:alias; '
                'group_policy=isolate; VCPU:8',
             'if one provider may answer several groups: openstack flavor '
             'set --property group_policy=none m1; or relax another of them, '
             'or add hosts',
             'No host meets all of these at once: the host asked for, '
             'request group _nic, port 5e1f, pci_passthrough:alias, '
             'group_policy=isolate, VCPU.',
             'If one provider may answer several groups: openstack flavor '
             'set --property group_policy=none m1'),
            id='combination',
        ),
        pytest.param(
            reason(Cause.TRAIT, replace(GOLD, contradicted=True),
                   request=encrypted({'trait:CUSTOM_GOLD': 'required'}),
                   **figures()),
            (2, 'of 4 hosts with a free amd-sev slot would do but for support '
                'of extra spec trait:CUSTOM_GOLD=required of flavor m1: only '
                'hosts without CUSTOM_GOLD are asked for',
             'if the guest can do without trait:CUSTOM_GOLD: openstack flavor '
             'unset --property trait:CUSTOM_GOLD m1',
             'No host with a free amd-sev slot supports extra spec '
             'trait:CUSTOM_GOLD=required of flavor m1: only hosts without '
             'CUSTOM_GOLD are asked for.',
             'If the guest can do without trait:CUSTOM_GOLD: openstack flavor '
             'unset --property trait:CUSTOM_GOLD m1'),
            id='a trait that is required and forbidden',
        ),
        pytest.param(
            reason(Cause.COMBINATION, OWNER, VCPU, **figures()),
            (2, 'of 4 hosts with a free amd-sev slot would do but for one '
                'of: host trait !COMPUTE_STATUS_DISABLED; VCPU:8',
             'relax one of them, or add hosts',
             'No host with a free amd-sev slot can give this amount of VCPU '
             'now.',
             'Use a flavor with another amount, or try again later.'),
            id='combination of which a tenant can change one',
        ),
        pytest.param(
            reason(Cause.COMBINATION, CLOUD, ZONE, **figures()),
            (2, 'of 4 hosts with a free amd-sev slot would do but for one '
                'of: host trait CUSTOM_LICENSED; aggregate ec1a',
             'relax one of them, or add hosts',
             'No host meets all of these at once: what the cloud asks of '
             'hosts, the availability zone or project.', ASK_OPERATOR),
            id='combination of which a tenant can change none',
        ),
        pytest.param(
            reason(Cause.UNCLEAR, hosts_with_free_slot=4),
            (4, 'hosts with a free amd-sev slot, and no single thing asked '
                'for keeps the guest off',
             'ask for less, one thing after the other, or see min_unit and '
             'step_size of the inventories',
             'No host meets all that is asked for at once.',
             'Use a smaller flavor with fewer traits, or ask the '
             "cloud's operator."),
            id='unclear',
        ),
    ],
)  # fmt: skip
def test_what_emptied_the_answer_in_words(found, words):
    assert (
        found.hosts,
        found.text,
        steps(found),
        found.tenant_text,
        found.tenant_fix,
    ) == words


SLOTS = {'hosts_with_model': 4, 'slots_total': 60, 'slots_used': 60}


@pytest.mark.parametrize(
    ('found', 'hosts', 'text'),
    [
        (reason(Cause.SLOTS_USED, **SLOTS), 4,
         'hosts offer amd-sev, and all their slots are taken (60 of 60 in '
         'use)'),
        (reason(Cause.SLOTS_USED, **SLOTS | {'hosts_with_model': 1}), 1,
         'host offers amd-sev, and its slots are taken (60 of 60 in use)'),
        (reason(Cause.SEVERAL, SLOT, GOLD, **figures(0, 1)), 0,
         'hosts with amd-sev slots; some would do but for all of: a free '
         'amd-sev slot; trait CUSTOM_GOLD'),
        (reason(Cause.UNCLEAR, hosts_with_free_slot=1), 1,
         'host with a free amd-sev slot, and no single thing asked for keeps '
         'the guest off'),
    ],
)  # fmt: skip
def test_numbers_change_the_words_for_operators_alone(found, hosts, text):
    constraints = (SLOT, GOLD) if found.code == Cause.SEVERAL else ()
    other = reason(found.code, *constraints)

    assert (found.hosts, found.text) == (hosts, text)
    assert (steps(found), found.tenant_text, found.tenant_fix) == (
        *(steps(other), other.tenant_text, other.tenant_fix),
    )


@pytest.mark.parametrize(
    ('hosts', 'text'),
    [
        (1, 'host offers amd-sev, with all slots reserved'),
        (2, 'hosts offer amd-sev, with all slots reserved'),
    ],
)
def test_there_is_no_waiting_for_slots_that_are_reserved(hosts, text):
    found = reason(Cause.SLOTS_USED, hosts_with_model=hosts, slots_total=0)

    assert (found.hosts, found.text, found.permanent) == (hosts, text, True)
    assert found.tenant_fix == ASK_OPERATOR


@pytest.mark.parametrize(
    ('constraints', 'shortfalls', 'text'),
    [
        pytest.param(
            (SLOT, VCPU), (), 'Try again later.',
            id='slots and amounts come free',
        ),
        pytest.param(
            (SLOT, VCPU), (replace(SHORT, capacity=8),), 'Try again later.',
            id='a host has as much when it is empty',
        ),
        pytest.param(
            (SLOT, VCPU), (replace(SHORT, capacity=7),),
            'Relax the others, and wait for a free slot.',
            id='no host has as much',
        ),
        pytest.param(
            (SLOT, ZONE), (), 'Relax the others, and wait for a free slot.',
            id='an aggregate stays',
        ),
        pytest.param(
            (VCPU, GOLD), (), 'Relax all of them.', id='no slot is waited for',
        ),
    ],
)  # fmt: skip
def test_to_wait_is_told_where_it_helps(constraints, shortfalls, text):
    found = reason(Cause.SEVERAL, *constraints, shortfalls=shortfalls)

    assert found.tenant_fix == text
    assert found.permanent is ('later' not in text)


def test_what_an_option_asks_for_is_told_by_its_name():
    constraints = [
        Constraint(
            Cause.HOST_TRAIT, name, asker=Field(Source.OPTION, option, name)
        )
        for name, option in (
            ('CUSTOM_GOLD', '--required'),
            ('!CUSTOM_OLD', '--forbidden'),
        )
    ]
    found = reason(Cause.COMBINATION, *constraints)

    assert found.tenant_text == (
        'No host meets all of these at once: --required CUSTOM_GOLD, '
        '--forbidden CUSTOM_OLD.'
    )


def test_of_a_slot_among_the_rest_one_waits():
    """Beside what has a command."""
    request = encrypted({'trait:CUSTOM_GOLD': 'required'})
    found = reason(Cause.SEVERAL, SLOT, VCPU, GOLD, request=request)
    *_, step = found.steps()

    assert step.words == (
        'and ask for less of the rest (now VCPU:8), or wait for it, and wait '
        'for a free amd-sev slot'
    )
    # However often it is joined.
    assert step.joined().joined().words == step.words


def test_of_guests_that_empty_hosts_have_no_room_for_none_is_to_wait():
    found = reason(Cause.GUESTS, guests=3, guests_fit=0, guests_if_empty=1)

    assert found.text == (
        'if hosts were empty, 1 of the 3 guests would fit at the most'
    )
    assert found.permanent
    assert steps(found) == 'ask for at most 1, or add hosts'
    assert found.tenant_fix == 'Ask for fewer.'


def unknown(constraint, near='', *, trait=True):
    name = constraint.name.removeprefix('!')
    forbidden = constraint.name != name
    return UnknownName(name, trait, forbidden, constraint, near)


CREATE = 'openstack --os-placement-api-version 1.6 trait create CUSTOM_GOLD'
ASKED_GOLD = flavor({**ON, 'trait:CUSTOM_GOLD': 'required'}, name='m1')


@pytest.mark.parametrize(
    ('request_', 'name', 'words'),
    [
        pytest.param(
            parse(ASKED_GOLD), unknown(GOLD),
            ('Placement does not know trait CUSTOM_GOLD (for extra spec '
             'trait:CUSTOM_GOLD=required of flavor m1)',
             'if the guest can do without trait:CUSTOM_GOLD: openstack '
             'flavor unset --property trait:CUSTOM_GOLD m1; or create it, '
             f'and give it to the hosts that are meant: {CREATE}',
             'The cloud does not know trait CUSTOM_GOLD (for extra spec '
             'trait:CUSTOM_GOLD=required of flavor m1).',
             'If the guest can do without trait:CUSTOM_GOLD: openstack '
             'flavor unset --property trait:CUSTOM_GOLD m1'),
            id='of a flavor',
        ),
        pytest.param(
            parse(ASKED_GOLD), unknown(GOLD, 'CUSTOM_GOLDEN'),
            ('Placement does not know trait CUSTOM_GOLD (for extra spec '
             'trait:CUSTOM_GOLD=required of flavor m1)',
             'if CUSTOM_GOLDEN is meant: openstack flavor set --property '
             'trait:CUSTOM_GOLDEN=required m1; and if CUSTOM_GOLDEN is '
             'meant: openstack flavor unset --property trait:CUSTOM_GOLD m1; '
             'or create it, and give it to the hosts that are meant: '
             f'{CREATE}',
             'The cloud does not know trait CUSTOM_GOLD (for extra spec '
             'trait:CUSTOM_GOLD=required of flavor m1).',
             'If CUSTOM_GOLDEN is meant: openstack flavor set --property '
             'trait:CUSTOM_GOLDEN=required m1; if CUSTOM_GOLDEN is meant: '
             'openstack flavor unset --property trait:CUSTOM_GOLD m1'),
            id='nearly one that is known',
        ),
        pytest.param(
            encrypted(),
            unknown(
                Constraint(
                    Cause.HOST_TRAIT, '!CUSTOM_GOLD',
                    asker=Field(Source.OPTION, '--forbidden', 'CUSTOM_GOLD'),
                ),
                'CUSTOM_OLD',
            ),
            ('Placement does not know trait CUSTOM_GOLD (for --forbidden)',
             'correct or leave out --forbidden CUSTOM_GOLD, such as to '
             'CUSTOM_OLD; or create it, if hosts are to be marked with it '
             f'later: {CREATE}',
             'The cloud does not know trait CUSTOM_GOLD (for --forbidden).',
             'Correct or leave out --forbidden CUSTOM_GOLD, such as to '
             'CUSTOM_OLD.'),
            id='of an option',
        ),
        pytest.param(
            encrypted(), unknown(CLOUD),
            ('Placement does not know trait CUSTOM_LICENSED',
             'create it, and give it to the hosts that are meant: '
             f'{CREATE.replace("GOLD", "LICENSED")}',
             'The cloud does not know trait CUSTOM_LICENSED.',
             ASK_OPERATOR),
            id="of the cloud's own request filters",
        ),
        pytest.param(
            encrypted(), unknown(XEN),
            ('Placement does not know trait COMPUTE_GRAPHICS_MODEL_XEN',
             'update os-traits and os-resource-classes of Placement, which '
             'has COMPUTE_GRAPHICS_MODEL_XEN from a later release',
             'The cloud does not know trait COMPUTE_GRAPHICS_MODEL_XEN.',
             ASK_OPERATOR),
            id='that is newer than Placement',
        ),
        pytest.param(
            parse(flavor({**ON, 'hw:pmem': 'GOLD'}, name='m1')),
            unknown(
                Constraint(
                    Cause.RESOURCES_SHORT, 'CUSTOM_PMEM_NAMESPACE_GOLD', 1
                ),
                trait=False,
            ),
            ('Placement does not know resource class '
             'CUSTOM_PMEM_NAMESPACE_GOLD (for extra spec hw:pmem=GOLD of '
             'flavor m1)',
             'if the guest can do without hw:pmem: openstack flavor unset '
             '--property hw:pmem m1; or use hosts with '
             'CUSTOM_PMEM_NAMESPACE_GOLD',
             'The cloud does not know resource class '
             'CUSTOM_PMEM_NAMESPACE_GOLD (for extra spec hw:pmem=GOLD of '
             'flavor m1).',
             'If the guest can do without hw:pmem: openstack flavor unset '
             '--property hw:pmem m1'),
            id='that nova makes of a feature',
        ),
    ],
)  # fmt: skip
def test_a_name_that_placement_does_not_know(request_, name, words):
    found = reason(
        Cause.UNKNOWN_NAME, name.constraint, request=request_, unknown=(name,)
    )

    assert found.permanent
    assert (
        found.text,
        steps(found),
        found.tenant_text,
        found.tenant_fix,
    ) == words


@pytest.mark.parametrize('cause', [c for c in Cause if c is not Cause.NONE])
def test_every_cause_has_words_without_host_names_for_tenants(cause):
    found = reason(cause, HOST, ZONE, VCPU, shortfalls=(SHORT,), **figures())

    assert found.code == cause
    assert found.text
    assert found.tenant_text.endswith('.')
    assert found.tenant_fix.endswith(('.', COMMAND))
    if cause not in (
        *(Cause.GROUP, Cause.TRAIT, Cause.RESOURCES_SHORT),
        # These are the user's own.
        *(Cause.PORT, Cause.DEVICE),
    ):
        assert not re.search('epyc|ec1a', found.tenant_text)


MACHINE_TYPE = Constraint(Cause.MACHINE_TYPE, '!CUSTOM_HW_MACHINE_TYPE_PC')
SERVICE = Constraint(Cause.HOST_TRAIT, '!COMPUTE_STATUS_DISABLED')
COMMAND = 'openstack image set --property hw_machine_type=q35 ubuntu'


@pytest.mark.parametrize(
    ('size', 'extra_specs', 'kwargs', 'best', 'proposed'),
    [
        pytest.param({'disk': 40}, {}, {}, 10, True, id='the root disk'),
        pytest.param(
            {'disk': 40, 'OS-FLV-EXT-DATA:ephemeral': 20},
            *({}, {}, 20, True),
            id='the rest fits',
        ),
        pytest.param(
            {'disk': 40, 'OS-FLV-EXT-DATA:ephemeral': 20},
            *({}, {}, 19, False),
            id='the rest does not fit',
        ),
        pytest.param(
            {'disk': 40, 'OS-FLV-EXT-DATA:ephemeral': 60},
            *({}, {'boot_from_volume': True}, 50, False),
            id='it is a volume already',
        ),
        pytest.param(
            {'disk': 40},
            *({'resources:DISK_GB': '40'}, {}, 10, False),
            id='the amount of an extra spec',
        ),
    ],
)
def test_a_volume_is_proposed_where_the_root_disk_is_too_large(
    size, extra_specs, kwargs, best, proposed
):
    request = parse(flavor(ON | extra_specs, **size), image(READY), **kwargs)
    amount = request.resources['DISK_GB']
    found = reason(
        Cause.RESOURCES_SHORT,
        Constraint(Cause.RESOURCES_SHORT, 'DISK_GB', amount),
        request=request,
        shortfalls=(Shortfall('DISK_GB', amount, best, 'epyc-1'),),
    )

    assert ('boot from a volume' in steps(found)) is proposed
    assert ('boot from a volume' in found.tenant_fix) is proposed


def open_machine_type(*constraints, cause=Cause.MACHINE_TYPE, request=None):
    return explain(
        Diagnosis(
            request=request or encrypted({}, {'hw_machine_type': None}),
            cause=cause,
            constraints=constraints,
            hosts_with_free_slot=3,
            hosts_but_for=2,
        )
    )


def test_the_image_that_leaves_it_open_can_name_it():
    text = open_machine_type(MACHINE_TYPE)
    assert (
        'The image names no machine type, and hosts that could run it '
        'default to another than q35. If the image runs on q35:\n'
        f'    {COMMAND}'
    ) in text.tenant()
    assert 'but for their default machine type' in text.operator()
    assert COMMAND in text.operator()


def test_the_volume_that_leaves_it_open_can_name_it():
    request = parse(
        flavor(ON), {'hw_firmware_type': 'uefi'}, boot_from_volume=True
    )
    text = open_machine_type(MACHINE_TYPE, request=request)
    command = (
        'openstack volume set --image-property hw_machine_type=q35 VOLUME'
    )
    assert 'The volume names no machine type' in text.tenant()
    assert command in text.tenant()
    assert f'\n        {command}\n' in text.operator()
    traits = open_machine_type(GOLD, cause=Cause.TRAIT, request=request)
    assert 'in the flavor or the volume.' in traits.tenant()


@pytest.mark.parametrize(
    'names', [['amd-sev-snp'], ['amd-sev-snp', 'intel-tdx']]
)
def test_what_every_model_needs_is_a_matter_of_hosts(names):
    request = replace(
        encrypted({}, {'hw_firmware_stateless': 'true'}),
        models=tuple(registered_models()[name] for name in names),
    )
    found = reason(Cause.TRAIT, STATELESS, request=request)
    models = ' or '.join(names)

    assert f'; {models} needs property hw_firmware' in found.text
    assert f', which {models} needs.' in found.tenant_text
    assert not found.changes
    several = reason(Cause.SEVERAL, STATELESS, VCPU, request=request)
    assert f'; {models} needs property' in several.text
    assert f'; {models} itself needs ' in several.tenant_text


@pytest.mark.parametrize(
    'names', [['amd-sev-snp', 'amd-sev-es'], ['amd-sev-es', 'amd-sev-snp']]
)
def test_what_one_of_several_models_needs_can_be_left_out(names):
    request = replace(
        encrypted({}, {'hw_firmware_stateless': 'true'}),
        models=tuple(registered_models()[name] for name in names),
    )
    found = reason(Cause.TRAIT, STATELESS, request=request)
    (change,) = found.changes

    assert change.unset == ('hw_firmware_stateless',)
    assert (change.values, change.caveats) == (
        ('amd-sev-es',),
        ('model-wanted',),
    )
    assert 'needs' not in found.text


def test_a_host_out_of_service_is_still_the_operators_affair():
    text = open_machine_type(SERVICE, cause=Cause.HOST_TRAIT)
    assert 'is in service' in text.tenant()


def test_beside_something_else_it_is_named_without_the_trait():
    text = open_machine_type(
        MACHINE_TYPE,
        Constraint(Cause.RESOURCES_SHORT, 'VCPU', 8),
        cause=Cause.COMBINATION,
    )
    assert 'the default machine type' in text.tenant()
    assert 'CUSTOM' not in text.tenant()
