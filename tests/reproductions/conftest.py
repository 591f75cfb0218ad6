import sys
from pathlib import Path

# The claims are run from the repository, and are no part of what is installed.
sys.path.insert(0, str(Path(__file__).parents[2]))
