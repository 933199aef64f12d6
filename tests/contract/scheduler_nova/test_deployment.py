"""What the deployment tools write is what nova-scheduler needs."""

import pathlib
import re
import shlex
import subprocess
import textwrap

import pytest
import yaml

from sev_scheduling.hosts.check import CheckKind, Status
from sev_scheduling.scheduler.checks import check
from sev_scheduling.scheduler.report import SchedulerReport
from sev_scheduling.scheduler.settings import read_scheduler_conf

ROOT = pathlib.Path(__file__).parents[3]
PAGE = (ROOT / 'doc/source/operator/deployment.rst').read_text()
PLUGIN = ROOT / 'devstack/plugin.sh'

#: What DevStack's functions do to the one file that matters here.
DEVSTACK = r"""
is_service_enabled() { [[ "$1" == "$SERVICE" ]]; }
pip_install() { echo "$@" >>"$INSTALLED"; }
iniget() { sed -n "s/^$3 = //p" "$1" | head -n 1; }
iniadd() { echo "$3 = $4" >>"$1"; }
iniset() { sed -i "/^$3 = /d" "$1"; iniadd "$@"; }
DEST=/opt/stack
"""


def block(language):
    """Return the one block of the page that is marked with a tool's name."""
    (found,) = re.findall(
        rf'code-block:: \w+\n   :class: {language}\n\n((?:(?:   .*)?\n)+)',
        PAGE,
    )
    return textwrap.dedent(found)


def kolla_ansible():
    return block('kolla-ansible')


def openstack_ansible():
    """Write an option once, or as often as a mapping has keys."""
    overrides = yaml.safe_load(block('openstack-ansible'))
    lines = []
    for group, options in overrides['nova_nova_conf_overrides'].items():
        lines.append(f'[{group}]')
        for name, value in options.items():
            values = value if isinstance(value, dict) else [value]
            lines += [f'{name} = {one}' for one in values]
    return '\n'.join(lines)


def puppet_nova():
    """Write available_filters once for each, enabled_filters with commas."""
    text = block('puppet-nova')
    options = dict(re.findall(r'(\w+) +=> (\[[^]]+\]|\S+),\n', text))
    values = {k: re.findall(r"'([^']+)'", v) for k, v in options.items()}
    lines = [f'available_filters = {v}' for v in values['available_filters']]
    for name in ('enabled_filters', 'weight_classes'):
        lines.append(f'{name} = {",".join(values[name])}')
    return '\n'.join(['[filter_scheduler]', *lines])


@pytest.fixture
def devstack(tmp_path):
    """Run the plug-in's steps; return nova.conf and what is installed.

    :param before: the options of ``[filter_scheduler]``
    """

    def devstack(before='', service='n-sch'):
        conf = tmp_path / 'nova.conf'
        conf.write_text(f'[filter_scheduler]\n{before}')
        installed = tmp_path / 'installed'
        installed.touch()
        plugin = shlex.quote(str(PLUGIN))
        steps = [
            f'set -- {step}; source {plugin}'
            for step in ('stack install', 'stack post-config', 'unstack')
        ]
        subprocess.run(
            ['bash', '-euo', 'pipefail', '-c', '\n'.join([DEVSTACK, *steps])],
            check=True,
            env={
                'PATH': '/usr/bin:/bin',
                'NOVA_CONF': str(conf),
                'INSTALLED': str(installed),
                'SERVICE': service,
            },
        )
        return conf.read_text(), installed.read_text()

    return devstack


def results(tmp_path, text):
    path = tmp_path / 'checked.conf'
    path.write_text(text)
    found = check(SchedulerReport(conf=read_scheduler_conf([path])))
    return {one.kind: one.status for one in found}


@pytest.mark.parametrize(
    'write', [kolla_ansible, openstack_ansible, puppet_nova]
)
def test_the_check_of_the_scheduler_finds_all_in_place(write, tmp_path):
    found = results(tmp_path, write())

    assert found[CheckKind.FILTER] is Status.SUCCESS
    assert found[CheckKind.FILTER_ORDER] is Status.SUCCESS
    assert found[CheckKind.WEIGHER] is Status.SUCCESS


@pytest.mark.parametrize(
    'before',
    [
        '',
        'enabled_filters = ImagePropertiesFilter,ComputeFilter\n',
        'enabled_filters = ComputeFilter\n',
        'available_filters = nova.scheduler.filters.all_filters\n'
        'weight_classes = nova.scheduler.weights.all_weighers\n',
    ],
)
def test_devstack_has_all_in_place(before, devstack, tmp_path):
    text, installed = devstack(before)
    found = results(tmp_path, text)

    assert found[CheckKind.FILTER] is Status.SUCCESS
    assert found[CheckKind.FILTER_ORDER] is Status.SUCCESS
    assert found[CheckKind.WEIGHER] is Status.SUCCESS
    assert installed == '/opt/stack/sev-scheduling[placement]\n'


def test_devstack_changes_nothing_where_nova_scheduler_does_not_run(devstack):
    assert devstack(service='n-cpu') == ('[filter_scheduler]\n', '')
