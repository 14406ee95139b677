"""The file of keys: what it may hold, how often a key is good, and what happens when it changes."""

import hashlib
import os
from pathlib import Path

import pytest

from service.process.api_keys import BadKeys, Keys, parse, read

FILE = Path("keys")


def digest(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def line(name: str, key: str, rate: object = "") -> str:
    return f"{name}:{digest(key)}:{rate}"


def test_a_file_as_people_write_it() -> None:
    content = f"\ufeff# ours\r\n\r\n Farm 7 : {digest('a').upper()} : 600\r\n{line('prometheus', 'b')}\nZoë@field.example:{digest('é')}:1"
    keys = parse(content.encode(), FILE)
    assert [(key.name, key.per_minute) for key in keys] == [("Farm 7", 600), ("prometheus", None), ("Zoë@field.example", 1)]
    assert [key.sha256.hex() for key in keys] == [digest("a"), digest("b"), digest("é")]
    assert digest("a") not in repr(keys)


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("farm", "three fields"),
        (f"farm:{digest('b')}", "three fields"),
        (f"farm:{digest('b')}:600:", "three fields"),
        ("farm:secret:600", "no SHA-256 of 64 hexadecimal digits"),
        (f"farm:{digest('b')[:-1]}:600", "no SHA-256"),
        (line("farm", "", 600), "the SHA-256 of an empty key"),
        (line("", "b", 600), "a name has"),
        (line("-farm", "b", 600), "a name has"),
        (line("far\tm", "b", 600), "a name has"),
        (line("f" * 65, "b", 600), "a name has"),
        (line("farm", "b", 0), "from 1 to 100000"),
        (line("farm", "b", -1), "from 1 to 100000"),
        (line("farm", "b", 1.5), "from 1 to 100000"),
        (line("farm", "b", "٣"), "from 1 to 100000"),
        (line("farm", "b", 100_001), "from 1 to 100000"),
        (line("first", "b", 600), "this name stands in line 2, too"),
        (line("farm", "a", 600), "this key stands in line 2, too"),
    ],
)
def test_a_bad_line_is_named_and_not_shown(bad: str, said: str) -> None:
    with pytest.raises(BadKeys) as error:
        parse(f"# ours\n{line('first', 'a', 5)}\n\n{bad}\n".encode(), FILE)
    assert str(error.value).startswith("keys, line 4: ")
    assert said in str(error.value)
    assert "secret" not in str(error.value)


def test_what_is_no_file_of_keys(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "empty").write_text("# none yet\n")
    (tmp_path / "long").write_bytes(b"#" * (2**20 + 1))
    for name, said in (
        ("none", "is no file"),
        (".", "is no file"),
        ("pipe", "is no file"),
        ("empty", "holds no key"),
        ("long", "more than"),
    ):
        with pytest.raises(BadKeys, match=said):
            read(tmp_path / name)


def test_whose_a_key_is(tmp_path: Path) -> None:
    (tmp_path / "keys").write_text(f"{line('farm', 'a')}\n{line('lab', 'b')}\n")
    keys = Keys("single", tmp_path / "keys")
    assert keys.needed
    for given, name in (([b"a"], "farm"), ([b"wrong", b"b"], "lab"), ([b"b", b"a"], "lab"), ([b"single"], None)):
        caller = keys.caller(given)
        assert caller is not None
        assert caller.name == name
    for given in ([], [b""], [b"", b"A"], [digest("a").encode()], [hashlib.sha256(b"a").digest()]):
        assert keys.caller(given) is None
    assert not Keys(None, None).needed
    assert Keys(None, None).caller([b""]) is None


def test_in_no_minute_more_than_so_many(tmp_path: Path) -> None:
    now_s = [1000.0]
    (tmp_path / "keys").write_text(f"{line('farm', 'a', 3)}\n{line('lab', 'b')}\n")
    keys = Keys(None, tmp_path / "keys", clock=lambda: now_s[0])

    def ask(key: bytes = b"a", at_s: float = 1070.0) -> float:
        now_s[0] = at_s
        caller = keys.caller([key])
        assert caller is not None
        return keys.wait_s(caller)

    assert [ask(at_s=at_s) for at_s in (1000, 1010, 1050, 1051, 1059, 1060, 1061, 1070)] == [0, 0, 0, 9, 1, 0, 9, 0]
    assert [ask(b"b") for _ in range(1000)] == [0] * 1000
    (tmp_path / "keys").write_text(f"{line('farm', 'c', 1)}\n")  # a new key and a lower limit for the same name
    keys.refresh()
    assert keys.caller([b"b"]) is keys.caller([b"a"]) is None
    assert ask(b"c") == 60  # the last of the three, at 1070, has to be a minute ago
    assert (ask(b"c", 1130), ask(b"c", 1130)) == (0, 60)


def test_a_bad_change_changes_nothing_and_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    file = tmp_path / "keys"
    file.write_text(line("farm", "a"))
    keys = Keys(None, file)
    for content, said in (("farm:1:2", "line 1"), ("", "holds no key"), (None, "is no file")):
        file.unlink() if content is None else file.write_text(content)
        keys.refresh()
        keys.refresh()
        assert keys.caller([b"a"]) is not None
        assert said in str(keys.error)
        assert "the keys before go on" in str(keys.error)
    assert len(caplog.records) == 3  # each is told once
    file.write_text(line("lab", "b"))
    keys.refresh()
    assert (keys.error, keys.caller([b"a"])) == (None, None)
    caller = keys.caller([b"b"])
    assert caller is not None
    assert caller.name == "lab"
