"""When Placement does not answer: three policies, and never an exception."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import math

import pytest
import requests
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from keystoneauth1 import exceptions as ks_exceptions
from nova import context as nova_context
from nova import exception, objects
from nova.scheduler import request_filter

from sev_scheduling.exceptions import PlacementUnavailable
from sev_scheduling.hosts.host import SlotPool
from sev_scheduling.nova.lookups import shared_lookups
from sev_scheduling.nova.lookups.client import Connection
from sev_scheduling.nova.rebuild import Rebuild
from sev_scheduling.nova.servers.image_record import ImageRecord
from sev_scheduling.placement import PlacementClient, embedded_placement
from sev_scheduling.placement.wire.transport import Call
from sev_scheduling.placement.wire.wire import Wire
from tests.unit.nova.factories import (
    ES,
    ON,
    ON_ES,
    Q35,
    SEV,
    UEFI,
    World,
    aggregate,
    load_filter,
    load_weigher,
    passing,
    rebuild_spec,
    spec,
    weighed,
)
from tests.unit.placement.fake_transport import Answer, FakeTransport, fault

CANNOT_TELL = 'Whether a host can run this encrypted server cannot be found'

#: What a Placement that does not work answers every call with.
FAILURES = {
    'the connection is refused': requests.exceptions.ConnectionError('no'),
    'the time is over': requests.exceptions.ReadTimeout('slow'),
    'it answers 500': fault(500),
    'it answers 503 without a word': Answer(503),
    'it answers 401': fault(401),
    'it answers 404 by another server': Answer(404, content=b'<html>'),
    'it answers in HTML': Answer(content=b'<html>', content_type='text/html'),
    'it answers with a list': Answer(200, []),
    'it answers with an empty object': Answer(200, {}),
    'keystone knows no endpoint': ks_exceptions.EndpointNotFound('none'),
    'keystone does not answer': ks_exceptions.ConnectFailure('none'),
    'keystone refuses': ks_exceptions.Unauthorized('none'),
    'there is no password': ks_exceptions.MissingAuthPlugin('none'),
}
VERSIONS = {'versions': [{'max_version': '1.39'}]}


def breaking(connect, step, *, versions=VERSIONS):
    """Have Placement answer everything with one step."""

    class Broken(FakeTransport):
        def send(self, request, **kwargs):
            self.routes = {'GET /': versions} if versions else {}
            path = request.path_url.removeprefix('/placement')
            self.routes.setdefault(
                f'{request.method} {path.partition("?")[0]}', step
            )
            return super().send(request, **kwargs)

    script = Broken({})
    connect(lambda deadline: PlacementClient(script.adapter()))
    return script


@pytest.fixture(params=FAILURES)
def failing(request, world, connect):
    """A world with a host, whose Placement then stops to work."""
    world.host('alpha')
    world.host('beta')
    world.candidates = world.hosts_for(spec())
    breaking(connect, FAILURES[request.param])
    return world


every_policy = pytest.mark.parametrize(
    'policy', ['protected', 'pass', 'refuse']
)


@pytest.fixture
def informed(monkeypatch):
    """Load a filter that knows the providers; look-ups then fail by name.

    Returns the filter, and the arguments of each look-up that failed.
    """

    def load(*failing):
        plugin = load_filter()
        plugin._lookups.providers(plugin._lookups.deadline())
        calls = []

        def down(*asked):
            calls.append(asked)
            raise PlacementUnavailable('down')

        for name in failing:
            monkeypatch.setattr(plugin._lookups, name, down)
        return plugin, calls

    return load


@every_policy
def test_a_new_guest(failing, configured, policy):
    configured(on_placement_failure=policy)
    plugin, states = load_filter(), failing.candidates
    if policy == 'refuse':
        request = spec()
        with pytest.raises(exception.NoValidHost, match=CANNOT_TELL):
            passing(plugin, states, request)
        assert passing(plugin, states, request, index=1) == []
    else:
        assert passing(plugin, states, spec()) == ['alpha', 'beta']
    # Others are none the wiser.
    assert passing(plugin, states, spec({}, {})) == ['alpha', 'beta']


@every_policy
def test_a_rebuild(failing, configured, policy):
    configured(on_placement_failure=policy)
    plugin, states = load_filter(), failing.candidates[:1]
    if policy == 'pass':
        assert passing(plugin, states, rebuild_spec()) == ['alpha']
    else:
        with pytest.raises(exception.NoValidHost, match=CANNOT_TELL):
            passing(plugin, states, rebuild_spec())
    assert passing(plugin, states, rebuild_spec({}, {})) == ['alpha']


@every_policy
def test_what_needs_no_look_up_is_still_judged(failing, configured, policy):
    configured(on_placement_failure=policy, default_machine_type=['pc'])
    with pytest.raises(exception.NoValidHost) as raised:
        passing(load_filter(), failing.candidates, spec(ON, UEFI))
    told = CANNOT_TELL if policy == 'refuse' else 'hosts give it pc'
    assert told in str(raised.value)


def test_whether_a_host_offers_an_excluding_model_is_not_known(world, connect):
    world.host('alpha', pools={'amd-sev-es': 5, 'amd-sev-snp': 5})
    states = world.hosts_for(spec(ON_ES))
    breaking(connect, fault(503))
    assert passing(load_filter(), states, spec(ON_ES)) == ['alpha']


def test_the_request_filter_lets_pass_and_nova_goes_on(failing):
    load_filter()
    assert request_filter.ALL_REQUEST_FILTERS[-1](None, spec(ON, UEFI))


def test_the_weigher_weighs_nothing(failing):
    weigher = load_weigher()
    for request in (spec(), spec({}, {})):
        assert weighed(weigher, failing.candidates, request) == {
            'alpha': 0.0,
            'beta': 0.0,
        }


def test_other_guests_are_weighed_by_what_was_known(world, connect, clock):
    world.host('alpha')
    world.host('plain', pools={})
    states = list(world.states.values())
    weigher = load_weigher()
    before = weighed(weigher, states, spec({}, {}))
    assert before == {'plain': 0.0, 'alpha': -100.0}
    breaking(connect, fault(503))
    clock.now += 3600.0
    assert weighed(weigher, states, spec({}, {})) == before


@pytest.mark.parametrize(
    ('policy', 'left'),
    [('protected', ['beta']), ('refuse', ['beta']),
     ('pass', ['alpha', 'beta'])],
)  # fmt: skip
def test_a_limit_holds_where_nobody_can_count_the_guests(
    world, configured, informed, policy, left
):
    """Nova's claim knows no limit lower than the inventory."""
    limit = aggregate(**{'sev_scheduling:max_guests': '5'})
    world.host('alpha', aggregates=[limit])
    world.host('beta')
    configured(on_placement_failure=policy)
    states = world.hosts_for(spec())
    plugin, _ = informed('slots')
    assert passing(plugin, states, spec()) == left
    if policy == 'pass':
        assert passing(plugin, states[:1], spec()) == ['alpha']
    else:
        with pytest.raises(exception.NoValidHost, match=CANNOT_TELL):
            passing(plugin, states[:1], spec())


@every_policy
def test_what_was_known_of_pools_still_holds(
    world, configured, informed, policy
):
    """Only the wrong pool's slots are left, and knowledge is out of date."""
    configured(on_placement_failure=policy)
    root = world.host(pools={SEV: SlotPool(1, used=1), 'amd-sev-es': 5})
    world.set_traits(root, 'HW_CPU_X86_AMD_SEV')
    states = world.hosts_for(spec())
    plugin, _ = informed('providers', 'slots')
    told = CANNOT_TELL if policy == 'refuse' else 'are taken now'
    with pytest.raises(exception.NoValidHost, match=told):
        passing(plugin, states, spec())


@every_policy
def test_a_host_that_is_new_since_placement_answered(
    world, configured, informed, policy
):
    configured(on_placement_failure=policy)
    plugin, calls = informed('providers_with')
    world.host('new')
    world.host('newer')
    states = world.hosts_for(spec())
    if policy == 'refuse':
        with pytest.raises(exception.NoValidHost, match=CANNOT_TELL):
            passing(plugin, states, spec())
    else:
        assert passing(plugin, states, spec()) == ['new', 'newer']
    assert len(calls) == 1


def test_where_the_pool_is_full_no_number_is_needed(world, informed):
    """A host whose last candidates were another model's."""
    root = world.host(pools={SEV: SlotPool(1, used=1), 'amd-sev-es': 5})
    world.set_traits(root, 'HW_CPU_X86_AMD_SEV')
    states = world.hosts_for(spec())
    plugin, _ = informed('slots')
    with pytest.raises(exception.NoValidHost, match='are taken now'):
        passing(plugin, states, spec())


@pytest.mark.parametrize('policy', ['pass', 'protected'])
def test_where_no_guest_may_be_no_number_is_needed(
    world, configured, informed, policy
):
    configured(max_guests=0, on_placement_failure=policy)
    world.host('alpha')
    states = world.hosts_for(spec())
    plugin, calls = informed('slots')
    with pytest.raises(exception.NoValidHost, match='No host offers amd-sev'):
        passing(plugin, states, spec())
    assert calls == []


def named_host():
    return spec(requested_destination=objects.Destination(host='alpha'))


def forced():
    return spec(force_hosts=['alpha'])


def rebuilt_with_a_model():
    """Its record says enough: nothing is asked before hosts are judged."""
    return rebuild_spec({**ON, 'hw:mem_encryption_model': SEV})


@pytest.mark.parametrize(
    ('slow', 'request_'),
    [
        pytest.param('target_provider', named_host, id='of a named host'),
        pytest.param('target_provider', forced, id='of a forced host'),
        pytest.param('forced_host', forced, id='of what a forced host has'),
        pytest.param('record', rebuild_spec, id='of what a server has'),
        pytest.param('record', rebuilt_with_a_model, id='of what it had'),
    ],
)
def test_a_slow_database_of_nova_is_no_failure_of_placement(
    world, connect, clock, configured, monkeypatch, slow, request_
):
    configured(cache_seconds=0)
    root = world.host('alpha', pools={SEV: 5, ES: 5})
    world.claim(world.pool(root, 'amd_sev_es'))
    (state,) = states = world.hosts_for(spec())
    asked, began = [], clock.now

    class Timed:
        """A client whose calls have to be within a deadline."""

        def __init__(self, deadline):
            self._deadline = deadline

        def __getattr__(self, name):
            asked.append(self._deadline.left())
            return getattr(world.placement.client(), name)

    def reads(name, answer):
        def read(*about):
            clock.now += 1000 * (name == slow)
            return answer

        return read

    connect(Timed)
    for name, answer in (('target_provider', root), ('forced_host', state)):
        monkeypatch.setattr(
            f'sev_scheduling.nova.request_filter.{name}', reads(name, answer)
        )
    record = functools.cached_property(reads('record', ImageRecord()))
    record.__set_name__(Rebuild, 'record')
    monkeypatch.setattr(Rebuild, 'record', record)
    plugin = load_filter()
    if slow == 'record':
        # Whether it may be rebuilt is another test's.
        with contextlib.suppress(exception.NoValidHost):
            passing(plugin, states, request_())
    else:
        ask = request_filter.ALL_REQUEST_FILTERS[-1]
        assert ask(nova_context.get_admin_context(), request_())

    assert clock.now > began
    assert asked
    assert plugin._lookups._breaker._open is None


def test_a_warning_once_a_minute_and_not_once_a_host(
    world, connect, caplog, clock
):
    for number in range(5):
        world.host(f'host-{number}')
    states = world.hosts_for(spec())
    breaking(connect, fault(503))
    plugin = load_filter()

    def warnings():
        found = [r for r in caplog.records if r.levelno >= logging.WARNING]
        caplog.clear()
        return [record.getMessage() for record in found]

    for _ in range(3):
        assert len(passing(plugin, states, spec())) == 5
    (message,) = warnings()
    assert message.startswith(
        'Look-ups for encrypted guests fail, and on_placement_failure is '
        'protected: GET /resource_providers: Placement answered 503'
    )
    clock.now += 59.9
    passing(plugin, states, spec())
    assert warnings() == []
    clock.now += 0.1
    passing(plugin, states, spec())
    assert len(warnings()) == 1


def test_it_works_again_as_soon_as_placement_does(world, connect):
    world.host('alpha', machine_type='pc')
    request = spec(ON, UEFI)
    states = world.hosts_for(request)
    script = breaking(connect, fault(503))
    plugin = load_filter()
    assert passing(plugin, states, request) == ['alpha']
    assert script.calls
    connect(lambda deadline: world.placement.client())
    with pytest.raises(exception.NoValidHost, match='hosts give it pc'):
        passing(plugin, states, request)


#: What stands in an answer in place of what belongs there.
JUNK = st.sampled_from(
    [None, True, 0, -1, 1.5, '', 'x', [], [[]], [{}], {}, {'x': None}]
)


def spoil(draw, answer):
    """Replace something in an answer, the whole of it or a detail."""
    if isinstance(answer, dict | list) and answer and draw(st.integers(0, 3)):
        keys = list(answer) if isinstance(answer, dict) else range(len(answer))
        key = draw(st.sampled_from(keys))
        if draw(st.integers(0, 9)):
            answer[key] = spoil(draw, answer[key])
        else:
            del answer[key]
        return answer
    return draw(JUNK)


class Spoiling:
    """An adapter onto a Placement some of whose answers are strange."""

    def __init__(self, placement, draw):
        self.placement = placement
        self.draw = draw

    def request(self, url, method, **kwargs):
        response = self.placement.request(url, method, **kwargs)
        # Without a version, nothing else is asked.
        if url != '/' and self.draw(st.booleans()):
            answer = spoil(self.draw, response.json())
            response._content = json.dumps(answer).encode()
        return response


@pytest.fixture
def real_world(world):
    """A cloud whose Placement is the real one: its answers are JSON."""
    with embedded_placement() as placement:
        yield World(placement)


@settings(
    deadline=None,
    max_examples=12,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data())
def test_whatever_placement_answers_nothing_but_a_reason_leaves(
    monkeypatch, real_world, data
):
    world = real_world
    if not world.states:
        limit = aggregate(**{'sev_scheduling:max_guests': '9'})
        root = world.host('alpha', aggregates=[limit], machine_type='q35')
        world.claim(world.pool(root))
    states = world.hosts_for(spec())
    fitting, unfitting = spec(ON, UEFI), spec(ON, UEFI)
    unfitting.flavor.vcpus = 999
    with monkeypatch.context() as patch:
        adapter = Spoiling(world.placement, data.draw)
        patch.setattr(
            Connection,
            'client',
            lambda self, deadline: PlacementClient(adapter),
        )
        # Hypothesis draws in the thread of the test alone.
        patch.setattr(Call, 'run', lambda self, request: request())
        patch.setattr(
            Wire, 'each', lambda self, ask, about: [*map(ask, about)]
        )
        shared_lookups.cache_clear()
        plugin, weigher = load_filter(), load_weigher()
        ask = request_filter.ALL_REQUEST_FILTERS[-1]
        faults = []
        for request in (fitting, rebuild_spec(ON, Q35)):
            try:
                assert passing(plugin, states, request) == ['alpha']
            except exception.NoValidHost as error:
                faults.append(str(error))
        for request in (fitting, unfitting):
            try:
                assert ask(None, request) is True
            except exception.RequestFilterFailed as error:
                faults.append(str(error))
        for request in (spec(), spec({}, {})):
            weights = weighed(weigher, states * 2, request).values()
            assert all(map(math.isfinite, weights))
    # Nova's own words end with a space where no reason follows.
    assert all(text == text.strip() for text in faults)
    assert not any('alpha' in text for text in faults)
