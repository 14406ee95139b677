"""Networks, data, training, evaluation and export. Writes artifacts; knows nothing of the service."""
