"""Benchmarks: `make bench` (other implementations), `make bench-scale` (size) and `make bench-layers` (profile)."""
