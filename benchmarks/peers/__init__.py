"""The measured part of the API in other frameworks, with the project's tables and tokens."""
