"""Serve the cluster until Ctrl+C, or break it and print the table.

python -m faults.cluster serve
python -m faults.cluster break [--rounds N] [--short] [--only NAME ...] [--loopback]

REQUIRE_ALL=1: a fault that is skipped because a right is missing counts as a failure.
"""

import argparse
import os
import signal
import sys
import time

from faults.cluster import rows
from faults.cluster.cluster import Cluster
from faults.cluster.machines import HTTPS
from faults.cluster.networks import Loopback, best
from faults.world import World

NAMES = [fault.name for fault in rows.FAULTS]


def main():
    parser = argparse.ArgumentParser(
        prog="python -m faults.cluster", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", choices=("serve", "break"))
    parser.add_argument("--rounds", type=int, default=1, help="how often each fault is played")
    parser.add_argument("--short", action="store_true", help="play the most telling faults only")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--loopback", action="store_true", help="use no network namespaces: nothing is cut off")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    serving = options.command == "serve"
    network = Loopback() if serving or options.loopback else best()
    started = time.monotonic()
    with World(options.rounds, 8400) as world, Cluster(world, network) as cluster:
        print(
            f"The cluster is up, after {time.monotonic() - started:.0f} s and with {cluster.memory():.0f} MB.",
            flush=True,
        )
        return serve(cluster) if serving else play(cluster, options)


def serve(cluster):
    print(f"API    https://{cluster.web.address}:{HTTPS}/api/docs/   (the certificate is invented)")
    for app in cluster.apps:
        print(f"{app.name}   http://{app.address}:8000 behind HAProxy, which has the primary at {app.address}:5000")
    for machine in cluster.databases:
        print(f"{machine.name}    {machine.address}:5432, Patroni at https://{machine.address}:8008/cluster")
    print(f"etcd   https://{cluster.etcd.address}:2379")
    print(f"Files  {cluster.folder}, for example its logs. Ctrl+C stops and removes everything.", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        print()


def play(cluster, options):
    started = time.monotonic()
    chosen = [fault for fault in rows.FAULTS if fault.name in options.only and (fault.short or not options.short)]
    played = []
    print(*rows.heading(), sep="\n", flush=True)
    for fault in chosen:
        played.append(rows.play(cluster, fault, options.rounds))
        print(*played[-1].lines(), sep="\n", flush=True)
    failed = [row for row in played if row.broken]
    left_out = [row for row in played if row.left_out]
    print(f"{len(played)} rows in {time.monotonic() - started:.0f} s: {len(failed)} failed, {len(left_out)} left out.")
    return bool(failed or (left_out and os.environ.get("REQUIRE_ALL")))


if __name__ == "__main__":
    sys.exit(main())
