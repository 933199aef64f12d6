"""The programs of the API page are typed as strictly as this project."""

import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytest.importorskip('mypy', reason='mypy is not installed')

ROOT = Path(__file__).parents[2]
PAGE = ROOT / 'doc/source/reference/api.rst'
BLOCK = re.compile(r'\.\. code-block:: python\n\n((?:   .*\n|\n)+)')


def test_the_programs_of_the_api_page_are_strictly_typed(tmp_path):
    programs = [textwrap.dedent(p) for p in BLOCK.findall(PAGE.read_text())]
    program = tmp_path / 'program.py'
    # Each goes on from the one before, as a reader's session does.
    program.write_text('\n'.join(programs))

    done = subprocess.run(
        [
            sys.executable,
            '-m',
            'mypy',
            '--strict',
            f'--config-file={ROOT / "pyproject.toml"}',
            f'--cache-dir={tmp_path / "cache"}',
            str(program),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert len(programs) == 2
    assert 'NoCapacity' in programs[0]
    assert done.returncode == 0, done.stdout + done.stderr
