#!/usr/bin/env python3
"""Times norelay beside nmap's smtp-open-relay, against the same server in the same run, near and far.

It stands in for norelay in a run of the conformance suite (bench/run does that): it measures both programs in turn at
each distance, prints what it found, and then is norelay, so that the suite judges the answer as usual.

Round trips are counted twice. By the log: on the longest chain of dialogues that waited for one another, where a
connection, its greeting, and each flight of commands that was answered before the next was sent, are one each. By the
clock: what a run takes longer at 200 ms than at 50 ms, by the difference.
"""

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time

ADDRESS = "198.51.100.25"
# Round-trip time added, in milliseconds, and how often each program is timed there.
DISTANCES = [(0, 3), (50, 1), (200, 1)]
# What takes so many seconds is timed once.
LONG = 5


def timed(command):
    started = time.monotonic()
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
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
    return max(chains.values(), default=0), len(dialogues), commands, octets


def moment(event):
    """A time stamp in a form that can be compared: the fraction has as many digits as it needs."""
    seconds, _, fraction = event["at"].rstrip("Z").partition(".")
    return seconds + "." + fraction.ljust(9, "0")


def far():
    """The program that puts us at a distance, in our own world."""
    own = os.stat("/proc/self/ns/net").st_ino
    names = [name for name in os.listdir("/run/netns") if os.stat(f"/run/netns/{name}").st_ino == own]
    lag = os.path.join(os.path.dirname(os.path.abspath(__file__)), "lag.py")
    bridge = names[0].rpartition("-")[0] + "-bridge"
    return subprocess.Popen([sys.executable, lag, bridge], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)


def measure(programs):
    """Seconds by program and distance, and what each said last."""
    seconds, said = {name: {} for name in programs}, {}
    lag = None
    for distance, turns in DISTANCES:
        if distance:
            lag = lag or far()
            lag.stdin.write(f"{distance}\n")
            lag.stdin.flush()
            lag.stdout.readline()
        taken = {name: [] for name in programs}
        for turn in range(turns):
            for name, command in programs.items():
                if turn and sum(taken[name]) > LONG:
                    continue
                time_of_it, said[name] = timed(command)
                taken[name].append(time_of_it)
        for name in programs:
            seconds[name][distance] = statistics.median(taken[name])
    return seconds, said


def verdict(name, said):
    if name == "nmap":
        lines = (line.strip(" |_") for line in said.splitlines() if "smtp-open-relay" in line)
        return next(lines, "no verdict").removeprefix("smtp-open-relay: ")
    return json.loads(said)["verdict"]


def main():
    norelay, arguments = os.environ["NORELAY_BENCHED"], sys.argv[1:]
    if "--receive" in arguments:
        os.execv(norelay, [norelay, *arguments])
    own_log = arguments.index("--log")
    ours = [norelay, *arguments[:own_log], *arguments[own_log + 2 :], "-4"]
    with tempfile.TemporaryDirectory() as folder:
        logs = {"norelay": f"{folder}/norelay", "norelay --concurrency 24": f"{folder}/concurrent"}
        programs = {
            "norelay": ours,
            "norelay --concurrency 24": [*ours, "--concurrency", "24"],
            "nmap": ["nmap", "-n", "-Pn", "-p", "25", "--script", "smtp-open-relay", ADDRESS],
        }
        seconds, said = measure(programs)
        counts = {}
        for name, log in logs.items():
            timed([*programs[name], "--log", log])
            with open(log, encoding="utf-8") as lines:
                counts[name] = of_log(lines)
    with open(os.environ["NORELAY_BENCH_OUT"], "a", encoding="utf-8") as out:
        for name in programs:
            by_distance = seconds[name]
            shown = " ".join(
                f"{by_distance[distance]:8.2f} {by_distance[distance] / seconds['nmap'][distance]:6.3f}" for distance, _ in DISTANCES
            )
            slope = (by_distance[200] - by_distance[50]) / 0.150
            trips, connections, commands, octets = counts.get(name, [""] * 4)
            print(
                f"{os.environ.get('NORELAY_BENCH_NAME', ADDRESS):<10} {name:<24} {shown} {slope:6.1f} {trips:>5} "
                f"{connections:>5} {commands:>5} {octets:>6}  {verdict(name, said[name])}",
                file=out,
            )
    os.execv(norelay, [norelay, *arguments])


if __name__ == "__main__":
    main()
