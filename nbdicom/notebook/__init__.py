"""Views for notebooks: pictures.  Tables need no module here; every object that is shown makes its own."""

from nbdicom.notebook.figures import show

__all__ = ["show"]
