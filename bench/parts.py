# SPDX-License-Identifier: GPL-2.0
"""The parts of the benchmark: each is a program in parts/, with a file .page beside it that
says how the report shows its figures."""
import configparser
import os
import subprocess

import results
import lib

DIRECTORY = lib.TOP / "bench/parts"


def names():
    """All parts, in the order in which they run: by name, so that 'model' can read what
    'interrupts' has left."""
    return sorted(path.name for path in DIRECTORY.iterdir() if os.access(path, os.X_OK))


def page(part):
    """How the report shows the figures of a part; report explains the keys."""
    parser = configparser.ConfigParser(interpolation=None)
    path = DIRECTORY / f"{part}.page"
    try:
        with open(path, encoding="utf-8") as file:
            parser.read_file(file)
        parser["page"]["title"], parser["page"]["text"]
    except OSError as error:
        raise lib.Failure(f"can't read {path}: {error.strerror}") from error
    except KeyError as error:
        raise lib.Failure(f"{path}: {error} is missing") from error
    except configparser.Error as error:
        raise lib.Failure(str(error)) from error
    return parser


def measure(part, base, arch, *options):
    """Run a part and return its figures."""
    done = subprocess.run([DIRECTORY / part, "-b", base, "-a", arch, *options],
                          stdout=subprocess.PIPE, encoding="utf-8", check=False)
    if done.returncode:
        raise lib.Failure(f"{part} ended with status {done.returncode}", done.returncode)
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    if not rows:
        raise lib.Failure(f"{part} printed no figures")
    for row in rows:
        if len(row) != 6:
            raise lib.Failure(f"{part} printed a row of {len(row)} columns, not 6: {row}")
    return [results.Figure(part, base, arch, *row) for row in rows]
