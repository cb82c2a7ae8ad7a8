"""Spoils a data folder, so that a test sees the checker complain.

    doctor.py cut|double|twin|flip|hole|recount|inflate DATA

Picks a conversion in the middle of the last segment of `events.conversions`. `cut` takes its record out and leaves no
trace in the file: check sums and offsets are right again. `double` writes it once more with another event id, `twin` with
the same one, which the format allows. `flip` changes one bit of its frame. `hole` cuts a touch. `recount` writes the
order to `conversions.unique` under a second key, `inflate` with one member more. Prints the marker (for `hole` that of the
touch), the order key and how many records share the frame.
"""

import json
import struct
import sys
import uuid

from segments import FRAME, FRAME_MAGIC, RECORD, Stream, crc32c


def packed(record, event=None, payload=None):
    payload = record.payload if payload is None else payload
    return RECORD.pack(record.codec, record.kind, 0, len(payload), event or record.event, 0) + payload


def rewrite(stream, segment, record, instead):
    """Writes a segment anew with other records in place of one; its offsets have no gap."""
    out, offset = segment.bytes[:64], None
    for _, number, first, _, _ in segment.frames(None):
        offset = first if offset is None else offset
        records = []
        for one in stream.records:
            if one.segment is segment and one.frame == number:
                records.extend(instead if one is record else [packed(one)])
        body = b"".join(records)
        head = FRAME.pack(FRAME_MAGIC, segment.stream, len(body), number, offset, len(records), 0)[:36]
        out += head + struct.pack("<I", crc32c(segment.seed, head, body)) + body
        offset += len(records)
    with open(segment.path, "wb") as target:
        target.write(out)


def body_of(record):
    return json.loads(record.payload)["body"]


def marker_of(record):
    return body_of(record).get("client_event_id") or body_of(record).get("subs", {}).get("s1")


def pick(stream, wanted):
    """A record in the middle of the last segment."""
    last = [r for r in stream.records if r.segment is stream.records[-1].segment]
    return next(r for r in last[len(last) // 2 :] if wanted(json.loads(r.payload)))


def with_other_id(record):
    event = record.event[:-1] + bytes([record.event[-1] ^ 1])
    old, new = (str(uuid.UUID(bytes=one)).encode() for one in (record.event, event))
    return packed(record, event, record.payload.replace(old, new))


def flip(record):
    segment = record.segment
    at = next(at for at, number, *_ in segment.frames(None) if number == record.frame)
    spoiled = bytearray(segment.bytes)
    spoiled[at + FRAME.size + RECORD.size + 5] ^= 4
    with open(segment.path, "wb") as target:
        target.write(spoiled)


def main():
    how, data = sys.argv[1:]
    if how == "hole":
        stream = Stream(data, "events.touches")
        record = pick(stream, lambda event: event["type"] == "click")
    else:
        stream = Stream(data, "events.conversions")
        record = pick(stream, lambda event: event["body"].get("source") == "s2s")
    key = json.loads(record.payload)["key"]
    if how in ("cut", "hole"):
        rewrite(stream, record.segment, record, [])
    elif how == "double":
        rewrite(stream, record.segment, record, [packed(record), with_other_id(record)])
    elif how == "twin":
        rewrite(stream, record.segment, record, [packed(record), packed(record)])
    elif how == "flip":
        flip(record)
    else:
        unique = Stream(data, "conversions.unique")
        order = [r for r in unique.records if json.loads(r.payload)["key"] == key][-1]
        envelope = json.loads(order.payload)
        if how == "recount":
            envelope["key"] = envelope["body"]["order"] = key.replace("/o:", "/c:")
        elif how == "inflate":
            envelope["body"]["members"] += 1
        else:
            raise SystemExit(f"unknown: {how}")
        both = [packed(order), packed(order, payload=json.dumps(envelope).encode())]
        rewrite(unique, order.segment, order, both)
    print(marker_of(record), key, sum(one.frame == record.frame for one in stream.records))


if __name__ == "__main__":
    main()
