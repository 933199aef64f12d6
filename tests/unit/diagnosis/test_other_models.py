"""Other models that hosts offer, and what it takes to ask for one."""

import pytest

from sev_scheduling import Host, SlotPool, judge, parse
from sev_scheduling.diagnosis.other_models import (
    as_another_model,
    models_in_its_place,
)
from sev_scheduling.models import BUILTIN_MODELS
from tests.unit.factories import (
    ON,
    READY,
    SET_FLAVOR,
    SET_IMAGE,
    encrypted,
    flavor,
    image,
)

SEV, ES, SNP, TDX = (model.name for model in BUILTIN_MODELS)
SLOTS = SlotPool(4)
FULL = SlotPool(4, used=4)
MODEL = 'hw:mem_encryption_model='


def commands(request, name):
    """Return the commands that make a request one as another model."""
    other = as_another_model(request, name)
    return other and [fix.command() for fix in other.fixes]


@pytest.mark.parametrize(
    ('pools', 'model', 'offered'),
    [
        pytest.param({TDX: SLOTS}, SEV, (TDX,), id='another'),
        pytest.param(
            {ES: SLOTS, SNP: SLOTS}, SEV, (SNP,), id='one excludes another'
        ),
        pytest.param({SNP: SLOTS}, ES, (SNP,), id='in its place'),
        pytest.param({ES: SLOTS, SNP: SLOTS}, ES, (SNP,), id='beside it'),
        pytest.param({SEV: SLOTS}, SNP, (SEV,), id='a weaker one'),
        pytest.param({TDX: FULL}, SEV, (), id='full'),
        pytest.param({}, SEV, (), id='none'),
    ],
)
def test_hosts_offer_models_with_free_slots(pools, model, offered):
    verdict = judge(encrypted(model=model), Host(name='a', pools=pools))

    assert models_in_its_place([verdict]) == offered


def test_a_host_out_of_service_offers_nothing():
    disabled = Host(
        name='a', pools={TDX: SLOTS}, traits=('COMPUTE_STATUS_DISABLED',)
    )

    assert models_in_its_place([judge(encrypted(), disabled)]) == ()


@pytest.mark.parametrize(
    ('request_', 'name'),
    [
        pytest.param(encrypted(model=SNP), SEV, id='it protects less'),
        pytest.param(encrypted(), 'arm-cca', id='nobody knows it'),
        pytest.param(
            encrypted({}, {'hw_architecture': 'aarch64'}),
            TDX,
            id='the image cannot run as it',
        ),
    ],
)
def test_a_model_that_will_not_do_is_not_asked_for(request_, name):
    assert as_another_model(request_, name) is None


def test_the_request_as_another_model_is_valid():
    other = as_another_model(
        encrypted({}, {'hw_firmware_stateless': None}), SNP
    )

    assert [model.name for model in other.validation.models] == [SNP]
    assert not other.validation.errors


STATELESS_IMAGE = SET_IMAGE + 'hw_firmware_stateless=true ubuntu'
NAMED = 'hw_mem_encryption_model'


@pytest.mark.parametrize(
    ('specs', 'properties', 'changes'),
    [
        ({}, {}, [STATELESS_IMAGE]),
        # What flavor and image name is what counts.
        (
            {'hw:mem_encryption_model': ES},
            {},
            [SET_FLAVOR + f'{MODEL}{SNP} m1', STATELESS_IMAGE],
        ),
        (
            {},
            {NAMED: ES},
            [
                f'{SET_IMAGE}{NAMED}={SNP} --property '
                'hw_firmware_stateless=true ubuntu'
            ],
        ),
        (
            {'hw:mem_encryption_model': ES},
            {NAMED: ES},
            [
                SET_FLAVOR + f'{MODEL}{SNP} m1',
                f'{SET_IMAGE}{NAMED}={SNP} --property '
                'hw_firmware_stateless=true ubuntu',
            ],
        ),
    ],
)
def test_a_model_that_the_caller_takes_needs_no_name(
    specs, properties, changes
):
    bios = {'hw_firmware_stateless': None}
    request = parse(
        flavor(ON | specs),
        image({**READY, **bios, **properties}),
        models=[ES, SNP],
    )

    assert commands(request, SNP) == changes


def test_a_model_goes_where_one_is_named():
    request = encrypted(
        {},
        {NAMED: SEV, 'os_secure_boot': 'optional'},
    )

    assert commands(request, TDX) == [f'{SET_IMAGE}{NAMED}={TDX} ubuntu']
