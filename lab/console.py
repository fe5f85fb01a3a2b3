# SPDX-License-Identifier: GPL-2.0
"""Reads a kernel's console: reports that count, and data races in our code.

A report is a warning, a BUG, an Oops, a message of a sanitizer or of lockdep, a stall, or
a torture test that failed. It counts unless base/BASE lists it as a fault of the
unpatched kernel. KCSAN reports races anywhere in the kernel. Of these, the ones with an
access in a file of ours count.

Reports and Races are given the console's lines as they come.
"""
import os
import re
import subprocess

import lib

REPORT = re.compile(
    r"WARNING: |BUG: ([^K]|K[^C])|KASAN: |UBSAN: |INFO: possible|INFO: task .* blocked|"
    r"INFO: rcu|rcu: INFO:|Oops: |general protection fault|scheduling while atomic|"
    r"sleeping function called|suspicious RCU usage|soft lockup|hard LOCKUP|"
    r"Bad page state|ODEBUG: |possible recursive locking|refcount_t: |list_(add|del) corruption|"
    r"End of test: (FAILURE|RCU_HOTPLUG|LOCK_HOTPLUG)")
CUT_HERE = "-[ cut here ]-"
END_TRACE = "---[ end trace"
LONGEST = 120       # lines of a report that has no end
PRINTED = 80        # lines of it that are printed
CUT_BEFORE = 10     # lines between "cut here" and the report's first line


class Reports:
    """Finds the first report that counts."""

    def __init__(self, base):
        self.lines = []
        self.at = 0             # the first line that has not been judged
        self.found = None       # index of the first line of the report that counts
        self.faults = []
        for fault in lib.values(f"base/{base}", "fault"):
            patterns = fault.split(" :: ")[:-1]     # the last one is the reason
            if len(patterns) not in (1, 2):
                raise lib.Failure(
                    f"base/{base}: not HEAD :: REASON or HEAD :: BODY :: REASON: {fault}")
            self.faults.append([re.compile(pattern) for pattern in patterns])

    def feed(self, lines):
        """Take more lines of the console."""
        self.lines += lines
        while self.found is None and self.at < len(self.lines):
            if not REPORT.search(self.lines[self.at]):
                self.at += 1
                continue
            end, complete = self._end()
            if not self._known(self.lines[self.at], self.lines[self.at + 1:end], complete):
                self.found = self.at
            elif complete:
                self.at = end + 1
            else:
                break

    def text(self):
        """Return the lines of the report that counts, none if there is no such report."""
        if self.found is None:
            return []
        start = self.found
        # The text of WARN() stands before the line 'WARNING:'.
        for index in range(self.found - 1, max(self.found - CUT_BEFORE, -1), -1):
            if CUT_HERE in self.lines[index]:
                start = index + 1
        return self.lines[start:self.found + PRINTED + 1]

    def _end(self):
        """Return where the report at self.at ends, and whether all of it is there."""
        longest = self.at + LONGEST + 1
        for index in range(self.at + 1, min(longest, len(self.lines))):
            if END_TRACE in self.lines[index]:
                return index, True
        return min(longest, len(self.lines)), longest <= len(self.lines)

    def _known(self, head, body, complete):
        """Tell whether a report is a known fault; if its body may still come, it is."""
        for pattern, *of_body in self.faults:
            if pattern.search(head) and (
                    not of_body or not complete or of_body[0].search("\n".join(body))):
                return True
        return False


TIME = re.compile(r"^\[ *\d+\.\d+\] ?")
RACE = "BUG: KCSAN: "
RACE_END = "Reported by Kernel Concurrency Sanitizer"
ACCESS = re.compile(r" to 0x[0-9a-f]+ of \d+ bytes by ")
FRAME = re.compile(r"^ *(\S+)\+0x([0-9a-f]+)/0x[0-9a-f]+( \[.*)?$")
INNERMOST = 4       # frames of an access that may decide whose it is
SOURCE = re.compile(r"([^?]\S*):(\d+)")
LIBRARY = re.compile(r"(^|/)(lib|include/[a-z-]+)/[^/]+$")


class Races:
    """Collects KCSAN's reports and picks those in our code.

    An access is ours if its function, or one that the compiler has put into it, is in a
    file of linux/ or lab/linux/. An access in a function of lib/, or in a header's
    function that is not inlined, belongs to the caller.
    """

    def __init__(self, arch, vmlinux):
        if not os.access(vmlinux, os.R_OK):
            raise lib.Failure(f"can't read '{vmlinux}'")
        self.vmlinux = vmlinux
        self.prefix = "" if lib.native(arch) else lib.value(f"arch/{arch}", "cross")
        self.ours = {str(path.relative_to(directory))
                     for directory in (lib.TOP / "linux", lib.TOP / "lab/linux")
                     for path in directory.glob("**/*.[ch]")}
        self.report = None      # the lines of the one that is being printed
        self.complete = []      # reports that have not been judged
        self.found = []         # lines of those that are ours
        self.symbols = None     # function: addresses
        self.sources = {}       # (function, offset): lists of sources, one a function

    def feed(self, lines):
        """Take more lines of the console."""
        for line in lines:
            line = TIME.sub("", line)
            if line.startswith(RACE):
                self.report = []
            if self.report is None:
                continue
            self.report.append(line)
            if line.startswith(RACE_END):
                self.complete.append(self.report)
                self.report = None

    def finish(self):
        """Judge as well a report whose end is missing, since no more lines come."""
        if self.report:
            self.complete.append(self.report)
            self.report = None

    def text(self):
        """Judge the complete reports; return the lines of all that are ours."""
        reports, self.complete = self.complete, []
        accesses = [self._accesses(report) for report in reports]
        self._decode({frame for frames in sum(accesses, []) for frame in frames})
        for report, frames_of in zip(reports, accesses):
            own = [source for frames in frames_of for source in [self._own(frames)] if source]
            if own:
                self.found += report + [f"ours: {source}" for source in own] + [""]
        return self.found

    @staticmethod
    def _accesses(report):
        """Return the innermost frames of each access, up to one of a module, as none is ours."""
        accesses = []
        inside = False
        for line in report:
            frame = FRAME.match(line)
            if ACCESS.search(line):
                accesses.append([])
                inside = True
            elif frame and inside:
                if frame[3] or len(accesses[-1]) == INNERMOST:
                    inside = False
                else:
                    accesses[-1].append((frame[1], int(frame[2], 16)))
        return accesses

    def _decode(self, frames):
        """Find the source lines of frames that are new.

        The kernel's scripts/decode_stacktrace.sh does this with a process for each frame,
        which takes minutes where KCSAN is strict, and knows one function of each name.
        """
        frames = [frame for frame in frames if frame not in self.sources]
        if not frames:
            return
        if self.symbols is None:
            self.symbols = self._symbols()
        # A frame has the address that a call returns to; the call is before it.
        addresses = {(name, offset): [start + offset - 1 for start in self.symbols.get(name, [])]
                     for name, offset in frames}
        found = self._addr2line({address for copies in addresses.values() for address in copies})
        for frame, copies in addresses.items():
            self.sources[frame] = [found[address] for address in copies]
        if not any(any(copies) for copies in self.sources.values()):
            raise lib.Failure(f"{self.vmlinux} has no debug information")

    def _symbols(self):
        """Return the addresses of each function's name; static functions may share one."""
        symbols = {}
        for address, kind, name in re.findall(r"^(\S+) (\S) (\S+)$", self._run("nm"), re.MULTILINE):
            if kind in "tTwW":
                symbols.setdefault(name, []).append(int(address, 16))
        return symbols

    def _addr2line(self, addresses):
        """Return the source lines of each address, the function that was inlined last first."""
        found = {}
        answer = self._run("addr2line", "-a", "-i", "-e",
                           text="".join(f"{address:#x}\n" for address in addresses))
        for line in answer.splitlines():
            source = SOURCE.match(line)
            if line.startswith("0x"):
                lines = found.setdefault(int(line, 16), [])
            elif source:
                lines.append((source[1], source[2]))
        return found

    def _run(self, program, *arguments, text=None):
        done = subprocess.run([self.prefix + program, *arguments, self.vmlinux],
                              input=text, capture_output=True, text=True)
        if done.returncode:
            raise lib.Failure(done.stderr.strip())
        return done.stdout

    def _own(self, frames):
        """Return the source line of ours that an access is in, None if there is none.

        The first frame that is neither in lib/ nor a header's function decides. If
        several functions have the frame's name, each of them counts.
        """
        for frame in frames:
            decided = False
            for sources in self.sources[frame]:
                for path, line in sources:
                    own = self._in_ours(path)
                    if own:
                        return f"{own}:{line}"
                if not all(LIBRARY.search(path) for path, _ in sources):
                    decided = True
            if decided:
                return None
        return None

    def _in_ours(self, path):
        """Return the name of the file of ours that a compiler's path ends with."""
        parts = path.split("/")
        for start in range(len(parts)):
            if "/".join(parts[start:]) in self.ours:
                return "/".join(parts[start:])
        return None
