"""What a request is told of itself, from the first line to the last."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sev_scheduling import check_action, explain, parse, validate
from sev_scheduling.audit import AuditFix, Item, audit
from sev_scheduling.explain.request_page import AuditPage, command_lines
from sev_scheduling.problems import Caveat, Fix, Target
from sev_scheduling.rules.actions import REBUILD_NOT_UNDONE
from tests.unit.factories import ON, READY, encrypted, flavor, image, plain

SET = '  openstack image set --property '
SET_FLAVOR = '  openstack flavor set --property '
MODEL = 'hw:mem_encryption_model'


def page(extra_specs=None, properties=None, tenant=False, **fields):
    request = parse(
        flavor(extra_specs, name='m1.sev'),
        image(properties, name='ubuntu-24.04', **fields),
    )
    found = explain(validate(request))
    return found.tenant() if tenant else found.operator()


def test_an_image_that_is_not_ready_has_one_command():
    assert page(ON) == (
        'm1.sev asks for amd-sev. Image ubuntu-24.04 is not ready for it:\n'
        '  error    hw_firmware_type is not set; amd-sev needs uefi\n'
        '  warning  hw_machine_type is not set; amd-sev needs q35, and hosts '
        'may default to pc\n'
        'If the image boots with UEFI:\n'
        '  openstack image set --property hw_firmware_type=uefi --property '
        'hw_machine_type=q35 ubuntu-24.04\n'
        'Else use another image.'
    )


@pytest.mark.parametrize(
    ('extra_specs', 'properties', 'headline'),
    [
        pytest.param(
            {}, {},
            'The guest will not be encrypted: neither flavor m1.sev nor image '
            'ubuntu-24.04 asks for it.', id='nobody asks',
        ),
        pytest.param(
            {'hw:mem_encrypton': 'true'}, {},
            'The guest will not be encrypted: neither flavor m1.sev nor image '
            'ubuntu-24.04 asks for it. Flavor m1.sev has a warning:',
            id='a key is misspelt',
        ),
        pytest.param(
            {'hw:mem_encrypton': 'true', 'hw:mem_encryptionmodel': 'amd-sev'},
            {},
            'The guest will not be encrypted: neither flavor m1.sev nor image '
            'ubuntu-24.04 asks for it. Flavor m1.sev has warnings:',
            id='two keys are misspelt',
        ),
        pytest.param(
            ON, READY,
            'm1.sev asks for amd-sev. Nothing in flavor and image is against '
            'encryption.', id='the flavor asks',
        ),
        pytest.param(
            ON, {**READY, 'hw_mem_encryption': 'true'},
            'm1.sev and ubuntu-24.04 ask for amd-sev. Nothing in flavor and '
            'image is against encryption.', id='both ask',
        ),
        pytest.param(
            {**ON, MODEL: 'amd-sev-es'}, {**READY, 'hw_machine_type': None},
            'm1.sev asks for amd-sev-es. Nothing in flavor and image is '
            'against encryption. Image ubuntu-24.04 has a warning:',
            id='a warning',
        ),
        pytest.param(
            {**ON, MODEL: 'sev'}, READY,
            'm1.sev asks for sev. Flavor m1.sev is not ready for it:',
            id='an unknown model',
        ),
        pytest.param(
            {**ON, MODEL: ' amd-sev '}, READY,
            "m1.sev asks for ' amd-sev '. Flavor m1.sev is not ready for it:",
            id='an unknown model with spaces',
        ),
        pytest.param(
            {'hw:mem_encryption': 'maybe'}, {},
            'Flavor m1.sev cannot be used as it is:', id='neither yes nor no',
        ),
    ],
)  # fmt: skip
def test_the_first_line_answers_what_was_asked(
    extra_specs, properties, headline
):
    assert page(extra_specs, properties).splitlines()[0] == headline
    found = explain(
        validate(parse(flavor(extra_specs, name='m1.sev'),
                       image(properties, name='ubuntu-24.04')))
    )  # fmt: skip
    assert found.headline == found.tenant_headline == headline


def test_without_an_image_only_the_flavor_is_named():
    assert explain(validate(parse(flavor()))).operator() == (
        'The guest will not be encrypted: flavor m1 does not ask for it.'
    )


def test_a_model_that_the_caller_would_take_encrypts_nothing():
    text = explain(validate(plain(models=['amd-sev-snp']))).operator()

    assert text.splitlines()[1:] == [
        '  warning  amd-sev-snp would do, and memory encryption is not asked '
        'for',
        'If the guest is to be encrypted:',
        SET_FLAVOR + 'hw:mem_encryption=true m1',
    ]


def test_what_is_wrong_is_told_by_owner():
    text = page(
        {**ON, 'pci_passthrough:alias': 'gpu:1'},
        {**READY, 'hw_machine_type': 'pc'},
    )

    assert text.splitlines() == [
        'm1.sev asks for amd-sev. Image ubuntu-24.04 is not ready for it:',
        "  error    hw_machine_type is 'pc'; amd-sev needs q35",
        'Flavor m1.sev is not ready for it:',
        "  error    'pci_passthrough:alias=gpu:1' is a device of the host, "
        'which cannot reach encrypted memory',
        'If the image runs on q35:',
        SET + 'hw_machine_type=q35 ubuntu-24.04',
        'Else use another image.',
        'If the guest can do without pci_passthrough:alias:',
        '  openstack flavor unset --property pci_passthrough:alias m1.sev',
    ]


def test_a_conflict_has_two_ways_and_says_what_each_means():
    text = page({**ON, MODEL: 'amd-sev'}, {
        **READY, 'hw_mem_encryption_model': 'amd-sev-snp',
    })  # fmt: skip

    assert text.splitlines()[-4:] == [
        'If amd-sev-snp is wanted:',
        SET_FLAVOR + 'hw:mem_encryption_model=amd-sev-snp m1.sev',
        'If amd-sev is wanted:',
        SET + 'hw_mem_encryption_model=amd-sev ubuntu-24.04',
    ]


def test_so_has_one_about_encryption_itself():
    text = page(ON, {**READY, 'hw_mem_encryption': 'false'})

    assert text.splitlines()[1:] == [
        "  error    hw_mem_encryption is 'false', and hw:mem_encryption of "
        "flavor m1.sev is 'true'",
        'If the guest is to be encrypted:',
        SET + 'hw_mem_encryption=true ubuntu-24.04',
        'If the guest may run unencrypted:',
        SET_FLAVOR + 'hw:mem_encryption=false m1.sev',
    ]


@pytest.mark.parametrize(
    ('visibility', 'public'),
    [
        ('public', True),
        ('community', True),
        pytest.param('shared', False, id="Glance's default: shared"),
        ('private', False),
        (None, False),
    ],
)
def test_an_image_that_every_project_can_use_is_public(visibility, public):
    request = parse(flavor(ON), image({}, visibility=visibility))

    assert request.image_public is public
    text = explain(validate(request)).tenant()
    assert ('Every project can use image ubuntu' in text) is public


def test_what_others_use_is_changed_by_its_owner():
    request = parse(
        flavor(
            {**ON, 'pci_passthrough:alias': 'gpu:1'},
            **{'os-flavor-access:is_public': True},
        ),
        image({**READY, 'hw_machine_type': 'pc'}, visibility='public'),
    )
    text = explain(validate(request)).tenant()

    assert (
        'Every project can use image ubuntu: ask its owner or the '
        "cloud's operator, or "
        'make the change to a copy of your own.'
    ) in text.splitlines()
    assert (
        "Flavor m1 is public: ask the cloud's operator, or choose another "
        'flavor.'
    ) in text.splitlines()


def test_whom_to_ask_follows_all_ways_of_a_change():
    groups = {'resources1:CUSTOM_NIC': '1', 'resources2:CUSTOM_NIC': '1'}
    request = parse(flavor(groups, **{'os-flavor-access:is_public': True}))
    lines = explain(validate(request)).operator().splitlines()

    assert [line.strip()[:9] for line in lines[-5:]] == [
        *('If one pr', 'openstack', 'If each r', 'openstack', 'Flavor m1'),
    ]


def test_hosts_are_for_operators():
    """And only where they solve all of it."""
    properties = {**READY, 'hw_machine_type': None}
    hosts = (
        'Or set [libvirt] hw_machine_type = x86_64=q35 in nova.conf of every '
        'such host.'
    )

    assert page(ON, properties).splitlines()[-1] == hosts
    assert 'nova.conf' not in page(ON, properties, tenant=True)
    assert 'nova.conf' not in page(ON)


@pytest.mark.parametrize(
    ('volume', 'owner', 'argument'),
    [
        pytest.param({'name': 'root'}, 'Volume root', 'root', id='by name'),
        pytest.param({'name': '', 'id': '8c'}, 'Volume 8c', '8c', id='by id'),
        pytest.param({}, 'The volume', 'VOLUME', id='by neither'),
    ],
)
def test_a_volume_is_named(volume, owner, argument):
    metadata = {'image_id': '1', 'image_name': 'u', 'hw_firmware_type': 'uefi',
                'hw_machine_type': 'pc'}  # fmt: skip
    request = parse(flavor(ON), {**volume, 'volume_image_metadata': metadata})
    found = explain(validate(request))

    assert (
        found.headline == f'm1 asks for amd-sev. {owner} is not ready for it:'
    )
    assert found.commands == (
        'openstack volume set --image-property hw_machine_type=q35 '
        + argument,
    )


def test_an_action_is_about_the_server():
    found = check_action(encrypted(), 'suspend')

    assert explain([found]).operator() == (
        'm1 asks for amd-sev. The server is not ready for it:\n'
        '  error    suspend does not work with encrypted memory\n'
        'Stop or shelve the server instead (openstack server shelve SERVER).'
    )


def test_one_more_problem_is_on_the_page_too():
    found = explain(validate(encrypted({}, {'hw_machine_type': 'pc'})))
    more = found.adding(REBUILD_NOT_UNDONE)

    assert len(more.reasons) == len(found.reasons) + 1
    assert len(more.operator()) > len(found.operator())


def test_nothing_is_against_no_problems():
    assert explain(()).operator() == 'Nothing is against encryption.'


def test_nobody_is_named_who_has_no_name():
    request = parse({'vcpus': 1, 'ram': 1, 'extra_specs': ON}, {})

    assert explain(validate(request)).headline == (
        'The flavor asks for amd-sev. No image is given; one without '
        'properties is not ready for it:'
    )


@given(st.text(st.characters(codec='utf-8'), min_size=1, max_size=30))
def test_a_command_is_alone_on_its_line_whatever_names_are(name):
    request = parse(flavor(ON, name=name), image({}, name=name))
    found = explain(validate(request))
    (command,) = found.commands[:1]

    assert f'  {command}' in found.operator().split('\n')
    assert shlex.split(command) == request_argv(request)


def request_argv(request):
    name = request.image_name or 'cafe'
    return [
        *('openstack', 'image', 'set'),
        *('--property', 'hw_firmware_type=uefi'),
        *('--property', 'hw_machine_type=q35'),
        *(['--'] if name.startswith('-') else []),
        name,
    ]


@pytest.mark.parametrize(
    ('images', 'text'),
    [
        (1, 'Flavors: 1; images and volumes: 1. 1 of 1 pair can never run.'),
        (2, 'Flavors: 1; images and volumes: 2. 2 of 2 pairs can never run.'),
    ],
)
def test_the_headline_of_an_audit_counts_pairs(images, text):
    found = audit([flavor(ON)], [image(name=f'u{n}') for n in range(images)])

    assert AuditPage(found).headline == text


@pytest.mark.parametrize(
    ('caveats', 'mends', 'line'),
    [
        ((), 1, '  To fix 1 pair:'),
        ((), 0, '  To help 2 pairs:'),
        (
            (Caveat.BOOTS_WITH_UEFI,),
            2,
            '  If the image boots with UEFI, to fix 2 pairs:',
        ),
    ],
)
def test_a_change_of_an_audit_says_in_a_sentence_what_it_does(
    caveats, mends, line
):
    change = Fix(
        target=Target.IMAGE, name='u', set={'a': '1'}, caveats=caveats
    )
    found = AuditFix(Item(Target.IMAGE, 'u', 'u'), (change,), 2, mends)

    assert next(command_lines(found)) == line
