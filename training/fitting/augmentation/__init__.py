"""What a network is shown of its images: turned, in other light, on other backgrounds, composed."""
