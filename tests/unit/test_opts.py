"""The options, their help, and the sample that oslo writes of them."""

from __future__ import annotations

import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest
from oslo_config import cfg

from sev_scheduling import opts

ROOT = Path(__file__).parents[2]
SAMPLE = ROOT / 'etc' / 'sev_scheduling.conf.sample'
NAMES = sorted(option.name for option in opts.OPTS)


def read(text, tmp_path):
    """Return the options as a nova.conf sets them."""
    path = tmp_path / 'nova.conf'
    path.write_text(f'[sev_scheduling]\n{text}\n')
    conf = cfg.ConfigOpts()
    opts.register_opts(conf)
    conf(['--config-file', str(path)])
    return conf.sev_scheduling


def test_the_sample_is_current(tmp_path):
    """Else run ``tox -e genconfig``."""
    written = tmp_path / 'sample'
    generator = ROOT / 'etc' / 'config-generator.conf'
    subprocess.run(
        [
            *(sys.executable, '-m', 'oslo_config.generator'),
            *('--config-file', str(generator)),
            *('--output-file', str(written)),
        ],
        check=True,
        cwd=ROOT,
    )
    assert written.read_text() == SAMPLE.read_text()


def test_they_are_offered_to_oslo_config():
    (entry,) = metadata.entry_points(
        group='oslo.config.opts', name='sev_scheduling'
    )
    ((group, options),) = entry.load()()
    assert group.name == 'sev_scheduling'
    assert sorted(option.name for option in options) == NAMES


def test_what_oslo_does_to_a_list_of_options_leaves_ours_alone():
    ((_, options),) = opts.list_opts()
    options[0].default = 'changed'
    assert opts.OPTS[0].default is True


@pytest.mark.parametrize('option', opts.OPTS, ids=lambda option: option.name)
def test_its_help_says_when_to_use_it(option):
    paragraphs = option.help.strip().split('\n\n')
    assert len(paragraphs) > 1, 'what it does, then when to use it'
    words = ('Set ', 'Leave ', 'Turn ', 'Choose ', 'Shorten ', 'Stack ',
             'Lower ', 'choose ')  # fmt: skip
    same = option.help.strip().startswith('The same')
    assert same or any(word in option.help for word in words)


@pytest.mark.parametrize('option', opts.OPTS, ids=lambda option: option.name)
def test_what_its_help_relates_it_to_exists(option):
    _, _, related = option.help.partition('Related options:')
    for line in related.splitlines():
        if line.startswith('* ``') and '[' not in line:
            assert line.split('``')[1] in NAMES


def test_registering_them_again_does_no_harm():
    conf = cfg.ConfigOpts()
    for _ in range(2):
        opts.register_opts(conf)
    assert conf.sev_scheduling.request_filter is True


def test_the_defaults(tmp_path):
    found = read('', tmp_path)
    assert {name: found[name] for name in NAMES} == {
        'allow_host_devices': False,
        'undo_refused_rebuild': True,
        'cache_seconds': 60.0,
        'slots_cache_seconds': 30.0,
        'default_machine_type': [],
        'explain_no_candidates': True,
        'max_guests': None,
        'max_guests_per_model': {},
        'memory_encryption_avoidance_weight_multiplier': 100.0,
        'memory_encryption_weight_multiplier': 1.0,
        'on_placement_failure': 'protected',
        'placement_answer_limit': 256,
        'placement_timeout': 10.0,
        'request_filter': True,
        'require_known_machine_type': False,
    }


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        ('max_guests = 0', 0),
        ('max_guests_per_model = amd-sev:15, amd-sev-es:0',
         {'amd-sev': 15, 'amd-sev-es': 0}),
        ('default_machine_type = x86_64=q35,aarch64=virt',
         ['x86_64=q35', 'aarch64=virt']),
        ('on_placement_failure = refuse', 'refuse'),
        ('memory_encryption_weight_multiplier = -1.5', -1.5),
        ('cache_seconds = 0', 0.0),
        ('placement_timeout = 0.1', 0.1),
    ],
)  # fmt: skip
def test_as_nova_conf_has_them(tmp_path, text, value):
    assert read(text, tmp_path)[text.partition(' =')[0]] == value


@pytest.mark.parametrize(
    'text',
    [
        'max_guests = -1',
        'max_guests = many',
        'max_guests_per_model = amd-sev:-1',
        'max_guests_per_model = amd-sev',
        'on_placement_failure = hope',
        'cache_seconds = -1',
        'placement_timeout = 0',
        'placement_answer_limit = 0',
        'memory_encryption_avoidance_weight_multiplier = -1',
    ],
)
def test_values_that_are_refused(tmp_path, text):
    with pytest.raises(cfg.ConfigFileValueError):
        read(text, tmp_path)[text.partition(' =')[0]]
