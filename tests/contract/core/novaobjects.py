"""Flavors and images as nova itself holds them."""

from nova import objects

objects.register_all()


def nova_flavor(extra_specs=None, **fields):
    return objects.Flavor(
        **{
            'name': 'm1',
            'flavorid': '7',
            'vcpus': 4,
            'memory_mb': 8192,
            'root_gb': 40,
            'ephemeral_gb': 0,
            'swap': 0,
            **fields,
        },
        extra_specs=dict(extra_specs or {}),
    )


def nova_image(properties=None, **fields):
    """Make the object as nova does of what glance answers."""
    return objects.ImageMeta.from_dict(
        {'name': 'ubuntu', **fields, 'properties': dict(properties or {})}
    )
