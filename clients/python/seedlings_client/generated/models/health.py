from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar, cast

from attrs import define as _attrs_define
from attrs import field as _attrs_field

from ..models.health_status import HealthStatus
from ..types import UNSET, Unset

if TYPE_CHECKING:
    from ..models.refused_version import RefusedVersion
    from ..models.served_model import ServedModel
    from ..models.shadowed import Shadowed


T = TypeVar("T", bound="Health")


@_attrs_define
class Health:
    """Whether predictions can be answered, and by which model.

    Attributes:
        status (HealthStatus): only a service that is ready answers predictions
        model (None | ServedModel): the model in service; null before the first one is loaded
        error (None | str): why predictions are not answered, why no better version is in service, and what is wrong
            with the second model, the segmenter, the file of keys or where corrections are kept, one after the other; null
            if nothing
        refused (list[RefusedVersion]): versions of the store that are not served: of the model, the second one and the
            segmenter, of each newest first
        queued (int): number of images that wait for a forward pass
        second_model (None | ServedModel | Unset): the model that answers photos beyond the first one; null where none
            does, or before it is loaded
        shadow (None | Shadowed | Unset): the other version that is compared with the one in service; null where none is
    """

    status: HealthStatus
    model: None | ServedModel
    error: None | str
    refused: list[RefusedVersion]
    queued: int
    second_model: None | ServedModel | Unset = UNSET
    shadow: None | Shadowed | Unset = UNSET
    additional_properties: dict[str, Any] = _attrs_field(init=False, factory=dict)

    def to_dict(self) -> dict[str, Any]:
        from ..models.served_model import ServedModel  # noqa: PLC0415
        from ..models.shadowed import Shadowed  # noqa: PLC0415

        status = self.status.value

        model: dict[str, Any] | None
        if isinstance(self.model, ServedModel):
            model = self.model.to_dict()
        else:
            model = self.model

        error: None | str
        error = self.error

        refused = []
        for refused_item_data in self.refused:
            refused_item = refused_item_data.to_dict()
            refused.append(refused_item)

        queued = self.queued

        second_model: dict[str, Any] | None | Unset
        if isinstance(self.second_model, Unset):
            second_model = UNSET
        elif isinstance(self.second_model, ServedModel):
            second_model = self.second_model.to_dict()
        else:
            second_model = self.second_model

        shadow: dict[str, Any] | None | Unset
        if isinstance(self.shadow, Unset):
            shadow = UNSET
        elif isinstance(self.shadow, Shadowed):
            shadow = self.shadow.to_dict()
        else:
            shadow = self.shadow

        field_dict: dict[str, Any] = {}
        field_dict.update(self.additional_properties)
        field_dict.update(
            {
                "status": status,
                "model": model,
                "error": error,
                "refused": refused,
                "queued": queued,
            }
        )
        if second_model is not UNSET:
            field_dict["second_model"] = second_model
        if shadow is not UNSET:
            field_dict["shadow"] = shadow

        return field_dict

    @classmethod
    def from_dict(cls: type[T], src_dict: Mapping[str, Any]) -> T:
        from ..models.refused_version import RefusedVersion  # noqa: PLC0415
        from ..models.served_model import ServedModel  # noqa: PLC0415
        from ..models.shadowed import Shadowed  # noqa: PLC0415

        d = dict(src_dict)
        status = HealthStatus(d.pop("status"))

        def _parse_model(data: object) -> None | ServedModel:
            if data is None:
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                model_type_0 = ServedModel.from_dict(data)

                return model_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | ServedModel, data)

        model = _parse_model(d.pop("model"))

        def _parse_error(data: object) -> None | str:
            if data is None:
                return data
            return cast(None | str, data)

        error = _parse_error(d.pop("error"))

        refused = []
        _refused = d.pop("refused")
        for refused_item_data in _refused:
            refused_item = RefusedVersion.from_dict(refused_item_data)

            refused.append(refused_item)

        queued = d.pop("queued")

        def _parse_second_model(data: object) -> None | ServedModel | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                second_model_type_0 = ServedModel.from_dict(data)

                return second_model_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | ServedModel | Unset, data)

        second_model = _parse_second_model(d.pop("second_model", UNSET))

        def _parse_shadow(data: object) -> None | Shadowed | Unset:
            if data is None:
                return data
            if isinstance(data, Unset):
                return data
            try:
                if not isinstance(data, dict):
                    raise TypeError()
                shadow_type_0 = Shadowed.from_dict(data)

                return shadow_type_0
            except (TypeError, ValueError, AttributeError, KeyError):
                pass
            return cast(None | Shadowed | Unset, data)

        shadow = _parse_shadow(d.pop("shadow", UNSET))

        health = cls(
            status=status,
            model=model,
            error=error,
            refused=refused,
            queued=queued,
            second_model=second_model,
            shadow=shadow,
        )

        health.additional_properties = d
        return health

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
