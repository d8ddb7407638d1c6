"""Has glibc keep memory that was freed: a training step takes and frees the same large tensors again and again.

They are of many sizes, and what is taken in between leaves holes that none of them fits: the heap would grow to several
times what is in use. So now and then all that is free goes back to the system.
"""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # of glibc's malloc.h
KEPT_BYTES = 2**30
STEPS_KEPT = 32  # the step after giving back takes all its memory anew: a tenth longer


def keep_freed_memory() -> None:
    """Else each step pays for the page faults of all its tensors: a tenth of its time on a CPU. Not glibc: nothing."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, KEPT_BYTES)
        mallopt(M_TRIM_THRESHOLD, KEPT_BYTES)


def give_back_after(step: int) -> None:
    """Every so many steps give the system what is free, in the middle of the heap too. Not glibc: nothing."""
    malloc_trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if malloc_trim is not None and step % STEPS_KEPT == 0:
        malloc_trim(0)
