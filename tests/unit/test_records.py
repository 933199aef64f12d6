"""What is made faster is the same as what its class makes."""

import copy
import pickle
from dataclasses import FrozenInstanceError, dataclass, field, fields, replace

import pytest

from sev_scheduling import PlacementRequest, RequestGroup
from sev_scheduling.records import maker
from sev_scheduling.request.request import EncryptionRequest
from sev_scheduling.request.sources import FlavorView, ImageView


@dataclass(frozen=True, slots=True)
class Record:
    name: str
    amounts: dict[str, int] = field(default_factory=dict, hash=False)
    note: str = field(default='', compare=False, repr=False)
    late: bool = field(default=False, kw_only=True)


CASES = [
    (Record, ('a',), {}),
    (Record, ('a', {'b': 1}), {'note': 'c', 'late': True}),
    (FlavorView, ('m1', 1, 512), {'swap_mb': 3}),
    (ImageView, (), {'properties': {'a': 'b'}}),
    (EncryptionRequest, (), {'encrypted': True, 'server': '5e1f'}),
    (RequestGroup, ('', {'VCPU': 1}), {}),
    (PlacementRequest, ((),), {'slot_suffix': '_A'}),
]


@pytest.mark.parametrize(('class_', 'args', 'more'), CASES)
def test_what_is_made_is_what_the_class_makes(class_, args, more):
    made, other = maker(class_)(*args, **more), class_(*args, **more)

    assert type(made) is class_
    assert (made, repr(made)) == (other, repr(other))
    for one in fields(class_):
        assert getattr(made, one.name) == getattr(other, one.name)


@pytest.mark.parametrize(('class_', 'args', 'more'), CASES)
def test_it_is_frozen(class_, args, more):
    made = maker(class_)(*args, **more)

    with pytest.raises(FrozenInstanceError):
        setattr(made, fields(class_)[0].name, None)
    assert not hasattr(made, '__dict__')


def test_it_can_be_copied_changed_and_sent_to_another_process():
    made = maker(Record)('a', {'b': 1})

    for twin in (copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        assert (type(twin), twin) == (Record, made)
    assert replace(made, late=True) == Record('a', {'b': 1}, late=True)
    assert {made: 1}[Record('a', {'b': 1})] == 1


def test_each_has_its_own_defaults():
    make = maker(Record)

    assert make('a').amounts is not make('a').amounts


@pytest.mark.parametrize(
    ('args', 'more'), [((), {}), (('a',), {'b': 1}), (('a', {}, '', True), {})]
)
def test_what_the_class_does_not_take_is_refused(args, more):
    with pytest.raises(TypeError):
        maker(Record)(*args, **more)
