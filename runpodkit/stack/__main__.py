"""`python -m runpodkit.stack HOME`: end the stack of this home if nobody has used it for a day.  The keeper's last act."""

from __future__ import annotations

import sys
import time

from runpodkit.settings import Settings
from runpodkit.stack import down_if_unused

if __name__ == "__main__":
    down_if_unused(Settings(RUNPODKIT_HOME=sys.argv[1]), now_s=time.time())
