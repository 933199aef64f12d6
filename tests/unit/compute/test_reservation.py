import pytest
from hypothesis import given
from hypothesis import strategies as st

from sev_scheduling.compute.reservation import (
    MAX_GUESTS,
    MAX_MB,
    arithmetic,
    fit,
    nova_conf,
    reserve,
    systemd_drop_in,
    terms,
)
from sev_scheduling.exceptions import InputError
from sev_scheduling.models import find_model
from tests.unit.compute.samples import outcome


def test_one_guest_needs_what_the_specification_adds_up():
    reservation = reserve(1)

    # 4096 + 4096 + 128 + 128 + 2384 is the specification's 10832.
    assert reservation.guest_kib == 10832 + 256
    assert reservation.guest_mb == 16


@pytest.mark.parametrize(
    ('options', 'guest_mb', 'reserved'),
    [
        pytest.param({'guests': 0}, 16, 512, id='no guest'),
        pytest.param({'guests': 15}, 16, 752, id='Naples'),
        pytest.param({'guests': 15, 'base_mb': 0}, 16, 240, id='guests only'),
        pytest.param(
            {'guests': 1, 'video_mb': 5},
            16,
            528,
            id='video memory that fits the rounding',
        ),
        pytest.param(
            {'guests': 1, 'video_mb': 6},
            32,
            544,
            id='video memory that does not',
        ),
        pytest.param(
            {'guests': 1, 'padding_kib': 5552},
            16,
            528,
            id='padding up to the step',
        ),
        pytest.param(
            {'guests': 1, 'padding_kib': 5553},
            32,
            544,
            id='padding one above the step',
        ),
        pytest.param(
            {'guests': 31, 'host_mb': 1009},
            16,
            1008,
            id='a host that is one larger',
        ),
    ],
)
def test_the_reservation_is_the_hosts_and_the_guests(
    options, guest_mb, reserved
):
    reservation = reserve(**options)

    assert reservation.guest_mb == guest_mb
    assert reservation.reserved_host_memory_mb == reserved


@pytest.mark.parametrize(
    ('options', 'words'),
    [
        pytest.param({'guests': -1}, '--guests is -1', id='fewer than none'),
        pytest.param({'guests': MAX_GUESTS + 1}, '--guests', id='too many'),
        pytest.param({'guests': 1, 'base_mb': -1}, '--base', id='no base'),
        pytest.param({'guests': 1, 'video_mb': -1}, '--video', id='no video'),
        pytest.param(
            {'guests': 1, 'video_mb': MAX_MB + 1}, '--video', id='absurd video'
        ),
        pytest.param(
            {'guests': 1, 'padding_kib': 255},
            '--padding',
            id='too little padding',
        ),
        pytest.param(
            {'guests': 1, 'host_mb': 0}, '--host-memory', id='no memory'
        ),
        pytest.param(
            {'guests': 31, 'host_mb': 1008},
            '31 guests: 1008 MB',
            id='a host that is just too small',
        ),
    ],
)
def test_numbers_out_of_range_are_refused(options, words):
    with pytest.raises(InputError, match=words):
        reserve(**options)


@given(
    st.integers(), st.integers(), st.integers(), st.integers(), st.integers()
)
def test_any_numbers_are_a_reservation_or_one_line_of_error(
    guests, base, video, padding, host
):
    reservation, error = outcome(
        lambda: reserve(
            guests,
            base_mb=base,
            video_mb=video,
            padding_kib=padding,
            host_mb=host,
        )
    )

    assert error.isprintable()
    if not error:
        assert reservation.guest_mb * 1024 >= reservation.guest_kib
        assert reservation.guest_mb % 16 == 0
        assert reservation.reserved_host_memory_mb >= base
        assert reservation.machine_slice_mb < host or base == 0


@pytest.mark.parametrize(
    ('slots', 'flavor_mb', 'guests', 'binds'),
    [
        pytest.param(15, 2048, 15, 'slots', id='slots run out first'),
        pytest.param(100, 2048, 31, 'memory', id='memory runs out first'),
        pytest.param(31, 2048, 31, 'slots and memory', id='both at once'),
        pytest.param(30, 2048, 30, 'slots', id='slots, by one'),
        pytest.param(32, 2048, 31, 'memory', id='memory, by one'),
        pytest.param(None, 2048, 31, 'memory', id='slots unknown'),
        pytest.param(15, 1 << 20, 0, 'memory', id='a flavor too large'),
        pytest.param(0, 2048, 0, 'slots', id='no slots'),
    ],
)
def test_the_limit_that_binds_first_is_reported(
    slots, flavor_mb, guests, binds
):
    found = fit(reserve(15, host_mb=65536), flavor_mb, slots)

    assert (found.guests, found.binds) == (guests, binds)


def test_the_fit_needs_the_memory_of_the_host():
    with pytest.raises(InputError, match='--host-memory'):
        fit(reserve(15), 2048, 15)
    with pytest.raises(InputError, match='--flavor-memory is 0'):
        fit(reserve(15, host_mb=65536), 0, 15)


def test_the_sum_is_shown_term_by_term():
    lines = arithmetic(reserve(15, video_mb=16))

    terms = [int(line.split()[0]) for line in lines[:-2]]
    assert sum(terms) == 11088 + 16384 == reserve(1, video_mb=16).guest_kib
    assert lines[-1].strip() == (
        '15 guests x 32 MB + 512 MB of the host = 992 MB'
    )


def test_video_memory_is_a_term_only_where_there_is_some():
    assert len(arithmetic(reserve(1))) + 1 == len(
        arithmetic(reserve(1, video_mb=1))
    )


def test_the_piece_of_nova_conf_is_one(tmp_path):
    from sev_scheduling.compute import read_nova_conf

    path = tmp_path / 'nova.conf'
    path.write_text(nova_conf(reserve(15)))

    assert read_nova_conf([path]).get('reserved_host_memory_mb') == 752


def test_the_drop_in_limits_the_slice():
    text = systemd_drop_in(reserve(15, base_mb=4096, host_mb=515072))

    lines = [line for line in text.splitlines() if not line.startswith('#')]
    assert lines == ['[Slice]', 'MemoryMax=510976M']
    assert '515072 MB of the host - 4096 MB for itself = 510976 MB' in text


def test_the_drop_in_needs_the_memory_of_the_host():
    with pytest.raises(InputError, match='--host-memory'):
        systemd_drop_in(reserve(15))


TDX = find_model('intel-tdx')


def test_the_memory_that_the_kernel_keeps_for_tdx_is_a_term():
    reservation = reserve(15, host_mb=515072, models=[TDX])

    assert reservation.kernel_mb == 2012
    assert reservation.reserved_host_memory_mb == 512 + 2012 + 240
    assert reservation.machine_slice_mb == 515072 - 512 - 2012
    codes = [note.code for note in terms(reservation)]
    assert codes[-3:] == ['sum-kernel', 'sum-guest', 'sum-host-kernel']
    assert 'MemoryMax=512548M' in systemd_drop_in(reservation)


def test_a_part_of_a_256th_counts_whole():
    assert reserve(0, host_mb=513 * 2, models=[TDX]).kernel_mb == 5
    assert reserve(0, host_mb=1024, models=[TDX]).kernel_mb == 4


def test_a_share_of_an_unknown_memory_is_unknown():
    assert reserve(1, models=[find_model('amd-sev')]).kernel_mb == 0
    with pytest.raises(InputError, match='--host-memory'):
        reserve(1, models=[TDX])
