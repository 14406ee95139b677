"""A server that speaks S3, for tests."""

import contextlib
from collections.abc import Iterator

import pytest


@contextlib.contextmanager
def running(bucket: str) -> Iterator[str]:
    """The address of an S3 server with an empty bucket, which the environment names as AWS's own tools do."""
    pytest.importorskip("s3fs", reason="s3fs is not installed: pip install 'seedlings[s3]'")
    server = pytest.importorskip("moto.server", reason="moto is not installed: pip install 'moto[server]'")
    started = server.ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    started.start()
    host, port = started.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "eu-central-1",
        }.items():
            patch.setenv(name, value)
        import s3fs

        s3fs.S3FileSystem.clear_instance_cache()  # one of an earlier test knows another address
        s3fs.S3FileSystem().mkdir(bucket, region_name="eu-central-1")
        yield f"http://{host}:{port}"
    started.stop()
