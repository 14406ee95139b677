from enum import StrEnum


class HealthStatus(StrEnum):
    DRAINING = "draining"
    FAILED = "failed"
    LOADING = "loading"
    READY = "ready"

    def __str__(self) -> str:
        return str(self.value)
