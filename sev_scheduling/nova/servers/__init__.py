"""Servers that exist: what nova's databases and Placement say of them."""
