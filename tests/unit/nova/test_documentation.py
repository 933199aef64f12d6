"""doc/source/operator/nova.rst says what is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from nova import context as nova_context
from nova import exception, objects
from nova.conf import scheduler as scheduler_conf
from nova.scheduler import filters, request_filter, weights
from oslo_config import cfg

from sev_scheduling import opts
from sev_scheduling.hosts.host import SlotPool
from sev_scheduling.nova import host_state as facts
from tests.unit.nova.factories import (
    ES,
    ON,
    ON_ES,
    Q35,
    SEV,
    SEV_TRAIT,
    SNP,
    UEFI,
    load_filter,
    passing,
    rebuild_spec,
    spec,
)

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / 'doc' / 'source' / 'operator' / 'nova.rst').read_text()
#: What stands between double backticks, on one line.
LITERALS = {
    ' '.join(text.split())
    for text in re.findall(r'``(.+?)``', PAGE, re.DOTALL)
}
FULL = {SEV: SlotPool(1, used=1)}


@pytest.fixture
def conf(tmp_path):
    """The nova.conf of the page, read by oslo.config."""
    ((block),) = re.findall(
        r'\.\. code-block:: ini\n\n((?:(?:   .*)?\n)+)', PAGE
    )
    path = tmp_path / 'nova.conf'
    path.write_text(re.sub('^   ', '', block, flags=re.MULTILINE))
    conf = cfg.ConfigOpts()
    scheduler_conf.register_opts(conf)
    opts.register_opts(conf)
    conf(['--config-file', str(path)])
    return conf


def test_nova_finds_all_that_its_nova_conf_names(conf):
    scheduling = conf.filter_scheduler
    found = filters.HostFilterHandler().get_matching_classes(
        scheduling.available_filters
    )
    names = {cls.__name__ for cls in found}
    assert set(scheduling.enabled_filters) <= names
    weighers = weights.HostWeightHandler().get_matching_classes(
        scheduling.weight_classes
    )
    assert 'MemoryEncryptionWeigher' in {cls.__name__ for cls in weighers}
    assert len(weighers) > 5
    assert conf.sev_scheduling.default_machine_type == ['pc']


def test_the_filters_are_nova_s_default_and_ours(conf):
    fresh = cfg.ConfigOpts()
    scheduler_conf.register_opts(fresh)
    fresh([], default_config_files=[], default_config_dirs=[])
    enabled = conf.filter_scheduler.enabled_filters
    # Before the first of nova's that looks at rebuilds.
    position = enabled.index('MemoryEncryptionFilter')
    assert enabled[position + 1] == 'ImagePropertiesFilter'
    enabled.remove('MemoryEncryptionFilter')
    assert enabled == fresh.filter_scheduler.enabled_filters


def fault(world, request):
    """Return what the user of a server reads, as nova composes it."""
    plugin = load_filter()
    try:
        if 'rebuild' not in str(request.scheduler_hints):
            request_filter.ALL_REQUEST_FILTERS[-1](
                nova_context.get_admin_context(), request
            )
        passing(plugin, world.hosts_for(request), request)
    except exception.RequestFilterFailed as error:
        return str(exception.NoValidHost(reason=error.message))
    except exception.NoValidHost as error:
        return str(error)
    raise AssertionError('it was placed')


ZONE = objects.Destination(aggregates=['33333333-2222-3333-4444-555555555555'])
IDE = {**Q35, 'hw_disk_bus': 'ide'}
#: host, request
CASES = {
    'machine type': ({'machine_type': 'pc'}, lambda: spec(ON, UEFI)),
    'no model': ({'pools': {ES: 5}}, lambda: spec()),
    'slots used': ({'pools': FULL}, lambda: spec()),
    'rebuild': (
        {},
        lambda: rebuild_spec({}, {**Q35, 'hw_mem_encryption': 'true'}),
    ),
    'a bus': ({}, lambda: spec(ON, IDE)),
    'buses': (
        {},
        lambda: spec(
            ON, {**IDE, 'hw_cdrom_bus': 'ide', 'hw_architecture': 'aarch64'}
        ),
    ),
    'a device': (
        {},
        lambda: spec({**ON, 'pci_passthrough:alias': 'gpu:1'}),
    ),
    'a stale trait': (
        {'pools': {**FULL, ES: 5}, 'traits': [SEV_TRAIT]},
        lambda: spec(),
    ),
    'maybe': ({}, lambda: spec({'hw:mem_encryption': 'maybe'})),
    'SEV-ES beside SEV-SNP': ({'pools': {ES: 5, SNP: 5}}, lambda: spec(ON_ES)),
    'aggregates': ({}, lambda: spec(requested_destination=ZONE)),
}


@pytest.mark.parametrize('case', CASES)
def test_what_users_read(world, case):
    host, request = CASES[case]
    world.host('alpha', **host)
    assert fault(world, request()) in LITERALS


def test_there_is_a_run_for_each_row():
    table = PAGE.partition('What users read')[2].partition('Nova keeps')[0]
    assert len(re.findall(r'^   \* - ', table, re.MULTILINE)) == (
        len(CASES) + 1
    )


@pytest.mark.parametrize('option', opts.OPTS, ids=lambda option: option.name)
def test_the_page_names_the_option(option):
    assert option.name in re.findall(r'\w+', PAGE)


@pytest.mark.parametrize('page', ['operator/nova', 'reference/configuration'])
def test_keys_of_metadata_are_those_that_are_read(page):
    text = (ROOT / 'doc' / 'source' / f'{page}.rst').read_text()
    keys = set(re.findall(r'``(sev_scheduling:[^`]+)``', text))
    assert keys == {
        facts.MACHINE_TYPE_KEY,
        facts.MAX_GUESTS_KEY,
        f'{facts.MAX_GUESTS_KEY}:<model>',
    }
