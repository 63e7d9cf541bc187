"""The rules of tokens, pure: what is decided, never when or where it is done."""
