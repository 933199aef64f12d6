"""WSGI applications of OpenStack services, as gunicorn's factories.

The services read the command line for options of their own; gunicorn's are
there, so each factory empties it first.
"""

from __future__ import annotations

import sys
from typing import Any


def keystone() -> Any:
    del sys.argv[1:]
    from keystone.server import wsgi

    return wsgi.initialize_public_application()


def glance() -> Any:
    del sys.argv[1:]
    from glance.common import wsgi_app

    return wsgi_app.init_app()


def nova() -> Any:
    del sys.argv[1:]
    from nova.monkey_patch import patch

    patch(backend='threading')
    from nova.api.openstack import wsgi_app

    return wsgi_app.init_application('osapi_compute', 'nova-api')
