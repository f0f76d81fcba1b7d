"""optlab: optimization theory you can run.

A method reads like its paper's pseudo-code, a problem knows its constants exactly, a theorem is an object beside the
method it speaks about, and ``verify`` confronts the three. Everything loads on first use.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = "0.1.0"
