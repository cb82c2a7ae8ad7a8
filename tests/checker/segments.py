"""Reads the segment files of a data folder as docs/log-format.md describes them, and nothing else.

Written from that page alone, so that it proves the page as well as the log. Python's standard library only.
"""

import os
import re
import struct
from array import array

TOPICS = {
    "events.touches": 1,
    "events.conversions": 2,
    "events.rejected": 3,
    "conversions.unique": 4,
    "conversions.duplicate": 5,
    "conversions.attributed": 6,
    "orders.closed": 9,
    "ledger.transfers": 10,
    "catalog.versions": 7,
    "node.log": 8,
}
FORMAT = 1
NAME = re.compile(r"([0-9a-f]{16})-([0-9a-f]{16})\.seg")
SEGMENT_MAGIC = b"\xf5SILSEG\x01"
FRAME_MAGIC = b"\xf5SILFRM\x01"
SEGMENT = struct.Struct("<8sIIQQQQqII")
FRAME = struct.Struct("<8sIIQQII")
RECORD = struct.Struct("<BBHI16sQ")
BODY_BYTES_MAX = 1_048_608
PAYLOAD_BYTES_MAX = 1_048_576
CODEC_JSON = 1


def _tables():
    """Tables for four bytes a step: what 16 bits at the low and at the high end of a word become."""
    one = []
    for n in range(256):
        for _ in range(8):
            n = (n >> 1) ^ (0x82F63B78 if n & 1 else 0)
        one.append(n)
    high = array("I", bytes(4 * 65536))
    for n in range(65536):
        crc = one[n & 255] ^ (n >> 8)
        high[n] = one[crc & 255] ^ (crc >> 8)
    low = array("I", bytes(4 * 65536))
    for n in range(65536):
        crc = high[n]
        low[n] = high[crc & 0xFFFF] ^ (crc >> 16)
    return one, list(low), list(high)


_ONE, _LOW, _HIGH = _tables()


def crc32c(*parts):
    """CRC32C of the parts, one behind the other."""
    crc = 0xFFFFFFFF
    low, high, one = _LOW, _HIGH, _ONE
    for part in parts:
        whole = len(part) & ~3
        for word in struct.unpack(f"<{whole // 4}I", part[:whole]):
            word ^= crc
            crc = low[word & 0xFFFF] ^ high[word >> 16]
        for byte in part[whole:]:
            crc = one[(crc ^ byte) & 255] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


assert crc32c(b"123456789") == 0xE3069283
assert crc32c(b"12345", b"6789") == 0xE3069283


class Record:
    """One record with its place."""

    __slots__ = ("offset", "codec", "kind", "event", "payload", "frame", "segment")

    def __init__(self, offset, codec, kind, event, payload, frame, segment):
        self.offset = offset
        self.codec = codec
        self.kind = kind
        self.event = event
        self.payload = payload
        self.frame = frame
        self.segment = segment


class Segment:
    """A segment file: its name, and what its header says if it is right."""

    def __init__(self, folder, file, stream):
        self.path = os.path.join(folder, file)
        self.file = file
        self.stream = stream
        number, segment_id = NAME.fullmatch(file).groups()
        self.number = int(number, 16)
        self.id = int(segment_id, 16)
        self.seed = struct.pack("<Q", self.id)
        with open(self.path, "rb") as source:
            self.bytes = source.read()
        self.header_fault, self.first_frame = self._header()

    def _header(self):
        if len(self.bytes) < SEGMENT.size:
            return "is shorter than its header", None
        fields = SEGMENT.unpack_from(self.bytes)
        magic, version, stream, number, segment_id, first_frame, _, _, zero, check = fields
        if magic != SEGMENT_MAGIC or crc32c(self.bytes[:60]) != check:
            return "has a damaged header", None
        if version != FORMAT:
            raise SystemExit(f"{self.path}: format {version} is not known to this checker")
        if (stream, number, segment_id, zero) != (self.stream, self.number, self.id, 0):
            return "has a header that does not fit its name and folder", None
        return None, first_frame

    def frame_at(self, at):
        """The good frame that begins here, as (number, offset, count, body), or None."""
        if len(self.bytes) - at < FRAME.size:
            return None
        magic, stream, length, number, offset, count, check = FRAME.unpack_from(self.bytes, at)
        end = at + FRAME.size + length
        if magic != FRAME_MAGIC or stream != self.stream or length > BODY_BYTES_MAX:
            return None
        if end > len(self.bytes):
            return None
        body = self.bytes[at + FRAME.size : end]
        if crc32c(self.seed, self.bytes[at : at + 36], body) != check:
            return None
        return number, offset, count, body

    def frames(self, fence):
        """Good frames below the fence, as (at, number, offset, count, body)."""
        at, last = SEGMENT.size, -1
        while at < len(self.bytes):
            frame = self.frame_at(at)
            if frame is None or frame[0] <= last:
                at = self.bytes.find(FRAME_MAGIC, at + 1)
                if at < 0:
                    return
                continue
            number, offset, count, body = frame
            if fence is not None and number >= fence:
                return
            last = number
            yield at, number, offset, count, body
            at += FRAME.size + len(body)


class Stream:
    """A topic's records, and what is wrong with its files."""

    def __init__(self, data, topic):
        self.topic = topic
        self.records = []
        self.damage = []  # frames that were durable and are lost, as text
        self.lost_frames = 0
        self.torn_tails = 0
        self.faults = []  # what the page does not allow
        folder = os.path.join(data, topic)
        files = os.listdir(folder) if os.path.isdir(folder) else []
        names = [file for file in files if NAME.fullmatch(file)]
        self._read([Segment(folder, file, TOPICS[topic]) for file in sorted(names)])

    def _read(self, segments):
        numbers = [segment.number for segment in segments]
        if len(set(numbers)) != len(numbers):
            self.faults.append(f"{self.topic}: two segments have one number")
        for segment in segments:
            if segment.header_fault:
                first = next(segment.frames(None), None)
                segment.first_frame = first[1] if first else None
                self.damage.append(f"{self.topic}: {segment.file} {segment.header_fault}")
        segments = [segment for segment in segments if segment.first_frame is not None]
        expected, next_offset = None, None
        for i, segment in enumerate(segments):
            fence = segments[i + 1].first_frame if i + 1 < len(segments) else None
            if expected is None:
                expected = segment.first_frame
            end = SEGMENT.size
            for at, number, offset, count, body in segment.frames(fence):
                if number != expected:
                    self._missing(segment, expected, number)
                    next_offset = None
                if next_offset is not None and offset != next_offset:
                    self.faults.append(
                        f"{self.topic}: frame {number} begins with offset {offset}, not {next_offset}"
                    )
                self._records(segment, number, offset, count, body)
                expected, next_offset = number + 1, offset + count
                end = at + FRAME.size + len(body)
            if fence is not None and expected != fence:
                self._missing(segment, expected, fence)
                expected, next_offset = fence, None
            if any(segment.bytes[end:]):
                self.torn_tails += 1

    def _missing(self, segment, first, after):
        self.lost_frames += max(after - first, 0)
        what = f"frame {first} is" if after == first + 1 else f"frames {first} to {after - 1} are"
        self.damage.append(f"{self.topic}: {what} lost in {segment.file}")

    def _records(self, segment, frame, offset, count, body):
        at, n = 0, 0
        while at < len(body):
            if len(body) - at < RECORD.size:
                self.faults.append(f"{self.topic}: frame {frame} ends inside a record")
                return
            codec, kind, zero, length, event, _ = RECORD.unpack_from(body, at)
            at += RECORD.size
            if zero != 0 or length > PAYLOAD_BYTES_MAX or at + length > len(body):
                self.faults.append(f"{self.topic}: frame {frame} has a record that is none")
                return
            payload = body[at : at + length]
            at += length
            self.records.append(Record(offset + n, codec, kind, event, payload, frame, segment))
            n += 1
        if n != count:
            self.faults.append(f"{self.topic}: frame {frame} has {n} records, not {count}")


def check_format(data):
    """Refuses a folder that is no event log of a format that this reader knows."""
    with open(os.path.join(data, "FORMAT"), encoding="ascii") as source:
        lines = source.read().split("\n")
    if len(lines) != 4 or lines[0] != "sillage event log" or lines[3] != "":
        raise SystemExit(f"{data}/FORMAT is not the three lines of the page")
    if lines[1] != f"format = {FORMAT}":
        raise SystemExit(f"{data}/FORMAT says {lines[1]!r}; this checker knows format {FORMAT}")
    if lines[2] not in ("clock = real", "clock = scaled"):
        raise SystemExit(f"{data}/FORMAT says {lines[2]!r}")
