"""Made by scripts/generate_client.py from the OpenAPI document; do not edit."""
