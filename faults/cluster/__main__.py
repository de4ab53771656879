"""Serve the cluster until Ctrl+C, or run the faults against it and print the table.

python -m faults.cluster serve
python -m faults.cluster break [--rounds N] [--short] [--only NAME ...] [--loopback]

With REQUIRE_ALL=1, a fault that is skipped because a privilege is missing counts as a failure.
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
    parser.add_argument("--rounds", type=int, default=1, help="how often to run each fault")
    parser.add_argument("--short", action="store_true", help="run the most important faults only")
    parser.add_argument("--only", nargs="+", choices=NAMES, default=NAMES, metavar="NAME", help=", ".join(NAMES))
    parser.add_argument(
        "--loopback", action="store_true", help="use no network namespaces: skip the faults that need them"
    )
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    serving = options.command == "serve"
    network = Loopback() if serving or options.loopback else best()
    started = time.monotonic()
    with World(options.rounds, 8400) as world, Cluster(world, network) as cluster:
        print(
            f"The cluster is up after {time.monotonic() - started:.0f} s and uses {cluster.memory():.0f} MB.",
            flush=True,
        )
        return serve(cluster) if serving else run(cluster, options)


def serve(cluster):
    print(f"API    https://{cluster.web.address}:{HTTPS}/api/docs/   (self-signed certificate)")
    for app in cluster.apps:
        print(f"{app.name}   http://{app.address}:8000 ; its HAProxy serves the primary at {app.address}:5000")
    for machine in cluster.databases:
        print(f"{machine.name}    {machine.address}:5432, Patroni at https://{machine.address}:8008/cluster")
    print(f"etcd   https://{cluster.etcd.address}:2379")
    print(f"Files  {cluster.folder} (logs, data). Ctrl+C stops the cluster and removes them.", flush=True)
    try:
        signal.pause()
    except KeyboardInterrupt:
        print()


def run(cluster, options):
    started = time.monotonic()
    chosen = [fault for fault in rows.FAULTS if fault.name in options.only and (fault.short or not options.short)]
    results = []
    print(*rows.heading(), sep="\n", flush=True)
    for fault in chosen:
        results.append(rows.run(cluster, fault, options.rounds))
        print(*results[-1].lines(), sep="\n", flush=True)
    failed = [row for row in results if row.violations]
    skipped = [row for row in results if row.skipped]
    print(f"{len(results)} rows in {time.monotonic() - started:.0f} s: {len(failed)} failed, {len(skipped)} skipped.")
    return bool(failed or (skipped and os.environ.get("REQUIRE_ALL")))


if __name__ == "__main__":
    sys.exit(main())
