from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

T = TypeVar("T", bound="RetentionPolicy")


@_attrs_define
class RetentionPolicy:
    """What this server keeps of photos.

    Attributes:
        kept (bool): whether corrections are kept, with their photos
        asked (int): how many photos a day, at most, are kept for a reviewer though they were only sent for an answer:
            those that the model is unsure of. 0: no photo is kept that nobody corrected
        positions (bool): whether photos are kept with the positions and serial numbers in them
        days (int | None): after how many days they are removed; null: when somebody removes them
    """

    kept: bool
    asked: int
    positions: bool
    days: int | None
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        kept = self.kept

        asked = self.asked

        positions = self.positions

        days: int | None
        days = self.days

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "kept": kept,
                "asked": asked,
                "positions": positions,
                "days": days,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        d = dict(src_dict)
        kept = d.pop("kept")

        asked = d.pop("asked")

        positions = d.pop("positions")

        def _parse_days(data: object) -> int | None:
            if data is None:
                return data
            return cast(int | None, data)

        days = _parse_days(d.pop("days"))

        retention_policy = cls(
            kept=kept,
            asked=asked,
            positions=positions,
            days=days,
        )

        retention_policy.additional_properties = d
        return retention_policy

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
