"""The contract between training, which writes model artifacts, and the service, which reads them."""
