"""Run a benchmark from the project's folder: `python -m benchmarks bench`, or another of MODULES."""

import argparse

from benchmarks import bench, layers, pooler, pressure, scale, staff

MODULES = {"bench": bench, "pressure": pressure, "scale": scale, "staff": staff, "layers": layers, "pooler": pooler}


def main():
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("benchmark", choices=MODULES)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="duration of one measurement, without warm-up")
    arguments = parser.parse_args()
    MODULES[arguments.benchmark].run(arguments.rounds, arguments.seconds)


if __name__ == "__main__":
    main()
