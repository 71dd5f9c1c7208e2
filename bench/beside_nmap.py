#!/usr/bin/env python3
"""Times norelay beside nmap's smtp-open-relay, against the same kind of server, near and far.

bench/run has the conformance suite run it in the tester's place, in a fresh world for each server, program and distance:
one that counts its clients (Debian's sendmail takes ten connections in ten minutes) would hold one timing against the
next. It writes what it has measured as a line of JSON; `beside_nmap.py table FILE` prints such lines as a table.

Round trips are counted twice. By the log: on the longest chain of dialogues that waited for one another, where a
connection, its greeting, and each flight of commands that was answered before the next was sent, are one each. By the
clock: what a run takes longer at 200 ms than at 50 ms, by the difference. An answer is a reply to a form's recipient, or
the refusal of its sender; who is hung up on has fewer of them sooner, so times are compared by answer as well.
"""

import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time

ADDRESS = "198.51.100.25"
PROGRAMS = ["norelay", "norelay --concurrency 24", "nmap"]
DISTANCES = [0, 50, 200]
# How often each program is timed near; once where it takes long, or where the server counts.
TURNS, LONG = 3, 5
COUNTS = ["sendmail"]
OURS = ["--domain", "probe.test", "--resolver", "192.0.2.53", "--helo", "tester.probe.test", "--local-domain", "target.test"]
NMAP = ["nmap", "-n", "-Pn", "-p", "25", "--script", "smtp-open-relay", ADDRESS]


def command(program):
    if program == "nmap":
        return NMAP
    options = program.split()[1:]
    limits = ["--profile", "classic", "--wait", "8s", "--output", "json", "-4"]
    return [os.environ["NORELAY_BENCHED"], "test", "mx.target.test", *OURS, *limits, *options]


def timed(words):
    started = time.monotonic()
    done = subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    return time.monotonic() - started, done.stdout


def of_log(lines):
    """The longest chain of round trips, and the numbers of connections, commands and octets."""
    dialogues, octets = {}, 0
    for event in map(json.loads, lines):
        kind, number = event["event"], event.get("dialogue")
        if number is None:
            continue
        dialogue = dialogues.setdefault(number, {"trips": 1, "commands": 0, "last": "sent", "end": ""})
        if kind == "opened":
            dialogue["begin"] = moment(event)
        elif kind == "sent":
            dialogue["commands"] += 1
            dialogue["last"] = "sent"
            octets += len(event["line"]) + 2
        elif kind == "replied":
            dialogue["trips"] += dialogue["last"] == "sent"
            dialogue["last"] = "replied"
            octets += sum(len(line) + 6 for line in event["reply"]["lines"])
        elif kind == "ended":
            dialogue["end"] = moment(event)
    chains = {}
    for number, dialogue in sorted(dialogues.items(), key=lambda item: item[1]["begin"]):
        before = [chains[other] for other in chains if dialogues[other]["end"] <= dialogue["begin"]]
        chains[number] = dialogue["trips"] + max(before, default=0)
    commands = sum(dialogue["commands"] for dialogue in dialogues.values())
    return [max(chains.values(), default=0), len(dialogues), commands, octets]


def moment(event):
    """A time stamp in a form that can be compared: the fraction has as many digits as it needs."""
    seconds, _, fraction = event["at"].rstrip("Z").partition(".")
    return seconds + "." + fraction.ljust(9, "0")


def of_trace(trace):
    """To how many of its forms nmap had an answer, by its own trace: RSET begins a form."""
    answers, said, is_answered = 0, "", True
    for direction, text in re.findall(r"^NSE: TCP \S+ ([<>]) \S+ \| (.*)$", trace, re.M):
        octets = re.match(r"[0-9a-f]{8}: ((?:[0-9a-f]{2} )+)", text)
        text = bytes.fromhex(octets[1]).decode("latin-1") if octets else text
        if direction == ">" and text != "SEND":
            said = text[:4].upper()
            is_answered = is_answered and said != "RSET"
        elif direction == "<" and text[:3].isdigit() and not text.startswith("421"):
            decides = said == "RCPT" or (said == "MAIL" and text[0] in "45")
            answers += decides and not is_answered
            is_answered = is_answered or decides
    return answers


def of_report(report):
    """To how many of its tests and controls norelay had an answer."""
    rows = [row for path in report["paths"] for row in path["tests"] + path["controls"]]
    return sum(row["outcome"] in ("refused", "accepted", "relayed") for row in rows)


def verdict(program, said):
    if program == "nmap":
        lines = (line.strip(" |_") for line in said.splitlines() if "smtp-open-relay" in line)
        return next(lines, "no verdict").removeprefix("smtp-open-relay: ")
    return json.loads(said)["verdict"]


def count(program):
    """The answers of a further run, and for norelay what its log counts."""
    if program == "nmap":
        return {"answers": of_trace(timed([*NMAP, "--script-trace"])[1])}
    with tempfile.TemporaryDirectory() as folder:
        log = f"{folder}/log"
        said = timed([*command(program), "--log", log])[1]
        with open(log, encoding="utf-8") as lines:
            return {"answers": of_report(json.loads(said)), "counts": of_log(lines)}


def far(distance):
    """Puts us at a distance, in our own world, until it ends."""
    own = os.stat("/proc/self/ns/net").st_ino
    names = [name for name in os.listdir("/run/netns") if os.stat(f"/run/netns/{name}").st_ino == own]
    lag = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lag.py")
    bridge = names[0].rpartition("-")[0] + "-bridge"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
    running = subprocess.Popen([sys.executable, lag, bridge], text=True, **pipes)
    running.stdin.write(f"{distance}\n")
    running.stdin.flush()
    running.stdout.readline()
    return running


def measure(server, program, distance):
    lag = far(distance) if distance else None
    taken = []
    while not taken or (not distance and server not in COUNTS and len(taken) < TURNS and sum(taken) < LONG):
        seconds, said = timed(command(program))
        taken.append(seconds)
    measured = {"server": server, "program": program, "distance": distance, "seconds": statistics.median(taken)}
    measured["verdict"] = verdict(program, said)
    if program != "nmap":
        measured["answers"] = of_report(json.loads(said))
    # Far away, where what is on its way together is seen to be; and not where it would take another's connections.
    if distance == DISTANCES[-1] and not (server in COUNTS and "--concurrency" in program):
        measured |= count(program)
    if lag:
        lag.kill()
    return measured


def table(lines):
    rows = {}
    for measured in map(json.loads, lines):
        row = rows.setdefault((measured["server"], measured["program"]), {"seconds": {}})
        row["seconds"][measured["distance"]] = measured["seconds"]
        row.update((key, measured[key]) for key in ("answers", "counts", "verdict") if key in measured)
    print(f"{'server':<10} {'program':<24}" + "".join(f" {f'{distance} ms':>7} {'ratio':>6} {'each':>6}" for distance in DISTANCES), end="")
    print("  trips answers chain conns cmds octets  verdict")
    for (server, program), row in rows.items():
        other = rows[server, "nmap"]
        print(f"{server:<10} {program:<24}", end="")
        for distance in DISTANCES:
            ratio = row["seconds"][distance] / other["seconds"][distance]
            each = ratio * other["answers"] / row["answers"] if row["answers"] else float("nan")
            print(f" {row['seconds'][distance]:7.2f} {ratio:6.3f} {each:6.3f}", end="")
        trips = (row["seconds"][200] - row["seconds"][50]) / 0.150
        chain, connections, commands, octets = row.get("counts", [""] * 4)
        print(f"  {trips:5.1f} {row['answers']:7} {chain:>5} {connections:>5} {commands:>4} {octets:>6}  {row['verdict'][:32]}")


def main():
    if sys.argv[1:2] == ["table"]:
        with open(sys.argv[2], encoding="utf-8") as lines:
            return table(lines)
    server, program, distance = (os.environ[f"NORELAY_BENCH_{name}"] for name in ("SERVER", "PROGRAM", "DISTANCE"))
    measured = measure(server, program, int(distance))
    with open(os.environ["NORELAY_BENCH_OUT"], "a", encoding="utf-8") as out:
        print(json.dumps(measured), file=out)
    return None


if __name__ == "__main__":
    main()
