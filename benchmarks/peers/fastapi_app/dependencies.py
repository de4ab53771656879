"""The database session, and the user of a valid access token."""

import hashlib
import os
import secrets
from datetime import UTC, datetime, timedelta
from typing import Annotated

import jwt
from fastapi import Depends, HTTPException
from fastapi.security import OAuth2PasswordBearer
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

from benchmarks.peers.fastapi_app.models import User

KEY = os.environ["SECRET_KEY"]
engine = create_async_engine(
    URL.create(
        "postgresql+asyncpg",
        username=os.environ["DB_USER"],
        password=os.environ["DB_PASSWORD"] or None,
        host=os.environ["DB_HOST"],
        port=int(os.environ["DB_PORT"]),
        database=os.environ["DB_NAME"],
    ),
    # The default of 5 would open and close connections under load. With a larger pool, the servers of the benchmark
    # together would exceed PostgreSQL's limit of 100 connections.
    pool_size=10,
    max_overflow=0,
)
new_session = async_sessionmaker(engine, expire_on_commit=False)
bearer = OAuth2PasswordBearer(tokenUrl="api/auth/login/")


async def get_session():
    async with new_session() as session:
        yield session


Session = Annotated[AsyncSession, Depends(get_session)]


def unauthorized(detail):
    return HTTPException(401, detail, {"WWW-Authenticate": "Bearer"})


def claim_of(user):
    return hashlib.md5(user.password.encode(), usedforsecurity=False).hexdigest().upper()


async def get_current_user(token: Annotated[str, Depends(bearer)], session: Session) -> User:
    try:
        claims = jwt.decode(token, KEY, ["HS256"])
    except jwt.InvalidTokenError:
        raise unauthorized("Could not validate credentials") from None
    user = await session.get(User, int(claims["user_id"])) if claims.get("token_type") == "access" else None
    if user is None or not user.is_active or claims.get("hash_password") != claim_of(user):
        raise unauthorized("Could not validate credentials")
    return user


CurrentUser = Annotated[User, Depends(get_current_user)]


def issue(kind, user, lifetime: timedelta):
    now = datetime.now(UTC)
    claims = {"token_type": kind, "exp": now + lifetime, "iat": now, "jti": secrets.token_hex(16)}
    return jwt.encode({**claims, "user_id": str(user.id), "hash_password": claim_of(user)}, KEY, "HS256")
