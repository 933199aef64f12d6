"""Messages, help and pages keep to the list of words on the style page."""

import importlib.metadata
import inspect
import pathlib
import re

import pytest

from sev_scheduling import opts
from sev_scheduling.explain import capacity, catalogue

ROOT = pathlib.Path(__file__).parents[2]
STYLE = ROOT / 'doc/source/contributor/style.rst'
PAGES = [
    ROOT / 'README.rst',
    ROOT / 'CONTRIBUTING.rst',
    *sorted((ROOT / 'doc/source').rglob('*.rst')),
]

_LIST = re.compile(r'has these words \(.*?\):(.*?)\n(?=\n|\*)', re.DOTALL)
_LITERAL = re.compile(r'``[^`]*``')


def words():
    """Return the words that are not used."""
    listed = _LIST.search(STYLE.read_text())[1]
    bare = re.sub(r'\(.*?\)', '', ' '.join(listed.split())).rstrip('.')
    return [word.strip() for word in re.split('[,;]', bare)]


WORDS = re.compile(
    '|'.join(
        rf'(?<![\w-]){re.escape(word)}(?![\w-])'
        for word in sorted(words(), key=len, reverse=True)
    ),
    re.IGNORECASE,
)


def texts(value):
    """Yield every text of a catalogue's table."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for row in value.values():
            yield from texts(row)
    elif isinstance(value, tuple):
        for part in value:
            yield from texts(part)
    elif hasattr(value, '__slots__'):
        for name in value.__slots__:
            yield from texts(getattr(value, name))


def found(text):
    return WORDS.findall(_LITERAL.sub('', text))


def test_the_list_is_read():
    assert {'please', 'e.g.', 'virtual machine', 'in vain'} <= {*words()}
    assert len(words()) > 20
    assert found('Please use 2 VMs, or a VM.') == ['Please', 'VM']


@pytest.mark.parametrize(
    'module',
    [capacity, *filter(inspect.ismodule, vars(catalogue).values())],
    ids=lambda m: m.__name__,
)
def test_no_text_of_a_catalogue_has_one(module):
    wrong = [
        text
        for name, value in vars(module).items()
        if name.strip('_').isupper()
        for text in texts(value)
        if found(text)
    ]

    assert wrong == []


@pytest.mark.parametrize('option', opts.OPTS, ids=lambda o: o.name)
def test_no_help_of_an_option_has_one(option):
    assert found(option.help) == []


def test_no_help_of_a_command_has_one(capsys):
    from sev_scheduling.cli.main import main

    for command in importlib.metadata.entry_points(group='sev_scheduling.cli'):
        main(['help', *command.name.split('_')])
        # What cliff says of its formatters is not ours.
        shown = capsys.readouterr().out.partition('output formatters:')[0]
        assert found(shown) == [], command.name


@pytest.mark.parametrize('page', PAGES, ids=lambda p: p.name)
def test_no_page_has_one(page):
    text = page.read_text()
    if page == STYLE:
        text = _LIST.sub('', text)

    assert found(text) == []
