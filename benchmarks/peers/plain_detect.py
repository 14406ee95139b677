"""Plants by OpenCV as in most tutorials: excess green, Otsu's threshold, contours, each crop named by the same classifier.

`--style full` looks for plants at the photo's own size, `--style half` decodes it at half of it.
"""

import cv2
import numpy as np
import uvicorn
from common import MAX_BATCH, SIZE, answer, arguments, infer, load
from fastapi import FastAPI, File
from numpy.typing import NDArray

LEAST_SIDE = 0.01  # of the photo's width, as the service has it
MARGIN = 0.15  # around a plant, of its longer side, as the service has it
_EXCESS_GREEN = np.float32([[-1, 2, -1]])
_DOT = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))

options = arguments()
module = load(options.model)
app = FastAPI()


def find(photo: NDArray[np.uint8]) -> list[tuple[int, int, int, int]]:
    """Boxes, x, y, width and height in pixels, of what is greener than the rest of uint8 [height, width, 3] in BGR."""
    green = cv2.GaussianBlur(cv2.transform(photo, _EXCESS_GREEN), (5, 5), 0)
    _, mask = cv2.threshold(green, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    outlines, _ = cv2.findContours(cv2.morphologyEx(mask, cv2.MORPH_OPEN, _DOT), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    boxes = [cv2.boundingRect(outline) for outline in outlines]
    return [box for box in boxes if max(box[2:]) >= LEAST_SIDE * photo.shape[1]]


def cropped(photo: NDArray[np.uint8], box: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """The square around a plant: uint8 [3, 150, 150] in RGB."""
    x, y, width, height = box
    half = round((0.5 + MARGIN) * max(width, height))
    left, top = max(0, x + width // 2 - half), max(0, y + height // 2 - half)
    square = cv2.resize(photo[top : top + 2 * half, left : left + 2 * half], (SIZE, SIZE), interpolation=cv2.INTER_AREA)
    return cv2.cvtColor(square, cv2.COLOR_BGR2RGB).transpose(2, 0, 1)


@app.post("/detect")
def detect(file: bytes = File()) -> dict:
    how = cv2.IMREAD_REDUCED_COLOR_2 if options.style == "half" else cv2.IMREAD_COLOR
    photo = cv2.imdecode(np.frombuffer(file, np.uint8), how)
    boxes = find(photo)
    crops = [cropped(photo, box) for box in boxes]
    rows = [row for at in range(0, len(crops), MAX_BATCH) for row in infer(module, np.stack(crops[at : at + MAX_BATCH]))]
    times = 2 if options.style == "half" else 1
    return {"plants": [{"box": [times * side for side in box], **answer(row)} for box, row in zip(boxes, rows, strict=True)]}


uvicorn.run(app, port=options.port, log_level="warning")
