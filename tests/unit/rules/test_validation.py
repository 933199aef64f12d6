import copy
import dataclasses
import pickle
from collections import Counter
from dataclasses import replace

import pytest

from sev_scheduling import (
    Code,
    Host,
    SlotPool,
    filter_hosts,
    judge,
    parse,
    translate,
    validate,
)
from sev_scheduling.models import BUILTIN_MODELS
from sev_scheduling.rules.validation import (
    MODEL_RULES,
    PLAIN_RULES,
    REQUEST_RULES,
)
from tests.unit.factories import ON, encrypted, flavor, image, plain

SEV, SEV_ES, SEV_SNP, TDX = BUILTIN_MODELS

#: Breaks every rule for an encrypted guest that another does not hide.
WORST = parse(
    flavor(
        ON
        | {
            'hw:mem_encryption_model': 'intel-tdx',
            'pci_passthrough:alias': 'gpu:1',
            'trait:HW_CPU_X86_AMD_SEV': 'required',
            'resources:MEM_ENCRYPTION_CONTEXT': '1',
            'resources:VCPU': 'many',
            'trait1:CUSTOM_A': 'required',
        }
    ),
    image(
        {
            'hw_mem_encryption': 'false',
            'hw_mem_encryption_model': 'arm-cca',
            'hw_machine_type': 'pc',
            'hw_architecture': 'aarch64',
            'hw_disk_bus': 'ide',
            'hw_cdrom_bus': 'ide',
        }
    ),
)


def codes(problems):
    return [str(problem.code) for problem in problems]


def test_all_problems_are_reported_at_once_errors_first_in_a_fixed_order():
    assert codes(validate(WORST)) == [
        'encryption-conflict',
        'unknown-model',
        'model-conflict',
        'firmware-not-uefi',
        'firmware-not-stateless',
        'machine-type-not-q35',
        'architecture-unsupported',
        'disk-bus-unsupported',
        'cdrom-bus-unsupported',
        'video-device-present',
        'host-device',
        'trait-conflict',
        'explicit-slot',
        'invalid-resource-request',
        'secure-boot-unsupported',
        'invalid-resource-request',
    ]
    assert [p.is_error for p in validate(WORST)] == [True] * 14 + [False] * 2


def test_every_problem_knows_who_asks_for_encryption():
    for problem in validate(WORST):
        assert [str(field) for field in problem.requesters] == [
            'flavor:hw:mem_encryption'
        ]


def test_every_code_of_a_request_has_one_rule():
    rules = [*REQUEST_RULES, *PLAIN_RULES, *MODEL_RULES]

    assert sorted(rule.code for rule in rules) == sorted(
        {*Code}
        - {
            Code.ACTION_UNSUPPORTED,
            Code.REBUILD_NEEDS_SLOT,
            Code.REBUILD_CHANGES_MODEL,
            Code.REBUILD_NOT_UNDONE,
            Code.RESCUE_DROPS_ENCRYPTION,
        }
    )
    assert all(rule.when for rule in rules)


#: What stands for nothing in place of a text or of several things.
EMPTY = {str: (None, ''), type(None): (None, ''), tuple: ((),)}


def asked(rules, request):
    return [rule for rule in rules if getattr(request, rule.reads)]


@pytest.mark.parametrize('models', [['amd-sev'], ['intel-tdx', 'amd-sev']])
def test_each_rule_runs_once_for_all_steps(rule_calls, models):
    request = encrypted(models=models)
    found = validate(request)
    hosts = [Host(name=name, pools={'amd-sev': SlotPool(1)}) for name in 'ab']

    translate(found)
    judge(found, hosts[0])
    result = filter_hosts(found, hosts)

    assert len(result.accepted) == 2
    assert set(rule_calls.values()) == {1}
    assert set(rule_calls) == {
        *((rule.code, '') for rule in asked(REQUEST_RULES, request)),
        *(
            (rule.code, model)
            for rule in asked(MODEL_RULES, request)
            for model in models
        ),
    }


def test_rules_of_plain_guests_run_once(rule_calls):
    request = plain()
    translate(validate(request))

    assert rule_calls == Counter(
        (rule.code, '')
        for rule in asked((*REQUEST_RULES, *PLAIN_RULES), request)
    )


def test_a_rule_that_is_not_asked_would_find_nothing():
    for rule in (*REQUEST_RULES, *PLAIN_RULES, *MODEL_RULES):
        more = (SEV, None) if rule in MODEL_RULES else ()
        some = getattr(WORST, rule.reads)
        for nothing in () if rule.reads == 'views' else EMPTY[type(some)]:
            # All else is as wrong as it can be.
            request = replace(WORST, **{rule.reads: nothing})
            assert list(rule.check(request, *more)) == [], rule.code


def test_what_a_rule_yields_has_a_severity_that_it_names():
    for problem in (*validate(WORST), *validate(plain({'resources:X': '1'}))):
        (rule,) = (
            rule
            for rule in (*REQUEST_RULES, *PLAIN_RULES, *MODEL_RULES)
            if rule.code is problem.code
        )
        assert problem.severity in rule.severities


def test_unencrypted_guests_may_have_what_encrypted_ones_may_not():
    request = plain(
        {'pci_passthrough:alias': 'gpu:1'},
        {'hw_disk_bus': 'ide', 'hw_machine_type': 'pc'},
    )

    assert validate(request) == ()


def test_the_machine_type_of_a_host_can_be_given():
    request = encrypted({}, {'hw_machine_type': None})

    assert codes(validate(request)) == ['machine-type-unset']
    assert codes(validate(request, 'pc')) == ['machine-type-not-q35']
    assert codes(validate(request, machine_type='pc-q35-9.0')) == []


@pytest.mark.parametrize(
    'as_warnings',
    [{'host-device'}, ['host-device'], (Code.HOST_DEVICE,)],
    ids=['text', 'a list', 'a code'],
)
def test_a_code_can_be_made_a_warning(as_warnings):
    request = encrypted(
        {'pci_passthrough:alias': 'gpu:1'}, {'hw_firmware_type': None}
    )

    before = validate(request)
    after = validate(request, as_warnings=as_warnings)

    assert [(p.code, p.is_error) for p in before] == [
        ('firmware-not-uefi', True),
        ('host-device', True),
    ]
    assert [(p.code, p.is_error) for p in after] == [
        ('firmware-not-uefi', True),
        ('host-device', False),
    ]


ANY = {'models': ['intel-tdx', 'amd-sev-snp', 'amd-sev']}


@pytest.mark.parametrize(
    ('properties', 'usable', 'problems'),
    [
        pytest.param(
            {},
            (TDX, SEV_SNP, SEV),
            ['secure-boot-unsupported'],
            id='all will do',
        ),
        pytest.param(
            {'hw_video_model': None},
            (SEV_SNP, SEV),
            ['video-device-present'],
            id='not the best',
        ),
        pytest.param(
            {'hw_firmware_stateless': None},
            (SEV,),
            ['firmware-not-stateless', 'firmware-not-stateless'],
            id='the last alone',
        ),
        pytest.param(
            {'hw_machine_type': 'pc', 'hw_video_model': None},
            (),
            [
                *('machine-type-not-q35', 'video-device-present'),
                'secure-boot-unsupported',
            ],
            id="none: the best one's problems",
        ),
        pytest.param(
            {'hw_video_model': None, 'hw_machine_type': None},
            (SEV_SNP, SEV),
            ['machine-type-unset', 'video-device-present'],
            id='warnings leave a model usable',
        ),
    ],
)
def test_any_of_several_models(properties, usable, problems):
    request = encrypted({}, properties, **ANY)

    assert validate(request).models == usable
    assert codes(validate(request)) == problems


def test_what_keeps_a_model_out_is_a_warning_where_another_will_do():
    request = encrypted({}, {'hw_firmware_stateless': None}, **ANY)
    tdx, snp = validate(request)
    (way,) = snp.fix.alternatives

    assert [p.severity for p in (tdx, snp)] == ['warning', 'warning']
    assert (tdx.model, snp.model) == ('intel-tdx', 'amd-sev-snp')
    assert (snp.fix.advice, snp.fix.values) == (
        'leave-to-other-model',
        ('amd-sev',),
    )
    assert way.set == {'hw_firmware_stateless': 'true'}
    assert way.wish == 'amd-sev-snp'


def test_what_no_command_changes_is_left_to_the_other_model_alone():
    arm = dataclasses.replace(SEV, name='arm', architectures=('aarch64',))
    request = dataclasses.replace(
        encrypted({}, {'hw_architecture': 'x86_64'}), models=(arm, SEV)
    )
    (problem,) = validate(request)

    assert problem.code == 'architecture-unsupported'
    assert problem.fix.advice == 'leave-to-other-model'
    assert problem.fix.alternatives == ()


def test_a_trait_of_the_flavor_narrows_several_models():
    request = encrypted({'trait:HW_CPU_X86_AMD_SEV_SNP': 'required'}, **ANY)

    assert validate(request).models == (SEV_SNP,)


def test_usable_models_heed_the_host_and_the_callers_warnings():
    request = encrypted(
        {'pci_passthrough:alias': 'gpu:1'}, {'hw_machine_type': None}
    )

    assert validate(request).models == ()
    assert validate(request, as_warnings={'host-device'}).models == (SEV,)
    found = validate(request, 'pc', as_warnings={'host-device'})
    assert found.models == ()


def test_a_validation_can_be_copied_and_sent_to_another_process():
    found = validate(WORST)

    for twin in (copy.deepcopy(found), pickle.loads(pickle.dumps(found))):
        assert twin == found
        assert (twin.request, twin.models) == (found.request, found.models)
        assert twin.errors == found.errors
