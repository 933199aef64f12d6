import pytest

from sev_scheduling.rules import findings
from tests.unit.factories import plain

REQUEST = plain()


@pytest.mark.parametrize(
    ('value', 'words'),
    [(None, 'has no hw_x'), ('', "has hw_x=''"), ('a', "has hw_x='a'")],
)
def test_what_an_image_has(value, words):
    assert findings.has('hw_x', value) == words


@pytest.mark.parametrize(
    ('where', 'owner', 'named'),
    [
        (
            'flavor:trait1:GOLD',
            'flavor m1',
            "Extra spec 'trait1:GOLD' of flavor m1",
        ),
        (
            'image:trait:GOLD',
            'image ubuntu',
            "Property 'trait:GOLD' of image ubuntu",
        ),
    ],
)
def test_whose_it_is(where, owner, named):
    assert findings.owner(REQUEST, where) == owner
    assert findings.named(REQUEST, where) == named


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [('', ''), ('flavor M1', 'Flavor M1'), ('The flavor', 'The flavor')],
)
def test_a_sentence_begins_with_a_capital(text, sentence):
    assert findings.sentence(text) == sentence
