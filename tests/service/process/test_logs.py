"""Lines of the log, for people and for machines."""

import json
import logging
import warnings

import pytest

from service.process import logs


@pytest.mark.parametrize("style", ["json", "human"])
def test_formats(style, configure_logs, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logs(style)
    token = logs.request_id.set("r-2")
    logging.getLogger("x").info("héllo %d", 1, extra={"fields": {"status": 200}})
    logs.request_id.reset(token)
    try:
        raise ValueError("broken")
    except ValueError:
        logging.getLogger("x").exception("bad")
    out = capsys.readouterr().err
    if style == "json":
        first, second = map(json.loads, out.splitlines())
        assert (first["message"], first["level"], first["request_id"], first["status"]) == ("héllo 1", "info", "r-2", 200)
        assert "ValueError: broken" in second["traceback"]
        assert "request_id" not in second
    else:
        assert "héllo 1 status=200 request_id=r-2" in out
        assert "ValueError: broken" in out


def test_what_libraries_say_of_broken_images_and_of_their_future_is_kept_back() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        logs.quiet_libraries()
        warnings.warn_explicit("Corrupt EXIF data", UserWarning, "TiffImagePlugin.py", 1, module="PIL.TiffImagePlugin")
        for category in (FutureWarning, DeprecationWarning):
            warnings.warn_explicit("`torch.jit.script` is deprecated", category, "_script.py", 1, module="torch.jit._script")
        with pytest.raises(UserWarning, match="mine"):
            warnings.warn_explicit("mine", UserWarning, "x.py", 1, module="service.x")


@pytest.mark.parametrize("given", [None, "", "a b", "line\nforged", "x" * 129, "é"])
def test_an_id_that_could_forge_a_line_is_replaced(given: str | None) -> None:
    assert logs.accept_id(given) != given
    assert len(logs.accept_id(given)) == 32


def test_an_id_of_the_caller_is_kept() -> None:
    assert logs.accept_id("trace-1/a:b=c") == "trace-1/a:b=c"
