"""How fast the project is, beside its peers: `make bench`, and as it grows: `make bench-scale`."""
