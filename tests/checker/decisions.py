"""Prints the last decision of each order in a data folder: key, winner (`-` for nobody), codes of its notes and of its own.

    decisions.py DATA
"""

import json
import sys

from segments import Stream, check_format


def main():
    (data,) = sys.argv[1:]
    check_format(data)
    stream = Stream(data, "conversions.attributed")
    if stream.damage or stream.faults:
        raise SystemExit("\n".join(stream.damage + stream.faults))
    last = {}
    for record in stream.records:
        envelope = json.loads(record.payload)
        last[envelope["key"]] = envelope["body"]
    for key, body in sorted(last.items()):
        codes = [body["code"], *body["trace"].get("notes", [])]
        winner = body.get("winner") or "-"
        partners = {credit.get("partner") or "-" for credit in body.get("credits", [])}
        if partners != ({winner} if winner != "-" else set()):
            raise SystemExit(f"{key}: winner {winner}, credits of {sorted(partners)}")
        print(key, winner, ",".join(str(code) for code in codes), sep="\t")


if __name__ == "__main__":
    main()
