#!/usr/bin/env python3
"""From exec to the first redirect.

usage: benches/start.py [--links 10000] [--events 3000000] [--runs 7] [--bin target/release]

`sillage serve` with a catalog of that many links. Measured from the start of the process until a link is answered with
302: in an empty folder (the catalog is recorded first), stopped and started again, and killed with -9 and started again
with a log that real clicks made grow. Medians. Ends with 1 if one of them is above 300 ms.
"""
import argparse, http.client, shutil, signal, statistics, subprocess, sys, time

from node import CATALOG, RELEASE, Node

MS_MAX = 300
LOAD_CONNECTIONS = 64


def catalog(links):
    """Partners of 100 links each."""
    head = CATALOG[:CATALOG.index("[partner.")]
    parts = [head]
    for n in range(links):
        if n % 100 == 0:
            parts.append(f'[partner.p{n // 100}]\ntitle = "Partner {n // 100}"\nkind = "content"\n'
                         f'[partner.p{n // 100}.program.shop]\nstate = "approved"\n')
        parts.append(f'[link.l{n}]\nprogram = "shop"\npartner = "p{n // 100}"\n'
                     f'destination = "https://shop.example.com/p/{n}"\n')
    return "\n".join(parts)


def first_answer(node):
    """Milliseconds from exec to a link's 302."""
    began = time.perf_counter()
    node.start()
    while time.perf_counter() - began < 60:
        try:
            connection = http.client.HTTPConnection("127.0.0.1", node.edge, timeout=10)
            connection.request("GET", "/c/l5", headers={"User-Agent": "Mozilla/5.0 (X11) Chrome/140.0"})
            if connection.getresponse().status == 302:
                return (time.perf_counter() - began) * 1e3
        except OSError:
            node.alive()
            time.sleep(0.0005)
        finally:
            connection.close()
    sys.exit(f"no answer within a minute:\n{node.said()}")


def stop(node):
    node.ready()
    node.stop()


def grow(node, events):
    """Sends clicks until the log has that many, and lets the consumers read them."""
    node.start()
    node.ready()
    while (have := node.metric("loss_events_stored_total")) < events:
        print(f"  {have:.0f} of {events} events, {node.metric('journal_bytes ') / 1e6:.0f} MB", flush=True)
        subprocess.run(["wrk", "-t1", f"-c{LOAD_CONNECTIONS}", "-d10s", "-H", "User-Agent: Mozilla/5.0 (X11) Chrome/140.0",
                        f"http://127.0.0.1:{node.edge}/c/l5?s1=hello&consent=granted"], check=True, stdout=subprocess.DEVNULL)
        node.alive()
    while behind := node.metric("eventlog_consumer_lag_records"):
        print(f"  {behind:.0f} events to be read", flush=True)
        time.sleep(5)
    size = node.metric("journal_bytes ")
    node.stop()
    return have, size


def report(name, times):
    median = statistics.median(times)
    print(f"{name:58} median {median:6.0f} ms, slowest {max(times):6.0f} ms of {len(times)}", flush=True)
    return median <= MS_MAX


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--links", type=int, default=10_000)
    options.add_argument("--events", type=int, default=3_000_000, help="clicks in the grown log; 0: without it")
    options.add_argument("--runs", type=int, default=7)
    options.add_argument("--bin", default=RELEASE, help="folder of the built programs")
    options = options.parse_args()
    if options.events and not shutil.which("wrk"):
        sys.exit("wrk not found: apt-get install wrk")
    links = catalog(options.links)
    kept, empty = [], []
    for _ in range(options.runs):
        with Node(options.bin, catalog=links) as node:
            empty.append(first_answer(node))
            stop(node)
    kept.append(report(f"{options.links} links, empty folder", empty))
    with Node(options.bin, catalog=links) as node:
        node.start()
        stop(node)
        again = []
        for _ in range(options.runs):
            again.append(first_answer(node))
            stop(node)
        kept.append(report(f"{options.links} links, started again", again))
        if options.events:
            events, size = grow(node, options.events)
            killed = []
            for _ in range(options.runs):
                killed.append(first_answer(node))
                node.stop(signal.SIGKILL)
            kept.append(report(f"after kill -9, {events:.0f} events, {size / 1e9:.1f} GB", killed))
    sys.exit(0 if all(kept) else f"above {MS_MAX} ms")


if __name__ == "__main__":
    main()
