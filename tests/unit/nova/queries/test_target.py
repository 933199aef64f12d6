"""Requests that name a host, such as those of a migration."""

from __future__ import annotations

import contextlib
from unittest import mock

import nova.conf
import pytest
from nova import context as nova_context
from nova import exception, objects
from nova.scheduler import request_filter

from sev_scheduling.exceptions import PlacementUnavailable
from sev_scheduling.hosts.host import SlotPool
from sev_scheduling.models import registered_models
from sev_scheduling.placement import PlacementClient
from tests.unit.nova.factories import (
    ES,
    ON,
    Q35,
    SEV,
    UEFI,
    aggregate,
    load_filter,
    passing,
    spec,
)

TOLD = (
    'The host that was asked for has no free amd-sev slot now. Try again '
    'later, or delete an encrypted server.'
)


@pytest.fixture
def cells(world, monkeypatch):
    """Two hosts, whose rows nova keeps: alpha is full, beta is not."""
    nodes = {
        name: [
            objects.ComputeNode(
                host=name,
                hypervisor_hostname=f'{name}.test',
                uuid=world.host(name, pools={SEV: pool}),
            )
        ]
        for name, pool in {'alpha': SlotPool(1, used=1), 'beta': 1}.items()
    }
    cell = objects.CellMapping(name='cell1')
    monkeypatch.setattr(
        objects.ComputeNodeList,
        'get_all_by_host',
        lambda context, host: nodes[host],
    )

    def get_by_host(context, host):
        if host not in nodes:
            raise exception.HostMappingNotFound(name=host)
        return objects.HostMapping(host=host, cell_mapping=cell)

    monkeypatch.setattr(objects.HostMapping, 'get_by_host', get_by_host)
    monkeypatch.setattr(
        nova_context,
        'target_cell',
        lambda context, target: contextlib.nullcontext(
            {cell: context}[target]
        ),
    )
    return nodes


def ask(**fields):
    """Return the reason in the fault of the server; None where it passes."""
    load_filter()
    try:
        request_filter.ALL_REQUEST_FILTERS[-1](
            nova_context.get_admin_context(), spec(**fields)
        )
    except exception.RequestFilterFailed as failed:
        return failed.kwargs['reason']
    return None


def to(**names):
    return {'requested_destination': objects.Destination(**names)}


def forced(world, cells, monkeypatch, aggregates=(), **facts):
    """Return a request for gamma, which an administrator forces."""
    root = world.host('gamma', **{'pools': {SEV: 2, ES: 5}, **facts})
    cells['gamma'] = [
        objects.ComputeNode(
            host='gamma',
            hypervisor_hostname='gamma.test',
            uuid=root,
            ram_allocation_ratio=facts.get('ram_allocation_ratio', 1.0),
            hypervisor_type='QEMU',
        )
    ]
    monkeypatch.setattr(
        objects.AggregateList, 'get_by_host', lambda *_: list(aggregates)
    )
    return root


def run(request):
    load_filter()
    request_filter.ALL_REQUEST_FILTERS[-1](
        nova_context.get_admin_context(), request
    )
    return request


def refused(request):
    with pytest.raises(exception.RequestFilterFailed) as failed:
        run(request)
    return failed.value.kwargs['reason']


TRAITS = {model.name: model.trait for model in registered_models().values()}


@pytest.mark.parametrize(
    ('stale', 'forbidden', 'filters'),
    [
        pytest.param([], [], False, id='no stale trait'),
        pytest.param([ES], [], False, id='one of another model'),
        pytest.param([SEV], [ES], False, id='one of the model'),
        pytest.param([SEV, ES], [], True, id='of both: the filters are run'),
    ],
)
@pytest.mark.parametrize('by', ['force_hosts', 'force_nodes'])
def test_nova_s_own_query_keeps_off_the_pools_of_other_models(
    world, cells, monkeypatch, stale, forbidden, filters, by
):
    root = forced(world, cells, monkeypatch)
    world.set_traits(root, *(TRAITS[name] for name in stale))
    original = spec(**{by: ['gamma']})
    flavor = original.flavor

    request = run(original)

    added = set(request.flavor.extra_specs) - set(flavor.extra_specs)
    assert added == {f'trait:{TRAITS[name]}' for name in forbidden}
    assert (request.force_hosts or request.force_nodes) == (
        None if filters else ['gamma']
    )
    # The request's own flavor is as it was.
    assert not set(flavor.extra_specs) & {f'trait:{TRAITS[ES]}'}
    (state,) = [s for s in world.hosts_for(request) if s.host == 'gamma']
    if filters:
        destination = request.requested_destination
        assert (destination.host if by == 'force_hosts' else 'gamma') == (
            'gamma'
        )
        assert passing(load_filter(), [state], request) == ['gamma']
    for candidate in state.allocation_candidates:
        assert world.pool(root) in candidate['allocations']


@pytest.mark.parametrize(
    ('facts', 'request_', 'told'),
    [
        pytest.param(
            {'machine_type': 'q35'}, lambda: (ON, UEFI), None, id='q35'
        ),
        pytest.param(
            {'ram_allocation_ratio': 1.5},
            lambda: (ON, Q35),
            'not set up for encrypted guests',
            id='memory is overcommitted',
        ),
        pytest.param(
            {'pools': {ES: 5, 'amd-sev-snp': 5}},
            lambda: ({**ON, 'hw:mem_encryption_model': ES}, Q35),
            'CVE-2025-48514',
            id='another model excludes it',
        ),
        pytest.param(
            {'aggregates': [aggregate(**{'sev_scheduling:max_guests': '0'})]},
            lambda: (ON, Q35),
            'No host offers',
            id='a limit of its aggregate',
        ),
    ],
)
def test_a_forced_host_is_checked_as_the_filter_would(
    world, cells, monkeypatch, facts, request_, told
):
    forced(world, cells, monkeypatch, **facts)
    extra_specs, properties = request_()
    request = spec(extra_specs, properties, force_hosts=['gamma'])
    if told is None:
        assert run(request).force_hosts == ['gamma']
    else:
        assert told in refused(request)


def test_a_forced_host_whose_own_pool_is_full(world, cells, monkeypatch):
    root = forced(world, cells, monkeypatch, pools={SEV: 1, ES: 5})
    world.set_traits(root, TRAITS[SEV])
    world.claim(world.pool(root))
    for explains in (True, False):
        nova.conf.CONF.set_override(
            'explain_no_candidates', explains, 'sev_scheduling'
        )
        assert refused(spec(force_hosts=['gamma']))
    nova.conf.CONF.clear_override('explain_no_candidates', 'sev_scheduling')


def test_a_host_that_is_forced_for_a_check_of_nova_is_filtered(
    world, cells, monkeypatch
):
    forced(world, cells, monkeypatch, ram_allocation_ratio=1.5)
    hints = {'_nova_check_type': ['live_migrate']}
    run(spec(force_hosts=['gamma'], scheduler_hints=hints))


@pytest.mark.parametrize('policy', ['protected', 'pass', 'refuse'])
def test_a_forced_host_when_placement_does_not_answer(
    world, cells, configured, policy
):
    configured(on_placement_failure=policy)
    load_filter()
    with (
        mock.patch.object(
            PlacementClient,
            'candidates',
            side_effect=PlacementUnavailable('gone'),
        ),
        mock.patch.object(
            PlacementClient,
            'allocation_candidates',
            side_effect=PlacementUnavailable('gone'),
        ),
    ):
        request = spec(force_hosts=['beta'])
        if policy == 'refuse':
            assert refused(request)
        else:
            run(request)


@pytest.mark.parametrize(
    ('fields', 'told'),
    [
        ({}, None),
        (to(host='alpha'), TOLD),
        (to(host='beta'), None),
        (to(host='alpha', node='alpha.test'), TOLD),
        (to(host='beta', node='beta.test'), None),
        # A node alone: nova names the root provider after it.
        (to(node='alpha'), TOLD),
        (to(node='beta'), None),
        ({'force_hosts': ['alpha']}, TOLD),
        ({'force_hosts': ['beta']}, None),
        ({'force_nodes': ['alpha']}, TOLD),
        # What is requested counts before what was forced long ago.
        ({**to(host='beta'), 'force_hosts': ['alpha']}, None),
        ({**to(host='alpha'), 'force_hosts': ['beta']}, TOLD),
        # Nova says itself that there is no such host.
        (to(host='gamma'), None),
        (to(host='alpha', node='gamma.test'), None),
        (to(node='gamma'), None),
        (to(node='a&name=alpha'), None),
    ],
    ids=str,
)
def test_the_fault_says_that_it_is_the_host_that_was_asked_for(
    cells, fields, told
):
    assert ask(**fields) == told


def test_of_a_host_with_several_nodes_nothing_is_said(cells):
    cells['alpha'].append(cells['beta'][0])
    assert ask(**to(host='alpha')) is None
