"""Benchmarks: `make bench` (other implementations), `bench-scale` (size), `bench-staff` (admin), `bench-layers`."""
