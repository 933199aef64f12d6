"""Look-ups in Placement, shared by filter, request filter and weigher."""
