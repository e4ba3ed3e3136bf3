"""Folders into which files are put that nobody else may read, and in which nothing is ever overwritten.

What they are called is left to those who put them there, and to `core.file_names`.
"""

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Self

from mailcrm.core.errors import AlreadyExists, FileError
from mailcrm.core.file_names import numbered

#: A name that is there already, a symbolic link for one, is never followed nor written over.
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW

_FULL = (errno.ENOSPC, errno.EDQUOT)


class Folder:
    """A folder that is held open, so that nobody can put another one in its place; for a `with` statement."""

    def __init__(self, path: Path) -> None:
        """Take the path; a folder that is not there is made for its owner alone."""
        self.path = path
        self._fd = -1
        # How many numbers of a name were tried, so that thousands of one name are not asked for one by one.
        self._numbers: dict[str, int] = {}

    def __enter__(self) -> Self:
        with _mapped_errors(self.path):
            try:
                self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            except (FileExistsError, NotADirectoryError):
                raise FileError(f"{self.path} is no folder.", hint="Name another one.") from None
            self._fd = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)

    @contextmanager
    def new(self, name: str) -> Iterator[BinaryIO]:
        """Make a file to be written in a `with` statement; one that cannot be finished is taken away.

        Raises AlreadyExists, FileError.
        """
        with _mapped_errors(self.path / name):
            try:
                descriptor = os.open(name, _NEW, 0o600, dir_fd=self._fd)
            except FileExistsError:
                raise AlreadyExists(
                    f"{self.path / name} is there already.", hint="Name another folder, or move it away."
                ) from None
        try:
            with _mapped_errors(self.path / name), os.fdopen(descriptor, "wb") as file:
                yield file
        except BaseException:
            os.unlink(name, dir_fd=self._fd)
            raise

    def add(self, name: str, content: bytes) -> str:
        """Write a file under `name`, numbered when another one is called so, and return its name.

        A file of that name with the same content is left as it is. Raises FileError.
        """
        for candidate in islice(numbered(name), self._numbers.get(name, 0), None):
            self._numbers[name] = self._numbers.get(name, 0) + 1
            try:
                with self.new(candidate) as file:
                    file.write(content)
            except AlreadyExists:
                if not self._holds(candidate, content):
                    continue
            return candidate
        raise AssertionError("there is always one more number")

    def _holds(self, name: str, content: bytes) -> bool:
        """Say whether a file has this content already."""
        try:
            # A pipe of that name must not keep us waiting.
            descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=self._fd)
        except OSError:
            return False
        with os.fdopen(descriptor, "rb") as file:
            told = os.fstat(descriptor)
            if not stat.S_ISREG(told.st_mode) or told.st_size != len(content):
                return False
            return hashlib.file_digest(file, "sha256").digest() == hashlib.sha256(content).digest()


@contextmanager
def _mapped_errors(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise FileError(
                f"The disk is full: {path} was not written.", hint="Free some space, and try again."
            ) from error
        raise FileError(f"{path} cannot be written: {error.strerror}.") from error
