"""What to change of one flavor and one image: all that check shows."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sev_scheduling import parse, validate
from sev_scheduling.audit import plan_pair
from sev_scheduling.exceptions import InputError
from sev_scheduling.problems import Severity, Target
from tests.unit.audit.test_audit import changed
from tests.unit.factories import ON, READY
from tests.unit.factories import flavor as a_flavor
from tests.unit.factories import image as an_image
from tests.unit.rules.test_fixes import INPUTS

MODEL = 'hw:mem_encryption_model'
SNP_TRAIT = 'trait:HW_CPU_X86_AMD_SEV_SNP'
NAMES = st.sampled_from(['m1', 'u', '--help', '$(id)', 'two\nlines', 'a=b'])


def keys(target, fix):
    """Return each key that a fix changes, with its value."""
    pairs = {**dict.fromkeys(fix.unset), **fix.set}
    return {(target, key, value) for key, value in pairs.items()}


def planned_keys(fixes):
    return {
        change
        for fix in fixes
        for one in fix.changes
        for change in keys(fix.item.target, one)
    }


def after(flavor, image, fixes):
    for fix in fixes:
        if fix.item.target is Target.FLAVOR:
            flavor = changed(flavor, fix.changes)
        else:
            image = changed(image, fix.changes)
    return flavor, image


def judged(flavor, image):
    return validate(parse(flavor, image))


@given(INPUTS, NAMES, NAMES)
@settings(max_examples=150, deadline=None)
def test_each_way_that_check_shows_is_one_of_the_plan(inputs, name, other):
    extra_specs, properties = inputs
    flavor = a_flavor(extra_specs, name=name, id='f')
    image = {'name': other, 'id': 'i', 'properties': properties}

    plan = plan_pair(flavor, image)

    made = planned_keys(plan.fixes)
    then = judged(*after(flavor, image, plan.fixes))
    touched = {key[:2] for key in made}
    left_out = planned_keys(plan.left_out)
    shown = {
        change
        for problem in then
        for way in problem.fix.ways
        if not {c[:2] for c in keys(way.target, way)} & touched
        for change in keys(way.target, way)
    }
    # Where two set one key otherwise, the error decides.
    assert left_out <= shown
    assert {c[:2] for c in left_out} == {c[:2] for c in shown}
    still = {(p.code, p.where) for p in then}
    for problem in judged(flavor, image):
        # What is made may solve it as well.
        if (problem.code, problem.where) in still:
            for way in problem.fix.ways:
                wanted = {c[:2] for c in keys(way.target, way)}
                left = {c[:2] for c in left_out}
                # What was made is not undone.
                assert wanted <= left or wanted & touched
    assert not any(fix.condition for fix in plan.fixes)
    assert all(fix.condition for fix in plan.left_out)


@given(INPUTS)
@settings(max_examples=100, deadline=None)
def test_what_is_made_unasked_leaves_a_guest_as_it_was_meant(inputs):
    """One that can run is as encrypted as before; a second run is empty."""
    flavor = a_flavor(inputs[0], id='f')
    image = {'name': 'u', 'id': 'i', 'properties': inputs[1]}
    before = judged(flavor, image)

    plan = plan_pair(flavor, image)

    then = after(flavor, image, plan.fixes)
    found = judged(*then)
    assert plan.severity_after is (
        Severity.ERROR if found.errors else Severity.WARNING if found else None
    )
    assert plan_pair(*then).fixes == ()
    if not before.errors:
        assert not found.errors
        assert (found.request.encrypted, found.request.model_name) == (
            before.request.encrypted,
            before.request.model_name,
        )


def accepting(*names):
    """Return what accepts choices and conditions, as options do."""

    def accept(item):
        words = [name.partition('=') for name in names]
        return {choice for word, _, choice in words if word == item.id}

    return accept


CONFLICTS = [
    pytest.param(
        {**ON, SNP_TRAIT: 'required'},
        READY,
        ['f=amd-sev-snp', 'f=amd-sev'],
        id='a required trait of a stronger model',
    ),
    pytest.param(
        {**ON, MODEL: 'amd-sev'},
        {**READY, 'hw_mem_encryption_model': 'intel-tdx'},
        ['f=intel-tdx', 'i=amd-sev'],
        id='two models',
    ),
    pytest.param(
        ON,
        {**READY, 'hw_mem_encryption': 'false'},
        ['i=encrypted', 'f=unencrypted'],
        id='on and off',
    ),
    pytest.param(
        {'resources:MEM_ENCRYPTION_CONTEXT': '1'},
        READY,
        ['f=unencrypted', 'f=encrypted'],
        id='a slot without encryption',
    ),
]


@pytest.mark.parametrize(('extra_specs', 'properties', 'ways'), CONFLICTS)
def test_a_conflict_has_both_ways_and_none_is_taken_unasked(
    extra_specs, properties, ways
):
    flavor = a_flavor(extra_specs, name='n', id='f')
    image = an_image(properties, name='n', id='i')
    choices = [*map(str, ways)]

    def plan(*names):
        return plan_pair(flavor, image, accept=accepting(*names))

    def conditions(planned):
        return [
            f'{fix.item.id}={fix.choice}'
            for fix in planned.left_out
            if fix.choice
        ]

    assert conditions(plan()) == choices
    assert plan('f=', 'i=').fixes == ()
    for choice in choices:
        planned = plan(choice)
        (made,) = planned.fixes
        assert made.item.id == choice[0]
        assert conditions(planned) == []
        then = after(flavor, image, planned.fixes)
        assert plan_pair(*then, accept=accepting(choice)).fixes == ()
    with pytest.raises(InputError):
        plan(*choices)


def test_two_that_are_accepted_and_contradict_each_other_are_named():
    # The first is made, and leads to the problem that the second solves.
    flavor = a_flavor(
        {**ON, MODEL: 'amd-sev-es', SNP_TRAIT: 'required'}, name='f', id='f'
    )
    image = an_image(
        {**READY, 'hw_mem_encryption_model': 'amd-sev'}, name='i', id='i'
    )
    ways = {
        fix.condition
        for fix in plan_pair(flavor, image).left_out
        if fix.item.id == 'f' and fix.choice
    }

    assert len(ways) >= 2
    with pytest.raises(InputError) as caught:
        plan_pair(flavor, image, accept=accepting(*ways))
    assert len([way for way in ways if way in str(caught.value)]) == 2


def test_a_misspelt_key_has_its_way_whatever_the_image_is():
    flavor = a_flavor({'hw:mem_encrypton': 'true'}, id='f')
    image = an_image({'hw_disk_bus': 'ide'}, name='$(id)\nx', id='i')

    planned = plan_pair(flavor, image)

    assert planned.fixes == ()
    (way,) = planned.left_out
    assert way.after == {'hw:mem_encryption': 'true'}
    # What it leads to is planned as well.
    accepted = plan_pair(flavor, image, accept=accepting('f='))
    assert accepted.severity_after is Severity.ERROR
    (way,) = accepted.left_out
    assert way.after.keys() == {
        *('hw_firmware_type', 'hw_disk_bus', 'hw_machine_type'),
    }
    whole = plan_pair(flavor, image, accept=accepting('f=', 'i='))
    assert (whole.left_out, whole.severity_after) == ((), None)


def test_the_request_s_own_options_are_heeded():
    image = an_image({'hw_firmware_type': 'uefi', 'hw_machine_type': 'q35'})

    def left_out(**options):
        return plan_pair(a_flavor(ON), image, **options).left_out

    assert left_out() == left_out(models=['amd-sev']) == ()
    assert left_out(models=['amd-sev-snp']) != ()
    (way,) = plan_pair(a_flavor(ON), None).left_out
    assert (way.item.target, way.condition) == (Target.IMAGE, 'image')


def test_the_facts_of_a_volume_do_not_name_it():
    facts = {'image_id': 'i', 'image_name': 'ubuntu', 'hw_disk_bus': 'ide'}

    (way,) = plan_pair(a_flavor(ON), facts).left_out

    assert (way.item.target, way.item.name) == (Target.VOLUME, None)
