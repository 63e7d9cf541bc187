"""Acts on what the kernel decides: commit first, then invoke, send, wake."""
