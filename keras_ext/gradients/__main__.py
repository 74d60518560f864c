"""``python -m keras_ext.gradients MODEL.keras``: see ``command``."""

import sys

from keras_ext.gradients.command import main

if __name__ == "__main__":
    sys.exit(main())
