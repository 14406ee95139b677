"""`python -m training` with the network `tiny` among those a recipe can name; a script, since Fabric starts it anew for each device."""

import sys

from tests.training.conftest import Tiny
from training import networks
from training.__main__ import main

if __name__ == "__main__":
    networks.NETWORKS["tiny"] = Tiny
    sys.exit(main())
