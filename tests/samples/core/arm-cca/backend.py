"""Builds the wheel with nothing but Python, so that a test needs no network.

A real package would leave this to setuptools, with::

    [project.entry-points."sev_scheduling.models"]
    arm-cca = "sev_scheduling_arm_cca:ARM_CCA"
"""

import zipfile
from pathlib import Path

NAME = 'sev_scheduling_arm_cca-1.0'
INFO = {
    'METADATA': (
        'Metadata-Version: 2.1\n'
        'Name: sev-scheduling-arm-cca\n'
        'Version: 1.0\n'
        'Requires-Dist: sev-scheduling\n'
    ),
    'WHEEL': (
        'Wheel-Version: 1.0\n'
        'Generator: backend\n'
        'Root-Is-Purelib: true\n'
        'Tag: py3-none-any\n'
    ),
    'entry_points.txt': (
        '[sev_scheduling.models]\narm-cca = sev_scheduling_arm_cca:ARM_CCA\n'
    ),
}


def build_wheel(directory, config_settings=None, metadata_directory=None):
    wheel = f'{NAME}-py3-none-any.whl'
    files = {f'{NAME}.dist-info/{name}': text for name, text in INFO.items()}
    module = 'sev_scheduling_arm_cca.py'
    files[module] = Path(module).read_text()
    record = f'{NAME}.dist-info/RECORD'
    files[record] = ''.join(f'{name},,\n' for name in (*files, record))
    with zipfile.ZipFile(Path(directory) / wheel, 'w') as archive:
        for name, text in files.items():
            archive.writestr(name, text)
    return wheel
