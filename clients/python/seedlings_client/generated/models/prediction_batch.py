from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from attrs import define as _attrs_define
from attrs import field as _attrs_field

if TYPE_CHECKING:
    from ..models.answered_photo import AnsweredPhoto
    from ..models.failed_photo import FailedPhoto


T = TypeVar("T", bound="PredictionBatch")


@_attrs_define
class PredictionBatch:
    """One result for each photo, in order.

    Attributes:
        results (list[AnsweredPhoto | FailedPhoto]): one result for each photo, in the order of the request
    """

    results: list[AnsweredPhoto | FailedPhoto]
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.answered_photo import AnsweredPhoto  # noqa: PLC0415

        results = []
        for results_item_data in self.results:
            results_item: dict[str, Any]
            if isinstance(results_item_data, AnsweredPhoto):
                results_item = results_item_data.to_dict()
            else:
                results_item = results_item_data.to_dict()

            results.append(results_item)

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "results": results,
            }
        )

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.answered_photo import AnsweredPhoto  # noqa: PLC0415
        from ..models.failed_photo import FailedPhoto  # noqa: PLC0415

        d = dict(src_dict)
        results = []
        _results = d.pop("results")
        for results_item_data in _results:

            def _parse_results_item(data: object) -> AnsweredPhoto | FailedPhoto:
                try:
                    if not isinstance(data, dict):
                        raise TypeError()
                    results_item_type_0 = AnsweredPhoto.from_dict(data)

                    return results_item_type_0
                except (TypeError, ValueError, AttributeError, KeyError):
                    pass
                if not isinstance(data, dict):
                    raise TypeError()
                results_item_type_1 = FailedPhoto.from_dict(data)

                return results_item_type_1

            results_item = _parse_results_item(results_item_data)

            results.append(results_item)

        prediction_batch = cls(
            results=results,
        )

        prediction_batch.additional_properties = d
        return prediction_batch

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
