"""Figures that notebooks show once."""

from __future__ import annotations

from io import BytesIO

import matplotlib.pyplot as plt
from matplotlib.figure import Figure


class ShownOnce(Figure):
    """A figure for `pyplot.figure(FigureClass=...)`, which a notebook shows as the value of a cell or at its end.

    A notebook shows all open figures at the end of a cell, after the value of the cell.
    """

    def _ipython_display_(self) -> None:
        from IPython.display import Image, display

        picture = BytesIO()
        self.savefig(picture, format="png", bbox_inches="tight")
        plt.close(self)
        display(Image(picture.getvalue()))
