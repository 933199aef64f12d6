"""Fixes, applied: the problem is gone, and no other has come of it."""

import copy

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sev_scheduling import merge, parse, validate
from sev_scheduling.models import BUILTIN_MODELS, registered_models
from sev_scheduling.problems import Code, Target

MODELS = [model.name for model in BUILTIN_MODELS]
NAMES = [*MODELS, 'snp', 'sev-snp', 'AMD-SEV', 'tdx', 'amd-sev-e', 'x', '']
BOOLEANS = ['true', 'yes', 'false', '0', 'maybe', 'disabled']
TRAITS = [model.trait for model in BUILTIN_MODELS]

EXTRA_SPECS = st.fixed_dictionaries(
    {},
    optional={
        'hw:mem_encryption': st.sampled_from(BOOLEANS),
        'hw:mem_encrypton': st.sampled_from(BOOLEANS),
        'hw:mem-encryption': st.sampled_from(BOOLEANS),
        'hw:mem_encryption_model': st.sampled_from(NAMES),
        'hw_mem_encryption_model': st.sampled_from(NAMES),
        'pci_passthrough:alias': st.just('gpu:1'),
        'os:secure_boot': st.sampled_from(['required', 'disabled']),
        'resources:MEM_ENCRYPTION_CONTEXT': st.sampled_from(['1', '0']),
        'resources:VGPU': st.sampled_from(['1', 'many']),
        f'trait:{TRAITS[0]}': st.sampled_from(['required', 'forbidden']),
        f'trait:{TRAITS[1]}': st.sampled_from(['required', 'forbidden']),
        f'trait1:{TRAITS[2]}': st.sampled_from(['required', 'forbidden']),
        'trait:NOBODY': st.just('required'),
        'trait:CUSTOM_A': st.sampled_from(['required', 'wanted']),
    },
)
PROPERTIES = st.fixed_dictionaries(
    {},
    optional={
        'hw_mem_encryption': st.sampled_from(BOOLEANS),
        'hw:mem_encryption': st.sampled_from(BOOLEANS),
        'hw_mem_encryption_model': st.sampled_from(NAMES),
        'hw_firmware_type': st.sampled_from(['uefi', 'bios', '']),
        'hw_firmware_typ': st.sampled_from(['uefi', 'bios']),
        'hw_firmware_stateless': st.sampled_from(['true', 'no']),
        'hw_machine_type': st.sampled_from(['q35', 'pc', 'pc-q35-8.2']),
        'hw_architecture': st.sampled_from(['x86_64', 'aarch64']),
        'hw_disk_bus': st.sampled_from(['ide', 'scsi', 'virtio']),
        'hw_diskbus': st.just('ide'),
        'hw_scsi_model': st.sampled_from(['lsilogic', 'virtio-scsi']),
        'hw_cdrom_bus': st.sampled_from(['ide', 'sata']),
        'hw_video_model': st.sampled_from(['none', 'vga']),
        'os_secure_boot': st.sampled_from(['required', 'optional']),
        f'trait:{TRAITS[0]}': st.sampled_from(['required', 'forbidden']),
        'trait:CUSTOM_A': st.sampled_from(['forbidden', 'required']),
    },
)
INPUTS = st.tuples(EXTRA_SPECS, PROPERTIES)
#: More fixes than there are keys: they go in a circle.
_MOST_ROUNDS = 12


def problems_of(inputs):
    extra_specs, properties = inputs
    flavor = {'name': 'm1', 'vcpus': 1, 'ram': 1, 'extra_specs': extra_specs}
    return validate(parse(flavor, {'name': 'u', **properties}))


def apply(inputs, fix):
    """Return flavor and image as they are once a command has run."""
    assert fix.target in (Target.FLAVOR, Target.IMAGE)
    extra_specs, properties = copy.deepcopy(inputs)
    owner = extra_specs if fix.target is Target.FLAVOR else properties
    owner.update(fix.set)
    for key in fix.unset:
        del owner[key]
    return extra_specs, properties


def places(problems):
    return {(problem.code, problem.where) for problem in problems}


@given(INPUTS)
def test_a_fix_solves_its_problem_and_makes_no_other(inputs):
    before = problems_of(inputs)
    for problem in before:
        if not problem.fix.command():
            continue
        changed = apply(inputs, problem.fix)
        if problem.code is Code.UNKNOWN_MODEL:
            # A name that both give is corrected in both.
            for other in before:
                if other.code is problem.code and other.fix.command():
                    changed = apply(changed, other.fix)
        after = problems_of(changed)

        assert (problem.code, problem.where) not in places(after)
        if (
            not before.request.encrypted
            or after.request.models != before.request.models
            # What nothing read may contradict, or be wrong by itself.
            or problem.code is Code.MISSPELT_KEY
        ):
            # What asks for more has more to be ready for.
            continue
        assert {
            p
            for p in after
            if (p.code, p.where) not in places(before)
            # It is a near miss of what is set no more.
            and not (
                p.code is Code.MISSPELT_KEY
                and p.other.key in problem.fix.unset
            )
        } == set()


@given(INPUTS)
def test_all_fixes_together_come_to_an_end(inputs):
    """To a request without errors, or to errors that no command solves."""
    for _ in range(_MOST_ROUNDS):
        changes = [
            fix
            for fix in merge(p.fix for p in problems_of(inputs))
            if fix.command()
        ]
        if not changes:
            break
        for change in changes:
            inputs = apply(inputs, change)
    else:
        raise AssertionError(f'in a circle: {inputs}')
    left = problems_of(inputs)
    assert not any(problem.fix.command() for problem in left)


@given(INPUTS)
@example(
    (
        {'hw:mem_encryption': 'true', 'hw_mem_encryption_model': 'amd-sev'},
        {'hw_mem_encryption_model': 'amd-sev-es'},
    )
)
def test_no_fix_asks_for_less_protection(inputs):
    """No command turns encryption off, or names a weaker model."""
    models = registered_models()
    before = problems_of(inputs).request
    for problem in problems_of(inputs):
        if not (problem.fix.command() and before.encrypted):
            continue
        after = problems_of(apply(inputs, problem.fix)).request
        assert after.encrypted
        for old in before.models:
            for new in after.models:
                assert new.name not in models[old.name].stronger_than


#: What decides how an image boots; devices and traits that were asked for.
BOOT = {
    *('hw_cdrom_bus', 'hw_disk_bus', 'hw_firmware_stateless'),
    *('hw_firmware_type', 'hw_machine_type', 'hw_scsi_model'),
    *('hw_video_model', 'os:secure_boot', 'os_secure_boot'),
}
ASKED_FOR = {'pci_passthrough:alias', 'os:secure_boot'}


@given(INPUTS)
def test_what_changes_more_than_its_problem_has_a_condition(inputs):
    before = problems_of(inputs)
    for problem in before:
        for fix in (problem.fix, *problem.fix.alternatives):
            if not fix.command():
                continue
            if BOOT & fix.set.keys():
                assert any(caveat.of_image for caveat in fix.caveats)
            if fix.caveats:
                continue
            assert not ASKED_FOR & {*fix.unset}
            after = problems_of(apply(inputs, fix))
            assert before.errors or (
                (after.request.encrypted, after.request.models)
                == (before.request.encrypted, before.request.models)
            )


@given(INPUTS)
def test_every_way_of_a_choice_has_a_condition(inputs):
    for problem in problems_of(inputs):
        fix = problem.fix
        ways = [way for way in (fix, *fix.alternatives) if way.command()]
        if len(ways) > 1:
            assert all(way.caveats for way in ways)


@pytest.mark.parametrize(
    ('properties', 'caveats'),
    [
        ({}, ['boots-with-uefi']),
        ({'hw_firmware_type': 'uefi'}, ['runs-on-q35']),
        ({'hw_machine_type': 'pc'}, ['boots-with-uefi']),
        ({'hw_machine_type': 'q35'}, ['boots-with-uefi']),
        # What is meant by a near miss would not do.
        ({'hw_firmware-type': 'bios'}, ['boots-with-uefi']),
        (
            {'hw_disk_bus': 'ide'},
            ['boots-with-uefi', 'has-virtio-driver'],
        ),
    ],
    ids=str,
)
def test_one_command_has_one_condition(properties, caveats):
    """Firmware, bus and machine type of an image: what boots with UEFI runs
    on q35.
    """
    found = problems_of(({'hw:mem_encryption': 'true'}, properties))

    (change,) = merge(problem.fix for problem in found)
    assert sorted(change.caveats) == caveats


@given(INPUTS)
def test_every_problem_has_something_to_do(inputs):
    assert all(str(problem.fix) for problem in problems_of(inputs))
