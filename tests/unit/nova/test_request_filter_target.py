"""Requests that name a host, such as those of a migration."""

from __future__ import annotations

import contextlib

import pytest
from nova import context as nova_context
from nova import exception, objects
from nova.scheduler import request_filter

from sev_scheduling.hosts.host import SlotPool
from tests.unit.nova.factories import SEV, load_filter, spec

TOLD = 'The host asked for cannot take it. Ask for no particular host.'


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
