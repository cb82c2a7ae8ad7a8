"""Folds `catalog.versions` as docs/catalog.md describes it, and says what held at an instant.

Reads what prices and states of orders need, nothing else. Written from the page alone.
"""

DAY_MS = 86_400_000
FOREVER = 1 << 62
# What holds while a program has no terms in force: the column "default" of the page.
DEFAULT_TERMS = {"lock_after_ms": 30 * DAY_MS, "lateness_ms": 7 * DAY_MS, "auto_approve": True}


def at(versions, t):
    """The value that holds at t: valid_from <= t < valid_to, and until the next one starts."""
    started = [version for version in versions if "valid_from" not in version or version["valid_from"] <= t]
    if not started:
        return None
    last = max(started, key=lambda version: (("valid_from" in version), version.get("valid_from", 0)))
    return last["value"] if "valid_to" not in last or t < last["valid_to"] else None


class Catalog:
    """The last body of every program and partner; a deleted one keeps it, since the past still reads it.

    `now` is the moment for which books are computed; none: everything announced is there.
    """

    # What holds while terms do not say.
    DEFAULT_EXCLUDED = ("bot_ua", "no_ua", "datacenter", "image_load", "iframe")

    def __init__(self, bodies=(), now=None):
        self._last = {}
        self._known = {}  # object → [recorded first, deleted]
        self.now = now
        for body in bodies:
            self.add(body)

    def add(self, body):
        """Takes one record's body. A version that is known already changes nothing; a gap is an error."""
        if body["v"] != 1:
            raise SystemExit(f"catalog.versions: format {body['v']} is not known to this checker")
        place = (body["kind"], body["name"])
        version, known = self._last.get(place, (0, None))
        if body["version"] <= version:
            return
        if body["version"] != version + 1:
            raise SystemExit(f"catalog.versions: {place} goes from version {version} to {body['version']}")
        self._last[place] = (body["version"], known if body.get("deleted") else body["body"])
        self._known.setdefault(place, [body.get("recorded_at", 0), FOREVER])
        if body.get("deleted"):
            self._known[place][1] = body["recorded_at"]

    def _body(self, kind, name):
        found = self._last.get((kind, name))
        return found[1] if found else None

    def program(self, name):
        """The program's body."""
        body = self._body("program", name)
        if body is None:
            raise SystemExit(f"catalog.versions has no program {name}")
        return body

    def _membership(self, program, partner):
        body = self._body("partner", partner) or {}
        return body.get("programs", {}).get(program, {})

    def kind(self, partner):
        """What the partner is."""
        return (self._body("partner", partner) or {}).get("kind")

    def segment(self, program, partner, t):
        """The partner's segment in the program at t."""
        return at(self._membership(program, partner).get("segment", []), t)

    def terms(self, program, t):
        """The program's own terms at t."""
        return at(self.program(program).get("terms", []), t) or DEFAULT_TERMS

    def levels(self, program, partner, t):
        """The terms that hold at t, the nearest first: the partner's, its segment's, the program's."""
        found = []
        if partner is not None:
            found.append(at(self._membership(program, partner).get("terms", []), t))
            segment = self.program(program).get("segments", {}).get(self.segment(program, partner, t))
            found.append(at(segment.get("terms", []), t) if segment else None)
        found.append(self.terms(program, t))
        return [terms for terms in found if terms is not None]

    def known(self, kind, name):
        """(when it was recorded first, when it was deleted)."""
        return self._known[kind, name]

    def programs(self):
        """The names of all programs."""
        return sorted(name for kind, name in self._last if kind == "program")

    def members(self, program):
        """The partners that have or had a part in a program."""
        partners = sorted(name for kind, name in self._last if kind == "partner")
        return [name for name in partners if self._membership(program, name)]

    def is_paid(self, program, partner, t):
        """Whether a partner takes part at t, and money moves."""
        state = at(self._membership(program, partner).get("state", []), t) or {}
        return state.get("state") == "approved" and not self.observed(program, t)

    def ranked(self, program, partner, t):
        """(terms version, its rules) that hold for a partner at t, the nearest first."""
        member, body = self._membership(program, partner), self.program(program)
        segment = self.segment(program, partner, t)
        levels = [(f"partner/{partner}/program/{program}", member.get("terms", []))]
        if segment in body.get("segments", {}):
            levels.append((f"program/{program}/segment/{segment}", body["segments"][segment].get("terms", [])))
        levels.append((f"program/{program}", body.get("terms", [])))
        for name, versions in levels:
            terms = at(versions, t)
            if terms is not None:
                place = next(n for n, version in enumerate(versions, 1) if version["value"] is terms)
                yield f"{name}/terms/{place}", terms.get("commission", [])

    def rule(self, version, place):
        """The rule at this place, from 1, of a terms version by its name."""
        *path, _, number = version.split("/")
        if path[0] == "partner":
            versions = self._membership(path[3], path[1])["terms"]
        else:
            body = self.program(path[1])
            versions = (body["segments"][path[3]] if len(path) > 2 else body)["terms"]
        return versions[int(number) - 1]["value"]["commission"][place - 1]

    def rules(self, program, partner, t):
        """All commission rules in force for the partner, by rank."""
        return [rule for terms in self.levels(program, partner, t) for rule in terms.get("commission", [])]

    def auto_approve(self, program, partner, t):
        """Whether what nobody acted on is validated when its time is over: the nearest level that says so."""
        for terms in self.levels(program, partner, t):
            if terms.get("auto_approve") is not None:
                return terms["auto_approve"]
        return DEFAULT_TERMS["auto_approve"]

    def observed(self, program, t):
        """Whether the program moves no money at t."""
        return at(self.program(program).get("mode", []), t) != "live"

    def ends(self, program, partner):
        """(mode, start) of the partner's ends."""
        for version in self._membership(program, partner).get("state", []):
            value = version["value"]
            if value["state"] == "ended" and "valid_from" in version:
                yield value["mode"], version["valid_from"]

    def forfeits(self, program, partner):
        """Starts of the partner's ends by forfeit that are there."""
        for mode, start in self.ends(program, partner):
            if mode == "forfeit" and (self.now is None or start <= self.now):
                yield start

    def place_of_terms(self, program, t):
        """Which of the program's own terms hold at t, from 1; 0: none."""
        versions = self.program(program).get("terms", [])
        terms = at(versions, t)
        return next((n for n, version in enumerate(versions, 1) if version["value"] is terms), 0)
