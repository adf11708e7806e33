"""How much of this machine's documentation the tests' demo site is built of."""

from typing import Final

SITE_MODULES: Final = 32
SITE_DOCUMENTS: Final = 40
