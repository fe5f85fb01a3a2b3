# SPDX-License-Identifier: GPL-2.0
"""Functions that the Python programs of the lab share; lib.sh has the same for shell.

The head of lib.sh describes the files in arch/ and base/.
"""
import getopt
import os
import pathlib
import platform
import re
import signal
import subprocess
import sys

ME = os.path.basename(sys.argv[0])
TOP = pathlib.Path(__file__).resolve().parent.parent
CACHE = pathlib.Path(
    os.environ.get("LAZYMM_CACHE")
    or os.path.join(os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache"), "lazymm"))
USAGE = 2
SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Failure(Exception):
    """The message and the exit status of a program that can't go on."""

    def __init__(self, message, status=1):
        super().__init__(message)
        self.status = status


def usage_error(message):
    """End a program that was called in a wrong way."""
    raise Failure(f"{message}\nTry '{ME} -h'.", USAGE)


def say(message):
    """Print a message on standard error."""
    print(f"{ME}: {message}", file=sys.stderr, flush=True)


def run(main):
    """Run main(arguments) and exit with what it returns, or with its Failure."""
    try:
        status = main(sys.argv[1:])
    except Failure as failure:
        say(failure)
        status = failure.status
    except BrokenPipeError:     # nobody reads the output any more
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        status = 128 + signal.SIGPIPE
    sys.exit(status)


def leave_on_signals():
    """Let the signals that end a program leave its 'with' and 'finally' blocks first."""
    for number in SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:   # nohup
            signal.signal(number, _leave)


def _leave(number, _):
    for other in SIGNALS:
        signal.signal(other, signal.SIG_IGN)
    sys.exit(128 + number)


def options(arguments, letters, help_text):
    """Return the options as pairs and the other arguments; -h prints help_text()."""
    try:
        pairs, rest = getopt.getopt(arguments, letters + "h")
    except getopt.GetoptError as error:
        usage_error(error.msg)
    if ("-h", "") in pairs:
        print(help_text(), end="")
        sys.exit()
    return pairs, rest


def number(what, text, least=1):
    """Return the whole number that the option `what` was given."""
    if not re.fullmatch(r"\d{1,9}", text, re.ASCII) or int(text) < least:
        usage_error(f"{what} takes a whole number, {least} or more, not '{text}'")
    return int(text)


def one_of(what, value, accepted):
    """Return value if it is accepted."""
    if value not in accepted:
        usage_error(f"'{value}' is no {what}; accepted: {' '.join(accepted)}")
    return value


def values(path, key):
    """Return all values of a key in a file of arch/ or base/."""
    lines = (TOP / path).read_text().splitlines()
    return [line[len(key) + 1:] for line in lines if line.startswith(key + "=")]


def value(path, key):
    """Return the value of a key that comes once, '' if it doesn't come at all."""
    return "".join(values(path, key)[:1])


def _files(directory):
    return [path.name for path in directory.iterdir()
            if path.is_file() and not path.is_symlink()]


def bases():
    """Return the names of the kernel versions, the oldest first."""
    return sorted(_files(TOP / "base"), key=lambda name: [int(n) for n in re.findall(r"\d+", name)])


def arches():
    """Return the names of the architectures."""
    return sorted(_files(TOP / "arch"))


def flavours():
    """Return the names of the kernels that can be built of each base."""
    fragments = {path.stem for path in (TOP / "lab/config").glob("*.config")}
    return ["vanilla"] + sorted(fragments - {"common", "lazymm"})


def _missing(key, base, arch):
    """Return the names in the lines NAME... [on ARCH] :: REASON of a key, with the reasons."""
    reasons = {}
    for path in (f"base/{base}", f"arch/{arch}"):
        for line in values(path, key):
            what, reason = line.split(" :: ", 1)
            names, _, where = what.partition(" on ")
            if where in ("", arch):
                reasons.update(dict.fromkeys(names.split(), reason))
    return reasons


def lacks(base, arch):
    """Return the flavours that a version has not for an architecture, with the reasons."""
    return _missing("lacks", base, arch)


def without(base, arch):
    """Return the kernel options that a version has not for an architecture, with the reasons."""
    return _missing("without", base, arch)


def flavour(name):
    """Return the name of a flavour if it is one, maybe with +many or +step."""
    one_of("flavour", name.removesuffix("+many").removesuffix("+step"), flavours())
    return name


def default_base():
    """Return the kernel version that programs take without an option."""
    return os.readlink(TOP / "base/default")


def default_arch():
    """Return this machine's architecture."""
    for arch in arches():
        if native(arch):
            return arch
    usage_error(f"there is no file in arch/ for this machine ({platform.machine()}); "
                f"name an architecture: {' '.join(arches())}")


def native(arch):
    """Tell whether an architecture is this machine's."""
    return value(f"arch/{arch}", "machine") == platform.machine()


def build_directory(base, flavour, arch):
    """Return where a kernel is built; see build_directory() in lib.sh."""
    return CACHE / "build" / (f"{base}-{flavour}" + ("" if native(arch) else f"-{arch}"))


def lab(program, *arguments):
    """Run a program of the lab and return what it printed."""
    done = subprocess.run([TOP / "lab" / program, *arguments], stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise Failure(f"lab/{program} failed", done.returncode)
    return done.stdout.strip()
