import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sev_scheduling.compute.provider_config import (
    provider_config,
    published,
    published_traits,
    render,
)
from sev_scheduling.compute.sources.files import HostFilesystem
from sev_scheduling.exceptions import InputError
from sev_scheduling.hosts.host import machine_types_from_traits
from tests.unit.compute.samples import outcome

UUID = '4e8e5957-649f-477b-9e5b-f1f75b21c03c'


@pytest.mark.parametrize(
    ('options', 'identification'),
    [
        pytest.param({}, {'uuid': '$COMPUTE_NODE'}, id='any compute node'),
        pytest.param({'name': 'epyc-01'}, {'name': 'epyc-01'}, id='by name'),
        pytest.param(
            {'name': 'n' * 200}, {'name': 'n' * 200}, id='by the longest name'
        ),
        pytest.param({'uuid': UUID}, {'uuid': UUID}, id='by uuid'),
    ],
)
def test_a_file_publishes_a_machine_type(options, identification):
    assert provider_config('q35', **options) == {
        'meta': {'schema_version': '1.0'},
        'providers': [
            {
                'identification': identification,
                'traits': {'additional': ['CUSTOM_HW_MACHINE_TYPE_Q35']},
            }
        ],
    }


@pytest.mark.parametrize('machine_type', ['q35', 'pc', 'pc-q35-8.2'])
def test_what_is_published_is_what_the_scheduler_reads(machine_type):
    text = render(provider_config(machine_type))

    traits = published_traits(text, 'provider.yaml')

    assert machine_types_from_traits(traits) == {'x86_64': machine_type}


@pytest.mark.parametrize(
    ('machine_type', 'options', 'words'),
    [
        pytest.param('', {}, 'is not one', id='nothing'),
        pytest.param('q35\nq', {}, 'is not one', id='two lines'),
        pytest.param('q' * 101, {}, 'is not one', id='too long'),
        pytest.param('q35', {'name': ''}, '1 to 200', id='an empty name'),
        pytest.param(
            'q35', {'name': 'n' * 201}, '1 to 200', id='a name too long'
        ),
        pytest.param('q35', {'uuid': 'x'}, 'no UUID', id='no uuid'),
        pytest.param(
            'q35',
            {'name': 'n', 'uuid': UUID},
            'not both',
            id='a name and a uuid',
        ),
    ],
)
def test_what_nova_would_refuse_is_refused(machine_type, options, words):
    with pytest.raises(InputError, match=words):
        provider_config(machine_type, **options)


@pytest.mark.parametrize(
    ('text', 'traits'),
    [
        pytest.param('{}', [], id='an empty mapping'),
        pytest.param('providers: []', [], id='no provider'),
        pytest.param('providers: [{}]', [], id='a provider without traits'),
        pytest.param(
            'providers: [{traits: {additional: [CUSTOM_A]}}]',
            [],
            id='other traits',
        ),
        pytest.param(
            'providers: [{traits: {additional: '
            '[CUSTOM_HW_MACHINE_TYPE_Q35, CUSTOM_HW_MACHINE_TYPE_PC]}}]',
            ['CUSTOM_HW_MACHINE_TYPE_PC', 'CUSTOM_HW_MACHINE_TYPE_Q35'],
            id='two of them',
        ),
    ],
)
def test_published_traits_are_read(text, traits):
    assert published_traits(text, 'provider.yaml') == traits


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        pytest.param('', 'is empty', id='nothing'),
        pytest.param('text', 'give a mapping', id='text'),
        pytest.param(
            'providers: null',
            'provider.yaml: providers is .None.; give a list, without which '
            'nova-compute does not start',
            id='null',
        ),
        pytest.param('providers: 5', 'give a list', id='a number'),
        pytest.param(
            'providers: [{traits: [a]}]',
            'traits is .*; give a dict',
            id='a list',
        ),
        pytest.param(
            'providers: [{traits: {additional: [5]}}]',
            "provider.yaml, provider 1: '5' is no trait",
            id='a number as a trait',
        ),
        pytest.param('[', 'no JSON or YAML', id='the beginning only'),
        pytest.param('[' * 5000, 'nest', id='deep nesting'),
        pytest.param(
            'a: !!python/object:os.system {}', 'tags', id='an object'
        ),
        pytest.param('{[]: 1}', 'a key must be text', id='a list as a key'),
        pytest.param(
            'providers: [' + '{},' * 1001 + ']',
            'more than 1000',
            id='too many',
        ),
    ],
)
def test_another_file_is_an_error(text, words):
    with pytest.raises(InputError, match=words) as caught:
        published_traits(text, 'provider.yaml')
    assert str(caught.value).isprintable()


@given(st.text())
def test_any_text_is_traits_or_one_line_of_error(text):
    traits, error = outcome(published_traits, text, 'provider.yaml')

    assert error.isprintable()
    assert error or traits == []


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(['providers', 'traits', 'additional']), inner
            )
        ),
    )
)
def test_any_yaml_is_traits_or_one_line_of_error(data):
    _, error = outcome(published_traits, yaml.safe_dump(data), 'a.yaml')

    assert error.isprintable()


def test_the_files_of_a_directory_are_read(tmp_path):
    directory = tmp_path / 'etc/nova/provider_config'
    directory.mkdir(parents=True)
    (directory / 'a.yaml').write_text(render(provider_config('q35')))
    (directory / 'b.yaml').write_text(render(provider_config('pc')))
    (directory / 'c.yml').write_text('[')
    (directory / '.d.yaml').write_text('[')
    (directory / 'e.yaml').symlink_to('/gone')

    assert list(
        published(HostFilesystem(tmp_path), '/etc/nova/provider_config/')
    ) == ['CUSTOM_HW_MACHINE_TYPE_Q35', 'CUSTOM_HW_MACHINE_TYPE_PC']


def test_a_missing_directory_publishes_nothing(tmp_path):
    assert list(published(HostFilesystem(tmp_path), '/gone')) == []


def test_two_published_machine_types_leave_the_scheduler_without_one():
    # Nova adds the trait of a new default and keeps that of the old one.
    traits = [
        trait
        for machine_type in ('pc', 'q35')
        for trait in published_traits(
            render(provider_config(machine_type)), 'provider.yaml'
        )
    ]

    assert machine_types_from_traits(traits) == {}
