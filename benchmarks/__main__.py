"""Run a benchmark: `python -m benchmarks bench`, `scale`, `staff` or `layers`, from the project's folder."""

import argparse

from benchmarks import bench, layers, scale, staff


def main():
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("benchmark", choices=["bench", "scale", "staff", "layers"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="duration of one measurement, without warm-up")
    arguments = parser.parse_args()
    module = {"bench": bench, "scale": scale, "staff": staff, "layers": layers}[arguments.benchmark]
    module.run(arguments.rounds, arguments.seconds)


if __name__ == "__main__":
    main()
