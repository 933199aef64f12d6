"""What becomes of changes to flavors, images and volumes of a cloud."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sev_scheduling.audit import AuditFix, Change, Item, Outcome
from sev_scheduling.cli.openstack import OpenStackCloud, make_changes
from sev_scheduling.problems import Fix, Target
from tests.unit.cli.openstack_services import services

KINDS = {
    'flavor': (Target.FLAVOR, 'extra_specs'),
    'image': (Target.IMAGE, ''),
    'volume': (Target.VOLUME, 'volume_image_metadata'),
}
SET = {'hw_machine_type': 'q35', 'hw_disk_bus': 'virtio'}
HOSTILE = [
    *('--help', '<script>', '$(id)', 'two\nlines', '\u202eevil', 'a;b', ''),
]


@pytest.fixture
def cloud(monkeypatch):
    # What a lost connection is tried again after.
    monkeypatch.setattr('keystoneauth1.session.time.sleep', lambda _: None)
    with services() as running:
        yield running


def properties(noun, thing):
    held = KINDS[noun][1]
    return thing[held] if held else thing


def change(noun, thing, *, put=None, drop=(), before=None):
    """Return a change that is to be made, as a plan has it."""
    target = KINDS[noun][0]
    held = properties(noun, thing)
    keys = [*(put or {}), *drop]
    fixes = [
        Fix(target=target, name=thing['id'], set=put or {}),
        Fix(target=target, name=thing['id'], unset=tuple(drop)),
    ]
    return Change(
        AuditFix(
            Item(target, thing['name'], thing['id']),
            tuple(fix for fix in fixes if fix.set or fix.unset),
            1,
            1,
            before={key: held.get(key) for key in keys} | (before or {}),
        )
    )


def make(cloud, changes):
    make_changes(OpenStackCloud(cloud.connection()), changes)
    return [one.outcome for one in changes]


@pytest.mark.parametrize('noun', KINDS)
@pytest.mark.parametrize('name', HOSTILE)
def test_a_change_is_made_once_and_to_nothing_else(cloud, noun, name):
    def made(name):
        return getattr(cloud, noun)(
            name, hw_disk_bus='ide', hw_cdrom_bus='ide', hw_qemu='keep'
        )

    thing, twin = made(name), made(name)
    first = change(noun, thing, put=SET, drop=('hw_cdrom_bus', 'hw_never'))
    twin_before = dict(properties(noun, twin))

    assert make(cloud, [first]) == [Outcome.DONE]
    assert {*first.keys} == {*SET, 'hw_cdrom_bus'}
    held = properties(noun, thing)
    assert {key: held.get(key) for key in (*SET, 'hw_cdrom_bus')} == {
        **SET,
        'hw_cdrom_bus': None,
    }
    assert held['hw_qemu'] == 'keep'
    assert properties(noun, twin) == twin_before

    asked = len(cloud.asked)
    again = change(noun, thing, put=SET, drop=('hw_cdrom_bus',))
    assert make(cloud, [again]) == [Outcome.NOT_NEEDED]
    assert all(one.startswith('GET') for one in cloud.asked[asked:])


@pytest.mark.parametrize('noun', KINDS)
def test_what_is_right_already_is_not_sent_again(cloud, noun):
    thing = getattr(cloud, noun)('u', hw_disk_bus='virtio')
    half = change(noun, thing, put=SET)

    assert make(cloud, [half]) == [Outcome.DONE]
    assert half.keys == ('hw_machine_type',)


def test_two_changes_of_one_thing_are_both_made(cloud):
    image = cloud.image('u', hw_disk_bus='ide')
    changes = [
        change('image', image, put={'hw_machine_type': 'q35'}),
        change('image', image, put={'hw_disk_bus': 'virtio'}),
        change('image', image, put={'hw_disk_bus': 'virtio'}),
    ]

    assert make(cloud, changes) == [
        *(Outcome.DONE, Outcome.DONE, Outcome.NOT_NEEDED),
    ]


@pytest.mark.parametrize('noun', KINDS)
@pytest.mark.parametrize(
    'drop', [(), ('hw_disk_bus',)], ids=['to another', 'removed']
)
def test_what_somebody_else_has_changed_is_left_alone(cloud, noun, drop):
    thing = getattr(cloud, noun)('u', hw_disk_bus='ide')
    put = {} if drop else {'hw_disk_bus': 'virtio'}
    mine = change(noun, thing, put=put, drop=drop)
    properties(noun, thing)['hw_disk_bus'] = 'sata'

    assert make(cloud, [mine]) == [Outcome.CHANGED_MEANWHILE]
    assert properties(noun, thing)['hw_disk_bus'] == 'sata'
    assert all(one.startswith('GET') for one in cloud.asked)


@pytest.mark.parametrize('noun', KINDS)
@pytest.mark.parametrize('status', [400, 401, 403, 404, 409])
@pytest.mark.parametrize('position', [0, 1, 2])
def test_the_first_refusal_is_where_it_stops(cloud, noun, status, position):
    things = [getattr(cloud, noun)(f'u{n}') for n in range(3)]
    cloud.failing = {f'(POST|PATCH) .*{things[position]["id"]}': status}
    changes = [change(noun, thing, put=SET) for thing in things]

    assert (
        make(cloud, changes)
        == [
            *([Outcome.DONE] * position),
            Outcome.REFUSED,
            *([Outcome.NOT_TRIED] * 2),
        ][:3]
    )

    assert [bool(c.keys) for c in changes] == [n < position for n in range(3)]
    assert str(status) in changes[position].error
    assert changes[position].error.isprintable()
    held = [properties(noun, thing).get('hw_disk_bus') for thing in things]
    assert held == ['virtio'] * position + [None] * (3 - position)
    # Once it is let through, the rest is made, and the first not again.
    cloud.failing = {}
    asked = len(cloud.asked)
    again = [change(noun, thing, put=SET) for thing in things]
    assert make(cloud, again) == [
        Outcome.NOT_NEEDED if n < position else Outcome.DONE for n in range(3)
    ]
    writes = [a for a in cloud.asked[asked:] if not a.startswith('GET')]
    assert len(writes) == 3 - position


@pytest.mark.parametrize('noun', KINDS)
def test_what_is_gone_is_a_refusal(cloud, noun):
    thing = getattr(cloud, noun)('u')
    mine = change(noun, thing, put=SET)
    getattr(cloud, f'{noun}s').clear()

    assert make(cloud, [mine]) == [Outcome.REFUSED]
    assert thing['id'] in mine.error


@pytest.mark.parametrize(
    ('noun', 'refused', 'kept'),
    [
        ('flavor', 'DELETE .*/hw_b', ('hw_x', 'hw_a')),
        ('volume', 'POST .*action', ()),
        ('image', 'PATCH', ()),
    ],
)
@pytest.mark.parametrize('readable', [True, False])
def test_a_refusal_halfway_says_what_was_changed(
    cloud, noun, refused, kept, readable
):
    thing = getattr(cloud, noun)('it', hw_a='1', hw_b='2')
    mine = change(
        noun, thing, put={'hw_x': '1'}, drop=('hw_a', 'hw_b', 'hw_c')
    )
    cloud.denied = refused
    if not readable:
        read = iter([False, True])
        real = OpenStackCloud.show

        def show(self, *args):
            if next(read):
                cloud.denied = 'GET'
            return real(self, *args)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(OpenStackCloud, 'show', show)
            assert make(cloud, [mine]) == [Outcome.REFUSED]
    else:
        assert make(cloud, [mine]) == [Outcome.REFUSED]

    assert mine.keys == kept
    assert '403' in mine.error


@pytest.mark.parametrize('noun', KINDS)
def test_an_answer_that_is_lost_is_looked_for(cloud, noun):
    thing = getattr(cloud, noun)('u', hw_cdrom_bus='ide')
    mine = change(noun, thing, put=SET, drop=('hw_cdrom_bus',))
    cloud.lost = 'POST|PATCH|DELETE'

    (outcome,) = make(cloud, [mine])

    # Sent once: it would be refused where it was done already.
    assert len([a for a in cloud.asked if not a.startswith('GET')]) == 1
    # A flavor and a volume take two calls: the second was not made.
    assert outcome is (Outcome.DONE if noun == 'image' else Outcome.UNKNOWN)
    assert {*SET} <= {*mine.keys}
    assert bool(mine.error) is (noun != 'image')


@pytest.mark.parametrize('noun', KINDS)
@pytest.mark.parametrize(
    'failure', [500, 503, ConnectionError('cut'), ['no object']], ids=str
)
@pytest.mark.parametrize('readable', [True, False])
def test_what_may_have_been_done_is_said_to_be_unknown(
    cloud, noun, failure, readable
):
    import requests

    if isinstance(failure, ConnectionError):
        failure = requests.exceptions.ConnectionError(str(failure))
    first, last = (getattr(cloud, noun)(f'u{n}') for n in range(2))
    changes = [change(noun, thing, put=SET) for thing in (first, last)]
    cloud.failing = {'POST|PATCH': failure}
    if not readable:
        # Gone for good, from the first write on.
        answer = cloud._answer

        def gone(request, context):
            if request.method in ('POST', 'PATCH'):
                cloud.failing = {'.': failure}
            return answer(request, context)

        cloud.mocker.register_uri(
            *('ANY', __import__('re').compile('http://(nova|glance|cinder)/')),
            json=gone,
        )

    assert make(cloud, changes) == [Outcome.UNKNOWN, Outcome.NOT_TRIED]
    assert changes[0].error.isprintable()
    assert changes[0].keys == ()


@pytest.mark.parametrize(
    ('method', 'outcomes'),
    [
        ('GET', [Outcome.DONE, Outcome.NOT_TRIED, Outcome.NOT_TRIED]),
        ('PATCH', [Outcome.DONE, Outcome.UNKNOWN, Outcome.NOT_TRIED]),
    ],
)
def test_an_interruption_leaves_what_is_known(cloud, method, outcomes):
    images = [cloud.image(f'u{n}') for n in range(3)]
    changes = [change('image', image, put=SET) for image in images]
    cloud.failing = {f'{method} .*{images[1]["id"]}': KeyboardInterrupt()}

    with pytest.raises(KeyboardInterrupt):
        make(cloud, changes)

    assert [one.outcome for one in changes] == outcomes


def meddling(monkeypatch, thing, noun, when, **values):
    """Have somebody else write just before, or after, our own write."""
    real = OpenStackCloud.call

    def call(self, service, method, *args, **options):
        held = properties(noun, thing)
        if method == 'GET':
            return real(self, service, method, *args, **options)
        if when == 'before':
            held.update(values)
        answer = real(self, service, method, *args, **options)
        if when == 'after':
            held.update(values)
        return answer

    monkeypatch.setattr(OpenStackCloud, 'call', call)


def test_what_is_added_to_an_image_at_the_last_moment_is_left_alone(
    cloud, monkeypatch
):
    image = cloud.image('u', hw_disk_bus='ide')
    mine = change('image', image, put=SET)
    meddling(monkeypatch, image, 'image', 'before', hw_machine_type='pc')

    assert make(cloud, [mine]) == [Outcome.CHANGED_MEANWHILE]
    assert (image['hw_machine_type'], image['hw_disk_bus']) == ('pc', 'ide')
    assert '409' in mine.error
    assert mine.keys == ()


@pytest.mark.parametrize('noun', KINDS)
def test_a_value_that_changes_at_the_last_moment_is_replaced(
    cloud, monkeypatch, noun
):
    """No service writes only where a value is what it was."""
    thing = getattr(cloud, noun)('u', hw_disk_bus='ide')
    mine = change(noun, thing, put={'hw_disk_bus': 'virtio'})
    meddling(monkeypatch, thing, noun, 'before', hw_disk_bus='sata')

    assert make(cloud, [mine]) == [Outcome.DONE]


@pytest.mark.parametrize('noun', KINDS)
@pytest.mark.parametrize('value', ['sata', 'ide'])
def test_what_somebody_changes_right_after_is_not_said_to_be_done(
    cloud, monkeypatch, noun, value
):
    thing = getattr(cloud, noun)('u', hw_disk_bus='ide')
    mine = change(noun, thing, put=SET)
    meddling(monkeypatch, thing, noun, 'after', hw_disk_bus=value)

    assert make(cloud, [mine]) == [Outcome.CHANGED_MEANWHILE]
    assert mine.keys == ('hw_machine_type',)


def test_each_is_reported_once_it_was_tried(cloud):
    images = [cloud.image(f'u{n}') for n in range(3)]
    cloud.failing = {f'PATCH .*{images[1]["id"]}': 403}
    changes = [change('image', image, put=SET) for image in images]
    seen = []

    make_changes(
        OpenStackCloud(cloud.connection()),
        changes,
        lambda one: seen.append((changes.index(one), one.outcome)),
    )

    assert seen == [(0, Outcome.DONE), (1, Outcome.REFUSED)]


VALUES = st.dictionaries(
    st.sampled_from(['hw_a', 'hw_b', 'hw_c', 'a~/b']),
    st.sampled_from(['1', '2']),
)


@given(VALUES, VALUES, st.sampled_from([*KINDS]), st.data())
@settings(max_examples=60, deadline=None)
def test_any_change_leads_to_what_was_wanted_or_stops(
    held, wanted, noun, data
):
    drop = [key for key in held if key not in wanted]
    with services() as cloud:
        thing = getattr(cloud, noun)('u', **held)
        mine = change(noun, thing, put=wanted, drop=drop)
        writes = itertools.count()
        limit = data.draw(st.integers(0, 5))
        answer = cloud._answer

        def some(request, context):
            if request.method != 'GET' and next(writes) >= limit:
                context.status_code = 409
                return {'conflict': {'message': 'No.'}}
            return answer(request, context)

        cloud.mocker.register_uri(
            *('ANY', __import__('re').compile('http://(nova|glance|cinder)/')),
            json=some,
        )
        (outcome,) = make(cloud, [mine])

    now = {
        key: value
        for key, value in properties(noun, thing).items()
        if key in {*held, *wanted}
    }
    if outcome.is_well:
        assert now == wanted
    else:
        assert outcome is Outcome.REFUSED
        assert now != wanted
    assert {*mine.keys} == {
        key for key in {*held, *wanted} if now.get(key) != held.get(key)
    }
