#!/bin/bash
# DevStack plug-in: installs sev_scheduling beside nova and enables its filter,
# request filter and weigher. DevStack sources it with a phase and a step.

SEV_SCHEDULING_DIR=$DEST/sev-scheduling
SEV_SCHEDULING_FILTER=MemoryEncryptionFilter
SEV_SCHEDULING_WEIGHER=sev_scheduling.nova.MemoryEncryptionWeigher

function configure_sev_scheduling {
    local group=filter_scheduler
    local available enabled weighers

    available=$(iniget "$NOVA_CONF" $group available_filters)
    if [[ -z "$available" ]]; then
        iniset "$NOVA_CONF" $group available_filters \
            nova.scheduler.filters.all_filters
    fi
    iniadd "$NOVA_CONF" $group available_filters \
        sev_scheduling.nova.$SEV_SCHEDULING_FILTER

    # Before all filters that look at rebuilds: what it refuses leaves nothing
    # behind. After ComputeFilter, which sorts out dead hosts at less cost.
    enabled=$(iniget "$NOVA_CONF" $group enabled_filters)
    enabled=${enabled:-ComputeFilter,ComputeCapabilitiesFilter,ImagePropertiesFilter,ServerGroupAntiAffinityFilter,ServerGroupAffinityFilter}
    if [[ ",$enabled," == *,ComputeFilter,* ]]; then
        enabled=$(sed 's/\bComputeFilter\b,\?//; s/,$//' <<<"$enabled")
        enabled=ComputeFilter,$SEV_SCHEDULING_FILTER${enabled:+,$enabled}
    else
        enabled=$SEV_SCHEDULING_FILTER,$enabled
    fi
    iniset "$NOVA_CONF" $group enabled_filters "$enabled"

    weighers=$(iniget "$NOVA_CONF" $group weight_classes)
    iniset "$NOVA_CONF" $group weight_classes \
        "${weighers:-nova.scheduler.weights.all_weighers},$SEV_SCHEDULING_WEIGHER"
}

if is_service_enabled n-sch; then
    case "${1:-} ${2:-}" in
        "stack install")
            pip_install "$SEV_SCHEDULING_DIR[placement]"
            ;;
        "stack post-config")
            configure_sev_scheduling
            ;;
    esac
fi
