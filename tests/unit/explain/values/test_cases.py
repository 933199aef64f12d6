"""Which row of the catalogue has the words of a finding."""

import pytest

from sev_scheduling import (
    Cause,
    Constraint,
    Diagnosis,
    Field,
    Host,
    Shortfall,
    SlotPool,
    judge,
)
from sev_scheduling.diagnosis import Limit
from sev_scheduling.explain import catalogue
from sev_scheduling.explain.values.cases import (
    cause_case,
    is_service,
    verdict_case,
)
from sev_scheduling.problems import Source
from tests.unit.factories import encrypted, plain

ES, SNP, TDX = 'amd-sev-es', 'amd-sev-snp', 'intel-tdx'
GOLD = 'CUSTOM_GOLD'
STATELESS = 'COMPUTE_SECURITY_STATELESS_FIRMWARE'
SLOTS = Constraint(Cause.SLOTS_USED, 'amd-sev')
AGGREGATE = Constraint(Cause.AGGREGATE, 'az1')
DISABLED = Constraint(Cause.HOST_TRAIT, '!COMPUTE_STATUS_DISABLED')
BY_OPTION = Constraint(
    Cause.HOST_TRAIT, GOLD, asker=Field(Source.OPTION, '--required')
)
MEMORY = Constraint(Cause.RESOURCES_SHORT, 'MEMORY_MB', 8192)
DISK = Constraint(Cause.RESOURCES_SHORT, 'DISK_GB', 40)
GOLDEN = encrypted({'trait:CUSTOM_GOLD': 'required'})


def trait(name=GOLD, cause=Cause.TRAIT, **more):
    return Constraint(cause, name, **more)


def short(name='MEMORY_MB', requested=8192, best=4096):
    return {'shortfalls': (Shortfall(name, requested, best, 'a'),)}


@pytest.mark.parametrize(
    ('cause', 'constraints', 'facts', 'case'),
    [
        (Cause.NO_MODEL, (), {}, ''),
        (Cause.NO_MODEL, (), {'offered': (TDX,)}, 'offered'),
        (
            Cause.NO_MODEL,
            (),
            {'offered': (SNP,), 'request': encrypted(model=ES)},
            'excluded',
        ),
        (Cause.SLOTS_USED, (SLOTS,), {}, 'uncounted'),
        (Cause.SLOTS_USED, (SLOTS,), {'hosts_with_model': 1}, 'reserved'),
        (
            Cause.SLOTS_USED,
            (SLOTS,),
            {'hosts_with_model': 1, 'slots_total': 1},
            '',
        ),
        (Cause.GUESTS, (), {'guests_fit': 0}, 'never'),
        (Cause.GUESTS, (), {'guests_fit': 1}, ''),
        (Cause.RESOURCES_SHORT, (MEMORY,), {}, 'units'),
        (Cause.RESOURCES_SHORT, (MEMORY,), short(), ''),
        (Cause.RESOURCES_SHORT, (DISK,), short('DISK_GB', 40, 0), 'disk'),
        (Cause.RESOURCES_SHORT, (DISK,), short('DISK_GB', 90, 0), ''),
        (Cause.TRAIT, (trait(),), {}, ''),
        (Cause.TRAIT, (trait(),), {'request': GOLDEN}, 'property'),
        (
            Cause.TRAIT,
            (trait(contradicted=True),),
            {'request': GOLDEN},
            'contradicted',
        ),
        (
            Cause.TRAIT,
            (trait(f'!{GOLD}'),),
            {'request': encrypted({'trait:CUSTOM_GOLD': 'forbidden'})},
            'forbidden',
        ),
        (
            Cause.TRAIT,
            (trait(STATELESS),),
            {'request': encrypted(model=SNP)},
            'demanded',
        ),
        (Cause.HOST_TRAIT, (trait(cause=Cause.HOST_TRAIT),), {}, ''),
        (Cause.HOST_TRAIT, (BY_OPTION,), {}, 'scope'),
        (Cause.HOST_TRAIT, (DISABLED,), {}, 'service'),
        (Cause.AGGREGATE, (AGGREGATE,), {}, ''),
        (Cause.SEVERAL, (MEMORY, AGGREGATE), {}, ''),
        (Cause.SEVERAL, (MEMORY, SLOTS), {}, 'slots'),
        (Cause.COMBINATION, (AGGREGATE,), {}, 'operators'),
        (Cause.COMBINATION, (MEMORY, AGGREGATE), {}, ''),
        (Cause.COMBINATION, (trait(),), {'request': GOLDEN}, 'property'),
        (
            Cause.COMBINATION,
            (trait(), MEMORY),
            {'request': GOLDEN},
            'property-of-some',
        ),
    ],
)
def test_the_row_of_a_cause(cause, constraints, facts, case):
    found = Diagnosis(
        cause=cause,
        constraints=constraints,
        **{'request': encrypted(), **facts},
    )

    assert cause_case(found) == case
    assert (cause, case) in catalogue.placement.CAUSES


@pytest.mark.parametrize(
    ('limits', 'case'),
    [
        ((Limit('MEM_ENCRYPTION_CONTEXT', 1, 0),), ''),
        ((Limit('MEMORY_MB', 8192, 4096),), 'amount'),
        ((Limit('DISK_GB', 40, 0, 'ceph'),), 'shared'),
    ],
)
def test_the_row_of_several_guests_is_that_of_what_limits_them(limits, case):
    found = Diagnosis(
        request=encrypted(), cause=Cause.GUESTS, guests_fit=1, limits=limits
    )

    assert cause_case(found) == case


def host(pools=None, **more):
    return Host(name='a', pools=pools or {}, **more)


FREE = SlotPool(4)
SEV = {'amd-sev': FREE}
RESERVED = {'amd-sev': SlotPool(0, provider_uuid='5e1f')}
PC = {'hw_machine_type': 'pc'}
OPEN = encrypted({}, {'hw_machine_type': None})


@pytest.mark.parametrize(
    ('request_', 'hosts', 'case'),
    [
        (encrypted(), [host()], ''),
        (encrypted(), [host({TDX: FREE})], 'offered'),
        (encrypted(model=ES), [host({SNP: FREE})], 'excluded'),
        (
            encrypted(model=ES),
            [host({SNP: FREE}), host({TDX: FREE})],
            'excluded-on-some',
        ),
        (OPEN, [host(SEV, machine_types={'x86_64': 'pc'})], 'default'),
        (encrypted({}, PC), [host(SEV)], 'image'),
        (plain(), [host(traits=['COMPUTE_STATUS_DISABLED'])], 'unencrypted'),
        (encrypted(), [host(RESERVED)], 'reserved'),
    ],
)
def test_the_row_of_a_verdict(request_, hosts, case):
    verdicts = [judge(request_, one) for one in hosts]
    found = verdict_case(verdicts)

    assert (verdicts[0].code, found) in catalogue.hosts.VERDICTS
    assert found == case


@pytest.mark.parametrize(
    ('constraint', 'yes'),
    [
        (DISABLED, True),
        (trait('OWNER_NOVA', Cause.HOST_TRAIT), True),
        (trait('OWNER_NOVA'), False),
        (BY_OPTION, False),
    ],
)
def test_what_asks_for_hosts_in_service(constraint, yes):
    assert is_service(constraint) is yes
