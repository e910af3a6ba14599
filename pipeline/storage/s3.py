"""A store's files as objects of a bucket, on S3 or what speaks its protocol.

An object is written to a local file first and uploaded when it is whole: a PUT, or the request
that completes a multipart upload, replaces the object at one instant. Readers get one version:
ranges are asked for with the ETag of the first. Endpoint, region and keys are a matter of the
usual AWS variables and files; a store's URL holds no secret.
"""

import os
import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, cast

import boto3
from boto3.s3.transfer import TransferConfig
from botocore.config import Config
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectionError,
    HTTPClientError,
    IncompleteReadError,
    NoCredentialsError,
    PartialCredentialsError,
    ReadTimeoutError,
    ResponseStreamingError,
)
from s3transfer.exceptions import RetriesExceededError, S3DownloadFailedError

from pipeline import atomic
from pipeline.storage.files import StorageError
from pipeline.storage.ranges import open_ranges

_URL = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?P<prefix>(/[\w.-]+)*)/?")
_PATIENCE = Config(
    connect_timeout=5,  # seconds, as the next
    read_timeout=30,  # without a byte
    retries={"mode": "standard", "total_max_attempts": 3},
)
_TRANSFER = TransferConfig(  # parts of 16 MB, four at a time: 64 MB are held
    multipart_threshold=16 * 2**20, multipart_chunksize=16 * 2**20, max_concurrency=4
)
_ATTEMPTS = 3  # to read one range; the requests alone are tried again by the library
_LONGEST_HEADER = 100_000_000  # bytes, as safetensors has it
_REFUSED = ("403", "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken")
_BROKEN = (ResponseStreamingError, IncompleteReadError, ReadTimeoutError)
_UNANSWERED = (ConnectionError, HTTPClientError, IncompleteReadError, RetriesExceededError)
_FAILED = (BotoCoreError, ClientError, RetriesExceededError, S3DownloadFailedError)


@dataclass(frozen=True)
class S3Files:
    bucket: str
    prefix: str  # empty, or with a slash at its end
    temporary: Path  # the local folder of what is being written or read

    @classmethod
    def of(cls, url: str, temporary: Path) -> "S3Files":
        """ValueError where it is no URL of a bucket and perhaps a prefix."""
        match = _URL.fullmatch(url)
        if not match or ".." in url:
            raise ValueError(
                "the store's URL must be s3://bucket/prefix and nothing more: keys and endpoint "
                "belong in AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_ENDPOINT_URL"
            )
        prefix = match["prefix"].strip("/")
        return cls(match["bucket"], f"{prefix}/" if prefix else "", temporary)

    def place(self, name: str) -> str:
        return f"s3://{self.bucket}/{self.prefix}{name}"

    @contextmanager
    def replacing(self, name: str) -> Iterator[Path]:
        with self.scratch(name) as path:
            yield path
            with path.open("rb") as file, self._told(name):
                self._client.upload_fileobj(file, **self._object(name), Config=_TRANSFER)

    @contextmanager
    def opened(self, name: str) -> Iterator[BinaryIO]:
        with self._told(name):
            head = self._client.head_object(**self._object(name))

        def fetch(start: int, end: int) -> bytes:
            with self._told(name):
                return self._range(name, start, end, head["ETag"])

        with open_ranges(fetch, head["ContentLength"]) as file:
            yield file

    @contextmanager
    def whole(self, name: str) -> Iterator[Path]:
        with self.scratch(name) as path:
            with path.open("wb") as file, self._told(name):
                self._client.download_fileobj(**self._object(name), Fileobj=file, Config=_TRANSFER)
            yield path

    @contextmanager
    def headed(self, name: str) -> Iterator[Path]:
        with self.scratch(name) as path:
            with self.opened(name) as file:
                start = file.read(8)
                length = min(int.from_bytes(start, "little"), _LONGEST_HEADER)
                path.write_bytes(start + file.read(length))
                os.truncate(path, file.seek(0, os.SEEK_END))  # a hole: it takes no space
            yield path

    def scratch(self, name: str) -> AbstractContextManager[Path]:
        return atomic.scratch(self.temporary / name)

    def exists(self, name: str) -> bool:
        with self._told(name):
            try:
                self._client.head_object(**self._object(name))
            except ClientError as error:
                if _code(error) != "404":
                    raise
                self._client.head_bucket(Bucket=self.bucket)  # the answer was of its lack, too
                return False
        return True

    def holds(self, folder: str) -> bool:
        beginning = f"{self.prefix}{folder}/"
        with self._told(folder):
            page = self._client.list_objects_v2(Bucket=self.bucket, Prefix=beginning, MaxKeys=1)
        return bool(page.get("Contents"))

    def delete(self, name: str) -> None:
        with self._told(name):
            self._client.delete_object(**self._object(name))

    def num_bytes(self, name: str) -> int:
        with self._told(name):
            return int(self._client.head_object(**self._object(name))["ContentLength"])

    def stems(self, folder: str, suffix: str) -> list[str]:
        beginning = f"{self.prefix}{folder}/"
        with self._told(folder):
            pages = self._client.get_paginator("list_objects_v2").paginate(
                Bucket=self.bucket, Prefix=beginning, Delimiter="/"
            )
            keys = [entry["Key"] for page in pages for entry in page.get("Contents", ())]
        names = [key.removeprefix(beginning) for key in keys]
        return sorted(name.removesuffix(suffix) for name in names if name.endswith(suffix))

    @cached_property
    def _client(self) -> Any:
        # A session of its own: boto3's default one must not be used from several threads.
        with self._told(""):
            return boto3.session.Session().client("s3", config=_PATIENCE)

    def _object(self, name: str) -> dict[str, str]:
        return {"Bucket": self.bucket, "Key": f"{self.prefix}{name}"}

    def _range(self, name: str, start: int, end: int, etag: str) -> bytes:
        """Bytes of the version with that ETag; connections that break in the middle are common."""
        for attempt in range(1, _ATTEMPTS + 1):
            answer = self._client.get_object(
                **self._object(name), Range=f"bytes={start}-{end - 1}", IfMatch=etag
            )
            try:
                return cast(bytes, answer["Body"].read())
            except _BROKEN:
                if attempt == _ATTEMPTS:
                    raise
        raise AssertionError

    @contextmanager
    def _told(self, name: str) -> Iterator[None]:
        """Turn what the library raises into what people read."""
        try:
            yield
        except _FAILED as error:
            raise StorageError(f"{self.place(name)}: {self._said(error)}") from error

    def _said(self, error: Exception) -> str:
        code = _code(error)
        if code == "NoSuchBucket":
            return f"there is no bucket {self.bucket!r}: create it, or correct the store's URL"
        if code in _REFUSED or isinstance(error, NoCredentialsError | PartialCredentialsError):
            return (
                f"access was refused ({code or error}): check AWS_ACCESS_KEY_ID and "
                f"AWS_SECRET_ACCESS_KEY, and what they may do in bucket {self.bucket!r}"
            )
        if code in ("412", "PreconditionFailed") or isinstance(error, S3DownloadFailedError):
            return "it was replaced while it was being read: read it again"
        if isinstance(error, _UNANSWERED):
            return (
                f"the server does not answer ({error}): see whether it runs and what "
                "AWS_ENDPOINT_URL names, then start again; what was stored before is whole"
            )
        return " ".join(str(error).split())


def _code(error: Exception) -> str:
    """S3's name of an error, or its HTTP status where an answer has no body."""
    if not isinstance(error, ClientError):
        return ""
    code = str(error.response["Error"]["Code"])
    return "NoSuchBucket" if (error.operation_name, code) == ("HeadBucket", "404") else code
