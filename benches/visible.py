#!/usr/bin/env python3
"""From the answer to a click or a conversion until a trace shows it, at the demo's load.

usage: benches/visible.py [--seconds 60] [--rate 200] [--bin target/release]

`sillage serve` with everything in one process. Of the load six requests in seven are clicks, the rest conversions that a
server reports with a click id of before. Beside it, samples, five of each kind a second: a conversion with a click id,
asked for until /v1/trace has its decision; and the second click of a visitor, followed at once by an order with the cookies
of the first, asked for until the trace names the second, which it can only know from that click's event. Both are timed
from the moment that the edge had answered. Ends with 1 if a p99 is above 2 s or something was never seen.
"""
import argparse, http.client, itertools, json, os, sys, threading, time

from node import RELEASE, Node

SECONDS_MAX = 2
# After which something counts as never seen.
GIVEN_UP = 20
ASK_EVERY = 0.02
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"


class Client:
    """One connection to the edge."""

    def __init__(self, node):
        self.connection = http.client.HTTPConnection("127.0.0.1", node.edge, timeout=10)

    def send(self, method, path, body=None, **headers):
        self.connection.request(method, path, body, {"User-Agent": AGENT, **headers})
        answer = self.connection.getresponse()
        answer.read()
        return answer

    def click(self, **headers):
        """The click id, the event and the cookies of a visitor, a new one if no cookies are sent."""
        answer = self.send("GET", "/c/lea?consent=granted", **headers)
        cookies = [value.split(";")[0] for name, value in answer.getheaders() if name.lower() == "set-cookie"]
        _, _, click = answer.getheader("Location").partition("clid=")
        return click.split("&")[0], answer.getheader("Sillage-Event"), cookies

    def order(self, order, click):
        body = json.dumps({"program": "shop", "order_id": order, "amount": "74.92", "currency": "EUR", "click_id": click})
        answer = self.send("POST", "/v1/conversions", body,
                           **{"Content-Type": "application/json", "Authorization": "Bearer bench-token"})
        stored(answer)

    def order_of_page(self, order, cookies):
        answer = self.send("GET", f"/p/shop.gif?order_id={order}&amount=74.92&currency=EUR&consent=granted",
                           Cookie=cookies)
        stored(answer)


def stored(answer):
    if answer.status != 200:
        print(f"void: an order was answered {answer.status}, {answer.getheader('Sillage-Result')}", file=sys.stderr)
        os._exit(1)


def every(interval, seconds, work):
    """Calls `work` at its times, whatever the calls take."""
    start = time.monotonic()
    for n in itertools.count():
        due = start + n * interval
        if due >= start + seconds:
            return
        time.sleep(max(0, due - time.monotonic()))
        work(n)


def until_seen(node, order, wanted, since):
    while time.monotonic() - since < GIVEN_UP:
        status, body = node.ask(f"/v1/trace?program=shop&goal=sale&test=0&order={order}")
        if status == 200 and wanted in body:
            return time.monotonic() - since
        time.sleep(ASK_EVERY)
    return GIVEN_UP


def report(name, times):
    times.sort()
    p50, p99 = (times[int((len(times) - 1) * q)] for q in (0.5, 0.99))
    print(f"{name:12} {len(times):5} samples, visible after: p50 {p50 * 1e3:7.0f} ms, p99 {p99 * 1e3:7.0f} ms, "
          f"slowest {times[-1] * 1e3:7.0f} ms", flush=True)
    return p99 <= SECONDS_MAX and times[-1] < GIVEN_UP


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=int, default=60)
    options.add_argument("--rate", type=int, default=200, help="requests a second")
    options.add_argument("--bin", default=RELEASE, help="folder of the built programs")
    options = options.parse_args()
    clicks, conversions, threads = [], [], []
    with Node(options.bin) as node:
        node.start()
        node.ready()

        def run(interval, make):
            work = make()
            threads.append(threading.Thread(target=every, args=(interval, options.seconds, work)))

        def load(name):
            def make():
                client, last = Client(node), [None]

                def work(n):
                    if n % 7 < 6:
                        last[0] = client.click()[0]
                    else:
                        client.order(f"{name}-{n}", last[0])
                return work
            return make

        def converted():
            client = Client(node)

            def work(n):
                client.order(f"conversion-{n}", client.click()[0])
                conversions.append(until_seen(node, f"conversion-{n}", '"order"', time.monotonic()))
            return work

        def clicked():
            client = Client(node)

            def work(n):
                cookies = "; ".join(client.click()[2])
                _, event, _ = client.click(Cookie=cookies)
                since = time.monotonic()
                client.order_of_page(f"click-{n}", cookies)
                clicks.append(until_seen(node, f"click-{n}", event, since))
            return work

        for n in range(4):
            run(4 / options.rate, load(f"load{n}"))
        run(1 / 5, converted)
        run(1 / 5, clicked)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    kept = [report("click", clicks), report("conversion", conversions)]
    sys.exit(0 if all(kept) else f"p99 above {SECONDS_MAX} s, or never seen")


if __name__ == "__main__":
    main()
