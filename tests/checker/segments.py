"""Reads the event log from its files, by docs/log-format.md alone."""

import os
import re
import struct

SEGMENT_NAME = re.compile(r"^([0-9a-f]{16})-([0-9a-f]{16})\.seg$")
STREAMS = {
    "events.touches": 1,
    "events.conversions": 2,
    "events.rejected": 3,
    "conversions.unique": 4,
    "conversions.duplicate": 5,
    "conversions.attributed": 6,
    "catalog.versions": 7,
    "node.log": 8,
}
SEGMENT_MAGIC = b"\xf5SILSEG\x01"
FRAME_MAGIC = b"\xf5SILFRM\x01"
SEGMENT_HEADER = 64
FRAME_HEADER = 40
RECORD_HEADER = 32
BODY_MAX = 1_048_608


def _crc_tables():
    first = []
    for byte in range(256):
        for _ in range(8):
            byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
        first.append(byte)
    tables = [first]
    for _ in range(7):
        last = tables[-1]
        tables.append([crc >> 8 ^ first[crc & 255] for crc in last])
    return tables


T0, T1, T2, T3, T4, T5, T6, T7 = _crc_tables()
_WORDS = struct.Struct("<II")


def crc32c(data):
    """CRC32C (Castagnoli), eight bytes at a time."""
    crc = 0xFFFFFFFF
    whole = len(data) // 8 * 8
    for low, high in _WORDS.iter_unpack(memoryview(data)[:whole]):
        low ^= crc
        crc = (
            T7[low & 255] ^ T6[low >> 8 & 255] ^ T5[low >> 16 & 255] ^ T4[low >> 24]
            ^ T3[high & 255] ^ T2[high >> 8 & 255] ^ T1[high >> 16 & 255] ^ T0[high >> 24]
        )
    for byte in data[whole:]:
        crc = crc >> 8 ^ T0[(crc ^ byte) & 255]
    return crc ^ 0xFFFFFFFF


class Segment:
    """One file: its number and id from the name, its first frame from the header."""

    def __init__(self, path, stream):
        number, identity = SEGMENT_NAME.match(os.path.basename(path)).groups()
        self.path = path
        self.stream = stream
        self.number = int(number, 16)
        self.seed = int(identity, 16).to_bytes(8, "little")
        with open(path, "rb") as file:
            self.data = file.read()
        header = self.data[:SEGMENT_HEADER]
        self.first = None
        if len(header) == SEGMENT_HEADER and header[:8] == SEGMENT_MAGIC:
            version, of_stream, segment = struct.unpack_from("<IIQ", header, 8)
            (check,) = struct.unpack_from("<I", header, 60)
            if check == crc32c(header[:60]) and (version, of_stream) == (1, stream):
                if segment == self.number:
                    (self.first,) = struct.unpack_from("<Q", header, 32)

    def frame_at(self, at):
        """(frame number, first offset, count, body, end) of the good frame that begins here, or None."""
        data = self.data
        if data[at:at + 8] != FRAME_MAGIC or at + FRAME_HEADER > len(data):
            return None
        stream, length, number, offset, count, check = struct.unpack_from("<IIQQII", data, at + 8)
        end = at + FRAME_HEADER + length
        if stream != self.stream or length > BODY_MAX or end > len(data):
            return None
        body = data[at + FRAME_HEADER:end]
        if crc32c(self.seed + data[at:at + 36] + body) != check:
            return None
        return number, offset, count, body, end

    def frames(self, fence):
        """Good frames below the fence, and how the walk ended: (frame number, first offset, count, body)."""
        at, last = SEGMENT_HEADER, -1
        while at < len(self.data):
            frame = self.frame_at(at)
            if frame is None or frame[0] <= last:
                at = self.data.find(FRAME_MAGIC, at + 1)
                if at < 0:
                    return
                continue
            number, offset, count, body, at = frame
            if fence is not None and number >= fence:
                return
            last = number
            yield number, offset, count, body


def check_format(folder):
    """Raises ValueError if the folder is no event log, or one of a format that this reader does not know."""
    with open(os.path.join(folder, "FORMAT"), encoding="ascii") as file:
        lines = file.read().split("\n")
    if lines[0] != "sillage event log" or lines[1] != "format = 1":
        raise ValueError(f"{folder}: FORMAT says {lines[:2]}; this reader knows format 1")


def records(folder, topic):
    """The records of a topic in order of offset: (offset, codec, kind, event id, payload).

    Raises ValueError where frames that were durable are missing.
    """
    stream = STREAMS[topic]
    path = os.path.join(folder, topic)
    names = sorted(name for name in os.listdir(path) if SEGMENT_NAME.match(name)) if os.path.isdir(path) else []
    segments = [Segment(os.path.join(path, name), stream) for name in names]
    for segment in segments:
        if segment.first is None:
            segment.first = next((frame[0] for frame in segment.frames(None)), None)
    segments = [segment for segment in segments if segment.first is not None]
    expected = None
    for segment, following in zip(segments, segments[1:] + [None]):
        fence = following.first if following else None
        if expected is not None and segment.first != expected:
            raise ValueError(f"{segment.path}: begins with frame {segment.first}, not {expected}")
        expected = segment.first
        for number, offset, count, body in segment.frames(fence):
            if number != expected:
                raise ValueError(f"{segment.path}: frame {number} follows where {expected} belongs: damage")
            expected = number + 1
            at = 0
            for nth in range(count):
                codec, kind, _, length = struct.unpack_from("<BBHI", body, at)
                identity = body[at + 8:at + 24]
                start = at + RECORD_HEADER
                at = start + length
                yield offset + nth, codec, kind, identity, body[start:at]
            if at != len(body):
                raise ValueError(f"{segment.path}: frame {number} has {len(body) - at} bytes behind its records")
        if fence is not None and expected != fence:
            raise ValueError(f"{segment.path}: frames {expected} to {fence - 1} are missing: damage")
