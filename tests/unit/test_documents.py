"""Documents that anybody may have written: plain data, or one line."""

from __future__ import annotations

import io
import json
import os
import sys
import threading
import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sev_scheduling.documents import (
    MAX_BYTES,
    decode,
    read_bounded,
    read_document,
    read_text,
)
from sev_scheduling.exceptions import InputError

BOMB = 'a: &a [x, x]\n' + ''.join(
    f'{name}: &{name} [*{last}, *{last}]\n'
    for last, name in zip('abcdefghijkl', 'bcdefghijklm', strict=True)
)


@pytest.fixture
def read(tmp_path):
    def read(content: bytes | str):
        path = tmp_path / 'document'
        if isinstance(content, str):
            content = content.encode()
        path.write_bytes(content)
        return read_document(path)

    return read


def refusal(read, content):
    with pytest.raises(InputError) as caught:
        read(content)
    message = str(caught.value)
    assert message.isprintable()
    assert 'document' in message
    assert len(message) < 400
    return message


@pytest.mark.parametrize(
    ('content', 'document'),
    [
        ('{"a": [1, 2.5, null, true]}', {'a': [1, 2.5, None, True]}),
        ('\n\n [1]', [1]),
        ('\ufeff{"a": 1}', {'a': 1}),
        ('a: 1', {'a': 1}),
        ('{a: 1}', {'a': 1}),
        ('- a\n- b: c', ['a', {'b': 'c'}]),
        ('ü: ß', {'ü': 'ß'}),
        ('"text"', 'text'),
        ('7', 7),
        ('# nothing', None),
        ('---\na: 1\n...\n', {'a': 1}),
    ],
)
def test_json_and_yaml_are_read(read, content, document):
    assert read(content) == document


@pytest.mark.parametrize(
    ('content', 'words'),
    [
        pytest.param('', 'is empty', id='empty'),
        pytest.param(' \n\t\n', 'is empty', id='blank'),
        pytest.param('{', 'no JSON or YAML', id='half a document'),
        pytest.param('a: "b', 'no JSON or YAML', id='a quote left open'),
        pytest.param('a: b: c', 'line 1, column 5', id='a colon too many'),
        pytest.param('a: 1\n---\nb: 2', 'more than one document', id='two'),
        pytest.param('{"a": 1, "a": 2}', "'a' twice", id='JSON key twice'),
        pytest.param('a: 1\na: 3', "'a' stands twice", id='YAML key twice'),
        pytest.param('{a: 1, "a": 2}', 'stands twice', id='flow key twice'),
        pytest.param('{1: a, "1": b}', 'stands twice', id='number key twice'),
        pytest.param(b'\xff\xfe\x00a', 'not UTF-8', id='UTF-16'),
        pytest.param(b'a: \xff', 'not UTF-8 text (byte 3)', id='Latin-1'),
        pytest.param('a: \x00', 'no JSON or YAML', id='a null character'),
        pytest.param('a: \x07', 'no JSON or YAML', id='a bell'),
        pytest.param(b'\x7fELF' + bytes(range(256)), 'UTF-8', id='program'),
        pytest.param(BOMB, 'aliases are not allowed', id='an anchor bomb'),
        pytest.param('a: &a [*a]', 'aliases', id='a document in itself'),
        pytest.param('a: &a 1\nb: *a', 'aliases', id='one alias'),
        pytest.param('<<: {a: 1}\n<<: {}', 'twice', id='merge keys'),
        pytest.param('!!python/object/apply:os.system []', 'tags', id='tag'),
        pytest.param('a: !!binary aGk=', 'tags', id='a tag inside'),
        pytest.param('!!str a: 1', 'tags', id='a tag on a key'),
        pytest.param('!x a', 'tags', id='a tag of one\'s own'),
        pytest.param('? [a]\n: 1', 'a key must be text', id='a list as key'),
        pytest.param('? {a: 1}\n: 1', 'a key must be', id='a mapping as key'),
        pytest.param('[' * 100_000, 'nested', id='JSON lists without end'),
        pytest.param('{"a":' * 5_000, 'nested', id='objects without end'),
        pytest.param('- ' * 50_000, 'nested more than 50', id='YAML lists'),
        pytest.param('[' * 51 + ']' * 51, 'nested', id='JSON 51 deep'),
        pytest.param('{"a": ' + '9' * 5000 + '}', 'correct it', id='long'),
        pytest.param('[' + 'y, ' * 200_001, 'too many values', id='many'),
    ],
)  # fmt: skip
def test_anything_else_is_refused_in_one_line(read, content, words):
    assert words in refusal(read, content)


def test_fifty_levels_are_read(read):
    assert read('[' * 50 + ']' * 50)
    assert read('[' * 49 + 'x' + ']' * 49)


@pytest.mark.parametrize(
    ('name', 'words'),
    [
        pytest.param('none', 'No such file', id='a missing file'),
        pytest.param('', 'Is a directory', id='a directory'),
        pytest.param('a\x00b', 'null byte', id='what no file is called'),
        pytest.param('a\nb', r'a\nb', id='two lines'),
        pytest.param('fifo', 'no regular file', id='never an end'),
    ],
)
def test_a_path_that_will_not_do_is_named(tmp_path, name, words):
    os.mkfifo(tmp_path / 'fifo')
    for read in (read_document, read_bounded):
        with pytest.raises(InputError) as caught:
            read(tmp_path / name)
        assert str(caught.value).startswith(f"File '{tmp_path}")
        assert words in str(caught.value)
        assert str(caught.value).isprintable()


@pytest.mark.skipif(os.geteuid() == 0, reason='root may read everything')
def test_a_file_of_others(tmp_path):  # pragma: no cover
    path = tmp_path / 'secret'
    path.write_text('a: 1')
    path.chmod(0)
    with pytest.raises(InputError, match='Permission denied'):
        read_document(path)


def test_a_pipe_that_the_shell_opened_is_waited_for():
    """As ``<(openstack flavor show …)`` is, which takes its time."""
    reader, writer = os.pipe()

    def write():
        os.write(writer, b'{"a": 1}')
        os.close(writer)

    path = f'/dev/fd/{reader}'
    with pytest.raises(InputError, match='no regular file'):
        read_bounded(path)
    thread = threading.Timer(0.05, write)
    thread.start()
    assert read_document(path) == {'a': 1}
    thread.join()
    os.close(reader)


class TestSize:
    def test_the_largest_is_read(self, read):
        assert read(json.dumps('x' * (MAX_BYTES - 2)))

    @pytest.mark.parametrize('begin', ['{"a": "', 'a: "', '', '['])
    def test_a_larger_one_is_refused(self, read, begin):
        content = begin + 'x' * (MAX_BYTES + 1 - len(begin))
        assert f'more than {MAX_BYTES} bytes' in refusal(read, content)

    def test_a_caller_has_a_bound_and_a_name_of_its_own(self, tmp_path):
        path = tmp_path / 'four'
        path.write_bytes(b'1234')
        assert read_bounded(path, 4) == b'1234'
        with pytest.raises(InputError, match=r'^It has more than 3 bytes'):
            read_bounded(path, 3, label='It')
        assert decode(b'1234', 'It', 4) == '1234'
        with pytest.raises(InputError, match=r'^It has more than 3 bytes'):
            decode(b'1234', 'It', 3)

    def test_100_mb_are_not_held(self, tmp_path):
        path = tmp_path / 'large'
        with path.open('wb') as stream:
            stream.truncate(100_000_000)
        tracemalloc.start()
        try:
            with pytest.raises(InputError, match='more than'):
                read_document(path)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert most < 3 * MAX_BYTES


class TestStandardInput:
    def test_it_is_read(self, monkeypatch):
        stream = io.TextIOWrapper(io.BytesIO(b'{"a": 1}'))
        monkeypatch.setattr(sys, 'stdin', stream)
        assert read_document('-') == {'a': 1}

    def test_it_may_be_closed(self, monkeypatch):
        monkeypatch.setattr(sys, 'stdin', None)
        with pytest.raises(InputError, match='Standard input is closed'):
            read_document('-')

    def test_it_may_be_empty(self, monkeypatch):
        stream = io.TextIOWrapper(io.BytesIO(b''))
        monkeypatch.setattr(sys, 'stdin', stream)
        with pytest.raises(InputError, match='Standard input is empty'):
            read_document('-')


plain = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(min_value=-(10**19), max_value=10**19)
    | st.text(st.characters(codec='utf-8'), max_size=9),
    lambda children: (
        st.lists(children, max_size=3)
        | st.dictionaries(
            st.text(st.characters(codec='utf-8'), max_size=5),
            children,
            max_size=3,
        )
    ),
    max_leaves=9,
)


@settings(deadline=None, max_examples=150)
@given(document=plain)
def test_what_json_can_say_comes_back(document, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / 'json'
    path.write_text(json.dumps([document]), encoding='utf-8')
    assert read_document(path) == [document]


@settings(deadline=None, max_examples=300)
@given(
    text=st.text(
        st.sampled_from('a1:-[]{},"\'&*!|>#?@%\n \t\\.~0eE+'), max_size=40
    )
)
def test_whatever_a_text_says_it_is_data_or_one_line(text, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / 'any'
    path.write_text(text, encoding='utf-8')
    try:
        document = read_document(path)
    except InputError as error:
        told = str(error)
    else:
        # A set, a date or a key that is no text would not come back.
        assert json.loads(json.dumps(document)) == document
        return
    assert told.startswith(f"File '{path}' ")
    assert told.isprintable()


def test_keys_of_yaml_are_text_as_those_of_json_are(read):
    document = read('{1: a, 1.50: b, true: c, ~: d, 2026-01-01: e}')
    assert list(document) == ['1', '1.50', 'true', '~', '2026-01-01']


def test_numbers_and_words_of_yaml(read):
    document = read(
        'a: [012, 1_000, 1:30, 0x1f, 1e3, +7, -0, 1.5e+3, .5, 1., yes, no, '
        'on, off, ~, null, Null, nul, True, false, 2026-01-01, .inf, .nan, '
        '"7", \'true\', 0o17, 99999999999999999999999]'
    )
    assert document['a'] == [
        '012', '1_000', '1:30', '0x1f', '1e3', 7, 0, 1500.0, '.5', 1.0, 'yes',
        'no', 'on', 'off', None, None, None, 'nul', True, False, '2026-01-01',
        '.inf', '.nan', '7', 'true', '0o17', '99999999999999999999999',
    ]  # fmt: skip


def test_a_text_is_read_up_to_its_limit(tmp_path):
    path = tmp_path / 'file'
    path.write_text('é' * 4)

    assert read_text(path, 8) == 'é' * 4
    with pytest.raises(InputError, match='has more than 7 bytes; give'):
        read_text(path, 7)


def test_a_file_that_is_not_there_is_named_with_the_remedy(tmp_path):
    with pytest.raises(InputError) as raised:
        read_document(tmp_path / 'missing.json')

    assert str(raised.value) == (
        f"File '{tmp_path}/missing.json' cannot be read: No such file or "
        'directory; give the path of a readable file.'
    )
