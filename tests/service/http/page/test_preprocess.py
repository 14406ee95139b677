"""A photo's pixels in the browser: what is done where it lacks memory. That they are the server's is tested in test_offline.py."""

import base64
from typing import Any

import pytest

from models_store import colour
from tests import drawn, fakes

# Three photos at once, where the browser fails `times` times: what becomes of each, and what of the browser's memory is still held.
ASK = """async ({ body, spoil, times }) => {
    const { square } = await import("/page/preprocess.js");
    const file = new File([Uint8Array.from(atob(body), (sign) => sign.charCodeAt())], "a.png");
    const [decode, Canvas] = [createImageBitmap, OffscreenCanvas];
    let left = times, open = 0, most = 0;
    const canvases = [];
    window.createImageBitmap = async (...given) => {
        if (spoil === "decode" && left-- > 0) throw new DOMException("it could not be allocated", "InvalidStateError");
        most = Math.max(most, ++open);
        const bitmap = await decode(...given), close = bitmap.close.bind(bitmap);
        bitmap.close = () => (open--, close());
        return bitmap;
    };
    window.OffscreenCanvas = class extends Canvas {
        constructor(...given) {
            super(...given);
            canvases.push(this);
        }
        getContext(...given) {
            return spoil === "canvas" && left-- > 0 ? null : super.getContext(...given);
        }
    };
    try {
        const asked = [1, 2, 3].map(() => square(file, 16).then(({ pixels }) => [...pixels], ({ reason }) => reason));
        const all = await Promise.all(asked);
        const held = canvases.filter(({ width, height }) => width * height).length;
        return { all, open, most, held, made: canvases.length };
    } finally {
        [window.createImageBitmap, window.OffscreenCanvas] = [decode, Canvas];
    }
}"""
# A photo's pixels, where what is unpacked comes whole and where it comes byte by byte.
PIECES = """async (body) => {
    const { square } = await import("/page/preprocess.js");
    const file = new File([Uint8Array.from(atob(body), (sign) => sign.charCodeAt())], "a.png");
    const Whole = DecompressionStream, whole = await square(file, 16);
    window.DecompressionStream = class {
        constructor(kind) {
            const { readable, writable } = new Whole(kind);
            const cut = (piece, way) => piece.forEach((byte) => way.enqueue(Uint8Array.of(byte)));
            Object.assign(this, { readable: readable.pipeThrough(new TransformStream({ transform: cut })), writable });
        }
    };
    const cut = await square(file, 16).finally(() => (window.DecompressionStream = Whole));
    return [[...whole.pixels], [...cut.pixels]];
}"""


def encoded(content: bytes) -> str:
    return base64.b64encode(content).decode()


@pytest.mark.parametrize("spoil", ["decode", "canvas"])
def test_where_the_browser_lacks_memory_it_is_tried_again_and_no_format_is_blamed(page: Any, spoil: str) -> None:
    def ask(times: int) -> dict[str, Any]:
        found: dict[str, Any] = page.evaluate(ASK, {"body": encoded(fakes.image((200, 40, 10))), "spoil": spoil, "times": times})
        assert (found["open"], found["held"]) == (0, 0)  # bitmaps and canvases are given back at once
        assert found["most"] <= 1  # photos are decoded one after the other
        return found

    whole = ask(0)
    assert whole["all"] == [[200] * 256 + [40] * 256 + [10] * 256] * 3
    assert whole["made"] == 3
    assert ask(2)["all"] == whole["all"]
    assert ask(10**6)["all"] == ["memory"] * 3


def test_the_format_is_named_only_where_browsers_may_not_show_it(page: Any) -> None:
    for content, reason in ((b"II*\0" + bytes(40), "format"), (b"no photo", "format"), (b"", "format"), (fakes.image()[:40], "memory")):
        assert page.evaluate(ASK, {"body": encoded(content), "spoil": "", "times": 0})["all"] == [reason] * 3, content


def test_a_profile_that_is_unpacked_in_pieces_is_applied_all_the_same(page: Any) -> None:
    leaf = drawn.plant(1, 1, 64)
    with_profile = page.evaluate(PIECES, encoded(drawn.encoded(leaf, "PNG", icc_profile=colour.coded(12, 13))))
    without = page.evaluate(PIECES, encoded(drawn.encoded(leaf, "PNG")))
    assert with_profile[0] == with_profile[1] != without[0] == without[1]
