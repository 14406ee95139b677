from enum import StrEnum


class StatementRank(StrEnum):
    GROUP = "group"
    KIND = "kind"
    SPECIES = "species"

    def __str__(self) -> str:
        return str(self.value)
