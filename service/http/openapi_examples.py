"""Real answers, for the OpenAPI document."""

from typing import Any

from models_store import __version__

_NAMES = (
    "Black-grass",
    "Charlock",
    "Cleavers",
    "Common Chickweed",
    "Common wheat",
    "Fat Hen",
    "Loose Silky-bent",
    "Maize",
    "Scentless Mayweed",
    "Shepherds Purse",
    "Small-flowered Cranesbill",
    "Sugar beet",
)
_SHARES = (0.0, 0.0000002, 0.0000007, 0.0000003, 0.0001251, 0.0002302, 0.0000224, 0.9995109, 0.0000001, 0.0, 0.0000131, 0.000097)
_IMAGE = "UklGRh4AAABXRUJQVlA4TBEAAAAvD8ADAAdQxnoUpf+BiOh/AAA="  # a green square as WebP, in base64
_MODEL = {"name": "seedlings", "version": "3"}
ANSWER = {
    "answer": {"rank": "species", "name": "Maize", "probability": 0.9995109},
    "species": "Maize",
    "scientific_name": "Zea mays",
    "eppo_code": "ZEAMX",
    "probability": 0.9995109,
    "group": "crop",
    "confident": True,
    "threshold": 0.9774686,
    "promise": 0.99,
    "familiar": True,
    "ood_score": 14.21,
    "ood_limit": 18.96,
    "crop": [504, 0, 3024, 3024],
    "probabilities": dict(zip(_NAMES, _SHARES, strict=True)),
    "model": _MODEL,
}
PROBLEM = {
    "type": "urn:seedlings:undecodable-image",
    "title": "The image cannot be decoded",
    "status": 422,
    "detail": "the image cannot be decoded: image file is truncated",
}
SCHEMAS: dict[str, Any] = {  # by the name of the schema
    "Answer": ANSWER,
    "Problem": PROBLEM,
    "ReviewDecision": {"decision": "accept", "version": 1, "reviewer": "Ada"},
    "PredictionBatch": {"results": [{"file": "maize.jpg", "prediction": ANSWER}, {"file": "broken.jpg", "problem": PROBLEM}]},
    "Saliency": {
        "species": "Maize",
        "probability": 0.9995109,
        "crop": [504, 0, 3024, 3024],
        "shape": [2, 3],
        "heat_map": [[0.0, 0.41, 0.02], [0.13, 1.0, 0.27]],
        "model": _MODEL,
    },
    "SpeciesList": {
        "model": _MODEL,
        "threshold": 0.9774686,
        "threshold_reason": None,
        "thresholds": {"species": 0.9774686, "kind": 0.9847639, "group": 0.9961205},
        "promise": 0.99,
        "training_images": 3264,
        "explainable": True,
        "second_model": {"name": "seedlings-field", "version": "2"},
        "segmenter": {"name": "seedlings-segmenter", "version": "14"},
        "species": [
            {
                "name": "Charlock",
                "scientific_name": "Sinapis arvensis",
                "eppo_code": "SINAR",
                "group": "weed",
                "kind": "broadleaf weed",
                "recall": 0.985,
                "test_images": 67,
            },
            {
                "name": "Maize",
                "scientific_name": "Zea mays",
                "eppo_code": "ZEAMX",
                "group": "crop",
                "kind": "grass crop",
                "recall": 0.974,
                "test_images": 38,
            },
        ],
    },
    "Health": {
        "status": "ready",
        "model": {
            "name": "seedlings",
            "version": "3",
            "network": "base",
            "species": 12,
            "created": "2026-11-26T12:01:41+00:00",
            "runtime": "onnxruntime",
        },
        "second_model": {
            "name": "seedlings-field",
            "version": "2",
            "network": "base",
            "species": 12,
            "created": "2026-11-26T09:54:16+00:00",
            "runtime": "torchscript",
        },
        "error": None,
        "refused": [],
        "queued": 0,
        "shadow": None,
    },
    "ServerMetadata": {"name": "seedlings", "version": __version__, "extensions": ["binary_tensor_data", "classification"]},
    "ModelMetadata": {
        "name": "seedlings",
        "versions": ["3"],
        "platform": "pytorch_torchscript",
        "inputs": [
            {"name": "images", "datatype": "UINT8", "shape": [-1, 3, 150, 150]},
            {"name": "encoded", "datatype": "BYTES", "shape": [-1]},
        ],
        "outputs": [
            {"name": "probabilities", "datatype": "FP32", "shape": [-1, 12]},
            {"name": "species", "datatype": "BYTES", "shape": [-1]},
            {"name": "confident", "datatype": "BOOL", "shape": [-1]},
            {"name": "answer", "datatype": "BYTES", "shape": [-1]},
            {"name": "answer_rank", "datatype": "BYTES", "shape": [-1]},
            {"name": "answer_probability", "datatype": "FP32", "shape": [-1]},
            {"name": "familiar", "datatype": "BOOL", "shape": [-1]},
            {"name": "ood_score", "datatype": "FP32", "shape": [-1]},
        ],
    },
    "InferRequest": {
        "id": "7",
        "inputs": [{"name": "encoded", "shape": [1], "datatype": "BYTES", "data": [_IMAGE]}],
        "outputs": [{"name": "probabilities", "parameters": {"classification": 1}}],
    },
    "InferResponse": {
        "model_name": "seedlings",
        "model_version": "3",
        "id": "7",
        "outputs": [{"name": "probabilities", "datatype": "BYTES", "shape": [1, 1], "data": ["0.999511:7:Maize"]}],
    },
    "ProtocolError": {"error": "there is no model 'roses'; there is 'seedlings'"},
}
PARAMETERS = {"name": "seedlings", "version": "3"}  # of paths
METRICS = """\
# HELP seedlings_predictions_total Answers by species
# TYPE seedlings_predictions_total counter
seedlings_predictions_total{species="Maize"} 17.0
"""
