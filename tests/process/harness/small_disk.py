"""A disk that is soon full: a tmpfs of a few megabytes, in a mount namespace that ends with the test."""

import ctypes
import errno
import os
import sys

from .case import DATABASE
from .postgres import own

MARK = "LOADSTONE_OWN_MOUNTS"
libc = ctypes.CDLL(None, use_errno=True)


def enter_namespace():
    """Runs this program again where it may mount, as root or in a user namespace of its own."""
    if os.environ.get(MARK):
        return
    os.environ[MARK] = "1"
    own = [] if os.geteuid() == 0 else ["--user", "--map-current-user", "--keep-caps"]
    os.execvp("unshare", ["unshare", *own, "--mount", "--", sys.executable, *sys.argv])


class SmallDisk:
    def __init__(self, folder, megabytes):
        self.folder = folder
        options = f"size={megabytes}m,mode=0777".encode()
        if libc.mount(b"tmpfs", os.fsencode(folder), b"tmpfs", 0, options) != 0:
            raise OSError(ctypes.get_errno(), f"a tmpfs cannot be mounted on {folder}, neither as root nor in a user "
                          f"namespace: {os.strerror(ctypes.get_errno())}")
        self.ballast = folder / "ballast"

    def fill(self):
        """Leaves not a byte."""
        with open(self.ballast, "ab", buffering=0) as file:
            size = 1 << 20
            while size > 0:
                try:
                    file.write(b"\0" * size)
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    size //= 2

    def make_room(self):
        self.ballast.unlink()

    def unmount(self):
        if libc.umount2(os.fsencode(self.folder), 2) != 0:  # MNT_DETACH
            raise OSError(ctypes.get_errno(), f"cannot unmount {self.folder}")


def small_disk_of_database(test, megabytes):
    """The test's database on a small disk until the test ends: on SQLite the data folder, on PostgreSQL the tables."""
    folder = test.folder / "data"
    if DATABASE == "postgres":
        folder = test.folder / "tables"
        folder.mkdir()
    disk = SmallDisk(folder, megabytes)
    test.addCleanup(disk.unmount)
    if DATABASE == "postgres":
        own(folder)
        test.database.psql(f"create tablespace small location '{folder}'", database="postgres")
        test.database.psql("alter database campus set tablespace small", database="postgres")
    return disk
