import dataclasses
import io
import json
import pathlib

import pytest

EXAMPLES = pathlib.Path(__file__).parents[3] / 'examples'


@dataclasses.dataclass(frozen=True)
class Ran:
    status: int
    out: str
    err: str

    def json(self):
        return json.loads(self.out)


@pytest.fixture
def run(capsys, monkeypatch):
    """Run the real application in this process."""
    monkeypatch.setenv('COLUMNS', '100')

    def run(*args):
        from sev_scheduling.cli.main import main

        status = main([str(arg) for arg in args])
        printed = capsys.readouterr()
        return Ran(status, printed.out, printed.err)

    return run


@pytest.fixture
def flavor():
    return lambda name: EXAMPLES / f'flavors/{name}.json'


@pytest.fixture
def image():
    return lambda name: EXAMPLES / f'images/{name}.json'


@pytest.fixture
def write(tmp_path):
    """Write a document; return its path."""

    def write(document, name='document.json'):
        path = tmp_path / name
        if isinstance(document, bytes):
            path.write_bytes(document)
        elif isinstance(document, str):
            path.write_text(document)
        else:
            path.write_text(json.dumps(document))
        return path

    return write


class Terminal(io.StringIO):
    encoding = 'utf-8'

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """Make a standard stream a terminal of 100 columns."""
    monkeypatch.setenv('COLUMNS', '100')
    monkeypatch.setenv('TERM', 'xterm')
    monkeypatch.delenv('NO_COLOR', raising=False)

    def terminal(name):
        stream = Terminal()
        monkeypatch.setattr(f'sys.{name}', stream)
        return stream

    return terminal
