"""FastAPI as its documentation teaches: SQLAlchemy's async ORM on asyncpg, pydantic models, dependencies."""
