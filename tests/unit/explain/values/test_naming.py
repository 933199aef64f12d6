import pytest

from sev_scheduling import Field
from sev_scheduling.explain.values import naming
from sev_scheduling.explain.values.naming import Count
from sev_scheduling.problems import Source
from tests.unit.factories import encrypted, plain


@pytest.mark.parametrize(
    ('number', 'text'),
    [(0, '0 hosts lack it'), (1, '1 host lacks it'), (2, '2 hosts lack it')],
)
def test_a_number_chooses_words(number, text):
    template = '{n} {n:host|hosts} {n:lacks|lack} it'

    assert template.format(n=Count(number)) == text


def test_a_number_without_words_is_formatted_as_any():
    assert f'{Count(7):>3}' == '  7'


@pytest.mark.parametrize(
    ('field', 'owner', 'what'),
    [
        (
            Field(Source.FLAVOR, 'trait1:GOLD', 'm1'),
            'flavor m1',
            'extra spec trait1:GOLD',
        ),
        (
            Field(Source.IMAGE, 'trait:GOLD'),
            'the image',
            'property trait:GOLD',
        ),
        (
            Field(Source.IMAGE, 'trait:x y', 'ubuntu'),
            'image ubuntu',
            "property 'trait:x y'",
        ),
        (
            Field(Source.FLAVOR, 'x' * 61, 'm1'),
            'flavor m1',
            f"extra spec '{'x' * 61}'",
        ),
    ],
)
def test_whose_a_field_is(field, owner, what):
    assert naming.owner(field) == owner
    assert naming.what(field) == what


def test_both_who_ask_are_named():
    request = encrypted({}, {'hw_mem_encryption': 'true'})

    assert naming.asker(request.requesters) == (
        'extra spec hw:mem_encryption of flavor m1 and property '
        'hw_mem_encryption of image ubuntu'
    )


@pytest.mark.parametrize(
    ('text', 'sentence'),
    [('', ''), ('flavor M1', 'Flavor M1'), ('The flavor', 'The flavor')],
)
def test_a_sentence_begins_with_a_capital(text, sentence):
    assert naming.sentence(text) == sentence


@pytest.mark.parametrize(
    ('request_', 'guest'),
    [
        (plain(), 'unencrypted guest'),
        (encrypted(model='intel-tdx'), 'intel-tdx guest'),
        (encrypted(model='arm-cca'), 'arm-cca guest'),
        (
            encrypted(models=['amd-sev-snp', 'amd-sev']),
            'amd-sev-snp or amd-sev guest',
        ),
    ],
)
def test_a_guest_is_named_by_its_model(request_, guest):
    assert naming.guest_name(request_) == guest
