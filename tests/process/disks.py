"""Small disks of a member's own, which a story can fill and empty: a tmpfs each. Needs root. What was
mounted is unmounted by close(), and by the end of the process.
"""

import atexit
import os
import subprocess
import tempfile

from harness import Failed


def run(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=20)
    if done.returncode != 0:
        raise Failed(f"{' '.join(command)}: {done.stderr.strip()}")


def why_not():
    """None if file systems can be mounted here, else why not."""
    if os.geteuid() != 0:
        return "mounting needs root"
    with tempfile.TemporaryDirectory(prefix="metastore-mount-") as directory:
        try:
            run("mount", "-t", "tmpfs", "-o", "size=1m", "metastore-story", directory)
            run("umount", directory)
        except (Failed, OSError) as failure:
            return str(failure)
    return None


class Disk:
    """A directory that holds so many bytes."""

    def __init__(self, directory, size):
        self.directory = directory
        os.makedirs(directory)
        run("mount", "-t", "tmpfs", "-o", f"size={size}", "metastore-story", directory)
        self.mounted = True
        atexit.register(self.close)

    def path(self):
        return os.path.join(self.directory, "ballast")

    def fill(self, leave=0):
        """Somebody else's file takes all that is free, but for so many bytes."""
        with open(self.path(), "ab") as ballast:
            free = os.statvfs(self.directory)
            free = free.f_bavail * free.f_frsize - leave
            while free > 0:
                try:
                    os.posix_fallocate(ballast.fileno(), os.fstat(ballast.fileno()).st_size, free)
                except OSError:  # the member was faster
                    free //= 2
                    continue
                break

    def empty(self):
        os.remove(self.path())

    def resize(self, size):
        run("mount", "-o", f"remount,size={size}", self.directory)

    def close(self):
        if self.mounted:
            self.mounted = False
            run("umount", "--lazy", self.directory)
