from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.statement_rank import StatementRank

T = TypeVar("T", bound="Statement")


@_attrs_define
class Statement:
    """What can be relied upon.

    Attributes:
        rank (StatementRank): how narrow it is: a species, its kind such as grass weed, or its group, crop or weed
        name (str): the name of the species, the kind or the group
        probability (float): its probability: that of its species together, 0 to 1
    """

    rank: StatementRank
    name: str
    probability: float
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        rank = self.rank.value

        name = self.name

        probability = self.probability

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "rank": rank,
                "name": name,
                "probability": probability,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        rank = StatementRank(d.pop("rank"))

        name = d.pop("name")

        probability = d.pop("probability")

        statement = cls(
            rank=rank,
            name=name,
            probability=probability,
        )

        statement.additional_properties = d
        return statement

    @property
    def additional_keys(self) -> list[str]:
        return list(self.additional_properties.keys())

    def __getitem__(self, key: str) -> Any:
        return self.additional_properties[key]

    def __setitem__(self, key: str, value: Any) -> None:
        self.additional_properties[key] = value

    def __delitem__(self, key: str) -> None:
        del self.additional_properties[key]

    def __contains__(self, key: str) -> bool:
        return key in self.additional_properties
