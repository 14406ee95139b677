"""The contract between training, which writes model artifacts, and the service, which reads them."""

__version__ = "0.2.0"  # of the whole project; pyproject.toml, the service and the deployments read or follow it
