"""What would help against hosts that will not do, as fixes."""

import pytest

from sev_scheduling import (
    Cause,
    Constraint,
    Diagnosis,
    Host,
    SlotPool,
    judge,
)
from sev_scheduling.diagnosis.remedies import of_diagnosis, of_verdicts
from sev_scheduling.models import BUILTIN_MODELS
from tests.unit.factories import (
    SET_FLAVOR,
    SET_IMAGE,
    UNSET_FLAVOR,
    UNSET_IMAGE,
    encrypted,
)

ES, SNP, TDX = (model.name for model in BUILTIN_MODELS[1:])
GOLD = Constraint(Cause.TRAIT, 'CUSTOM_GOLD')
STATELESS = Constraint(Cause.TRAIT, 'COMPUTE_SECURITY_STATELESS_FIRMWARE')
PCPU = Constraint(Cause.RESOURCES_SHORT, 'PCPU', 4)
MEMORY = Constraint(Cause.RESOURCES_SHORT, 'MEMORY_MB', 8192)
OLD = Constraint(Cause.TRAIT, '!CUSTOM_OLD')
BOTH = {'trait:CUSTOM_GOLD': 'required', 'hw:cpu_policy': 'dedicated'}
MODEL = 'hw:mem_encryption_model='


def command(fix):
    return fix.command()


def found(cause, *constraints, request=None, **facts):
    remedies = of_diagnosis(
        Diagnosis(
            request=request or encrypted(BOTH),
            cause=cause,
            constraints=constraints,
            **facts,
        )
    )
    return (
        [
            [command(way) for way in (change, *change.alternatives)]
            for change in remedies.changes
        ],
        [value for fix in remedies.of_hosts for value in fix.values],
    )


@pytest.mark.parametrize(
    ('answer', 'changes', 'hosts'),
    [
        pytest.param(
            found(Cause.TRAIT, GOLD),
            [[UNSET_FLAVOR + 'trait:CUSTOM_GOLD m1']], ['CUSTOM_GOLD'],
            id='a trait',
        ),
        pytest.param(
            found(Cause.SEVERAL, PCPU, GOLD),
            [[UNSET_FLAVOR + 'hw:cpu_policy m1'],
             [UNSET_FLAVOR + 'trait:CUSTOM_GOLD m1']],
            ['PCPU', 'CUSTOM_GOLD'], id='all of several',
        ),
        pytest.param(
            found(Cause.SEVERAL, MEMORY, GOLD), [], ['CUSTOM_GOLD'],
            id='one of several is no property',
        ),
        pytest.param(
            found(Cause.COMBINATION, MEMORY, GOLD, PCPU),
            [[UNSET_FLAVOR + 'trait:CUSTOM_GOLD m1',
              UNSET_FLAVOR + 'hw:cpu_policy m1']],
            [], id='any of several',
        ),
        pytest.param(
            found(Cause.COMBINATION, MEMORY), [], [], id='none of several',
        ),
        pytest.param(
            found(Cause.TRAIT, OLD, request=encrypted(
                {'trait:CUSTOM_OLD': 'forbidden'})),
            [[UNSET_FLAVOR + 'trait:CUSTOM_OLD m1']], [],
            id='a forbidden trait',
        ),
        pytest.param(
            found(Cause.TRAIT, STATELESS, request=encrypted()),
            [[UNSET_IMAGE + 'hw_firmware_stateless ubuntu']],
            [STATELESS.name], id='a property that the model can do without',
        ),
        pytest.param(
            found(Cause.TRAIT, STATELESS, request=encrypted(model=SNP)),
            [], [STATELESS.name], id='a property that the model needs',
        ),
        pytest.param(
            found(Cause.HOST_TRAIT, Constraint(Cause.HOST_TRAIT, 'CUSTOM_A')),
            [], [], id='a trait that the cloud asks for',
        ),
        pytest.param(
            found(Cause.GROUP_POLICY, Constraint(Cause.GROUP_POLICY, '')),
            [[SET_FLAVOR + 'group_policy=none m1']], [], id='a group policy',
        ),
        pytest.param(
            found(Cause.MACHINE_TYPE, Constraint(Cause.MACHINE_TYPE, '')),
            [[SET_IMAGE + 'hw_machine_type=q35 ubuntu']], [],
            id='a machine type',
        ),
        pytest.param(
            found(Cause.NO_MODEL, offered=(ES, SNP)),
            [[f'{SET_FLAVOR}{MODEL}{name} m1' for name in (ES, SNP)]], [],
            id='other models',
        ),
        pytest.param(
            found(Cause.NO_MODEL, offered=(ES, SNP), runnable=(SNP,)),
            [[f'{SET_FLAVOR}{MODEL}{SNP} m1']], [],
            id='other models, as one of which a host could run it',
        ),
        pytest.param(
            found(Cause.NO_MODEL, offered=(ES, SNP), runnable=()),
            [], [], id='other models, as none of which a host could run it',
        ),
        pytest.param(
            found(Cause.NO_MODEL, offered=(TDX,)),
            [[f'{SET_FLAVOR}{MODEL}{TDX} m1'],
             [SET_IMAGE + 'os_secure_boot=required ubuntu']], [],
            id='another model, with what its warnings ask for',
        ),
        pytest.param(
            found(Cause.NO_MODEL, offered=('amd-sev',),
                  request=encrypted(model=SNP)),
            [], [], id='a weaker model',
        ),
        pytest.param(found(Cause.NO_MODEL), [], [], id='no other model'),
    ],
)  # fmt: skip
def test_what_helps_against_a_cause(answer, changes, hosts):
    assert answer == (changes, hosts)


SLOTS = SlotPool(4)


@pytest.mark.parametrize(
    ('pools', 'model', 'change'),
    [
        pytest.param({TDX: SLOTS}, 'amd-sev', TDX, id='another'),
        pytest.param({ES: SLOTS, SNP: SLOTS}, 'amd-sev', SNP,
                     id='one that another excludes'),
        pytest.param({SNP: SLOTS}, ES, SNP, id='in its place'),
        pytest.param({ES: SLOTS, SNP: SLOTS}, ES, SNP, id='beside it'),
        pytest.param({ES: SLOTS, SNP: SlotPool(4, used=4)}, ES, None,
                     id='full, beside it'),
        pytest.param({'amd-sev': SLOTS}, SNP, None, id='a weaker one'),
        pytest.param({TDX: SlotPool(4, used=4)}, 'amd-sev', None, id='full'),
        pytest.param({}, 'amd-sev', None, id='none'),
    ],
)  # fmt: skip
def test_the_offer_is_a_model_with_free_slots(pools, model, change):
    host = Host(name='a', pools=pools)
    # With TDX, an image that says nothing of Secure Boot has a warning.
    boot = {'os_secure_boot': 'optional'} if TDX in pools else {}
    request = encrypted({}, boot, model=model)
    changes = of_verdicts([judge(request, host)]).changes

    assert [command(fix) for fix in changes] == (
        [f'{SET_FLAVOR}{MODEL}{change} m1'] if change else []
    )


def test_no_command_offers_a_model_that_the_image_cannot_have():
    request = encrypted({}, {'hw_architecture': 'aarch64'})
    offers_tdx = Host(name='a', pools={TDX: SLOTS})
    assert of_verdicts([judge(request, offers_tdx)]).changes == ()
