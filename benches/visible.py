#!/usr/bin/env python3
"""From the answer to a click or a conversion until it is seen, at the demo's load.

usage: benches/visible.py [--seconds 60] [--rate 200] [--bin target/release]

`sillage serve` with everything in one process. Of the load six requests in seven are clicks, the rest conversions that a
server reports with a click id of before. Beside it, samples, five of each kind a second, each timed from the moment that the
edge had answered:

- click, trace: the second click of a visitor, followed at once by an order with the cookies of the first, asked for until
  /v1/trace names the second, which it can only know from that click's event;
- conversion, trace: a conversion with a click id, until /v1/trace has its decision;
- click, report: a click for a partner who gets no other, until /v1/reports counts it;
- commission, report and commission, transactions: a conversion for a partner who gets no other, until the commission in
  /v1/reports has grown by it, and until /v1/transactions has it.

Ends with 1 if a p99 is above 2 s or something was never seen.
"""
import argparse, http.client, itertools, json, os, sys, threading, time

from node import CATALOG, RELEASE, Node

SECONDS_MAX = 2
# After which something counts as never seen.
GIVEN_UP = 20
ASK_EVERY = 0.02
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0 Safari/537.36"
# What an order comes to and earns, in micros.
AMOUNT, COMMISSION = "74.92", 3_746_000
# Partners who get nothing but samples: of clicks, of conversions.
CLICKED, CREDITED = "mia", "zoe"


def catalog():
    """That of the other benches, with money in it and two more partners."""
    partners = "".join(f"""
[partner.{name}]
title = "{name}"
kind = "content"
[partner.{name}.program.shop]
state = "approved"
[link.{name}]
program = "shop"
partner = "{name}"
destination = "https://shop.example.com/p/123"
""" for name in (CLICKED, CREDITED))
    terms = '[[program.shop.terms]]\ncommission = [{ percent = "5" }]\n'
    return CATALOG.replace('mode = "observe"', 'mode = "live"') + terms + partners


class Client:
    """One connection to the edge."""

    def __init__(self, node):
        self.connection = http.client.HTTPConnection("127.0.0.1", node.edge, timeout=10)

    def send(self, method, path, body=None, **headers):
        self.connection.request(method, path, body, {"User-Agent": AGENT, **headers})
        answer = self.connection.getresponse()
        answer.read()
        return answer

    def click(self, link="lea", **headers):
        """The click id, the event and the cookies of a visitor, a new one if no cookies are sent."""
        answer = self.send("GET", f"/c/{link}?consent=granted", **headers)
        cookies = [value.split(";")[0] for name, value in answer.getheaders() if name.lower() == "set-cookie"]
        _, _, click = answer.getheader("Location").partition("sl_click=")
        if not click:
            void("a click has no click id")
        return click.split("&")[0], answer.getheader("Sillage-Event"), cookies

    def order(self, order, click):
        body = json.dumps({"program": "shop", "order_id": order, "amount": AMOUNT, "currency": "EUR", "click_id": click})
        answer = self.send("POST", "/v1/conversions", body,
                           **{"Content-Type": "application/json", "Authorization": "Bearer bench-token"})
        stored(answer)

    def order_of_page(self, order, cookies):
        answer = self.send("GET", f"/p/shop.gif?order_id={order}&amount={AMOUNT}&currency=EUR&consent=granted",
                           Cookie=cookies)
        stored(answer)


def stored(answer):
    if answer.status != 200:
        void(f"an order was answered {answer.status}, {answer.getheader('Sillage-Result')}")


def void(why):
    print(f"void: {why}", file=sys.stderr)
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


def until(asked, since):
    """Seconds until it is so."""
    while time.monotonic() - since < GIVEN_UP:
        if asked():
            return time.monotonic() - since
        time.sleep(ASK_EVERY)
    return GIVEN_UP


def traced(node, order, wanted):
    """Whether the trace of an order has this text."""
    status, body = node.ask(f"/v1/trace?program=shop&goal=sale&test=0&order={order}")
    return status == 200 and wanted in body


def asked_json(node, path):
    status, body = node.ask(path)
    if status != 200:
        void(f"{path} was answered {status}: {body}")
    return json.loads(body)


def reported(node, partner, column):
    """A figure of the partner's whole report, money in micros."""
    total = asked_json(node, f"/v1/reports?program=shop&partner={partner}&by=total")["total"]
    units, _, rest = total[0][column].partition(".") if total else ("0", "", "")
    return int(units) * 1_000_000 + int(rest.ljust(6, "0")[:6]) if rest else int(units)


def report(name, times):
    times.sort()
    p50, p99 = (times[int((len(times) - 1) * q)] for q in (0.5, 0.99))
    print(f"{name:24} {len(times):5} samples, visible after: p50 {p50 * 1e3:7.0f} ms, p99 {p99 * 1e3:7.0f} ms, "
          f"slowest {times[-1] * 1e3:7.0f} ms", flush=True)
    return p99 <= SECONDS_MAX and times[-1] < GIVEN_UP


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--seconds", type=int, default=60)
    options.add_argument("--rate", type=int, default=200, help="requests a second")
    options.add_argument("--bin", default=RELEASE, help="folder of the built programs")
    options = options.parse_args()
    names = ["click, trace", "conversion, trace", "click, report", "commission, report", "commission, transactions"]
    seen, threads = {name: [] for name in names}, []
    with Node(options.bin, catalog=catalog()) as node:
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

        def clicked():
            client = Client(node)

            def work(n):
                cookies = "; ".join(client.click()[2])
                _, event, _ = client.click(Cookie=cookies)
                since = time.monotonic()
                client.order_of_page(f"click-{n}", cookies)
                seen["click, trace"].append(until(lambda: traced(node, f"click-{n}", event), since))
            return work

        def converted():
            client = Client(node)

            def work(n):
                client.order(f"conversion-{n}", client.click()[0])
                since = time.monotonic()
                seen["conversion, trace"].append(until(lambda: traced(node, f"conversion-{n}", '"order"'), since))
            return work

        def counted():
            client = Client(node)

            def work(n):
                client.click(CLICKED)
                since = time.monotonic()
                seen["click, report"].append(until(lambda: reported(node, CLICKED, "clicks") > n, since))
            return work

        def earned():
            client, place, told = Client(node), [""], set()

            def feed_has(count):
                """Whether the feed has told of so many orders: what it adds to one later is told again under its id."""
                after = f"&after={place[0]}" if place[0] else ""
                feed = asked_json(node, f"/v1/transactions?program=shop&partner={CREDITED}{after}")
                place[0] = feed["next"]
                told.update(row["transaction"] for row in feed["transactions"])
                return len(told) >= count

            def work(n):
                client.order(f"earned-{n}", client.click(CREDITED)[0])
                since = time.monotonic()
                feed = threading.Thread(
                    target=lambda: seen["commission, transactions"].append(until(lambda: feed_has(n + 1), since)))
                feed.start()
                grown = lambda: reported(node, CREDITED, "commission") >= (n + 1) * COMMISSION
                seen["commission, report"].append(until(grown, since))
                feed.join()
            return work

        for n in range(4):
            run(4 / options.rate, load(f"load{n}"))
        for make in (clicked, converted, counted, earned):
            run(1 / 5, make)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    kept = [report(name, seen[name]) for name in names]
    sys.exit(0 if all(kept) else f"p99 above {SECONDS_MAX} s, or never seen")


if __name__ == "__main__":
    main()
