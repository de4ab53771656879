"""The cluster of `deploy/cluster`, on this machine: served by `make cluster`, broken by `make cluster-faults`."""
