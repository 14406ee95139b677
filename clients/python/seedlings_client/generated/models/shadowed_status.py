from enum import StrEnum


class ShadowedStatus(StrEnum):
    COMPARING = "comparing"
    FAILED = "failed"
    LOADING = "loading"

    def __str__(self) -> str:
        return str(self.value)
