"""Sets of firmware descriptors, and how a host's folders come to have them.

The shapes are those that Debian 12 and sid, Ubuntu 26.04 and Fedora ship:
names, devices, modes, targets and features.
"""

import json

from hypothesis import strategies as st

from sev_scheduling.compute.sources.files import HostFilesystem
from sev_scheduling.compute.sources.firmware import search

SHARE = 'usr/share/qemu/firmware'
ETC = 'etc/qemu/firmware'

#: Not text: what becomes of a name instead of a file with it.
DIRECTORY = object()


class Link(str):
    """A symbolic link that leads there."""

    __slots__ = ()


Q35 = [{'architecture': 'x86_64', 'machines': ['pc-q35-*']}]
BOTH = [{'architecture': 'x86_64', 'machines': ['pc-i440fx-*', 'pc-q35-*']}]


def flash(name='CODE_4M', template='VARS_4M', *, kind='raw', **mapping):
    """Return the mapping of split flash."""
    return {
        'device': 'flash',
        'executable': {'filename': f'/fw/{name}.fd', 'format': kind},
        'nvram-template': {'filename': f'/fw/{template}.fd', 'format': kind},
        **mapping,
    }


def single(mode, name='CODE'):
    """Return the mapping of flash without a template."""
    return {
        'device': 'flash',
        'mode': mode,
        'executable': {'filename': f'/fw/{name}.fd', 'format': 'raw'},
    }


def memory(name):
    return {'device': 'memory', 'filename': f'/fw/{name}.fd'}


def descriptor(mapping, *features, **changes):
    return {
        'description': 'UEFI',
        'interface-types': ['uefi'],
        'mapping': mapping,
        'targets': Q35,
        'features': list(features),
        'tags': [],
        **changes,
    }


ENROLLED = descriptor(
    flash('CODE_4M.ms', 'VARS_4M.ms'),
    *('acpi-s3', 'amd-sev', 'enrolled-keys', 'requires-smm', 'secure-boot'),
    'verbose-dynamic',
)
SECURE = descriptor(
    flash('CODE_4M.secboot'),
    *('acpi-s3', 'amd-sev', 'requires-smm', 'secure-boot', 'verbose-dynamic'),
)
PLAIN = descriptor(
    flash(), 'acpi-s3', 'amd-sev', 'verbose-dynamic', targets=BOTH
)
AMDSEV = descriptor(
    memory('amdsev'),
    *('amd-sev', 'amd-sev-es', 'amd-sev-snp', 'verbose-dynamic'),
)
TDX = descriptor(
    memory('inteltdx.ms'),
    *('enrolled-keys', 'intel-tdx', 'secure-boot', 'verbose-dynamic'),
)

DEBIAN_12 = {
    '40-edk2-x86_64-secure-enrolled.json': ENROLLED,
    '50-edk2-x86_64-secure.json': SECURE,
    '60-edk2-x86_64.json': PLAIN,
}
#: Its ovmf, ovmf-amdsev and ovmf-inteltdx packages.
DEBIAN = {
    **DEBIAN_12,
    '60-edk2-x86_64-amdsev.json': AMDSEV,
    '60-edk2-x86_64-inteltdx.json': TDX,
}
FEDORA = {
    '30-edk2-ovmf-4m-qcow2-x64-sb-enrolled.json': descriptor(
        flash('C.secboot.qcow2', 'V.secboot.qcow2', kind='qcow2'),
        *('acpi-s3', 'amd-sev', 'enrolled-keys', 'requires-smm'),
        *('secure-boot', 'verbose-dynamic'),
    ),
    '50-edk2-ovmf-4m-qcow2-x64-nosb.json': descriptor(
        flash('C.qcow2', 'V.qcow2', kind='qcow2', mode='split'),
        *('acpi-s3', 'amd-sev', 'amd-sev-es', 'verbose-dynamic'),
    ),
    '51-edk2-ovmf-2m-raw-x64-nosb.json': descriptor(
        flash('C', 'V', mode='split'),
        *('acpi-s3', 'amd-sev', 'amd-sev-es', 'verbose-dynamic'),
        targets=BOTH,
    ),
    '60-edk2-ovmf-x64-amdsev.json': descriptor(
        single('stateless', 'amdsev'),
        *('amd-sev', 'amd-sev-es', 'amd-sev-snp', 'verbose-dynamic'),
    ),
    '60-edk2-ovmf-x64-inteltdx.json': descriptor(
        memory('inteltdx.secboot'),
        *('enrolled-keys', 'intel-tdx', 'secure-boot', 'verbose-dynamic'),
    ),
}

ES = descriptor(flash('ES'), 'amd-sev', 'amd-sev-es')
STATELESS = descriptor(
    single('stateless', 'less'), 'amd-sev', 'amd-sev-es', 'amd-sev-snp'
)
COMBINED = descriptor(single('combined', 'both'), 'amd-sev', 'amd-sev-es')
TDX_PLAIN = descriptor(memory('tdx'), 'intel-tdx')


def share(**files):
    """Return files of /usr/share, named by keyword: ``a`` is ``a.json``."""
    return {f'{SHARE}/{name}.json': text for name, text in files.items()}


def folder(files, directory=SHARE):
    return {f'{directory}/{name}': text for name, text in files.items()}


def _beside(odd, name='10-odd.json'):
    """Return an odd file that sorts before one that serves all of AMD's."""
    return {
        f'{SHARE}/{name}': odd,
        f'{SHARE}/50-es.json': ES,
        f'{SHARE}/60-less.json': STATELESS,
        f'{SHARE}/70-secure.json': SECURE,
    }


def _odd(**changes):
    return _beside({**ES, **changes})


#: Sentence -> path under the host's root -> what is there.
SETS = {
    'no file at all': {},
    'what Debian 12 ships': folder(DEBIAN_12),
    'what Debian sid ships': folder(DEBIAN),
    'what Fedora ships': folder(FEDORA),
    'the amdsev package alone': share(a=AMDSEV),
    'the inteltdx package alone': share(a=TDX),
    'firmware with SMM alone': share(a=SECURE),
    'TDX without Secure Boot': share(a=TDX_PLAIN, b=SECURE),
    'split flash for SEV-ES': share(a=ES),
    'stateless flash first': share(a=STATELESS, b=ES),
    'stateless flash alone': share(a=STATELESS),
    'combined flash first': share(a=COMBINED, b=ES),
    'combined flash alone': share(a=COMBINED),
    'memory after flash': share(a=ES, b=AMDSEV),
    'flash after memory': share(a=AMDSEV, b=ES),
    'a kernel': share(
        a={**ES, 'mapping': {'device': 'kernel', 'filename': '/fw/K'}}
    ),
    'SMM without Secure Boot': share(
        a=descriptor(flash('SMM'), 'amd-sev', 'amd-sev-es', 'requires-smm')
    ),
    'Secure Boot without SMM': share(
        a=descriptor(flash('SB'), 'amd-sev', 'amd-sev-es', 'secure-boot'),
        b=SECURE,
    ),
    'for another machine type': share(
        a={**ES, 'targets': [{**Q35[0], 'machines': ['pc-i440fx-*']}]}
    ),
    'for another architecture': share(
        a={**ES, 'targets': [{**Q35[0], 'architecture': 'aarch64'}]}
    ),
    'for no machine type': share(a={**ES, 'targets': []}),
    'a machine type with a bracket': share(
        a={**ES, 'targets': [{**Q35[0], 'machines': ['pc-[q]35-*']}]}
    ),
    'a machine type with a question mark': share(
        a={**ES, 'targets': [{**Q35[0], 'machines': ['pc-q3?-*']}]}
    ),
    'etc replaces share': {
        f'{SHARE}/50-a.json': ES,
        f'{ETC}/50-a.json': STATELESS,
    },
    'etc masks share with an empty file': {
        f'{SHARE}/50-a.json': ES,
        f'{ETC}/50-a.json': '',
        f'{SHARE}/60-b.json': AMDSEV,
    },
    'a link to nothing in particular masks nothing': {
        f'{SHARE}/50-a.json': ES,
        f'{ETC}/50-a.json': Link('/dev/null'),
    },
    'a directory masks nothing': {
        f'{SHARE}/50-a.json': ES,
        f'{ETC}/50-a.json': DIRECTORY,
    },
    'a blank file masks nothing and is no descriptor': {
        f'{SHARE}/50-a.json': ES,
        f'{SHARE}/60-b.json': AMDSEV,
        f'{ETC}/50-a.json': '\n',
    },
    'etc sorts among share': {
        f'{SHARE}/50-a.json': ES,
        f'{ETC}/40-a.json': AMDSEV,
    },
    'a link to a descriptor': {
        f'{SHARE}/descriptors': ES,
        f'{SHARE}/10-a.json': Link('descriptors'),
    },
    'a link that leads nowhere': _beside(Link('gone')),
    'a directory among them': _beside(DIRECTORY),
    'another extension': share(b=AMDSEV)
    | {f'{SHARE}/10-a.json.bak': ES, f'{SHARE}/README': 'text'},
    'another extension alone': {f'{SHARE}/10-a.json.bak': ES},
    'a hidden file': {f'{SHARE}/.10-a.json': ES, f'{SHARE}/b.json': AMDSEV},
    'capitals sort first': {
        f'{SHARE}/a.json': ES,
        f'{SHARE}/B.json': AMDSEV,
    },
    'an empty object': _beside({}),
    'an empty list': _beside([]),
    'no JSON': _beside('{'),
    'a byte order mark': _beside('\ufeff' + json.dumps(AMDSEV)),
    'not UTF-8': _beside(json.dumps(AMDSEV)[:-1].encode() + b', "x": "\xe9"}'),
    'a number that is none': _beside(json.dumps(AMDSEV)[:-1] + ', "x": NaN}'),
    'two keys of one name': _beside(
        json.dumps(AMDSEV)[:-1] + ', "features": ["amd-sev"]}'
    ),
    'larger than libvirt reads': _beside(json.dumps(AMDSEV) + ' ' * (1 << 20)),
    'large': _beside(json.dumps(AMDSEV) + ' ' * 200_000),
    'an unknown interface': _odd(**{'interface-types': ['uefi', 'x']}),
    'no interface': _odd(**{'interface-types': []}),
    'a BIOS': _odd(**{'interface-types': ['bios']}),
    'an unknown device': _odd(mapping={'device': 'igvm', 'filename': '/f'}),
    'an unknown mode': _odd(mapping=flash(mode='other')),
    'an unknown architecture': _odd(
        targets=[*Q35, {'architecture': 'z80', 'machines': []}]
    ),
    'an unknown feature': _odd(features=['amd-sev', 'amd-sev-es', 'warp']),
    'a feature that is no text': _odd(features=['amd-sev', 'amd-sev-es', 7]),
    'a machine that is no text': _odd(
        targets=[{'architecture': 'x86_64', 'machines': [7, 'pc-q35-*']}]
    ),
    'an unusable format': _odd(mapping=flash(kind='vmdk')),
    'no format': _odd(
        mapping={
            **flash(),
            'executable': {'filename': '/fw/CODE_4M.fd'},
        }
    ),
    'no template': _odd(mapping=single('split')),
    'features that are text': _odd(features='amd-sev amd-sev-es'),
    'targets that are text': _odd(targets='x86_64'),
    'qcow2': _odd(mapping=flash(kind='qcow2')),
    'variables kept by the host': _beside(
        {
            **AMDSEV,
            'features': [*AMDSEV['features'], 'host-uefi-vars'],
        }
    ),
    'variables kept by the host, with a template': _beside(
        {
            **AMDSEV,
            'mapping': {
                **memory('vars'),
                'uefi-vars': {'template': '/fw/vars.json'},
            },
            'features': [*AMDSEV['features'], 'host-uefi-vars'],
        }
    ),
}


def lay(root, files):
    """Put files under a root, whose folders of descriptors are emptied."""
    for directory in (SHARE, ETC):
        place = root / directory
        place.mkdir(parents=True, exist_ok=True)
        for old in place.iterdir():
            old.rmdir() if _is_directory(old) else old.unlink()
    for path, content in files.items():
        place = root / path
        if content is DIRECTORY:
            place.mkdir()
        elif isinstance(content, Link):
            place.symlink_to(content)
        elif isinstance(content, bytes):
            place.write_bytes(content)
        elif isinstance(content, str):
            place.write_text(content)
        else:
            place.write_text(json.dumps(content))


def _is_directory(path):
    return path.is_dir() and not path.is_symlink()


_ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.sampled_from(
        ['uefi', 'flash', 'memory', 'x86_64', 'pc-q35-*', 'amd-sev', '/fw/A']
    ),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ['filename', 'format', 'device', 'architecture', 'machines']
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=6,
)
_FILE = (
    st.text(max_size=20)
    | st.binary(max_size=20)
    | st.sampled_from([*DEBIAN.values(), ES, COMBINED])
    | st.builds(
        lambda key, value: {**ES, key: value},
        st.sampled_from(sorted(ES)),
        _ANY,
    )
    | _ANY.map(json.dumps)
)

#: Path -> whatever may lie there, for :func:`lay`.
ANY_FOLDERS = st.dictionaries(
    st.sampled_from(
        [f'{d}/{n}' for d in (SHARE, ETC) for n in ('a.json', 'b', 'c.json')]
    ),
    _FILE,
    max_size=4,
)


def found_in(root, files):
    """Return what is found on a host with these files."""
    lay(root, files)
    return search(HostFilesystem(root))


def chosen(choice):
    """Return the path of the descriptor that was chosen, if any."""
    return choice.descriptor and choice.descriptor.path
