"""The ``--os-*`` options, as keystoneauth registers them, and their cloud."""

from __future__ import annotations

import argparse
import contextlib
import math
import os
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from stevedore import ExtensionManager

from sev_scheduling.exceptions import InputError, needed
from sev_scheduling.text import one_line, quoted

if TYPE_CHECKING:
    from openstack.connection import Connection

#: What a session takes, with a cloud and with the URL of a Placement.
SESSION = {
    '--os-cacert': 'certificates to trust (default: OS_CACERT, else those '
    'of the system)',
    '--os-cert': 'a certificate of the client',
    '--os-key': 'its key',
    '--insecure': 'trust every certificate',
    '--timeout': 'seconds that one call may take',
}

#: Which Placement of a cloud.
_ENDPOINT = (
    '--os-region-name',
    '--os-interface',
    '--os-service-name',
    '--os-service-type',
    '--os-endpoint-override',
)

#: As "openstack --help" has them.
_INTERFACES = ('public', 'internal', 'admin')

#: What openstacksdk calls those that are for Placement alone.
_SDK = {
    name: name.replace('os_', 'os_placement_')
    for name in ('os_service_name', 'os_service_type', 'os_endpoint_override')
}

#: Of the others --help shows these; all are those of "openstack --help".
_SHOWN = {
    '--os-auth-url': 'Keystone, where clouds.yaml names none',
    '--os-auth-type': 'a plug-in of keystoneauth; each of its --os- options '
    "may be given, as 'openstack --help' lists them",
    '--os-token': 'a token; with --placement-url: OS_TOKEN, else admin, '
    'which a Placement without Keystone takes',
}

_ELSEWHERE = 'Or say where the hosts are: --cloud FILE or --placement-url URL.'


def seconds(text: str) -> float:
    """Read a time-out; for argparse."""
    with contextlib.suppress(ValueError):
        if 0 < (number := float(text)) < math.inf:
            return number
    raise argparse.ArgumentTypeError(
        f'{quoted(text)} is not a number of seconds above 0'
    )


def _url(text: str) -> str:
    """Read the URL of a service; for argparse."""
    if not re.fullmatch(r'https?://[^\s/?#]+\S*', text):
        raise argparse.ArgumentTypeError(
            f'{quoted(text)} is no http or https URL; give such as '
            'https://controller:5000/v3'
        )
    return text


#: What reads an option that takes no text whatever it is.
_READ: Mapping[str, Callable[[str], Any]] = {
    'timeout': seconds,
    'os_auth_url': _url,
    'os_endpoint_override': _url,
}


def add_openstack_options(
    group: argparse._ActionsContainer, source: argparse._ActionsContainer
) -> None:
    """Add the options; what is not given is not in the parsed arguments.

    :param source: where ``--os-cloud`` goes, which excludes others
    """
    source.add_argument(
        '--os-cloud',
        metavar='NAME',
        default=argparse.SUPPRESS,
        help='a cloud of clouds.yaml (default: OS_CLOUD)',
    )
    helps = {**_SHOWN, **SESSION}
    for dest, flags in _flags().items():
        kwargs: dict[str, Any]
        if dest == 'insecure':
            kwargs = {'action': 'store_true'}
        else:
            of = _READ.get(dest, str)
            kwargs = {'type': of, 'metavar': 'VALUE'}
        if dest == 'os_interface':
            kwargs['choices'] = _INTERFACES
        group.add_argument(
            *flags,
            dest=dest,
            default=argparse.SUPPRESS,
            help=helps.get(flags[0], argparse.SUPPRESS),
            **kwargs,
        )


def _flags() -> dict[str, tuple[str, ...]]:
    """Return each option's name when parsed -> its spellings."""
    own = (*_SHOWN, *SESSION, *_ENDPOINT)
    flags: dict[str, tuple[str, ...]]
    flags = {flag.lstrip('-').replace('-', '_'): (flag,) for flag in own}
    taken = {'--os-cloud', *own}
    for dest, spellings in _of_plugins().items():
        free = tuple(name for name in spellings if name not in taken)
        if free and dest not in flags:
            flags[dest] = free
        taken.update(free)
    return flags


def _of_plugins() -> dict[str, list[str]]:
    """Return the same of all plug-ins of keystoneauth."""
    found: dict[str, list[str]] = {}
    for loader in _loaders().values():
        for option in loader.get_options():
            spellings = found.setdefault(f'os_{option.dest}', [])
            for name in option.argparse_args:
                # As openstack spells them, and as they are registered.
                spellings += [name.replace('_', '-'), name]
    return {dest: [*dict.fromkeys(names)] for dest, names in found.items()}


def _loaders() -> Mapping[str, Any]:
    """Return name -> loader, of the plug-ins that can be used here.

    As keystoneauth does it, but for its messages about those that cannot.
    """
    found: ExtensionManager[Any] = ExtensionManager(
        'keystoneauth1.plugin',
        invoke_on_load=True,
        on_load_failure_callback=lambda *_: None,
    )
    loaders: dict[str, Any] = {plugin.name: plugin.obj for plugin in found}
    return {name: one for name, one in loaders.items() if one.available}


def given(
    parsed_args: argparse.Namespace,
    refused_by: str = '',
    allowed: Collection[str] = (),
) -> dict[str, Any]:
    """Return the options that were given: name when parsed -> value.

    :param refused_by: an option that has no use for them
    :param allowed: those of which it has, as they are parsed
    :raises InputError: where one of the others was given
    """
    known = {'os_cloud': ('--os-cloud',), **_flags()}
    options = {
        name: value
        for name, value in vars(parsed_args).items()
        if name in known
    }
    if refused_by:
        for name in sorted(options.keys() - set(allowed)):
            raise InputError(
                f'{known[name][0]} is of no use with {refused_by}; leave it '
                'out.'
            )
    return options


def connect(parsed_args: argparse.Namespace) -> Connection:
    """Sign in to the cloud that the options configure.

    :raises InputError: where it cannot be used, or has no use for an option
    """
    connection = configured(parsed_args)
    with usable(parsed_args):
        connection.authorize()
    return connection


def configured(parsed_args: argparse.Namespace) -> Connection:
    """Return a connection that asks nothing of its cloud so far.

    :raises InputError: where it cannot be used, or has no use for an option
    """
    # Not every command can do without an OpenStack cloud.
    elsewhere = _ELSEWHERE if hasattr(parsed_args, 'placement_url') else ''
    with needed('osc', 'An OpenStack cloud', elsewhere):
        from openstack import config, connection
    options = given(parsed_args)
    timeout = options.pop('timeout', None)
    if 'os_token' in options:
        # As the openstack command does.
        options.setdefault('os_auth_type', 'token')
    more = {'api_timeout': timeout} if timeout else {}
    settings = argparse.Namespace(
        **{_SDK.get(name, name): value for name, value in options.items()}
    )
    with usable(parsed_args):
        region = config.OpenStackConfig().get_one(
            argparse=settings, validate=False
        )
    _check_used(options, region.config['auth_type'])
    with usable(parsed_args):
        found: Connection = connection.from_config(options=settings, **more)
    return found


def cloud_name(parsed_args: argparse.Namespace) -> str | None:
    """Return the name of a cloud in clouds.yaml, if one is given."""
    name: str | None = getattr(parsed_args, 'os_cloud', None)
    return name or os.environ.get('OS_CLOUD')


@contextlib.contextmanager
def usable(parsed_args: argparse.Namespace) -> Iterator[None]:
    """Report in one line what is wrong with the cloud that is configured.

    :raises InputError: whatever openstacksdk raises
    """
    try:
        yield
    except Exception as error:
        # Of what is wrong in clouds.yaml openstacksdk makes any exception.
        why = one_line(error).rstrip('.')
        name = cloud_name(parsed_args)
        cloud = f'cloud {quoted(name)}' if name else 'cloud that is configured'
        elsewhere = ''
        if hasattr(parsed_args, 'placement_url'):
            elsewhere = ', or give --cloud FILE or --placement-url URL'
        raise InputError(
            f'The OpenStack {cloud} cannot be used: {why}; -v shows more. '
            f'Name one of clouds.yaml with --os-cloud{elsewhere}.'
        ) from error


def _check_used(options: Mapping[str, Any], plugin: str) -> None:
    """Refuse what the plug-in would ignore.

    :raises InputError: where there is any
    """
    loader = _loaders().get(plugin)
    if loader is None:
        # openstacksdk reports it.
        return
    of_plugins = _of_plugins()
    used = {f'os_{option.dest}' for option in loader.get_options()}
    for name in sorted(options.keys() & of_plugins.keys() - used):
        raise InputError(
            f'{of_plugins[name][0]} is of no use with the authentication '
            f'plug-in {quoted(plugin)}; leave it out, or name another with '
            '--os-auth-type.'
        )
