"""The options of nova.conf, as one value."""

from __future__ import annotations

import dataclasses
import importlib.metadata
import logging

import pytest

from sev_scheduling import opts
from sev_scheduling.nova.options import Options
from tests.unit.nova.factories import (
    CONF,
    ES,
    SEV,
    load_filter,
    load_weigher,
)


def test_it_has_every_option_at_its_default():
    names = [field.name for field in dataclasses.fields(Options)]
    assert names == [option.name for option in opts.OPTS]
    assert Options.read(CONF) == Options()
    assert hash(Options.read(CONF)) == hash(Options())


def test_its_text_names_every_option(configured):
    configured(max_guests_per_model={ES: 5}, default_machine_type=['q35'])
    text = str(Options.read(CONF))
    for option in opts.OPTS:
        assert f'{option.name}=' in text
    assert f"max_guests_per_model={{'{ES}': 5}}" in text
    assert "default_machine_type=['q35']" in text
    assert '\n' not in text


@pytest.mark.parametrize('load', [load_filter, load_weigher])
def test_a_start_is_logged_in_one_line(configured, caplog, load):
    configured(placement_timeout=7.5)
    with caplog.at_level(logging.INFO, 'sev_scheduling.nova'):
        load()
    (record,) = [r for r in caplog.records if r.args]
    assert record.levelno == logging.INFO
    assert record.args['version'] == importlib.metadata.version(
        'sev-scheduling'
    )
    assert record.args['options'] == Options(placement_timeout=7.5)


def test_a_start_is_logged_where_no_version_is_installed(monkeypatch, caplog):
    def version(name):
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, 'version', version)
    with caplog.at_level(logging.INFO, 'sev_scheduling.nova'):
        load_weigher()
    (record,) = [r for r in caplog.records if r.args]
    assert record.args['version'] == 'of an unknown version'


def test_no_option_changes_in_a_process_that_runs():
    """So to read them once is to read them as they are."""
    assert not any(option.mutable for option in opts.OPTS)


def test_it_is_read_from_nova_conf(configured):
    configured(
        default_machine_type=['x86_64=q35'],
        max_guests=3,
        max_guests_per_model={ES: 5},
    )
    options = Options.read(CONF)
    assert options.default_machine_type == ('x86_64=q35',)
    assert [options.limit(model) for model in (SEV, ES)] == [3, 5]


@pytest.mark.parametrize(
    ('policy', 'passes', 'refuses'),
    [
        (opts.PROTECTED, False, False),
        (opts.PASS, True, False),
        (opts.REFUSE, False, True),
    ],
)
def test_what_happens_where_placement_does_not_answer(policy, passes, refuses):
    options = Options(on_placement_failure=policy)
    assert (options.passes, options.refuses) == (passes, refuses)


def test_devices_of_the_host_can_be_let_pass():
    assert Options().as_warnings == ()
    assert Options(allow_host_devices=True).as_warnings == ('host-device',)
