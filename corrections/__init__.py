"""What people say about photos: tables, migrations, photo files. Below service and training, which both use it."""
