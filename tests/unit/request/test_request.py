import pytest

from sev_scheduling import Field, parse
from sev_scheduling.models import BUILTIN_MODELS
from sev_scheduling.request.features import feature_traits
from sev_scheduling.request.request import as_boolean
from tests.unit.factories import ON, encrypted, flavor, image, plain

SEV = BUILTIN_MODELS[0]
BY_FLAVOR = Field('flavor', 'hw:mem_encryption', 'm1')
BY_IMAGE = Field('image', 'hw_mem_encryption', 'ubuntu')


@pytest.mark.parametrize(
    ('extra_specs', 'properties', 'requesters'),
    [
        pytest.param({}, {}, (), id='nobody'),
        pytest.param(ON, {}, (BY_FLAVOR,), id='flavor'),
        pytest.param(
            {},
            {'hw_mem_encryption': 'true'},
            (BY_IMAGE,),
            id='image',
        ),
        pytest.param(
            ON,
            {'hw_mem_encryption': True},
            (BY_FLAVOR, BY_IMAGE),
            id='both',
        ),
        pytest.param(
            {'hw:mem_encryption': 'false'}, {}, (), id='the flavor forbids it'
        ),
        pytest.param(
            {'hw:mem_encryption': 'maybe'},
            {},
            (),
            id='no boolean asks nothing',
        ),
    ],
)
def test_who_asks_for_encryption_is_remembered(
    extra_specs, properties, requesters
):
    request = plain(extra_specs, properties)

    assert request.requesters == requesters
    assert request.encrypted is bool(requesters)
    assert request.model == (SEV if requesters else None)


def test_a_flavor_and_an_image_may_have_no_names():
    request = parse(
        {'vcpus': 1, 'ram': 1, 'extra_specs': ON}, {'hw_mem_encryption': '1'}
    )

    assert [f.owner for f in request.requesters] == [None, None]


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        *((text, True) for text in ('1', 't', 'True', 'ON', 'y', ' yes ')),
        *((text, False) for text in ('0', 'f', 'False', 'OFF', 'n', ' no ')),
        *((text, None) for text in ('', ' ', 'maybe', '2', 'enabled', 'tru')),
    ],
)
def test_a_boolean_is_read_strictly(text, value):
    assert as_boolean(text) is value


def test_an_unencrypted_request_has_no_model():
    request = plain(models=['amd-sev'])

    assert (request.models, request.model, request.model_name) == (
        (),
        None,
        None,
    )


def test_a_request_without_an_unsuffixed_group_asks_for_no_resources():
    request = parse(flavor(vcpus=0, ram=0, disk=0))

    assert request.resources == {}


def test_the_order_of_extra_specs_makes_no_difference():
    specs = {'trait:CUSTOM_B': 'required', 'resources2:CUSTOM_PCI_A': '1'}
    reversed_ = dict(reversed([*specs.items()]))

    assert plain(specs) == plain(reversed_)
    assert hash(plain(specs)) == hash(plain(reversed_))


def test_a_volume_and_an_image_with_the_same_facts_ask_for_the_same():
    from_image = parse(flavor(), image({'hw_machine_type': 'q35'}))
    from_volume = parse(
        flavor(),
        {
            'image_name': 'ubuntu',
            'image_id': 'cafe',
            'hw_machine_type': 'q35',
        },
    )

    assert from_volume == from_image
    assert from_volume.image_of_volume


def test_amounts_of_a_suffixed_group_are_not_those_of_the_guest():
    request = parse(
        flavor({'resources1:CUSTOM_NIC': '1'}, vcpus=0, ram=0, disk=0)
    )

    assert [group.suffix for group in request.groups] == ['1']
    assert request.resources == {}


#: What image properties ask for as well; the rest is for flavors alone.
FEATURES = [
    {'hw:tpm_version': '2.0'},
    {'hw:tpm_version': '1.2', 'hw:tpm_model': 'tpm-crb'},
    {'os:secure_boot': 'required'},
    {'hw:maxphysaddr_mode': 'emulate'},
    {'hw:maxphysaddr_mode': 'passthrough'},
    {'hw:pci_numa_affinity_policy': 'socket'},
    {'hw:cpu_thread_policy': 'isolate'},
    {'hw:cpu_thread_policy': 'require'},
    {'hw:cpu_policy': 'dedicated'},
]
OF_FLAVORS = [
    {'hw:cpu_policy': 'mixed', 'hw:cpu_dedicated_mask': '0'},
    {'hw:pmem': '6GB,6GB,16GB'},
]


def of_image(extra_specs):
    return {key.replace(':', '_'): v for key, v in extra_specs.items()}


@pytest.mark.parametrize(
    ('specs', 'properties'),
    [
        *((specs, {}) for specs in FEATURES + OF_FLAVORS),
        *(({}, of_image(specs)) for specs in FEATURES),
    ],
)
def test_all_that_a_feature_asks_of_hosts_is_told_by_it(specs, properties):
    request = encrypted(specs, properties)

    names = {
        *feature_traits(specs, properties, stateless_firmware=False),
        *(n for n in request.resources if n not in ('VCPU', 'MEMORY_MB',
                                                    'DISK_GB')),
    }  # fmt: skip
    assert names
    for name in names:
        keys = {field.key for field, _ in request.asked_by[name]}
        assert keys & {*specs, *properties}
