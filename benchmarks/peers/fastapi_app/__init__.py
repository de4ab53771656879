"""FastAPI as its documentation recommends: SQLAlchemy's async ORM on asyncpg, pydantic models, dependencies."""
