"""Compares what a load client knows with what stands in a data folder.

    check.py [--settled] DATA RECORD…

DATA is the folder of `sillage serve`, which does not run. Each RECORD is a file of the load client, made durable line
by line before the next request: fields separated by tabs,

    sent          MARKER  KIND  KEY  MICROS   before the request went out
    acknowledged  MARKER  EVENT               the answer promised the event: on disk, or (touches) queued
    refused       MARKER  STATUS              the answer refused it
    unknown       MARKER  WHY                 no answer: the process was killed, or it said 503

MARKER is unique to a request; conversions carry it as `client_event_id`, touches as `s1`. KIND is `conversion`, `pixel`,
`click` or `impression`. KEY is the key of the order and MICROS its amount, `-` and 0 for touches. With --settled the
stages had read everything when the server ended, so that each order must have its record and its decision.

Prints one line for each finding, with its name in front, then one line of figures. Ends with 1 if there is a finding.
"""

import argparse
import collections
import json
import sys
import uuid

from segments import CODEC_JSON, TOPICS, Stream, check_format

DURABLE = ("conversion", "pixel")


class Findings:
    """What is wrong, by name; of each name the first lines are shown."""

    SHOWN = 20

    def __init__(self):
        self.counts = collections.Counter()

    def add(self, name, text):
        self.counts[name] += 1
        if self.counts[name] <= self.SHOWN:
            print(f"{name}: {text}")
        elif self.counts[name] == self.SHOWN + 1:
            print(f"{name}: and more")


class Sent:
    """One request of the load client."""

    __slots__ = ("kind", "key", "micros", "outcome", "event")

    def __init__(self, kind, key, micros):
        self.kind = kind
        self.key = key
        self.micros = int(micros)
        self.outcome = None
        self.event = None


def read_load(paths):
    """What the client knows of each marker."""
    sent = {}
    for path in paths:
        with open(path, encoding="utf-8") as source:
            for line in source:
                if not line.endswith("\n"):
                    break  # the client itself was stopped while it wrote
                word, marker, *rest = line.rstrip("\n").split("\t")
                if word == "sent":
                    sent[marker] = Sent(*rest)
                    continue
                request = sent[marker]
                request.outcome = word
                if word == "acknowledged":
                    request.event = uuid.UUID(rest[0]).bytes
    return sent


def lane_and_sequence(event):
    """The parts of an id that an edge minted (UUIDv7), else None."""
    number = int.from_bytes(event, "big")
    if (number >> 76) & 15 != 7:
        return None
    bits = ((number >> 64) & 0xFFF) << 62 | number & (1 << 62) - 1
    return bits & (1 << 34) - 1, bits >> 34


class Log:
    """Every stream of the folder, with envelopes read."""

    def __init__(self, data, findings):
        check_format(data)
        self.streams = {topic: Stream(data, topic) for topic in TOPICS}
        for stream in self.streams.values():
            for text in stream.damage:
                findings.add("damage", text)
            for text in stream.faults:
                findings.add("format", text)
        self.findings = findings

    def envelopes(self, topic):
        """(record, envelope) of each record, in order."""
        for record in self.streams[topic].records:
            where = f"{topic} offset {record.offset}"
            if record.codec != CODEC_JSON:
                self.findings.add("format", f"{where}: codec {record.codec}")
                continue
            try:
                envelope = json.loads(record.payload)
            except ValueError as error:
                self.findings.add("format", f"{where}: {error}")
                continue
            if uuid.UUID(envelope["id"]).bytes != record.event:
                self.findings.add("format", f"{where}: header and envelope have two ids")
            yield record, envelope


def check_stored(log, sent, findings):
    """Acknowledged ⊆ stored; refused never; each request at most once. Returns conversions' ids by order key."""
    lost = doubled = 0
    stored = {}
    by_key = collections.defaultdict(set)
    for topic in ("events.conversions", "events.touches"):
        for record, envelope in log.envelopes(topic):
            body, kind = envelope["body"], envelope["type"]
            if kind == "conversion":
                marker = body.get("client_event_id")
                by_key[envelope["key"]].add(record.event)
            elif kind in ("click", "impression"):
                marker = body.get("subs", {}).get("s1")
            else:
                continue
            request = sent.get(marker)
            if request is None:
                findings.add("never-sent", f"{topic} offset {record.offset}: marker {marker!r}")
                continue
            if stored.setdefault(marker, record.event) != record.event:
                doubled += 1
                findings.add("stored-twice", f"{request.kind} {marker} has two event ids")
            if request.outcome == "refused":
                findings.add("refused-but-stored", f"{request.kind} {marker}")
    touches_lost = 0
    for marker, request in sent.items():
        if request.outcome != "acknowledged":
            continue
        if marker not in stored:
            if request.kind in DURABLE:
                lost += 1
                findings.add("lost", f"{request.kind} {marker} was acknowledged and is in no file")
            else:
                touches_lost += 1
        elif stored[marker] != request.event:
            findings.add("other-id", f"{request.kind} {marker} was acknowledged with another event id")
    return by_key, lost, doubled, touches_lost


def check_orders(log, sent, by_key, settled, findings):
    """One record and one decision for each order, of exactly the stored reports."""
    doubled = 0
    last = {}
    for topic in ("conversions.unique", "conversions.attributed"):
        states = last[topic] = {}
        for _, envelope in log.envelopes(topic):
            key = envelope["key"]
            if envelope["body"]["order"] != key:
                findings.add("format", f"{topic}: {key} speaks of {envelope['body']['order']}")
            states[key] = envelope["body"]
        for key in states:
            if key not in by_key:
                findings.add("counted-not-stored", f"{topic} has {key}, which nobody reported")
    if not settled:
        return doubled
    acknowledged = {r.key for r in sent.values() if r.outcome == "acknowledged" and r.kind in DURABLE}
    micros = {request.key: request.micros for request in sent.values()}
    for topic, states in last.items():
        for key in acknowledged - states.keys():
            findings.add("not-counted", f"{topic} lacks {key}, which was acknowledged")
    for key, events in by_key.items():
        record = last["conversions.unique"].get(key)
        if record is None:
            continue
        if record["members"] > len(events):
            doubled += 1
            findings.add("counted-twice", f"{key}: {record['members']} members of {len(events)} reports")
        elif record["members"] < len(events):
            findings.add("not-counted", f"{key}: {record['members']} members of {len(events)} reports")
        if record["amount"] != micros.get(key):
            findings.add("other-amount", f"{key}: sent {micros.get(key)} micros, counted {record['amount']}")
        decision = last["conversions.attributed"].get(key)
        if decision is None:
            findings.add("not-decided", f"{key}: no decision")
        elif (decision["version"]["members"], decision["amount"]) != (record["members"], record["amount"]):
            findings.add("not-decided", f"{key}: the last decision knows another record")
    return doubled


def check_lanes(log, findings):
    """Sequences that are in no file and that nobody declared."""
    seen = collections.defaultdict(set)
    for topic in TOPICS:
        for record in log.streams[topic].records:
            place = lane_and_sequence(record.event)
            if place:
                seen[place[0]].add(place[1])
    started, declared, next_of = set(), collections.defaultdict(list), {}
    for _, envelope in log.envelopes("node.log"):
        body = envelope["body"]
        if envelope["type"] == "lane_started":
            started.add(body["lane"])
        elif envelope["type"] == "lane_stopped":
            next_of[body["lane"]] = body["next"]
        elif envelope["type"] == "lane_lost":
            declared[body["lane"]].append((body["from"], body["to"]))
    holes = gaps = 0
    for lane, sequences in seen.items():
        if lane not in started:
            findings.add("lane-unknown", f"{lane:09x} is on no lane_started")
        end = max(max(sequences) + 1, next_of.get(lane, 0))
        missing = set(range(end)) - sequences
        gaps += len(missing)
        for first, after in declared[lane]:
            missing.difference_update(range(first, min(after, end)))
        if missing:
            holes += len(missing)
            findings.add("hole", f"lane {lane:09x}: {len(missing)} sequences, first {min(missing)}")
        if lane not in next_of and not any(after > end or first >= end for first, after in declared[lane]):
            findings.add("tail", f"lane {lane:09x} did not stop and nothing declares its tail")
    return holes, gaps - holes


def main():
    arguments = argparse.ArgumentParser(description="Compares a load client's record with a data folder.")
    arguments.add_argument("--settled", action="store_true")
    arguments.add_argument("data")
    arguments.add_argument("records", nargs="+")
    given = arguments.parse_args()
    findings = Findings()
    sent = read_load(given.records)
    log = Log(given.data, findings)
    by_key, lost, stored_twice, touches_lost = check_stored(log, sent, findings)
    counted_twice = check_orders(log, sent, by_key, given.settled, findings)
    holes, declared = check_lanes(log, findings)
    outcomes = collections.Counter(request.outcome or "unknown" for request in sent.values())
    print(
        f"sent={len(sent)} acked={outcomes['acknowledged']} refused={outcomes['refused']}"
        f" unknown={outcomes['unknown']} lost={lost} doubled={stored_twice + counted_twice}"
        f" touches_lost={touches_lost} orders={len(by_key)}"
        f" stored={len(log.streams['events.conversions'].records)}"
        f" lost_frames={sum(s.lost_frames for s in log.streams.values())}"
        f" torn_tails={sum(s.torn_tails for s in log.streams.values())}"
        f" holes={holes} declared={declared} findings={sum(findings.counts.values())}"
    )
    return 1 if findings.counts else 0


if __name__ == "__main__":
    sys.exit(main())
