/** Gives back to the system what the C library keeps of freed memory. */
import koffi from 'koffi'

/** Milliseconds at most. Does nothing where the C library is not glibc. */
export function trim(): void {
  try {
    const release: (keep: number) => number = koffi.load(null).func('int malloc_trim(size_t)')
    release(0)
  } catch {
    // Another C library keeps less; there is nothing to be given back.
  }
}
