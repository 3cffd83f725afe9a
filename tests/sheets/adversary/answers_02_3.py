from tests.sheets.adversary.answers_02 import RIGHT as _R
from tests.sheets.adversary.answers_02 import WRONG as _W

WRONG, RIGHT = _W["3"], _R["3"]
