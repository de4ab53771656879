"""`python -m benchmarks bench` or `scale`, from the top of the project: what the targets of the Makefile run."""

import argparse

from benchmarks import bench, scale


def main():
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("what", choices=["bench", "scale"])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=3, help="of one measurement, warm-up apart")
    arguments = parser.parse_args()
    module = {"bench": bench, "scale": scale}[arguments.what]
    module.run(arguments.rounds, arguments.seconds)


if __name__ == "__main__":
    main()
