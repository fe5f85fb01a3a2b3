# SPDX-License-Identifier: GPL-2.0
"""A virtual machine under QEMU: its run directory, its arguments, its process.

The run directory has copies of the kernel, the console's log, the output of the guest's
command, and 'shared', which the guest sees as /run/lab:
  command      what the guest is to run
  terminal     the device that is the command's terminal
  interactive  exists if a person is at the terminal
  modules/     the kernel's modules
  started      exists from when the guest has started the command
  status       the command's exit status, when it has ended
"""
import contextlib
import fcntl
import os
import select
import shlex
import shutil
import socket
import subprocess
import sys
import tempfile
import termios
import threading
import tty
from pathlib import Path

import lib


class Machine:
    """A booted guest. The end of its 'with' block ends QEMU and removes the run directory."""

    def __init__(self, wanted):
        self.wanted = wanted
        self.arch = f"arch/{wanted.arch}"
        self.directory = Path(tempfile.mkdtemp(prefix="lab-vm."))
        self.shared = self.directory / "shared"
        self.qemu = None
        self.ended = threading.Event()
        self.old_terminal = None
        self.files = {name: Tail(self.directory / name) for name in ("console", "output")}
        try:
            (self.shared / "modules").mkdir(parents=True)
            if wanted.package:
                self._unpack_kernel()
            else:
                self._copy_kernel()
            self._prepare_shared()
            self._start()
        except BaseException:
            self._remove()
            raise

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._remove()

    # -- while it runs --------------------------------------------------------

    def wait(self, seconds):
        """Wait until QEMU has ended, but not longer; tell whether it has."""
        select.select([self.process], [], [], seconds)
        return self.qemu.poll() is not None

    def kill(self):
        """End QEMU at once."""
        self.ended.set()
        if self.qemu and self.qemu.poll() is None:
            self.qemu.kill()
            self.qemu.wait()

    def console(self):
        """Return the lines of the console that have come since the last call."""
        return self.files["console"].lines()

    def output(self):
        """Return the output of the guest's command since the last call."""
        return self.files["output"].read()

    # -- at its end -----------------------------------------------------------

    def last_lines(self, count):
        """Return the end of the console."""
        lines = (self.directory / "console").read_text(errors="replace").splitlines()
        return lines[-count:]

    def status(self):
        """Return the exit status of the guest's command, None if it has not ended."""
        with contextlib.suppress(FileNotFoundError):
            return int((self.shared / "status").read_text())
        return None

    def errors(self):
        """Return QEMU's error messages."""
        return (self.directory / "error").read_text(errors="replace").strip()

    def vmlinux(self):
        """Return the kernel with debug information if it is one that reports races."""
        path = self.directory / "vmlinux"
        return str(path) if path.exists() else None

    def _remove(self):
        self.kill()
        if self.old_terminal:
            termios.tcsetattr(sys.stdin, termios.TCSADRAIN, self.old_terminal)
        if self.wanted.console:
            with contextlib.suppress(OSError):
                shutil.copyfile(self.directory / "console", self.wanted.console)
        shutil.rmtree(self.directory, ignore_errors=True)

    # -- preparation ----------------------------------------------------------

    def _copy_kernel(self):
        """Copy the kernel, since it may be built anew meanwhile; lab/kernel has the lock then."""
        wanted = self.wanted
        build = lib.build_directory(wanted.base, wanted.flavour, wanted.arch)
        image = build / lib.value(self.arch, "image")
        if not image.is_file():
            foreign = "" if lib.native(wanted.arch) else f"-a {wanted.arch} "
            raise lib.Failure(f"{image} is not built; 'lab/kernel {foreign}{wanted.base} "
                              f"{wanted.flavour}' builds it")
        self._check_cpus(build / ".config")
        with open(build / ".lock", "a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                lib.say(f"waiting for the build of {build.name}")
                fcntl.flock(lock, fcntl.LOCK_SH)
            shutil.copyfile(image, self.directory / "kernel")
            if "CONFIG_KCSAN=y\n" in (build / ".config").read_text():
                shutil.copyfile(build / "vmlinux", self.directory / "vmlinux")
            for module in build.glob("**/*.ko"):
                shutil.copy(module, self.shared / "modules")

    def _unpack_kernel(self):
        """Take the kernel out of a Debian package."""
        package, root = self.wanted.package, self.directory / "package"
        done = subprocess.run(["dpkg-deb", "-x", package, root], capture_output=True, text=True)
        if done.returncode:
            raise lib.Failure(f"can't unpack '{package}': {done.stderr.strip()}")
        configs = list(root.glob("boot/config-*"))
        images = list(root.glob("boot/vmlinu[xz]-*"))
        if len(configs) != 1 or len(images) != 1:
            raise lib.Failure(f"'{package}' has {len(images)} kernels in /boot, should be one")
        self._check_cpus(configs[0])
        if "CONFIG_NET_9P_VIRTIO=y" not in configs[0].read_text().splitlines():
            raise lib.Failure(f"the kernel of '{package}' can't mount what it gets from the lab: "
                              "CONFIG_NET_9P_VIRTIO=y is not in its configuration")
        shutil.move(images[0], self.directory / "kernel")
        for module in root.glob("**/*.ko"):
            shutil.move(module, self.shared / "modules")
        shutil.rmtree(root)

    def _check_cpus(self, config):
        """Fail if the kernel with that configuration can't boot with so many CPUs."""
        wanted = self.wanted
        many, option = lib.value(self.arch, "many"), lib.value(self.arch, "many_config")
        if many and wanted.cpus > int(many) and option not in config.read_text().splitlines():
            kernel = f"the flavour {wanted.flavour}+many" if not wanted.package \
                else f"a kernel with {option}"
            raise lib.Failure(f"more than {many} CPUs take {kernel}")

    def _prepare_shared(self):
        (self.shared / "command").write_text(shlex.join(self.wanted.command) + "\n")
        (self.shared / "terminal").write_text(lib.value(self.arch, "terminal") + "\n")
        (self.shared / "end").write_text((lib.value(self.arch, "end") or "reboot") + "\n")
        if self.wanted.interactive:
            (self.shared / "interactive").touch()

    def _start(self):
        monitor, ours = None, None
        if self.wanted.nmi:
            monitor, ours = socket.socketpair()
        # QEMU ends with this process, however this ends.
        command = ["setpriv", "--pdeathsig", "KILL", *self._arguments(monitor)]
        if self.wanted.interactive:
            self.old_terminal = termios.tcgetattr(sys.stdin)
            tty.setraw(sys.stdin, termios.TCSADRAIN)
        with open(self.directory / "error", "wb") as error:
            self.qemu = subprocess.Popen(
                command, stderr=error, pass_fds=[monitor.fileno()] if monitor else [],
                stdin=None if self.wanted.interactive else subprocess.DEVNULL,
                stdout=None if self.wanted.interactive else subprocess.DEVNULL)
        self.process = os.pidfd_open(self.qemu.pid)
        if monitor:
            monitor.close()
            threading.Thread(target=self._send_nmis, args=[ours], daemon=True).start()

    def _arguments(self, monitor):
        wanted, run, arch = self.wanted, self.directory, self.arch
        smp, bus = lib.value(arch, "smp"), lib.value(arch, "bus")
        arguments = [
            lib.value(arch, "qemu"),
            "-accel", "kvm" if wanted.kvm else f"tcg,thread={wanted.threads}",
            "-smp", f"{wanted.cpus}" + (f",{smp}={wanted.cpus}" if smp else ""),
            "-m", wanted.memory,
            "-no-user-config", "-nodefaults", "-display", "none", "-no-reboot",
            "-serial", f"file:{run}/console",
            "-chardev", "stdio,id=terminal,signal=off" if wanted.interactive
            else f"file,id=terminal,path={_quoted(run)}/output",
            *_shared("run", self.shared, bus),
            "-kernel", f"{run}/kernel", "-initrd", wanted.initramfs,
            "-append", " ".join([
                f"console={lib.value(arch, 'console')} loglevel=7 panic=-1 nokaslr",
                "rcupdate.rcu_cpu_stall_timeout=120", *lib.values(arch, "parameters"),
                *(lib.values(arch, "nmi") if wanted.nmi else []),
                *(lib.values(arch, "icount") if wanted.icount is not None else []),
                wanted.parameters])]
        for key in ("qemu_args", "terminal_args"):
            for line in lib.values(arch, key):
                arguments += line.split()
        if wanted.uefi:
            arguments += ["-bios", lib.value(arch, "firmware")]
        if wanted.share:
            arguments += _shared("share", os.path.abspath(wanted.share), bus)
        if wanted.icount is not None:
            arguments += ["-icount", f"shift={wanted.icount},sleep=off"]
            for line in lib.values(arch, "icount_args"):
                arguments += line.split()
        if monitor:
            arguments += ["-chardev", f"socket,id=monitor,fd={monitor.fileno()}",
                          "-mon", "chardev=monitor"]
        return arguments + wanted.qemu_arguments

    def _send_nmis(self, monitor):
        """Send NMIs from the command's start to its end; a kernel that boots or powers off
        is not prepared for them."""
        while not (self.shared / "started").exists():
            if self.ended.wait(0.2):
                return
        monitor.setblocking(False)
        while not (self.shared / "status").exists() and not self.ended.is_set():
            try:
                with contextlib.suppress(BlockingIOError):
                    monitor.send(b"nmi\n")
                with contextlib.suppress(BlockingIOError):
                    while monitor.recv(65536):
                        pass
            except OSError:     # QEMU has ended
                return
            self.ended.wait(self.wanted.nmi / 1000)


class Tail:
    """A file that grows, read as it does."""

    def __init__(self, path):
        path.touch()
        self.file = open(path, "rb")
        self.part = b""     # of a line whose end is still to come

    def read(self):
        """Return the bytes that have been added."""
        return self.file.read()

    def lines(self):
        """Return the lines that have been completed."""
        *lines, self.part = (self.part + self.read()).split(b"\n")
        return [line.decode(errors="replace").rstrip("\r") for line in lines]


def kvm_works(qemu):
    """Tell whether QEMU can use KVM on this machine."""
    try:
        done = subprocess.run(
            [qemu, "-accel", "kvm", "-nodefaults", "-display", "none", "-S", "-monitor", "stdio"],
            input=b"quit\n", capture_output=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _shared(tag, directory, bus):
    return ["-fsdev", f"local,id={tag},path={_quoted(directory)},security_model=none",
            "-device", f"virtio-9p,fsdev={tag},mount_tag={tag}" + (f",bus={bus}" if bus else "")]


def _quoted(path):
    """Return a path as a part of an argument of QEMU."""
    return str(path).replace(",", ",,")
