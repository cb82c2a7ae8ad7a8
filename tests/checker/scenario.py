"""How often a folder has what a recomputation must be shown on. A scenario that lacks one of these says nothing about it."""

import collections


def figures(folder, books):
    """Counts by name, in the order in which they are told."""
    counts = collections.Counter()
    counts["duplicate_reports"] = len({event for event, _ in folder.envelopes("conversions.duplicate")})
    for book in books:
        counts.update(of_order(folder.catalog, book))
    return dict(sorted(counts.items()))


def of_order(catalog, book):
    """What one order shows."""
    facts, values = book.facts, book.values
    held = facts.holding()
    yield f"orders_in_{values.currency}"
    terms = f"terms_{catalog.place_of_terms(values.program, values.t)}"
    yield terms
    if len(facts.decisions) > 1:
        yield "decisions_revised"
    names = [act.body.get("client_event_id") for act in facts.acts.values()]
    names = [name for name in names if name is not None]
    yield from ["acts_repeated"] * (len(names) - len(set(names)))
    yield from ["acts_with_revision"] * sum(act.body.get("revision", 0) > 0 for act in facts.acts.values())
    if "return" in held:
        yield "returns"
    if facts.decision:
        trace = facts.decision["trace"]
        first = min((member["received_at"] for member in trace.get("members", [])), default=trace["received_at"])
        yield from {
            "cancelled_before_known"
            for act in facts.acts.values()
            if act.body["action"] == "decline" and act.received_at < first
        }
        if trace["received_at"] == values.t:
            yield f"{terms}_as_received"
        yield from ends(catalog, values.program, facts.decision)
    if facts.lock:
        news = {act.kind for act in held.values() if act.id not in facts.lock.get("acts", [])}
        yield from (f"{kind}_after_lock" for kind in news)
        if facts.decision and facts.decision["inputs_hash"] != facts.lock["inputs_hash"]:
            yield "decision_after_lock"


def ends(catalog, program, decision):
    """What the end of a partner's part did: to touches from before it, by whether the order came before or after it."""
    t = decision["converted_at"]
    credited = {credit["touch"] for credit in decision.get("credits", [])}
    for candidate in decision["trace"].get("candidates", []):
        for mode, start in catalog.ends(program, candidate.get("partner")):
            if candidate["touched_at"] < start:
                when = "before" if t < start else "after"
                yield f"{mode}_{when}_" + ("credited" if candidate["touch"] in credited else "not_credited")
