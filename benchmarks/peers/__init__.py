"""The same API, as far as it is measured, written as others write it. All take the project's tables and its tokens."""
