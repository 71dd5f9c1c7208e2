#!/usr/bin/env python3
"""Times norelay beside nmap's smtp-open-relay, against the same server in the same run.

It stands in for norelay in a run of the conformance suite (bench/run does that): it measures both programs a few times
in turn, prints the ratios, and then is norelay, so that the suite judges the answer as usual.

Round trips are counted on the longest chain of dialogues that waited for one another: a connection, its greeting, and
each flight of commands that was answered before the next was sent, are one each.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = 3


def timed(command):
    started = time.monotonic()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return time.monotonic() - started, done.stdout + done.stderr


def round_trips(log):
    """The longest chain of round trips, and the numbers of connections and of commands."""
    dialogues = {}
    for line in log:
        event = json.loads(line)
        number = event.get("dialogue")
        if number is None:
            continue
        dialogue = dialogues.setdefault(number, {"trips": 1, "commands": 0, "last": "sent", "end": 0.0})
        kind = event["event"]
        if kind == "opened":
            dialogue["begin"] = event["at"]
        elif kind == "sent":
            dialogue["commands"] += 1
            dialogue["last"] = "sent"
        elif kind == "replied":
            dialogue["trips"] += dialogue["last"] == "sent"
            dialogue["last"] = "replied"
        elif kind == "ended":
            dialogue["end"] = event["at"]
    chains = {}
    for number, dialogue in sorted(dialogues.items(), key=lambda item: item[1]["begin"]):
        before = [chains[other] for other in chains if dialogues[other]["end"] <= dialogue["begin"]]
        chains[number] = dialogue["trips"] + max(before, default=0)
    commands = sum(dialogue["commands"] for dialogue in dialogues.values())
    return max(chains.values(), default=0), len(dialogues), commands


def main():
    norelay, arguments = os.environ["NORELAY_BENCHED"], sys.argv[1:]
    if "--receive" in arguments:
        os.execv(norelay, [norelay, *arguments])
    address = "198.51.100.25"
    ours, theirs = [], []
    with tempfile.NamedTemporaryFile(mode="r", suffix=".jsonl") as log:
        for turn in range(ROUNDS):
            taken, _ = timed([norelay, *arguments, "-4", *(["--log", log.name] if turn == 0 else [])])
            ours.append(taken)
            taken, said = timed(["nmap", "-n", "-Pn", "-p", "25", "--script", "smtp-open-relay", address])
            theirs.append(taken)
        trips, connections, commands = round_trips(log)
    verdict = next((line.strip() for line in said.splitlines() if "smtp-open-relay" in line), "no verdict")
    ratio = statistics.median(ours) / statistics.median(theirs)
    with open(os.environ["NORELAY_BENCH_OUT"], "a", encoding="utf-8") as out:
        print(
            f"{os.environ.get('NORELAY_BENCH_NAME', address)}: norelay {statistics.median(ours):.2f} s, "
            f"nmap {statistics.median(theirs):.2f} s, ratio {ratio:.3f}; "
            f"{trips} round trips, {connections} connections, {commands} commands; nmap says: {verdict}",
            file=out,
        )
    os.execv(norelay, [norelay, *arguments])


if __name__ == "__main__":
    main()
