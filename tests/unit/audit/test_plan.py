"""The changes that leave nothing to fix."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sev_scheduling.audit import audit, plan
from sev_scheduling.exceptions import InputError
from sev_scheduling.problems import Severity, Target
from tests.unit.audit.test_audit import changed, clouds, judged
from tests.unit.factories import ON, READY
from tests.unit.factories import flavor as a_flavor
from tests.unit.factories import image as an_image

UEFI = {'hw_firmware_type': 'uefi', 'hw_machine_type': 'q35'}


def always(_):
    return ['']


def made(planned, flavors, images):
    """Return flavors and images as the changes leave them."""
    by_id = {fix.item.id: fix for fix in planned.fixes}
    assert len(by_id) == len(planned.fixes)

    def after(source):
        fix = by_id.get(source['id'])
        return changed(source, fix.changes) if fix else source

    return [*map(after, flavors)], [*map(after, images)]


@given(clouds(), st.sets(st.sampled_from(['f0', 'f1', 'i0', 'i1', 'i2'])))
@settings(max_examples=20, deadline=None)
def test_once_it_is_made_nothing_is_left_but_what_was_left_out(cloud, named):
    flavors, images = cloud

    def accept(item):
        return [''] if item.id in named else []

    try:
        planned = plan(flavors, images, accept=accept)
    except InputError:
        # Two that contradict each other were both accepted.
        assert named
        return
    then = made(planned, flavors, images)

    assert planned.severity is audit(flavors, images).severity
    assert planned.severity_after is audit(*then).severity
    assert plan(*then, accept=accept).fixes == ()
    for fix in planned.fixes:
        assert fix.item.id in named or not fix.caveats
    for fix in planned.left_out:
        assert fix.item.id not in named or fix.choice
        assert fix.condition


@given(clouds())
@settings(max_examples=15, deadline=None)
def test_no_more_pairs_go_wrong_and_each_change_is_one(cloud):
    flavors, images = cloud
    planned = plan(flavors, images, accept=always)
    then = made(planned, flavors, images)

    def wrong(found):
        return found.count(severity=Severity.ERROR)

    assert wrong(audit(*then)) <= wrong(audit(flavors, images))
    assert all(fix.choice for fix in planned.left_out)
    for fix in planned.fixes:
        assert fix.before.keys() == fix.after.keys()
        assert all(fix.before[key] != fix.after[key] for key in fix.after)
        assert {change.target for change in fix.changes} == {fix.item.target}


@given(clouds())
@settings(max_examples=100, deadline=None)
def test_what_is_made_unasked_harms_no_pair(cloud):
    """A pair that runs still does, as it did; none asks for the opposite."""
    flavors, images = cloud
    planned = plan(flavors, images)
    then = made(planned, flavors, images)
    by_id = {fix.item.id: fix for fix in planned.fixes}

    wrong = Counter()
    for when, sides in (('before', cloud), ('after', then)):
        for n, flavor in enumerate(sides[0]):
            for m, image in enumerate(sides[1]):
                found = judged(flavor, image)
                wrong[when] += bool(found.errors)
                if when == 'before':
                    continue
                before = judged(flavors[n], images[m])
                if not before.errors:
                    assert not found.errors
                    assert found.request.encrypted is before.request.encrypted
                    assert found.request.models == before.request.models
                for id_, targets in (
                    (flavor['id'], [Target.FLAVOR]),
                    (image['id'], [Target.IMAGE, Target.VOLUME]),
                ):
                    if id_ not in by_id:
                        continue
                    done = by_id[id_].after
                    for problem in found:
                        for way in problem.fix.ways:
                            if way.target in targets:
                                wanted = {
                                    **dict.fromkeys(way.unset),
                                    **way.set,
                                }
                                for key in wanted.keys() & done.keys():
                                    assert wanted[key] == done[key]
    assert wrong['after'] <= wrong['before']
    assert not any(fix.condition for fix in planned.fixes)
    assert plan(*then).fixes == ()


def models(**counts):
    """Return so many flavors of each model, by its name without dashes."""
    names = {
        'sev': 'amd-sev',
        'es': 'amd-sev-es',
        'snp': 'amd-sev-snp',
        'tdx': 'intel-tdx',
    }
    return [
        a_flavor(
            {**ON, 'hw:mem_encryption_model': names[kind]},
            name=f'{kind}{n}',
            id=f'{kind}{n}',
        )
        for kind, count in counts.items()
        for n in range(count)
    ]


@pytest.mark.parametrize(
    ('flavors', 'properties', 'offered'),
    [
        pytest.param(
            models(sev=3, snp=1, tdx=1),
            {},
            {'boots-with-uefi'},
            id='few flavors need stateless firmware, and no display',
        ),
        pytest.param(
            models(sev=1, snp=1),
            {},
            {'boots-with-uefi', 'boots-with-stateless-firmware'},
            id='half of them do',
        ),
        pytest.param(
            models(es=2, tdx=1),
            {**READY, 'os_secure_boot': 'required'},
            set(),
            id='some need Secure Boot, and others cannot have it',
        ),
        pytest.param(
            models(es=2),
            {**READY, 'os_secure_boot': 'required'},
            {'not-needed'},
            id='none can have Secure Boot',
        ),
        pytest.param(
            [a_flavor(name=f'p{n}', id=f'p{n}') for n in range(9)]
            + models(sev=1),
            {'hw_firmware_type': 'uefi'},
            {'runs-on-q35'},
            id='what an image needs does not depend on flavors without',
        ),
    ],
)
def test_an_image_is_made_ready_for_what_most_of_its_flavors_name(
    flavors, properties, offered
):
    image = an_image(properties, name='i', id='i')

    planned = plan(flavors, [image])

    assert planned.fixes == ()
    assert {
        str(caveat)
        for fix in planned.left_out
        if fix.item.id == 'i'
        for caveat in fix.caveats
    } == offered


@pytest.mark.parametrize(
    'properties',
    [
        pytest.param({'hw_mem_encryption': 'true'}, id='asks for it'),
        pytest.param(
            {'trait:HW_CPU_X86_AMD_SEV': 'required'}, id='has a trait'
        ),
        pytest.param(
            {'hw_mem_encryption': 'true', 'hw_mem_encryption_model': 'x'},
            id='names what is no model',
        ),
        pytest.param({'hw_mem_encryption_model': 'amd-sev-es'}, id='a model'),
    ],
)
@pytest.mark.parametrize(
    'extra_specs',
    [
        pytest.param({}, id='says nothing'),
        pytest.param({'hw:mem_encryption': 'false'}, id='is plain'),
        pytest.param({'pci_passthrough:alias': 'gpu:1'}, id='has a device'),
        pytest.param({'os:secure_boot': 'required'}, id='has Secure Boot'),
    ],
)
def test_a_flavor_is_not_changed_for_one_odd_image(extra_specs, properties):
    flavor = a_flavor(extra_specs, name='m1.plain', id='f')
    images = [an_image(READY, name=f'u{n}', id=f'u{n}') for n in range(4)]
    images.append(an_image({**READY, **properties}, name='odd', id='odd'))

    planned = plan([flavor], images, accept=always)

    changed_ids = {f.item.id for f in (*planned.fixes, *planned.left_out)}
    assert changed_ids <= {'odd'}


def test_a_plain_fix_is_made_for_all():
    flavors = [
        *models(sev=1),
        a_flavor({**ON, 'hw:mem_encryption_model': 'sev'}, name='t', id='t'),
    ]
    image = an_image(READY, name='i', id='i')

    (fix,) = plan(flavors, [image]).fixes

    assert fix.after == {'hw:mem_encryption_model': 'amd-sev'}


def test_flavor_and_image_that_contradict_each_other_do_not_change_places():
    flavor = a_flavor(
        {**ON, 'hw:mem_encryption_model': 'amd-sev-es'}, name='f', id='f'
    )
    image = an_image(
        {**READY, 'hw_mem_encryption_model': 'amd-sev'}, name='i', id='i'
    )

    planned = plan([flavor], [image], accept=always)

    assert planned.fixes == ()
    assert [(fix.item.id, fix.choice) for fix in planned.left_out] == [
        ('f', 'amd-sev'),
        ('i', 'amd-sev-es'),
    ]
    for choice in ('amd-sev', 'amd-sev-es'):
        planned = plan([flavor], [image], accept=lambda _, c=choice: [c])
        assert len(planned.fixes) == 1
        assert planned.severity_after is None


def test_two_ways_of_one_flavor_that_are_both_accepted_are_refused():
    flavor = a_flavor(
        {**ON, 'trait:HW_CPU_X86_AMD_SEV_SNP': 'required'}, name='f', id='f'
    )
    image = an_image(
        {**READY, 'hw_firmware_stateless': 'true'}, name='i', id='i'
    )
    ways = [f.choice for f in plan([flavor], [image]).left_out if f.choice]

    assert len(ways) == 2
    for way in ways:
        assert plan([flavor], [image], accept=lambda _, w=way: [w]).fixes
    with pytest.raises(InputError) as caught:
        plan([flavor], [image], accept=lambda _: ways)
    assert all(f"'f={way}'" in str(caught.value) for way in ways)


def test_what_one_change_leads_to_is_fixed_too():
    # With SEV-SNP in place of the misspelt model, firmware is wanted too.
    flavor = a_flavor(
        {**ON, 'hw:mem_encryption_model': 'sev-snp'}, name='f', id='f'
    )
    image = an_image(UEFI, name='i', id='i')

    planned = plan([flavor], [image], accept=always)

    assert {fix.item.id for fix in planned.fixes} == {'f', 'i'}
    assert planned.severity is Severity.ERROR
    assert planned.severity_after is not Severity.ERROR


def test_an_image_is_fixed_whole_or_not_at_all():
    # Without UEFI, the machine type alone would change how it boots for
    # nothing.
    image = an_image({}, name='i', id='i')

    planned = plan([a_flavor(ON, name='f', id='f')], [image])

    assert planned.fixes == ()
    (left_out,) = planned.left_out
    assert left_out.caveats
    assert planned.severity_after is Severity.ERROR


def test_a_machine_type_is_not_set_where_another_may_do_today():
    unset = {k: v for k, v in READY.items() if k != 'hw_machine_type'}
    flavor = a_flavor(ON, name='f', id='f')
    image = an_image(unset, name='i', id='i')

    assert plan([flavor], [image]).fixes == ()
    (fix,) = plan([flavor], [image], accept=always).fixes
    assert fix.after == {'hw_machine_type': 'q35'}
    assert fix.before == {'hw_machine_type': None}


def test_two_without_ids_are_two():
    image = {'name': 'same', 'properties': {}}
    images = [image, json.loads(json.dumps(image))]

    planned = plan([a_flavor(ON, name='f', id='f')], images, accept=always)

    assert len(planned.fixes) == 2


def test_the_request_s_own_options_are_heeded():
    flavor = {**a_flavor(ON, name='f', id='f')}
    image = an_image(UEFI, name='i', id='i')

    def fixes(**options):
        return plan([flavor], [image], accept=always, **options).fixes

    assert fixes() == ()
    assert fixes(models=['amd-sev']) == ()
    assert fixes(models=['amd-sev-snp']) != ()
    assert plan([flavor], [None]).left_out[0].item.target is Target.IMAGE


def test_the_facts_of_a_volume_do_not_name_it():
    facts = {'image_id': 'i', 'image_name': 'ubuntu', 'hw_disk_bus': 'ide'}

    (fix,) = plan([a_flavor(ON)], [facts]).left_out

    assert (fix.item.target, fix.item.name) == (Target.VOLUME, None)


ASKS = {**READY, 'hw_mem_encryption': 'true'}
REFUSES = {**READY, 'hw_mem_encryption': 'false'}


@pytest.mark.parametrize(
    ('images', 'choices'),
    [
        pytest.param(
            [READY, ASKS], {'unencrypted', 'encrypted'}, id='one asks for it'
        ),
        pytest.param(
            [REFUSES, ASKS],
            {'unencrypted', 'encrypted'},
            id='one asks for it, one refuses it',
        ),
        pytest.param(
            [READY, REFUSES, ASKS], {'unencrypted'}, id='most do not'
        ),
    ],
)
def test_a_flavor_that_says_off_has_both_ways_that_most_images_want(
    images, choices
):
    flavor = a_flavor({'hw:mem_encryption': 'disabled'}, name='f', id='f')
    found = [
        an_image(properties, name=f'i{n}', id=f'i{n}')
        for n, properties in enumerate(images)
    ]

    planned = plan([flavor], found)

    of_flavor = [fix for fix in planned.left_out if fix.item.id == 'f']
    assert planned.fixes == ()
    assert {fix.choice for fix in of_flavor} == choices


def test_a_choice_that_refuses_what_another_image_asks_for_is_none():
    flavor = a_flavor(ON, name='f', id='f')
    images = [
        an_image(properties, name=name, id=name)
        for name, properties in (
            *(('asks', ASKS), ('refuses', REFUSES)),
            ('refuses too', REFUSES),
        )
    ]

    found = audit([flavor], images).fixes

    assert [(fix.item.id, fix.choice) for fix in found] == [
        ('refuses', 'encrypted'),
        ('refuses too', 'encrypted'),
    ]


def test_what_would_encrypt_the_guest_of_another_flavor_is_not_made_unasked():
    flavors = [
        a_flavor(specs, name=n, id=n)
        for n, specs in (('on', ON), ('plain', {}))
    ]
    image = an_image({**READY, 'hw_mem_encrypton': 'x'}, name='i', id='i')

    planned = plan(flavors, [image])

    assert planned.fixes == ()
    (left_out,) = planned.left_out
    assert left_out.caveats
