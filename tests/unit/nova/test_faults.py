"""A fault of this package is never the user's: each function made to raise.

Every function that a request runs through is replaced by one that raises, one
at a time. Nova still places what it would place without the plug-in, and the
log has one traceback.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import logging
import pkgutil
import sys
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Any

import pytest
from nova import context as nova_context
from nova import exception
from nova.scheduler import request_filter

import sev_scheduling
from sev_scheduling.nova.lookups import StoredServer
from tests.unit.nova.factories import (
    ES,
    ON,
    Q35,
    SERVER,
    SEV,
    SEV_TRAIT,
    UEFI,
    aggregate,
    flavor,
    load_filter,
    load_weigher,
    move_spec,
    passing,
    rebuild_spec,
    spec,
    weighed,
)

LIMITS = {'sev_scheduling:max_guests': '9'}

#: The guard cannot guard itself, nor what stands before it.
GUARD = {
    *('Guard.__init__', 'Guard.run', 'Warnings.fault', 'Warnings._is_due'),
    *('MemoryEncryptionFilter.filter_all', 'RequestFilter.__call__'),
    'MemoryEncryptionWeigher.weigh_objects',
}


def modules() -> Iterator[Any]:
    """Yield those that nova-scheduler has of the package."""
    for part in pkgutil.walk_packages(
        sev_scheduling.__path__, 'sev_scheduling.'
    ):
        name = part.name.removeprefix('sev_scheduling.').partition('.')[0]
        if name not in ('cli', 'compute', 'testing', 'documents'):
            yield importlib.import_module(part.name)


def functions_of(owner: Any, name: str) -> Iterator[FunctionType]:
    """Yield the functions that a module or a class defines."""
    for thing in list(vars(owner).values()):
        if isinstance(thing, property):
            thing = thing.fget
        elif isinstance(thing, classmethod | staticmethod):
            thing = thing.__func__
        elif isinstance(thing, functools.cached_property):
            thing = thing.func
        if isinstance(thing, type) and thing.__module__ == name:
            yield from functions_of(thing, name)
        elif callable(thing):
            thing = inspect.unwrap(thing)
            if isinstance(thing, FunctionType) and thing.__module__ == name:
                yield thing


def all_functions() -> dict[CodeType, FunctionType]:
    return {
        function.__code__: function
        for module in modules()
        for function in functions_of(module, module.__name__)
    }


def clear_caches() -> None:
    for module in modules():
        for thing in list(vars(module).values()):
            if hasattr(thing, 'cache_clear'):
                thing.cache_clear()


def raiser(free: int) -> CodeType:
    """Return code that raises, in place of code with free variables."""
    names = [f'v{number}' for number in range(free)]
    source = (
        f'def outer({", ".join(names)}):\n'
        '    def raises(*args, **kwargs):\n'
        f'        {"; ".join(names) or "pass"}\n'
        '        raise RuntimeError("injected")\n'
        '    return raises\n'
    )
    scope: dict[str, Any] = {}
    exec(compile(source, 'injected', 'exec'), scope)
    code: CodeType = scope['outer'](*names).__code__
    return code


@pytest.fixture
def requests(world):
    """Return what nova asks, and the hosts that Placement offers for it."""
    limited = aggregate(**LIMITS)
    one = world.host('alpha', pools={SEV: 5, ES: 5}, machine_type='q35')
    two = world.host('beta', aggregates=[limited])
    world.set_traits(two, SEV_TRAIT)
    world.host('gamma', ram_allocation_ratio=1.5)
    world.host('delta', pools={SEV: 5}, machine_type='pc')
    world.claim(world.pool(one))
    world.servers[SERVER] = StoredServer(flavor(), 'pc-q35-8.2')
    ide = {**Q35, 'hw_disk_bus': 'ide'}
    asked = {
        'an encrypted guest': spec,
        'an image without a machine type': lambda: spec(ON, UEFI),
        'another guest': lambda: spec({}, {}),
        'a move with a problem': lambda: move_spec(ON, ide),
        'a move without a machine type': lambda: move_spec(ON, UEFI),
        'a rebuild': rebuild_spec,
    }
    return [
        (name, new, world.hosts_for(spec())) for name, new in asked.items()
    ]


def play(requests: Any) -> dict[str, set[str] | str]:
    """Have a nova-scheduler that has just started take all requests."""
    plugin, weigher = load_filter(), load_weigher()
    ask = request_filter.ALL_REQUEST_FILTERS[-1]
    left: dict[str, set[str] | str] = {}
    for name, new, states in requests:
        candidates = {s.host: list(s.allocation_candidates) for s in states}
        request = new()
        try:
            if 'rebuild' not in name:
                ask(nova_context.get_admin_context(), request)
            found = passing(plugin, states, request)
            weighed(weigher, states, request)
            left[name] = set(found)
        except (exception.NoValidHost, exception.RequestFilterFailed) as why:
            left[name] = str(why)
        for state in states:
            assert state.host not in left[name] or state.allocation_candidates
            state.allocation_candidates = candidates[state.host]
    return left


def called(requests: Any) -> list[FunctionType]:
    """Return the functions that requests run through."""
    known = all_functions()
    seen: set[CodeType] = set()
    clear_caches()
    load_filter(), load_weigher()
    before = sys.getprofile()
    sys.setprofile(lambda frame, event, arg: seen.add(frame.f_code))
    try:
        play(requests)
    finally:
        sys.setprofile(before)
    return [
        function
        for code, function in known.items()
        if code in seen and function.__qualname__ not in GUARD
    ]


def at_start() -> set[CodeType]:
    """Return the code that runs as nova-scheduler starts, before requests."""
    seen: set[CodeType] = set()
    before = sys.getprofile()
    sys.setprofile(lambda frame, event, arg: seen.add(frame.f_code))
    try:
        clear_caches()
        load_filter(), load_weigher()
    finally:
        sys.setprofile(before)
    return seen


@pytest.mark.parametrize('policy', ['protected', 'refuse'])
def test_no_fault_of_ours_refuses_what_nova_places(
    requests, configured, caplog, policy
):
    configured(on_placement_failure=policy)
    usual = play(requests)
    assert all(isinstance(hosts, set) and hosts for hosts in usual.values())
    starting = at_start()
    functions = called(requests)
    assert len(functions) > 150
    wrong, silent = [], []
    for function in functions:
        code = function.__code__
        if code in starting:
            # Nova-scheduler does not start, and says why.
            continue
        clear_caches()
        caplog.clear()
        function.__code__ = raiser(len(code.co_freevars))
        try:
            with caplog.at_level(logging.ERROR):
                left = play(requests)
        except Exception as error:
            wrong.append((function.__qualname__, repr(error)))
            continue
        finally:
            function.__code__ = code
        faults = [r for r in caplog.records if r.exc_info]
        if len(faults) != 1:
            silent.append((function.__qualname__, len(faults)))
        for name, hosts in left.items():
            refused = isinstance(hosts, str) or not hosts
            if refused and (policy != 'refuse' or name == 'another guest'):
                wrong.append((function.__qualname__, name, hosts))
    clear_caches()
    assert wrong == []
    assert silent == []
