"""Says between which steps of its batch a killed ledger ended, by what it left in the folder: one word.

    torn.py DATA

The steps: (1) unreadable records are parked; (2) one transaction of the book; (3) the outbox is durable on `ledger.transfers`;
(4) the group's cursor moves; (5) the next transaction clears the outbox.

    unread      something stands on the topics that the book has not taken: before or within (2)
    closing     the same, and the last of it are locks or payments that it wrote itself
    unsaid      booked and not said: between (2) and (3)
    unmoved     said, the group's cursor is behind: between (3) and (4)
    uncleared   the cursor moved, the outbox is not cleared: between (4) and (5)
    rest        nothing was begun
"""

import os
import shutil
import sqlite3
import struct
import sys
import tempfile

from segments import TOPICS, Stream, crc32c

SLOT, MAGIC = 4096, b"\xf5SILCUR\x01"
READ = ("conversions.attributed", "events.conversions", "orders.closed")


def committed(data, group):
    """Stream number → offset of the first record that the group has not committed."""
    with open(os.path.join(data, "cursors", group), "rb") as source:
        both = source.read()
    slots = {}
    for at in (0, SLOT):
        magic, sequence, count, check = struct.unpack_from("<8sQII", both, at)
        end = at + 24 + 16 * count
        if magic != MAGIC or count > 254:
            continue
        if crc32c(both[at : at + 20], bytes(4), both[at + 24 : end]) == check:
            entries = struct.iter_unpack("<IIQ", both[at + 24 : end])
            slots[sequence] = {number: offset for number, _, offset in entries}
    return slots[max(slots)] if slots else {}


def postings(row):
    """The event ids of the postings that stand one behind the other in a row of the outbox."""
    at = 0
    while at < len(row):
        event, _, length = struct.unpack_from(">16sQI", row, at)
        yield event
        at += 28 + length


def main():
    (data,) = sys.argv[1:]
    with tempfile.TemporaryDirectory() as copy:
        for name in ("books.sqlite", "books.sqlite-wal"):
            if os.path.exists(os.path.join(data, "state", "ledger", name)):
                shutil.copy(os.path.join(data, "state", "ledger", name), copy)
        book = sqlite3.connect(os.path.join(copy, "books.sqlite"))
        outbox = {event for (row,) in book.execute("SELECT postings FROM outbox") for event in postings(row)}
        taken = dict(book.execute("SELECT topic, next FROM cursors"))
        book.close()
    moved = committed(data, "ledger")
    said = {record.event for record in Stream(data, "ledger.transfers").records}
    ends = {topic: max((record.offset + 1 for record in Stream(data, topic).records), default=0) for topic in READ}
    behind = {topic for topic in READ if taken.get(TOPICS[topic], 0) < ends[topic]}
    if outbox - said:
        print("unsaid")
    elif outbox and any(moved.get(TOPICS[topic], 0) < taken.get(TOPICS[topic], 0) for topic in READ):
        print("unmoved")
    elif outbox:
        print("uncleared")
    elif behind == {"orders.closed"}:
        print("closing")
    else:
        print("unread" if behind else "rest")


if __name__ == "__main__":
    main()
