"""Stories of docs/API.md: what it shows is run, and has to give what it shows.

In a block that opens with ```console a line "$ ..." is a command for bash; the lines below, up to the next
command or the end of the block, are its whole output (what it says on standard error, too). In them

    ...         on a line of its own stands for any number of lines, also none;
    ...         inside of a line for any text.

Each section (## ...) begins with a new cluster of one member, whose API is at 127.0.0.1:9121 in the text and
wherever there is a port when it is run; so revisions count from 1 in each section, and a new one shifts no other.
A line <!-- members: 3 --> in a section asks for more of them, at ports 9121, 9122, 9123. Commands of a section
share a directory, which is empty at first. curl is silent but for errors.
"""

import os
import re
import subprocess

from harness import Failed, check, story, wait_for

API = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "docs", "API.md")
FIRST_PORT = 9121
COMMAND_SECONDS = 30


class Example:
    def __init__(self, line, command):
        self.line, self.command, self.shown = line, command, []


class Section:
    def __init__(self, title):
        self.title, self.members, self.examples = title, 1, []


def sections(text):
    """The sections of a document that have examples."""
    found, inside, example = [Section("")], False, None
    for number, line in enumerate(text.split("\n"), 1):
        if inside and line.startswith("```"):
            inside = False
        elif inside and line.startswith("$ "):
            example = Example(number, line[2:])
            found[-1].examples.append(example)
        elif inside:
            check(example, f"docs/API.md:{number}: output without a command")
            example.shown.append(line)
        elif line.startswith("```console"):
            inside, example = True, None
        elif line.startswith("## "):
            found.append(Section(line[3:]))
        elif re.fullmatch(r"<!-- members: \d -->", line):
            found[-1].members = int(line.split()[2])
    return [s for s in found if s.examples]


def pattern(shown):
    """A regular expression for the lines of an output."""
    whole = ""
    for line in shown:
        if line.strip() == "...":
            whole += r"(?:[^\n]*\n)*?"
        else:
            whole += ".*?".join(re.escape(part) for part in line.split("...")) + r"\n"
    return whole


def matches(shown, output):
    lines = output.replace("\r\n", "\n")
    if lines and not lines.endswith("\n"):
        lines += "\n"
    return re.fullmatch(pattern(shown), lines) is not None


def run(example, ports, directory):
    command = example.command
    for offset, port in enumerate(ports):
        command = re.sub(rf"\b{FIRST_PORT + offset}\b", f"@{offset}@", command)
    for offset, port in enumerate(ports):
        command = command.replace(f"@{offset}@", str(port))
    environment = {**os.environ, "CURL_HOME": directory, "LC_ALL": "C"}
    done = subprocess.run(["bash", "-c", command], cwd=directory, env=environment, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=COMMAND_SECONDS, check=False)
    output = done.stdout.decode(errors="replace")
    for offset, port in enumerate(ports):
        output = re.sub(rf"\b{port}\b", str(FIRST_PORT + offset), output)
    if matches(example.shown, output):
        return []
    shown = "\n".join(example.shown)
    return [f"docs/API.md:{example.line}: $ {example.command}\n--- shown\n{shown}\n--- is\n{output}"]


def run_section(new, section):
    cluster = new(section.members, "memory").start()
    wait_for("all are ready", 15, lambda: all((m.status() or {}).get("ready") for m in cluster.alive()))
    cluster.leader()
    directory = os.path.join(cluster.root, "examples")
    os.makedirs(directory)
    with open(os.path.join(directory, ".curlrc"), "w", encoding="ascii") as file:
        file.write("silent\nshow-error\n")
    os.symlink(cluster.binary, os.path.join(directory, "metastore"))
    ports = [cluster[i].port for i in range(1, section.members + 1)]
    wrong = [text for example in section.examples for text in run(example, ports, directory)]
    cluster.close()
    return wrong


@story(storages=("memory",))
def documented_requests(new, _storage):
    """Every example of docs/API.md gives what is shown below it."""
    with open(API, encoding="utf-8") as file:
        found = sections(file.read())
    check(len(found) >= 3, f"only {len(found)} sections with examples")
    wrong = [text for section in found for text in run_section(new, section)]
    if wrong:
        raise Failed("\n".join([f"{len(wrong)} examples give something else:", *wrong]))


@story(storages=("memory",))
def examples_are_compared(_new, _storage):
    """What the story above takes for equal, and what not."""
    check(matches(["a", "...", "d...f"], "a\nb\nc\ndef\n"), "lines and text left out")
    check(matches(["a", "..."], "a\r\n"), "no lines left out")
    check(matches(["a"], "a"), "no newline at the end")
    check(matches([], ""), "nothing")
    check(not matches(["a"], "a\nb\n"), "more lines")
    check(not matches(["a", "b"], "a\n"), "fewer lines")
    check(not matches(["a.c"], "abc\n"), "a dot is a dot")
    check(not matches([], "a\n"), "something")
    one = sections("## One\n```console\n$ x\n1\n$ y\n```\n## Two\n<!-- members: 3 -->\n```console\n$ z\n```\n")
    check([(s.title, s.members, [(e.command, e.shown) for e in s.examples]) for s in one]
          == [("One", 1, [("x", ["1"]), ("y", [])]), ("Two", 3, [("z", [])])], "how a document is read")
