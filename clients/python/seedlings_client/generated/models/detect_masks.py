from enum import StrEnum


class DetectMasks(StrEnum):
    RLE = "rle"

    def __str__(self) -> str:
        return str(self.value)
