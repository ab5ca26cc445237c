"""A file system of a test's own that is small, so that it can be full: a tmpfs, which the test must be allowed to mount."""

import errno
import os
import shutil
import subprocess
import sys
import tempfile
import time

INSIDE = "ASSAY_TEST_NAMESPACE"


def may_mount():
    """Begin the test again in a namespace of its own, where nobody else sees what it mounts; whether that is allowed. Root may, if no
    container forbids it, and where the kernel lets users make namespaces everybody."""
    if INSIDE in os.environ:
        return True
    for words in (["--mount"], ["--user", "--map-root-user", "--mount"]) if shutil.which("unshare") else ():
        mounts = ["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", tempfile.gettempdir()]
        if subprocess.run(["unshare", *words, *mounts], capture_output=True, check=False).returncode == 0:
            os.environ[INSIDE] = "yes"
            os.execvp("unshare", ["unshare", *words, sys.executable, *sys.argv])
    return False


class SmallDisk:
    """Mounted at a new folder; use as a context, behind may_mount()."""

    def __init__(self, folder, megabytes):
        self.folder, self.megabytes = folder, megabytes

    def __enter__(self):
        self.folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={self.megabytes}m", "tmpfs", self.folder], check=True)
        return self

    def __exit__(self, *_):
        unmount(self.folder)

    def fill(self, leave):
        """All of it but so many bytes; what others free meanwhile is taken too."""
        with open(self.folder / "filler", "ab") as filler:
            step = 1 << 24
            while step >= 4096:
                left = os.statvfs(self.folder)
                if left.f_bavail * left.f_frsize - leave < step:
                    step //= 2
                    continue
                try:
                    os.posix_fallocate(filler.fileno(), os.fstat(filler.fileno()).st_size, step)
                except OSError as error:
                    assert error.errno == errno.ENOSPC, error
                    step //= 2

    def make_room(self):
        (self.folder / "filler").unlink(missing_ok=True)


def unmount(folder):
    """A process that was killed may hold it for a moment more."""
    for _ in range(100):
        if subprocess.run(["umount", folder], capture_output=True, check=False).returncode == 0:
            return
        time.sleep(0.1)
    subprocess.run(["umount", "--lazy", folder], check=True)
