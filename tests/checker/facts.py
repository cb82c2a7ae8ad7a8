"""The facts about orders, as the topics of a data folder tell them: decisions, acts, locks, payments and touches."""

import collections
import json

from catalog import Catalog
from days import Touches
from segments import CODEC_JSON, Stream, check_format

KINDS = {"approve": "validation", "decline": "validation", "reopen": "validation", "return": "return", "amend": "amend"}


class Act:
    """One act on an order, with what decides whether it holds."""

    def __init__(self, event, envelope):
        self.event = event
        self.id = envelope["id"]
        self.body = envelope["body"]
        self.received_at = envelope["received_at"]
        self.kind = KINDS[self.body["action"]]
        self.rank = (self.body.get("revision", 0), envelope["occurred_at"], self.received_at, event)


class Facts:
    """All that is known of one order."""

    def __init__(self):
        self.decision = None
        self.decisions = {}  # by the hash of what they read
        self.acts = {}  # by event id
        self.lock = None
        self.locked_at = None
        self.payments = {}  # by event id

    def decide(self, body):
        """Keeps the greatest version."""
        self.decisions[body["inputs_hash"]] = body
        if self.decision is None or rank_of(body) > rank_of(self.decision):
            self.decision = body

    def holding(self):
        """The act that holds of each kind."""
        one = {}
        for act in self.acts.values():
            name = act.body.get("client_event_id")
            place = act.event if name is None else name
            if place not in one or act.event < one[place].event:
                one[place] = act
        held = {}
        for act in one.values():
            if act.kind not in held or act.rank > held[act.kind].rank:
                held[act.kind] = act
        return held


def rank_of(decision):
    """What versions of a decision are compared by."""
    version = decision["version"]
    return version["semantics"], version["members"], version["known"], bytes.fromhex(decision["inputs_hash"])


class Folder:
    """The topics of a data folder, each event once."""

    def __init__(self, data):
        check_format(data)
        self._data = data
        self.catalog = Catalog(envelope["body"] for _, envelope in self.envelopes("catalog.versions"))
        self.orders = collections.defaultdict(Facts)
        for _, envelope in self.envelopes("conversions.attributed"):
            self.orders[envelope["key"]].decide(envelope["body"])
        for event, envelope in self.envelopes("events.conversions"):
            if envelope["type"] == "validation":
                self.orders[envelope["body"]["order"]].acts.setdefault(event, Act(event, envelope))
        self.touches = Touches(self.envelopes("events.touches"))
        self.day_payments = {}  # by event id
        for event, envelope in self.envelopes("orders.closed"):
            body = envelope["body"]
            if "day" in body:
                self.day_payments.setdefault(event, body)
                continue
            facts = self.orders[body["order"]]
            if body["closing"] == "pay":
                facts.payments.setdefault(event, body)
            elif facts.lock is None:
                facts.lock, facts.locked_at = body, envelope["received_at"]

    def envelopes(self, topic):
        """(event id, envelope) of each record, in order."""
        stream = Stream(self._data, topic)
        if stream.damage or stream.faults:
            raise SystemExit("\n".join(stream.damage + stream.faults))
        for record in stream.records:
            if record.codec != CODEC_JSON:
                raise SystemExit(f"{topic} offset {record.offset}: codec {record.codec}")
            yield record.event, json.loads(record.payload)

    def decided(self):
        """(key, facts) of every order that is decided or locked and no test."""
        for key, facts in self.orders.items():
            if (facts.decision or facts.lock) is not None and key.split("/", 3)[2] == "real":
                yield key, facts
