"""The inference web service: photos in, species out."""
