"""Declarations of algorithms, one file each; `erlctl.registry` finds them."""
