"""The checker reads the documented example, and notices each kind of broken promise."""

import os
import re
import struct
import tempfile
import unittest

import check
import segments

HERE = os.path.dirname(os.path.abspath(__file__))


def example():
    """The bytes of the example in docs/log-format.md."""
    with open(os.path.join(HERE, "..", "..", "docs", "log-format.md"), encoding="utf-8") as page:
        lines = re.findall(r"^[0-9a-f]{4}  ((?:[0-9a-f]{2} ?)+)$", page.read(), re.MULTILINE)
    return bytes.fromhex("".join(lines))


def written(data, number=3, name="1122334455667788", topic="events.conversions"):
    folder = tempfile.TemporaryDirectory()
    os.mkdir(os.path.join(folder.name, topic))
    with open(os.path.join(folder.name, topic, f"{number:016x}-{name}.seg"), "wb") as file:
        file.write(data)
    return folder


def read(data, **place):
    with written(data, **place) as folder:
        return [(offset, kind, payload) for offset, _, kind, _, payload in segments.records(folder, "events.conversions")]


class Segments(unittest.TestCase):
    EXPECTED = [(100, 3, b'{"v":1}'), (101, 3, b'{"v":1,"n":2}')]

    def test_the_check_value_of_crc32c(self):
        self.assertEqual(segments.crc32c(b"123456789"), 0xE3069283)

    def test_the_documented_example(self):
        self.assertEqual(read(example()), self.EXPECTED)

    def test_a_torn_tail_is_no_damage(self):
        self.assertEqual(read(example() + bytes(4096)), self.EXPECTED)
        self.assertEqual(read(example() + example()[64:-1]), self.EXPECTED)
        self.assertEqual(read(example()[:-1]), [])

    def test_a_flipped_bit_costs_the_frame(self):
        data = bytearray(example())
        data[-1] ^= 1
        self.assertEqual(read(bytes(data)), [])

    def test_a_frame_of_another_segment_is_none_of_this_one(self):
        self.assertEqual(read(example(), name="1122334455667789"), [])

    def test_a_missing_frame_is_damage(self):
        frame = bytearray(example()[64:])
        frame[16:24] = struct.pack("<Q", 11)
        frame[36:40] = bytes(4)
        seed = bytes.fromhex("1122334455667788")[::-1]
        frame[36:40] = struct.pack("<I", segments.crc32c(seed + frame[:36] + frame[40:]))
        with self.assertRaises(ValueError):
            read(example() + bytes(frame))

    def test_a_newer_format_is_refused(self):
        with tempfile.TemporaryDirectory() as folder:
            for number, known in ((1, True), (2, False)):
                with open(os.path.join(folder, "FORMAT"), "w", encoding="ascii") as file:
                    file.write(f"sillage event log\nformat = {number}\nclock = real\n")
                if known:
                    segments.check_format(folder)
                else:
                    self.assertRaises(ValueError, segments.check_format, folder)

    def test_a_topic_without_folder_is_empty(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(list(segments.records(folder, "node.log")), [])


class Nothing(check.Found):
    """A log with what the test puts in."""

    def __init__(self):
        with tempfile.TemporaryDirectory() as folder:
            super().__init__(folder)

    def conversion(self, marker, identity, amount=5, members=1, count=1):
        self.events[marker][identity] = amount
        self.written[identity] += count
        self.orders[marker][f"shop/sale/real/o:{marker}"] = {"members": members, "amount": amount}
        self.decided[marker] = {f"shop/sale/real/o:{marker}"}
        return self


def sent(outcome, attempts=1, ids=(), kind="conversion"):
    return {"A": check.Sent(kind, outcome, attempts, 5, list(ids))}


class Promises(unittest.TestCase):
    def kept(self, promised, found):
        return not check.check(promised, found)[1]

    def test_an_acknowledged_conversion_that_is_there_once(self):
        self.assertTrue(self.kept(sent("acknowledged", ids=[b"1"]), Nothing().conversion("A", b"1")))

    def test_an_acknowledged_conversion_that_is_lost(self):
        figures, broken = check.check(sent("acknowledged", ids=[b"1"]), Nothing())
        self.assertEqual((figures["lost"], len(broken)), (1, 1))

    def test_an_acknowledged_retry_of_which_the_first_is_lost(self):
        self.assertFalse(self.kept(sent("acknowledged", 2, [b"1", b"2"]), Nothing().conversion("A", b"1")))

    def test_a_retry_that_is_one_order(self):
        found = Nothing().conversion("A", b"1").conversion("A", b"2", members=2)
        self.assertTrue(self.kept(sent("acknowledged", 2, [b"2"]), found))

    def test_a_retry_that_is_two_orders(self):
        found = Nothing().conversion("A", b"1")
        found.orders["A"]["shop/sale/real/c:A"] = {"members": 1, "amount": 5}
        self.assertEqual(check.check(sent("acknowledged", 1, [b"1"]), found)[0]["doubled"], 1)

    def test_an_event_written_twice(self):
        found = Nothing().conversion("A", b"1", count=2)
        self.assertEqual(check.check(sent("acknowledged", 1, [b"1"]), found)[0]["doubled"], 1)

    def test_more_events_than_requests(self):
        found = Nothing().conversion("A", b"1").conversion("A", b"2", members=2)
        self.assertFalse(self.kept(sent("acknowledged", 1, [b"1"]), found))

    def test_a_refused_one_that_is_counted(self):
        self.assertFalse(self.kept(sent("refused"), Nothing().conversion("A", b"1")))
        self.assertTrue(self.kept(sent("refused"), Nothing()))

    def test_an_unknown_one_may_be_there_or_not(self):
        self.assertTrue(self.kept(sent("unknown"), Nothing().conversion("A", b"1")))
        self.assertTrue(self.kept(sent("unknown"), Nothing()))

    def test_what_was_never_sent(self):
        self.assertFalse(self.kept({}, Nothing().conversion("B", b"1")))

    def test_another_amount(self):
        self.assertFalse(self.kept(sent("acknowledged", ids=[b"1"]), Nothing().conversion("A", b"1", amount=6)))

    def test_a_report_that_no_stage_counted(self):
        found = Nothing().conversion("A", b"1")
        found.orders.clear()
        self.assertEqual(check.check(sent("acknowledged", ids=[b"1"]), found)[0]["lost"], 1)

    def test_an_order_without_decision(self):
        found = Nothing().conversion("A", b"1")
        found.decided.clear()
        self.assertFalse(self.kept(sent("acknowledged", ids=[b"1"]), found))

    def test_clicks(self):
        found = Nothing()
        self.assertEqual(check.check(sent("acknowledged", kind="click"), found)[0]["clicks answered, not stored"], 1)
        found.clicks["A"] = 2
        self.assertFalse(self.kept(sent("acknowledged", kind="click"), found))
        self.assertTrue(self.kept(sent("acknowledged", 2, kind="click"), found))
        self.assertFalse(self.kept({}, found))


if __name__ == "__main__":
    unittest.main()
