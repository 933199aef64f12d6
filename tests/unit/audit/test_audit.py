"""Every flavor with every image, judged a class at a time."""

from __future__ import annotations

import json
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sev_scheduling import parse, validate
from sev_scheduling.audit import Item, audit
from sev_scheduling.exceptions import SpecError
from sev_scheduling.problems import Case, Code, Severity, Target
from tests.unit.factories import ON, READY
from tests.unit.factories import flavor as a_flavor
from tests.unit.factories import image as an_image
from tests.unit.strategies import PLAUSIBLE_PROPERTIES, plausible_flavors

ERROR, WARNING = Severity.ERROR, Severity.WARNING
NEAR_MISSES = st.dictionaries(
    st.sampled_from(
        [
            *('hw_disk-bus', 'hw:mem_encryption', 'hw_mem_encrypton'),
            *('hw_firmwaretype', 'owner', 'hw_machine.type'),
        ]
    ),
    st.sampled_from(['true', 'uefi', 'q35', 'x']),
    max_size=2,
)
MORE_SPECS = st.dictionaries(
    st.sampled_from(
        [
            *('hw:mem_encrypton', 'hw_mem_encryption_model', 'quota:x'),
            *('resources:MEMORY_MB', 'resources:VCPU', 'resources:DISK_GB'),
            *('trait:COMPUTE_SECURITY_TPM_2_0', 'hw:cpu_thread_policy'),
        ]
    ),
    st.sampled_from(['0', 'true', 'amd-sev-es', 'forbidden', 'isolate']),
    max_size=2,
)


@st.composite
def clouds(draw):
    """Draw a few flavors and images, with ids of their own."""
    flavors = draw(st.lists(plausible_flavors(), min_size=1, max_size=4))
    flavors = [
        {
            **flavor,
            'id': f'f{n}',
            'os-flavor-access:is_public': draw(st.booleans()),
            'extra_specs': {**flavor['extra_specs'], **draw(MORE_SPECS)},
        }
        for n, flavor in enumerate(flavors)
    ]
    images = []
    for n in range(draw(st.integers(1, 4))):
        properties = {**draw(NEAR_MISSES), **draw(PLAUSIBLE_PROPERTIES)}
        name = draw(st.sampled_from(['ubuntu', '', '--help', 'a\nb']))
        image = {'id': f'i{n}', 'name': name}
        if draw(st.booleans()):
            image['volume_image_metadata'] = properties
        else:
            image |= {
                'visibility': draw(st.sampled_from(['public', 'private'])),
                'properties': properties,
            }
        images.append(image)
    return flavors, images


def judged(flavor, image):
    return validate(
        parse(flavor, image, boot_from_volume='volume_image_metadata' in image)
    )


def what(problem, *, value=True):
    """Return a problem without the names of its flavor and image."""
    other = problem.other and (problem.other.source, problem.other.key)
    return (
        problem.code,
        problem.case,
        problem.severity,
        problem.field.source,
        problem.field.key,
        problem.model,
        problem.needs,
        other,
        *([problem.value] if value else []),
    )


def worst(validation):
    if validation.errors:
        return ERROR
    return WARNING if validation else None


def ids(items):
    return [item.id for item in items]


@given(clouds())
@settings(max_examples=100, deadline=None)
def test_the_audit_finds_what_validate_finds_in_each_pair(cloud):
    flavors, images = cloud
    pairs = {(f['id'], i['id']): judged(f, i) for f in flavors for i in images}

    found = audit(flavors, images)

    outcomes = {
        pair: (
            v.request.encrypted,
            v.request.model_name if v.request.encrypted else None,
            worst(v),
        )
        for pair, v in pairs.items()
    }
    assert {
        (f, i): (group.encrypted, group.model, group.severity)
        for group in found.groups
        for f in ids(group.flavors)
        for i in ids(group.images)
    } == outcomes
    assert sum(group.pairs for group in found.groups) == len(pairs)
    expected = Counter(
        what(problem, value=False) for v in pairs.values() for problem in v
    )
    assert {
        what(p.problem, value=False): p.pairs for p in found.problems
    } == expected
    for entry in found.problems:
        kind = what(entry.problem, value=False)
        having = {
            pair: p.value
            for pair, v in pairs.items()
            for p in v
            if what(p, value=False) == kind
        }
        assert entry.problem.fix.caveats in {
            p.fix.caveats
            for v in pairs.values()
            for p in v
            if what(p) == what(entry.problem)
        }
        assert set(ids(entry.flavors)) == {f for f, _ in having}
        assert set(ids(entry.images)) == {i for _, i in having}
        assert set(entry.values) == set(having.values())


def changed(source, changes):
    """Do to a flavor or an image what the commands of fixes do."""
    source = json.loads(json.dumps(source))
    kinds = ('extra_specs', 'volume_image_metadata', 'properties')
    held = next((source[kind] for kind in kinds if kind in source), source)
    for fix in changes:
        held |= fix.set
        for key in fix.unset:
            held.pop(key, None)
    return source


@given(clouds())
@settings(max_examples=60, deadline=None)
def test_a_fix_mends_as_many_pairs_as_it_says(cloud):
    flavors, images = cloud

    for fix in audit(flavors, images).fixes:
        targets = {change.target for change in fix.changes}
        names = {change.name for change in fix.changes}
        assert targets == {fix.item.target}
        assert names == {fix.item.reference}
        assert fix.pairs
        before = after = 0
        for flavor in flavors:
            for image in images:
                if fix.item.id not in (flavor['id'], image['id']):
                    continue
                wrong = bool(judged(flavor, image).errors)
                before += wrong
                if fix.item.id == flavor['id']:
                    mended = judged(changed(flavor, fix.changes), image)
                else:
                    mended = judged(flavor, changed(image, fix.changes))
                after += bool(mended.errors)
                assert wrong or not mended.errors
        assert fix.mends == before - after >= 0


@given(clouds())
@settings(max_examples=40, deadline=None)
def test_doing_all_fixes_again_and_again_comes_to_an_end(cloud):
    flavors, images = cloud

    for _ in range(8):
        fixes = {}
        for fix in audit(flavors, images).fixes:
            # Both ways of a choice lead from one to the other.
            if not fix.choice:
                fixes.setdefault(fix.item.id, []).extend(fix.changes)
        if not fixes:
            break
        flavors = [changed(f, fixes.get(f['id'], ())) for f in flavors]
        images = [changed(i, fixes.get(i['id'], ())) for i in images]

    assert not fixes


def sev(n, **more):
    return a_flavor(ON, name=f'sev-{n}', id=f's{n}', **more)


def uefi(n, **properties):
    return an_image({**READY, **properties}, name=f'uefi-{n}', id=f'u{n}')


def test_pairs_are_grouped_by_who_asks_for_what_and_how_it_ends():
    found = audit(
        [a_flavor(name='plain', id='p'), sev(1), sev(2)],
        [uefi(1), an_image(name='bios', id='b'), uefi(2, hw_disk_bus='ide')],
    )

    assert found.pairs == 9
    assert [
        (g.model, g.severity, ids(g.flavors), ids(g.images))
        for g in found.groups
    ] == [
        ('amd-sev', ERROR, ['s1', 's2'], ['b', 'u2']),
        (None, None, ['p'], ['u1', 'b', 'u2']),
        ('amd-sev', None, ['s1', 's2'], ['u1']),
    ]
    assert found.severity is ERROR
    assert found.count(encrypted=True) == 6
    assert found.count(encrypted=True, severity=ERROR) == 4


def test_a_problem_is_told_once_with_its_pairs_and_its_values():
    found = audit(
        [sev(1), sev(2), a_flavor()],
        [
            uefi(1, hw_disk_bus='ide'),
            uefi(2, hw_disk_bus='ide'),
            uefi(3, hw_disk_bus='fdc'),
            uefi(4),
        ],
    )

    (problem,) = found.problems
    assert problem.problem.code is Code.DISK_BUS_UNSUPPORTED
    assert problem.problem.case is Case.ONLY
    assert problem.values == ('ide', 'fdc')
    assert problem.pairs == 6
    assert ids(problem.flavors) == ['s1', 's2']
    assert ids(problem.images) == ['u1', 'u2', 'u3']


def test_what_mends_the_most_comes_first_and_errors_before_warnings():
    found = audit(
        [sev(1), sev(2), sev(3)],
        [
            uefi(1, hw_disk_bus='ide'),
            an_image({**READY, 'hw_machine_type': ''}, name='pc', id='pc'),
            an_image(
                {k: v for k, v in READY.items() if k != 'hw_machine_type'},
                name='unset',
                id='un',
            ),
        ],
    )

    assert [(f.item.id, f.pairs, f.mends) for f in found.fixes] == [
        ('u1', 3, 3),
        ('pc', 3, 3),
        ('un', 3, 0),
    ]
    assert [p.problem.severity for p in found.problems] == [
        *(ERROR, ERROR, WARNING),
    ]


def test_one_command_of_an_image_solves_all_that_is_wrong_with_it():
    found = audit(
        [sev(1)], [an_image({'hw_disk_bus': 'ide'}, name='old', id='o')]
    )

    (fix,) = found.fixes
    (change,) = fix.changes
    assert change.set == {
        'hw_firmware_type': 'uefi',
        'hw_disk_bus': 'virtio',
        'hw_machine_type': 'q35',
    }
    assert change.name == 'old'
    assert fix.mends == 1


def test_changes_that_contradict_each_other_serve_the_most_pairs():
    snp = {**ON, 'hw:mem_encryption_model': 'amd-sev-snp'}
    flavors = [
        a_flavor(snp, name=f'snp-{n}', id=f'n{n}') for n in range(2)
    ] + [
        a_flavor(
            {**ON, 'hw:mem_encryption_model': 'amd-sev-es'}, name='t', id='t'
        )
    ]
    image = uefi(1, hw_mem_encryption_model='amd-sev')

    fixes = audit(flavors, [image]).fixes

    (of_image,) = (f for f in fixes if f.item.id == 'u1')
    (change,) = of_image.changes
    assert change.set['hw_mem_encryption_model'] == 'amd-sev-snp'


def test_a_change_that_spoils_more_than_it_mends_is_not_made():
    flavors = [
        a_flavor({'os:secure_boot': 'required'}, name=f'p{n}', id=f'p{n}')
        for n in range(3)
    ]
    image = an_image({'hw_mem_encryption_model': 'amd-sev'}, name='i', id='i')

    found = audit(flavors, [image])

    assert {p.problem.code for p in found.problems} == {
        Code.MODEL_WITHOUT_ENCRYPTION
    }
    # Encryption alone would have no firmware that does.
    assert not found.fixes


def test_no_change_brings_an_error_to_a_pair_without():
    es = a_flavor(
        {**ON, 'hw:mem_encryption_model': 'amd-sev-es'}, name='es', id='es'
    )
    tdx = a_flavor(
        {**ON, 'hw:mem_encryption_model': 'intel-tdx'}, name='t', id='t'
    )

    found = audit([es, tdx], [uefi(1)])

    # Intel's firmware needs what SEV-ES guests cannot have.
    assert found.severity is WARNING
    assert not found.fixes


def test_without_a_problem_there_is_nothing_to_fix():
    found = audit([a_flavor(), sev(1)], [uefi(1)])

    assert (found.severity, found.problems, found.fixes) == (None, (), ())


def test_a_cloud_without_images_has_no_pairs():
    found = audit([sev(1)], [])

    assert (found.pairs, found.groups, found.severity) == (0, (), None)


def test_the_hosts_machine_type_is_taken_into_account():
    image = an_image(
        {k: v for k, v in READY.items() if k != 'hw_machine_type'}
    )

    assert audit([sev(1)], [image]).severity is WARNING
    assert audit([sev(1)], [image], machine_type='q35').severity is None
    assert audit([sev(1)], [image], machine_type='pc').severity is ERROR


def test_fixes_of_a_volume_go_to_the_volume():
    volume = {'id': 'v1', 'name': 'root', 'volume_image_metadata': {}}

    (fix,) = audit([sev(1)], [volume]).fixes

    assert fix.item.target is Target.VOLUME
    assert {change.target for change in fix.changes} == {Target.VOLUME}
    assert fix.changes[0].name == 'root'


@pytest.mark.parametrize(
    ('name', 'reference', 'label'),
    [
        ('ubuntu-24.04', 'ubuntu-24.04', 'ubuntu-24.04'),
        ('--help', 'x1', '--help'),
        ('<script>', 'x1', '<script>'),
        ('$(id)', 'x1', '$(id)'),
        ('a\nb', 'x1', 'x1'),
        ('in:a,b', 'x1', 'in:a,b'),
        ('in:a', 'x1', 'in:a'),
        ('two words', 'x1', 'two words'),
        ('\u05d0\u05d1', 'x1', '\u05d0\u05d1'),
        ('a\u202eb', 'x1', 'x1'),
        ('', 'x1', 'x1'),
        ('twin', 'x1', 'twin (x1)'),
        ('x2', 'x1', 'x2 (x1)'),
    ],
)
def test_a_command_has_the_id_where_the_name_could_mean_another_thing(
    name, reference, label
):
    images = [
        an_image(name=name, id='x1'),
        an_image(READY, name='twin', id='x2'),
    ]

    (fix,) = audit([sev(1)], images).fixes

    assert fix.item.reference == reference
    assert fix.item.label == label
    assert {change.name for change in fix.changes} == {reference}


def test_without_an_id_a_command_has_the_name_such_as_it_is():
    assert Item(Target.IMAGE, '--help', None).reference == '--help'
    assert Item(Target.IMAGE, None, None).reference is None
    assert Item(Target.IMAGE, None, None).label == 'image'


@pytest.mark.parametrize(
    ('flavors', 'images'), [([None], []), ([], [7]), ([{'name': 'f'}], [])]
)
def test_what_has_no_shape_is_refused_as_parse_does(flavors, images):
    with pytest.raises(SpecError):
        audit(flavors, images)


def test_thousands_of_pairs_take_a_few_validations(rule_calls):
    flavors = [sev(n, vcpus=1 + n, ram=1024 * (1 + n)) for n in range(50)] + [
        a_flavor(name=f'p{n}', ram=1 + n) for n in range(150)
    ]
    images = [
        an_image(
            {
                'hw_disk_bus': ('ide', 'virtio')[n % 2],
                'hw_cdrom_bus': ('ide', 'sata')[n // 2 % 2],
                'hw_machine_type': f'pc-q35-{n}',
            },
            name=f'i{n}',
            id=f'i{n}',
        )
        for n in range(100)
    ]

    assert audit(flavors, images).pairs == 20_000
    assert max(rule_calls.values()) < 700
