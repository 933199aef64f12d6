"""What no public function takes, and that each refuses it before it begins."""

from __future__ import annotations

import importlib
import inspect
import pathlib
import re
import uuid

import pytest

from sev_scheduling import Scope, exceptions
from sev_scheduling.arguments import (
    AGE,
    AMOUNT,
    COUNT,
    FLAG,
    FUNCTION,
    NAME,
    PATH,
    PATIENCE,
    RATIO,
    SECONDS,
    TEXT,
    UUID,
    Items,
    Maybe,
    Number,
    Of,
    Pairs,
    Text,
    That,
    Whole,
    any_uuid,
    anything,
    checked,
    kinds_of,
)
from sev_scheduling.exceptions import InputError

A = '3fd1e6a2-0000-4000-8000-00000000000a'
NAN, INFINITE = float('nan'), float('inf')

TAKEN = {
    'flag': (FLAG, [True, False]),
    'function': (FUNCTION, [print, lambda: None]),
    'text': (TEXT, ['a', 'é', ' ']),
    'text or none': (Text(0), ['', 'a']),
    'uuid': (UUID, [A, A.upper()]),
    'name': (NAME, ['VCPU', 'CUSTOM_A_1', 'A' * 255]),
    'count': (COUNT, [1, 2**70]),
    'amount': (AMOUNT, [0, 2**31 - 1]),
    'seconds': (SECONDS, [0.001, 1, 86400]),
    'patience': (PATIENCE, [0, 0.0, 86400.0]),
    'age': (AGE, [0, 1e12]),
    'ratio': (RATIO, [0.1, 16]),
    'path': (PATH, ['a', pathlib.Path('a')]),
    'object': (Of(Scope, 'a Scope'), [Scope()]),
    'maybe': (Maybe(COUNT), [None, 1]),
    'pairs': (Pairs(TEXT, COUNT), [{}, {'a': 1}]),
}


@pytest.mark.parametrize('kind', TAKEN)
def test_a_value_of_its_kind_is_taken_as_it_is(kind):
    take, values = TAKEN[kind]

    assert all(take('it', value) is value for value in values)


REFUSED = {
    'flag': (FLAG, [0, 1, 'true', None]),
    'function': (FUNCTION, [None, 'print']),
    'text': (TEXT, ['', None, 7, b'a', 'a\0', 'x' * 65536]),
    'uuid': (UUID, ['', 'web-1', None, 7, A[:-1], A.replace('-', ''),
                    f'{{{A}}}', f'{A}\n', f'{A}/', uuid.UUID(A)]),
    'any uuid': (any_uuid, ['', 'web-1', None, 7, A[:-1]]),
    'name': (NAME, ['', 'vcpu', 'A-B', '!A', 'A,B', 'Ä', None, 'A' * 256]),
    'count': (COUNT, [0, -1, '2', 1.0, True, None, NAN]),
    'amount': (AMOUNT, [-1, 2**31, '0', False, 10**5000]),
    'seconds': (SECONDS, [0, -1, '5', NAN, INFINITE, 86401, True, None]),
    'patience': (PATIENCE, [-0.1, '5', NAN, INFINITE, True, None]),
    'age': (AGE, [-1, '5', NAN, INFINITE, True, None]),
    'ratio': (RATIO, [0, -1.0, '1', NAN, INFINITE, True]),
    'path': (PATH, ['', 'a\0', None, 7, b'a']),
    'object': (Of(Scope, 'a Scope'), [None, {}, 'scope', Scope]),
    'items': (Items(UUID), [A, A.encode(), None, 7, {A: 1}, [A, 'x'], [7]]),
    'at least one': (Items(UUID, 1), [[], ()]),
    'maybe': (Maybe(COUNT), [0, '']),
    'pairs': (Pairs(TEXT, COUNT), [None, 'a', [('a', 1)], {7: 1}, {'a': 0}]),
}  # fmt: skip


@pytest.mark.parametrize('kind', REFUSED)
def test_any_other_value_is_refused_in_one_line(kind):
    refuse, values = REFUSED[kind]
    for value in values:
        with pytest.raises(InputError) as caught:
            refuse('it', value)
        text = str(caught.value)
        assert re.fullmatch(r'(a key of )?it(\[.*\])? is .*; give .*\.', text)
        assert len(text) < 200


@pytest.mark.parametrize(
    ('value', 'shown'),
    [('2', "'2'"), (2.5, '2.5'), (True, 'True'), (None, 'None'),
     ('a\nb', r"'a\nb'"), ('x' * 90, f"'{'x' * 57}...'"),
     ([0] * 90, f'{[0] * 90}'[:57] + '...'),],
)  # fmt: skip
def test_the_value_is_shown_as_it_was_written(value, shown):
    with pytest.raises(InputError) as caught:
        COUNT('count', value)

    assert (
        str(caught.value) == f'count is {shown}; give a whole number from 1.'
    )


def test_several_become_a_tuple_or_a_set_though_they_are_read_once():
    assert Items(UUID)('it', iter([A])) == (A,)
    assert Items(UUID, 1, frozenset)('it', [A, A]) == {A}
    assert any_uuid('it', f'{{{A.upper()}}}') == A
    assert anything('it', None) is None


def test_the_one_that_is_wrong_is_named():
    with pytest.raises(InputError, match=r"^it\[1\] is 'x'; "):
        Items(UUID)('it', [A, 'x'])
    with pytest.raises(InputError, match=r"^it\['a'\]\[0\] is 'x'; "):
        Pairs(TEXT, Items(UUID))('it', {'a': ['x']})


@checked(one=COUNT, two=Maybe(COUNT), others=TEXT)
def function(one, two=None, **others):
    return one, two, others


@pytest.mark.parametrize(
    ('args', 'kwargs', 'name'),
    [((0,), {}, 'one'), ((1, 0), {}, 'two'), ((), {'one': 0}, 'one'),
     ((1,), {'two': 0}, 'two'), ((1,), {'three': 3}, 'three')],
)  # fmt: skip
def test_a_function_refuses_them_wherever_they_stand(args, kwargs, name):
    with pytest.raises(InputError, match=rf'^{name} is '):
        function(*args, **kwargs)


def test_a_function_gets_what_is_right():
    assert function(1, three='a') == (1, None, {'three': 'a'})
    with pytest.raises(TypeError):
        function()
    with pytest.raises(TypeError):
        function(1, 2, 3)


@pytest.mark.parametrize('kinds', [{}, {'one': COUNT, 'two': COUNT}])
def test_a_parameter_without_a_kind_is_no_function(kinds):
    with pytest.raises(TypeError, match='kinds of'):
        checked(**kinds)(lambda one: one)


#: What is public, and takes arguments from callers.
PACKAGES = (
    'sev_scheduling.placement',
    'sev_scheduling.placement.embedded',
    'sev_scheduling.testing',
)

#: What the library makes, and hands to callers: they do not make it, and its
#: methods take what it has itself.
RESULTS = {
    *('Candidates', 'Claim', 'Cloud', 'CloudHost', 'CloudProvider'),
    *('Diagnosis', 'EmbeddedAdapter', 'PlacedInstance'),
}


def public_callables():
    """Yield the name and the function of each that callers call."""
    for package in PACKAGES:
        module = importlib.import_module(package)
        for name in module.__all__:
            value = getattr(module, name)
            if inspect.isroutine(value):
                yield name, value
            elif value.__name__ not in RESULTS:
                yield f'{name}()', value.__init__
                for method, function in inspect.getmembers(
                    value, inspect.isfunction
                ):
                    if not method.startswith('_'):
                        yield f'{name}.{method}', function


def parameters_of(function):
    names = inspect.signature(function).parameters.keys()
    return names - {'self', 'cls'}


PUBLIC = {
    name: function
    for name, function in public_callables()
    if parameters_of(function)
}

#: Of each sort of kind, what it refuses.
WRONG = {
    Of: lambda kind: [object(), None],
    That: lambda kind: [None, 7],
    Whole: lambda kind: [kind.least - 1, '2', True, NAN, None],
    Number: lambda kind: [kind.least - 1, '5', True, NAN, INFINITE, None],
    Text: lambda kind: [7, None, b'a', 'a\0'],
    Items: lambda kind: ['a', None, 7, *([v] for v in wrong(kind.kind))],
    Pairs: lambda kind: [
        *('a', None, 7),
        *({v: None} for v in wrong(kind.keys) if v.__hash__),
    ],
    Maybe: lambda kind: [v for v in wrong(kind.kind) if v is not None],
}


def wrong(kind):
    return WRONG[type(kind)](kind) if type(kind) in WRONG else []


@pytest.mark.parametrize('name', PUBLIC)
def test_every_public_function_refuses_what_is_of_no_use(name):
    """Before it begins: it has no object to ask anything of."""
    function = PUBLIC[name]
    kinds = kinds_of(function)
    receiver = (
        [object()] if 'self' in inspect.signature(function).parameters else []
    )

    assert kinds.keys() == parameters_of(function)
    for parameter, kind in kinds.items():
        for value in wrong(kind):
            with pytest.raises(exceptions.InputError) as caught:
                function(*receiver, **{parameter: value})
            assert parameter in str(caught.value)


def test_public_functions_are_found():
    assert {'PlacementClient()', 'PlacementClient.schedule', 'load_cloud',
            'FakePlacement.add_provider', 'PlacementClient.call',
            'embedded_placement'} < PUBLIC.keys()  # fmt: skip
