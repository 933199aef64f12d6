"""Nova reads the provider configuration that we write."""

import logging

import pytest

pytest.importorskip('nova', reason='nova is not installed')

import os_traits

from sev_scheduling.compute import provider_config, render, write_text
from sev_scheduling.exceptions import InputError
from sev_scheduling.hosts.host import machine_types_from_traits

UUID = '4e8e5957-649f-477b-9e5b-f1f75b21c03c'


def loaded(directory):
    from nova.compute.provider_config import get_provider_configs

    return get_provider_configs(str(directory))


def refused():
    from nova.exception import ProviderConfigException

    return pytest.raises(ProviderConfigException)


@pytest.mark.parametrize('machine_type', ['q35', 'pc', 'pc-q35-rhel9.4.0'])
@pytest.mark.parametrize(
    ('options', 'key'),
    [
        pytest.param({}, '$COMPUTE_NODE', id='any compute node'),
        pytest.param({'name': 'n' * 200}, 'n' * 200, id='by name'),
        pytest.param({'uuid': UUID}, UUID, id='by uuid'),
    ],
)
def test_nova_loads_what_we_write(
    tmp_path, caplog, machine_type, options, key
):
    caplog.set_level(logging.WARNING)
    write_text(
        tmp_path / 'machine-type.yaml',
        render(provider_config(machine_type, **options)),
    )

    (found,) = loaded(tmp_path).items()

    assert found[0] == key
    traits = found[1]['traits']['additional']
    assert all(os_traits.is_custom(trait) for trait in traits)
    assert machine_types_from_traits(traits) == {'x86_64': machine_type}
    assert not caplog.records


@pytest.mark.parametrize(
    'identification',
    [
        pytest.param({'name': ''}, id='an empty name'),
        pytest.param({'name': 'n' * 201}, id='a name too long'),
        pytest.param({'uuid': 'x'}, id='no uuid'),
        pytest.param({'name': 'n', 'uuid': UUID}, id='a name and a uuid'),
    ],
)
def test_nova_refuses_what_we_refuse(tmp_path, identification):
    config = provider_config('q35')
    config['providers'][0]['identification'] = identification
    (tmp_path / 'a.yaml').write_text(render(config))

    with refused():
        loaded(tmp_path)
    with pytest.raises(InputError):
        provider_config('q35', **identification)


@pytest.mark.parametrize('text', ['', '[', 'text'])
def test_nova_refuses_a_file_that_we_call_unusable(tmp_path, text):
    from sev_scheduling.compute.provider_config import published_traits

    (tmp_path / 'a.yaml').write_text(text)

    with refused():
        loaded(tmp_path)
    with pytest.raises(InputError):
        published_traits(text, 'a.yaml')


def test_an_old_trait_stays_until_it_is_taken_off(tmp_path):
    # What the documentation says of a machine type that changes.
    from nova.compute.provider_tree import ProviderTree
    from nova.compute.resource_tracker import ResourceTracker

    tree = ProviderTree()
    root = tree.new_root('epyc-01', UUID)
    tree.add_traits(root, 'COMPUTE_NODE', 'CUSTOM_HW_MACHINE_TYPE_PC')
    (tmp_path / 'a.yaml').write_text(render(provider_config('q35')))
    tracker = object.__new__(ResourceTracker)

    tracker._merge_provider_configs(loaded(tmp_path), tree)

    assert {t for t in tree.data(root).traits if t.startswith('CUSTOM')} == {
        'CUSTOM_HW_MACHINE_TYPE_PC',
        'CUSTOM_HW_MACHINE_TYPE_Q35',
    }
