"""Install each built distribution in a clean environment, and try it.

``python tests/smoke.py FOLDER`` takes the sdist and the wheel of a folder.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

CORE = """
from sev_scheduling import explain, parse, validate
flavor = {'ram': 1, 'vcpus': 1, 'properties': {'hw:mem_encryption': 'true'}}
codes = [str(problem.code) for problem in validate(parse(flavor))]
assert codes == ['firmware-not-uefi', 'machine-type-unset'], codes
"""


def run(*command: str | Path, status: int = 0) -> str:
    """Run a command away from the checkout; return its standard output."""
    ran = subprocess.run(
        command, cwd=tempfile.gettempdir(), capture_output=True, text=True
    )
    if ran.returncode != status:
        sys.exit(f'{command} ended with {ran.returncode}:\n{ran.stderr}')
    return ran.stdout


def smoke(distribution: Path, folder: Path) -> None:
    """Try the core alone, then the command line with a Placement in it."""
    venv.create(folder, with_pip=True)
    python = folder / 'bin' / 'python'
    pip = (python, '-m', 'pip')
    run(*pip, 'install', '--quiet', str(distribution))
    run(python, '-c', CORE)
    run(*pip, 'install', '--quiet', f'{distribution}[embedded]')
    run(*pip, 'check')
    command = folder / 'bin' / 'sev-scheduling'
    assert 'amd-sev' in run(command, 'demo')
    (examples,) = folder.glob('lib/*/site-packages/sev_scheduling/examples')
    flavor = examples / 'flavors' / 'm1.sev.json'
    rows = run(command, 'check', '-f', 'json', '--flavor', flavor, status=1)
    assert json.loads(rows)[0]['Code'] == 'firmware-not-uefi'


def main(built: str) -> None:
    distributions = sorted(Path(built).resolve().iterdir())
    assert len(distributions) == 2, distributions
    for distribution in distributions:
        with tempfile.TemporaryDirectory() as folder:
            smoke(distribution, Path(folder))
        print(f'{distribution.name}: installed and tried')


if __name__ == '__main__':
    main(*sys.argv[1:])
