"""What nova's databases keep of an image whose rebuild is refused.

The functional tests have a hard reboot and a migration go by it.
"""

from __future__ import annotations

import contextlib
import types

import pytest
from nova import context as nova_context
from nova import exception, objects

from sev_scheduling.models import registered_models
from sev_scheduling.nova.rebuild import keep_encryption
from tests.unit.nova.factories import (
    ES,
    ON,
    ON_ES,
    Q35,
    SERVER,
    SEV,
    SEV_TRAIT,
    flavor,
    load_filter,
    passing,
    rebuild_spec,
    spec,
)

ENCRYPTED = {**Q35, 'hw_mem_encryption': 'true'}
ENCRYPTED_ES = {**ENCRYPTED, 'hw_mem_encryption_model': ES}
UNREADABLE = {**Q35, 'hw_mem_encryption': 'maybe'}


class Kept:
    """A server in nova's databases, as its API leaves it for a rebuild."""

    def __init__(self, properties):
        self.spec = spec({}, properties)
        self.instance = objects.Instance(
            uuid=SERVER,
            system_metadata={
                'other': 'kept',
                **{f'image_{k}': v for k, v in properties.items()},
            },
        )
        self.saved = []

    @property
    def encryption(self):
        """What it says of encryption, the same in both places."""
        names = ('hw_mem_encryption', 'hw_mem_encryption_model')
        metadata = self.instance.system_metadata
        told = tuple(metadata.get(f'image_{name}') for name in names)
        properties = self.spec.image.properties
        asked = tuple(
            getattr(properties, name) if name in properties else None
            for name in names
        )
        assert asked == (None if told[0] is None else True, told[1])
        return told


@pytest.fixture
def keeps(world, monkeypatch):
    """Have nova's databases hold the server, with properties of an image."""

    def keep(properties):
        kept = Kept(properties)

        @contextlib.contextmanager
        def target_cell(context, cell):
            assert cell == 'cell1'
            yield f'{cell} of {context.__class__.__name__}'

        def get_by_uuid(context, server, expected_attrs):
            assert (context, server) == ('cell1 of RequestContext', SERVER)
            assert expected_attrs == ['system_metadata']
            return kept.instance

        monkeypatch.setattr(
            objects.InstanceMapping,
            'get_by_instance_uuid',
            lambda *_: types.SimpleNamespace(cell_mapping='cell1'),
        )
        monkeypatch.setattr(nova_context, 'target_cell', target_cell)
        monkeypatch.setattr(objects.Instance, 'get_by_uuid', get_by_uuid)
        monkeypatch.setattr(
            objects.Instance, 'save', lambda _: kept.saved.append('instance')
        )
        monkeypatch.setattr(
            objects.RequestSpec, 'get_by_instance_uuid', lambda *_: kept.spec
        )
        monkeypatch.setattr(
            objects.RequestSpec, 'save', lambda _: kept.saved.append('spec')
        )
        return kept

    return keep


def rebuild(world, request):
    return passing(load_filter(), list(world.states.values()), request)


@pytest.mark.parametrize(
    ('holds', 'flavor', 'image', 'left'),
    [
        (None, {}, ENCRYPTED, (None, None)),
        (None, {}, ENCRYPTED_ES, (None, None)),
        (SEV, {}, ENCRYPTED_ES, ('true', SEV)),
        (ES, {}, ENCRYPTED, ('true', ES)),
        (SEV, {}, UNREADABLE, ('true', SEV)),
        (None, {}, UNREADABLE, (None, None)),
        (SEV, ON, {**Q35, 'hw_disk_bus': 'ide'}, (None, None)),
        (SEV, ON, {**ENCRYPTED, 'hw_disk_bus': 'ide'}, (None, None)),
        (ES, ON_ES, {**Q35, 'hw_disk_bus': 'ide'}, (None, None)),
    ],
)
def test_a_refused_rebuild_leaves_the_encryption_as_it_was(
    world, keeps, holds, flavor, image, left
):
    root = world.host(pools={SEV: 5, ES: 5})
    if holds:
        world.claim(world.pool(root, holds.replace('-', '_')))
    kept = keeps(image)

    with pytest.raises(exception.NoValidHost):
        rebuild(world, rebuild_spec(flavor, image))

    assert kept.encryption == left
    assert kept.saved == ['instance', 'spec']
    assert kept.instance.system_metadata['other'] == 'kept'
    assert kept.instance.system_metadata['image_hw_machine_type'] == 'q35'


def test_a_flat_pool_of_several_models_contradicts_no_flavor(world, keeps):
    root = world.host(pools={SEV: 5}, nested=False)
    world.set_traits(root, SEV_TRAIT, 'HW_CPU_X86_AMD_SEV_ES')
    world.claim(root)
    image = {**Q35, 'hw_disk_bus': 'ide'}
    kept = keeps(image)
    with pytest.raises(exception.NoValidHost, match='hw_disk_bus'):
        rebuild(world, rebuild_spec(ON_ES, image))
    assert kept.encryption == (None, None)


def test_a_rebuild_that_passes_writes_nothing(world, keeps):
    world.claim(world.pool(world.host()))
    kept = keeps(ENCRYPTED)
    assert rebuild(world, rebuild_spec({}, ENCRYPTED)) == ['alpha']
    assert kept.saved == []


def test_nothing_is_written_where_what_it_holds_is_not_known(
    world, keeps, broken
):
    from sev_scheduling.exceptions import PlacementUnavailable

    world.host()
    kept = keeps(ENCRYPTED)
    broken(PlacementUnavailable('It is down.'))
    with pytest.raises(exception.NoValidHost, match='cannot be found out'):
        rebuild(world, rebuild_spec({}, ENCRYPTED))
    assert kept.saved == []


def test_a_refusal_names_what_the_image_s_owner_wrote(world, keeps):
    world.claim(world.pool(world.host()))
    keeps(UNREADABLE)
    with pytest.raises(exception.NoValidHost, match="'maybe'"):
        rebuild(world, rebuild_spec({}, UNREADABLE))


@pytest.mark.parametrize('text', ['false', 'off', None])
def test_an_image_that_means_no_is_believed(world, keeps, text):
    world.host(pools={})
    image = {**Q35, 'hw_mem_encryption': 'false'}
    kept = keeps(image)
    kept.instance.system_metadata['image_hw_mem_encryption'] = text
    assert rebuild(world, rebuild_spec({}, image)) == ['alpha']


def test_it_is_left_to_others_with_the_rules_of_requests(
    world, keeps, configured
):
    configured(request_filter=False)
    world.host(pools={})
    keeps(UNREADABLE)
    assert rebuild(world, rebuild_spec({}, UNREADABLE)) == ['alpha']


def test_only_a_rebuild_is_looked_up(world, monkeypatch):
    world.host()
    monkeypatch.setattr(
        objects.InstanceMapping, 'get_by_instance_uuid', pytest.fail
    )
    states = list(world.states.values())
    assert passing(load_filter(), states, spec({}, UNREADABLE)) == ['alpha']
    assert passing(load_filter(), states, rebuild_spec({}, Q35)) == ['alpha']


def test_a_server_that_is_gone_changes_nothing(world):
    world.host()
    assert rebuild(world, rebuild_spec({}, UNREADABLE)) == ['alpha']
    with pytest.raises(exception.NoValidHost, match='holds no slot'):
        rebuild(world, rebuild_spec({}, ENCRYPTED))


def test_a_refusal_stands_where_nova_s_database_fails(
    world, keeps, monkeypatch, caplog
):
    world.host()
    keeps(ENCRYPTED)

    def save(instance):
        raise RuntimeError('The database is gone.')

    monkeypatch.setattr(objects.Instance, 'save', save)
    with pytest.raises(exception.NoValidHost, match='holds no slot'):
        rebuild(world, rebuild_spec({}, ENCRYPTED))
    assert 'nova-manage image_property set' in caplog.text
    assert 'The database is gone.' in caplog.text


def test_a_release_that_knows_no_models_is_told_none(keeps, monkeypatch):
    fields = dict(objects.ImageMetaProps.fields)
    del fields['hw_mem_encryption_model']
    kept = keeps(ENCRYPTED)
    monkeypatch.setattr(objects.ImageMetaProps, 'fields', fields)
    held = (registered_models()[SEV],)
    keep_encryption(nova_context.get_admin_context(), SERVER, flavor({}), held)
    assert kept.spec.image.properties.hw_mem_encryption is True
    assert kept.saved == ['instance', 'spec']
