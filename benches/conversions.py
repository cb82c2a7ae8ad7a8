#!/usr/bin/env python3
"""Conversions, fsynced before their 200, beside the disk's own fdatasync.

usage: benches/conversions.py [--rate 5000] [--pairs 5] [--window 10] [--bin target/release]

Server on core 0 (the edge's core and the log's writers share it), load on core 1. Open loop: each request is counted from
the moment it was due. Windows of load alternate with windows of a prober that writes the same bytes per commit into a
preallocated file on the same disk and calls fdatasync. Limits that count requests are above the load (edge-bench.toml).
Ends with 1 if a call was refused, or the median p99 is above 3 x that of fdatasync + 2 ms.
"""
import argparse, os, subprocess, sys

from node import RELEASE, Node


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--rate", type=int, default=5000, help="conversions a second")
    options.add_argument("--pairs", type=int, default=5, help="pairs of windows")
    options.add_argument("--window", type=int, default=10, help="seconds of a window")
    options.add_argument("--bin", default=RELEASE, help="folder of the built programs")
    options.add_argument("--folder", default="/var/tmp", help="on the disk that is measured")
    options = options.parse_args()
    with Node(options.bin, "edge", core=0, parent=options.folder) as node:
        node.start()
        node.ready()
        load = [
            "taskset", "-c", "1", os.path.join(options.bin, "conversions"),
            "--edge", f"127.0.0.1:{node.edge}", "--admin", f"127.0.0.1:{node.admin}",
            "--program", "shop", "--token", "bench-token", "--probe-dir", node.run,
            "--rate", str(options.rate), "--pairs", str(options.pairs), "--window", str(options.window),
        ]
        sys.exit(subprocess.run(load).returncode)


if __name__ == "__main__":
    main()
