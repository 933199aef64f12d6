import dataclasses

import pytest

from sev_scheduling import explain, validate
from sev_scheduling.diagnosis import Matter
from sev_scheduling.explain import catalogue
from sev_scheduling.explain.server import FailedAction, ServerExplanation
from sev_scheduling.hosts.host import Host, SlotPool
from sev_scheduling.hosts.hostfilter import filter_hosts
from sev_scheduling.models import registered_models
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.request.server import ServerView, Unknown
from tests.unit.factories import encrypted

SERVER = ServerView(id='cafe', name='guest', status='ERROR')
IDE = encrypted(properties={'hw_disk_bus': 'ide'})


def explained(server=SERVER, request=IDE, matter=Matter.REQUEST, **kwargs):
    about = explain(validate(request))
    return ServerExplanation(
        server=server, about=about, matter=matter, **kwargs
    )


def test_every_matter_and_all_that_may_be_unknown_has_words():
    assert catalogue.server.MATTERS.keys() == {*Matter}
    assert catalogue.server.UNKNOWN.keys() == {*Unknown}


def test_fault_and_request_of_a_server_are_told_together():
    fault = 'No valid host was found.\n Try again.'
    server = dataclasses.replace(SERVER, fault=fault)
    found = explained(server)
    lines = found.operator().splitlines()

    assert lines[0] == found.headline == found.tenant_headline
    assert lines[0] == (
        'Server guest is in status ERROR: No valid host was found. Try again.'
    )
    assert lines[1] == catalogue.server.MATTERS[Matter.REQUEST]
    assert lines[2] == found.about.headline
    assert lines[-1] == catalogue.server.SERVER_COPIES
    assert found.commands == found.about.commands != ()
    assert found.tenant().splitlines()[0] == lines[0]


def test_a_server_without_a_name_has_its_id():
    server = dataclasses.replace(SERVER, name='')

    assert explained(server).headline == 'Server cafe is in status ERROR.'


@pytest.mark.parametrize(
    ('fault', 'said'), [(None, True), ('No valid host', False)]
)
def test_a_failed_action_is_told_where_no_fault_does(fault, said):
    server = dataclasses.replace(SERVER, fault=fault)
    failed = FailedAction(action='unshelve', time='2026-11-26T09:00:00')
    text = explained(server, failed=failed).operator()

    line = 'Its last action, unshelve at 2026-11-26T09:00:00, failed.'
    assert (line in text) is said


def test_what_is_right_by_now_is_no_more_to_be_changed():
    text = explained(changed=True, matter=Matter.NONE).operator()

    assert catalogue.server.SERVER_CHANGED in text
    assert catalogue.server.SERVER_COPIES not in text


def with_pc(uuid=None):
    """Return what is said where a host defaults to machine type pc."""
    model = registered_models()['amd-sev']
    request = EncryptionRequest(encrypted=True, models=(model,), server=uuid)
    host = Host(
        name='a',
        pools={'amd-sev': SlotPool(total=1)},
        machine_types={'x86_64': 'pc'},
    )
    return explain(filter_hosts(request, [host]))


@pytest.mark.parametrize(
    ('uuid', 'status', 'line'),
    [
        # It is on no host: what is right today counts for a new one.
        (None, 'ERROR', 'SERVER_COPIES'),
        ('cafe', 'ACTIVE', 'SERVER_RUNS'),
        ('cafe', 'ERROR', 'SERVER_RUNS'),
        ('cafe', 'SHUTOFF', None),
        ('cafe', 'SHELVED_OFFLOADED', None),
    ],
)
@pytest.mark.parametrize('view', ['operator', 'tenant'])
def test_a_change_that_hosts_ask_for_says_how_it_reaches_the_server(
    uuid, status, line, view
):
    found = ServerExplanation(
        server=dataclasses.replace(SERVER, status=status),
        about=with_pc(uuid),
        matter=Matter.HOSTS,
    )

    text = getattr(found, view)()

    assert [
        name
        for name in ('SERVER_COPIES', 'SERVER_RUNS')
        if getattr(catalogue.server, name) in text
    ] == [line] * bool(line)


def test_of_what_may_pass_a_change_that_helps_at_once_is_told():
    full = Host(name='a', pools={'amd-sev': SlotPool(total=1, used=1)})
    waiting = explain(filter_hosts(encrypted(), [full]))
    lines = [
        ServerExplanation(server=SERVER, about=about, matter=Matter.MOMENT)
        .operator()
        .splitlines()[1]
        for about in (waiting, with_pc())
    ]

    assert lines == [
        catalogue.server.MATTERS[Matter.MOMENT],
        catalogue.server.MOMENT_OR_CHANGE,
    ]


@pytest.mark.parametrize(
    ('status', 'placed', 'matter', 'changed', 'said'),
    [
        ('ERROR', False, Matter.MOMENT, False, True),
        ('ERROR', False, Matter.HOSTS, False, True),
        ('ERROR', False, Matter.NONE, False, True),
        # That it is to be created again is said already.
        ('ERROR', False, Matter.NONE, True, False),
        # Its flavor or image is to be changed before it is created again.
        ('ERROR', False, Matter.REQUEST, False, False),
        # It failed on a host, and is there.
        ('ERROR', True, Matter.MOMENT, False, False),
        ('SHELVED_OFFLOADED', True, Matter.MOMENT, False, False),
    ],
)
def test_a_server_that_was_never_placed_is_not_tried_again(
    status, placed, matter, changed, said
):
    server = dataclasses.replace(SERVER, status=status, placed=placed)
    full = Host(name='a', pools={'amd-sev': SlotPool(total=1, used=1)})
    found = ServerExplanation(
        server=server,
        about=explain(filter_hosts(encrypted(), [full])),
        matter=matter,
        changed=changed,
    )

    assert (catalogue.server.NOT_TRIED_AGAIN in found.operator()) is said


def test_recorded_machine_type_and_what_is_unknown_are_told():
    server = dataclasses.replace(
        SERVER, image={'hw_machine_type': 'pc-q35-8.2'}
    )
    text = explained(server, unknown=(Unknown.IMAGE_TRAITS,)).tenant()

    assert 'Its recorded machine type is pc-q35-8.2.' in text
    assert catalogue.server.UNKNOWN[Unknown.IMAGE_TRAITS] in text
