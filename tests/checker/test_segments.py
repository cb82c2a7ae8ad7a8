"""The reader reads the documented example, and takes torn tails, damage and foreign frames for what they are."""

import os
import re
import struct
import tempfile
import unittest

import segments

HERE = os.path.dirname(os.path.abspath(__file__))
TOPIC = "events.conversions"


def example():
    """The bytes of the example in docs/log-format.md."""
    with open(os.path.join(HERE, "..", "..", "docs", "log-format.md"), encoding="utf-8") as page:
        lines = re.findall(r"^[0-9a-f]{4}  ((?:[0-9a-f]{2} ?)+)$", page.read(), re.MULTILINE)
    return bytes.fromhex("".join(lines))


def renumbered(number):
    """The example's frame with another number, its check sum right."""
    frame = bytearray(example()[64:])
    frame[16:24] = struct.pack("<Q", number)
    seed = bytes.fromhex("1122334455667788")[::-1]
    frame[36:40] = struct.pack("<I", segments.crc32c(seed, bytes(frame[:36]), bytes(frame[40:])))
    return bytes(frame)


def read(*files):
    """The stream of these files, each (bytes, segment number, id)."""
    with tempfile.TemporaryDirectory() as folder:
        os.mkdir(os.path.join(folder, TOPIC))
        for data, number, name in files:
            with open(os.path.join(folder, TOPIC, f"{number:016x}-{name}.seg"), "wb") as file:
                file.write(data)
        return segments.Stream(folder, TOPIC)


def one(data, name="1122334455667788"):
    return read((data, 3, name))


class Segments(unittest.TestCase):
    EXPECTED = [(100, 3, b'{"v":1}'), (101, 3, b'{"v":1,"n":2}')]

    def assert_whole(self, stream, torn):
        self.assertEqual([(r.offset, r.kind, r.payload) for r in stream.records], self.EXPECTED)
        self.assertEqual((stream.damage, stream.faults, stream.torn_tails), ([], [], torn))

    def test_the_check_value_of_crc32c(self):
        self.assertEqual(segments.crc32c(b"123456789"), 0xE3069283)
        self.assertEqual(segments.crc32c(b"12345", b"6789"), 0xE3069283)

    def test_the_documented_example(self):
        self.assert_whole(one(example()), 0)

    def test_zeros_behind_the_last_frame_are_nothing(self):
        self.assert_whole(one(example() + bytes(4096)), 0)

    def test_a_torn_tail_is_no_damage(self):
        self.assert_whole(one(example() + renumbered(10)[:-1]), 1)
        self.assertEqual(one(example()[:-1]).records, [])

    def test_a_flipped_bit_costs_its_frame_alone(self):
        spoiled = bytearray(example() + renumbered(10) + renumbered(11))
        at = 64 + len(renumbered(10)) + 60
        spoiled[at] ^= 1
        stream = one(bytes(spoiled))
        self.assertEqual([r.frame for r in stream.records], [9, 9, 11, 11])
        self.assertEqual(stream.lost_frames, 1)
        self.assertEqual(len(stream.damage), 1)

    def test_a_missing_frame_is_damage(self):
        self.assertEqual(one(example() + renumbered(12)).lost_frames, 2)

    def test_a_frame_of_another_segment_is_none_of_this_one(self):
        self.assertEqual(one(example(), name="1122334455667789").records, [])

    def test_a_damaged_header_costs_the_header_alone(self):
        spoiled = bytearray(example())
        spoiled[40] ^= 1
        stream = one(bytes(spoiled))
        self.assertEqual((len(stream.records), stream.lost_frames, len(stream.damage)), (2, 0, 1))

    def test_frames_at_and_above_the_fence_do_not_count(self):
        again = bytearray(example())
        again[16:24] = struct.pack("<Q", 4)
        again[60:64] = struct.pack("<I", segments.crc32c(bytes(again[:60])))
        stream = read((example() + renumbered(10), 3, "1122334455667788"), (bytes(again), 4, "1122334455667788"))
        # Both frames of the first file were written again behind it; frame 10 never was.
        self.assertEqual([r.segment.number for r in stream.records], [4, 4])
        self.assertEqual(stream.lost_frames, 0)

    def test_a_newer_format_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            for number, known in ((1, True), (2, False)):
                with open(os.path.join(folder, "FORMAT"), "w", encoding="ascii") as file:
                    file.write(f"sillage event log\nformat = {number}\nclock = real\n")
                if known:
                    segments.check_format(folder)
                else:
                    self.assertRaises(SystemExit, segments.check_format, folder)

    def test_a_topic_without_folder_is_empty(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(segments.Stream(folder, "node.log").records, [])


if __name__ == "__main__":
    unittest.main()
