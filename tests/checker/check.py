#!/usr/bin/env python3
"""Compares what a load client was promised with what stands in the log.

    check.py DATA_FOLDER RECORD_FILE [--decisions] [--answered-clicks-may-be-lost N]

RECORD_FILE has one line per logical request, fields separated by tabs; of two lines with one marker the later holds:

    marker  kind  outcome  attempts  micros  event ids

`kind` is `conversion` (the marker is its order id) or `click` (the marker is its `s1`); `outcome` is `sent` (nothing is known
yet), `acknowledged`, `refused` or `unknown`; `attempts` counts the requests sent for it; `event ids` are those that were
acknowledged, separated by commas, or `-`.

The log must be at rest: read by every stage, and no process writing. Exits 0 if every promise was kept, 1 if not.
"""

import argparse
import collections
import json
import sys

import segments

CLICK, CONVERSION, ORDER, DECISION = 1, 16, 48, 50

Sent = collections.namedtuple("Sent", "kind outcome attempts micros ids")


def read_record(path):
    """Marker → what the client knows."""
    sent = {}
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if not line.endswith("\n"):
                break  # the client was stopped while it wrote
            marker, kind, outcome, attempts, micros, ids = line.rstrip("\n").split("\t")
            ids = [] if ids == "-" else [bytes.fromhex(one.replace("-", "")) for one in ids.split(",")]
            sent[marker] = Sent(kind, outcome, int(attempts), int(micros), ids)
    return sent


def bodies(folder, topic, wanted):
    """(event id, envelope) of the records of one kind."""
    for _, codec, kind, identity, payload in segments.records(folder, topic):
        if codec == 1 and kind == wanted:
            yield identity, json.loads(payload)


class Found:
    """What a log says of each marker."""

    def __init__(self, folder):
        self.events = collections.defaultdict(dict)  # order id → event id → amount
        self.written = collections.Counter()  # event id → records
        self.clicks = collections.Counter()  # s1 → records
        self.orders = collections.defaultdict(dict)  # order id → order key → record
        self.decided = collections.defaultdict(set)  # order id → order keys
        for identity, event in bodies(folder, "events.conversions", CONVERSION):
            body = event["body"]
            self.events[body["order_id"]][identity] = body.get("amount", 0)
            self.written[identity] += 1
        for _, event in bodies(folder, "events.touches", CLICK):
            self.clicks[event["body"].get("subs", {}).get("s1")] += 1
        for _, event in bodies(folder, "conversions.unique", ORDER):
            record = event["body"]
            keys = self.orders[record["order_id"]]
            if record["members"] >= keys.get(event["key"], record)["members"]:
                keys[event["key"]] = record
        for _, event in bodies(folder, "conversions.attributed", DECISION):
            self.decided[event["key"].partition("/o:")[2]].add(event["key"])


def check(sent, found, decisions=True):
    """(figures, broken promises)."""
    broken = []
    figures = collections.Counter()
    conversions = {marker: one for marker, one in sent.items() if one.kind == "conversion"}
    clicks = {marker: one for marker, one in sent.items() if one.kind == "click"}

    for marker, one in conversions.items():
        figures[one.outcome] += 1
        events = found.events.get(marker, {})
        for identity in one.ids:
            if identity not in events:
                figures["lost"] += 1
                broken.append(f"{marker}: event {identity.hex()} was acknowledged and is not in events.conversions")
        if one.outcome == "refused" and events:
            broken.append(f"{marker}: refused, and counted")
        if len(events) > one.attempts:
            broken.append(f"{marker}: {one.attempts} requests, {len(events)} events")
        for identity, amount in events.items():
            if amount != one.micros:
                broken.append(f"{marker}: sent {one.micros} micros, stored {amount}")
            if found.written[identity] != 1:
                figures["doubled"] += 1
                broken.append(f"{marker}: event {identity.hex()} is written {found.written[identity]} times")
        keys = found.orders.get(marker, {})
        if events and len(keys) != 1:
            figures["doubled" if keys else "lost"] += 1
            broken.append(f"{marker}: {len(keys)} orders are counted, not 1: {sorted(keys)}")
        for key, record in keys.items():
            figures["counted"] += 1
            if record["members"] != len(events):
                broken.append(f"{key}: {len(events)} reports, {record['members']} in its record")
            if record["amount"] != one.micros:
                broken.append(f"{key}: sent {one.micros} micros, counted {record['amount']}")
        if decisions and events and found.decided.get(marker.upper()) != set(keys):
            broken.append(f"{marker}: orders {sorted(keys)}, decided {sorted(found.decided.get(marker.upper(), ()))}")
    for marker in found.events.keys() - conversions.keys():
        broken.append(f"{marker}: counted, and never sent")
    for marker in found.orders.keys() - found.events.keys():
        broken.append(f"{marker}: an order of which no report is there")

    for marker, one in clicks.items():
        figures[f"clicks {one.outcome}"] += 1
        stored = found.clicks.get(marker, 0)
        figures["clicks stored"] += min(stored, 1)
        if one.outcome == "acknowledged" and not stored:
            figures["clicks answered, not stored"] += 1
        if stored > one.attempts:
            broken.append(f"{marker}: {one.attempts} requests, {stored} clicks")
    for marker in found.clicks.keys() - clicks.keys():
        broken.append(f"{marker}: a click that was never sent")
    return figures, broken


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder")
    parser.add_argument("record")
    parser.add_argument("--decisions", action="store_true", help="each order must have a decision, too")
    parser.add_argument(
        "--answered-clicks-may-be-lost",
        type=int,
        metavar="N",
        help="fail if more clicks than this were redirected and are in no file; without it they are only counted",
    )
    arguments = parser.parse_args()
    try:
        segments.check_format(arguments.folder)
        found = Found(arguments.folder)
    except (OSError, ValueError, KeyError, IndexError) as fault:
        print(f"the log cannot be read: {fault!r}")
        return 1
    figures, broken = check(read_record(arguments.record), found, arguments.decisions)
    for name in (
        "acknowledged", "refused", "unknown", "sent", "counted", "lost", "doubled",
        "clicks acknowledged", "clicks unknown", "clicks stored", "clicks answered, not stored",
    ):
        print(f"{name:28} {figures[name]}")
    most = arguments.answered_clicks_may_be_lost
    if most is not None and figures["clicks answered, not stored"] > most:
        broken.append(f"{figures['clicks answered, not stored']} answered clicks are in no file; at most {most} may be")
    for text in broken[:50]:
        print(f"BROKEN {text}")
    if len(broken) > 50:
        print(f"BROKEN and {len(broken) - 50} more")
    print("every promise was kept" if not broken else f"{len(broken)} promises were broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
