import importlib.util
import types
from pathlib import Path

import pytest

from sev_scheduling.compute import (
    HostFilesystem,
    parse_domain_capabilities,
    survey,
)
from sev_scheduling.models import model_traits, registered_models

PLUG_IN = Path(__file__).parents[2] / 'samples/core/arm-cca'


@pytest.fixture(autouse=True)
def no_nova(monkeypatch):
    """Let tests go by the latest release, not by what is installed."""
    monkeypatch.setattr(
        'sev_scheduling.compute.sources.nova_conf.installed_release',
        lambda: None,
    )


@pytest.fixture
def arm_cca(monkeypatch):
    """Register the sample plug-in's model; return a report of its host."""
    spec = importlib.util.spec_from_file_location(
        'sev_scheduling_arm_cca', PLUG_IN / 'sev_scheduling_arm_cca.py'
    )
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    extension = types.SimpleNamespace(
        name='arm-cca', entry_point_target='a', plugin=module.ARM_CCA
    )
    monkeypatch.setattr(
        'stevedore.ExtensionManager', lambda *args, **options: [extension]
    )
    for cached in (registered_models, model_traits):
        cached.cache_clear()
    host = PLUG_IN / 'host'
    text = (host / 'domcapabilities.xml').read_text()
    yield survey(
        HostFilesystem(host),
        capabilities=[parse_domain_capabilities(text, 'caps')],
        libvirt_version=(12, 0, 0),
        qemu_version=(10, 1, 0),
    )
    for cached in (registered_models, model_traits):
        cached.cache_clear()
